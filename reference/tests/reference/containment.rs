//! Starting and ending, as it should be and where it cannot be.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, thread};

use netparity_core::{
    command::{BridgeChoice, Command, DaemonConfig},
    name::Netns,
};
use netparity_reference::{Access, Docker, Options};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    Tests, broken, isolated, refused, run, spec, start,
    traces::{Machine, Traces},
};

pub const TESTS: Tests = &[
    ("ten_in_a_row_leave_nothing", ten_in_a_row_leave_nothing),
    ("three_live_side_by_side", three_live_side_by_side),
    (
        "a_daemon_that_cannot_start_has_last_words",
        a_daemon_that_cannot_start_has_last_words,
    ),
    (
        "what_is_no_dockerd_or_too_old_is_unavailable",
        what_is_no_dockerd_or_too_old_is_unavailable,
    ),
    (
        "a_daemon_that_dies_breaks_the_model",
        a_daemon_that_dies_breaks_the_model,
    ),
    (
        "a_daemon_that_hangs_is_given_up_in_the_end",
        a_daemon_that_hangs_is_given_up_in_the_end,
    ),
    (
        "a_containerd_is_kept_while_it_lives",
        a_containerd_is_kept_while_it_lives,
    ),
];

fn ten_in_a_row_leave_nothing(access: Access) {
    let before = Machine::now();
    for _ in 0..10 {
        let mut docker = isolated(access);
        run(&mut docker, spec("db"));
        let traces = Traces::of(&docker);
        assert!(traces.processes.len() > 4, "{traces:?}");
        drop(docker);
        traces.assert_gone();
        assert_eq!(Machine::now(), before);
    }
}

fn three_live_side_by_side(access: Access) {
    let make = move || {
        let mut docker = isolated(access);
        run(&mut docker, spec("db"));
        docker
    };
    let three: Vec<_> = (0..3).map(|_| thread::spawn(make)).collect();
    let mut three: Vec<Docker> = three.into_iter().map(|it| it.join().unwrap()).collect();
    let traces: Vec<Traces> = three.iter().map(Traces::of).collect();
    assert!(traces[0].netns != traces[1].netns && traces[1].netns != traces[2].netns);
    drop(three.remove(1));
    traces[1].assert_gone();
    for docker in &mut three {
        run(docker, spec("web"));
        let containers = docker.containers().unwrap();
        assert!(containers[&"db".into()].hosts.contains("\n172.17.0.1\t"));
        assert!(containers[&"web".into()].hosts.contains("\n172.17.0.2\t"));
    }
}

fn a_daemon_that_cannot_start_has_last_words(access: Access) {
    let mut docker = start(access);
    let config = DaemonConfig {
        bridge: BridgeChoice::Existing("nosuch0".parse().unwrap()),
        ..DaemonConfig::default()
    };
    assert_eq!(
        refused(&mut docker, Command::Daemon(config)),
        "failed to start daemon: Error initializing network controller: Error creating default \
         \"bridge\" network: bridge device with non default name nosuch0 must be created manually"
    );
    assert_eq!(
        refused(&mut docker, Command::Run(spec("db"))),
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. \
         Is the docker daemon running?"
    );
    assert!(docker.containers().unwrap().is_empty());
    docker
        .command(&Command::Daemon(DaemonConfig::default()))
        .unwrap();
    run(&mut docker, spec("db"));
}

/// A program that pretends to be a dockerd.
fn pretender(name: &str, script: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("netparity-{name}-{}", std::process::id()));
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn what_is_no_dockerd_or_too_old_is_unavailable(access: Access) {
    let why = |dockerd: PathBuf| {
        let options = Options {
            dockerd: Some(dockerd),
        };
        Docker::check(&access, &options).unwrap_err().to_string()
    };
    let old = pretender("old", "echo Docker version 19.03.15, build 99e3ed8");
    let text = why(old.clone());
    assert!(
        text.contains("too old") && text.contains("apt-get install docker.io"),
        "{text}"
    );
    fs::remove_file(old).unwrap();

    let text = why("/nonexistent/dockerd".into());
    assert!(
        text.contains("No such file") && text.contains("apt-get install"),
        "{text}"
    );
    let text = why("/bin/true".into());
    assert!(text.contains("which is not dockerd's"), "{text}");

    let mute = pretender(
        "mute",
        "[ \"$1\" = --version ] && echo Docker version 20.10.24, build 5d6db84 && exit\n\
         echo a first word >&2; echo the last words >&2; exit 7",
    );
    let text = why(mute.clone());
    assert!(
        text.contains("the last words; it needs containerd"),
        "{text}"
    );
    fs::remove_file(mute).unwrap();
}

fn a_daemon_that_dies_breaks_the_model(access: Access) {
    let mut docker = isolated(access);
    run(&mut docker, spec("db"));
    let traces = Traces::of(&docker);
    let dockerd = Pid::from_raw(i32::try_from(traces.process("dockerd")).unwrap());
    kill(dockerd, Signal::SIGKILL).unwrap();
    let why = broken(&mut docker, Command::Stop("db".into()));
    assert!(why.contains("dockerd's log ends with:"), "{why}");
    // The host is still there, and so is a new daemon's way.
    docker.netns(&Netns::Host).unwrap();
    docker
        .command(&Command::Daemon(DaemonConfig::default()))
        .unwrap();
    drop(docker);
    traces.assert_gone();
}

/// The process of a containment that is called so.
fn process(docker: &Docker, name: &str) -> Pid {
    let process = Traces::of(docker).process(name);
    Pid::from_raw(i32::try_from(process).unwrap())
}

fn a_daemon_that_hangs_is_given_up_in_the_end(access: Access) {
    // Each takes as long as the safety net is wide, and so they do it side by side.
    let stopped = thread::spawn(move || {
        let mut docker = isolated(access);
        run(&mut docker, spec("db"));
        let traces = Traces::of(&docker);
        kill(process(&docker, "dockerd"), Signal::SIGSTOP).unwrap();
        let why = broken(&mut docker, Command::Stop("db".into()));
        drop(docker);
        traces.assert_gone();
        why
    });
    let check = move |name: &str, script: &str| {
        let dockerd = pretender(name, script);
        let options = Options {
            dockerd: Some(dockerd.clone()),
        };
        let why = Docker::check(&access, &options).unwrap_err().to_string();
        fs::remove_file(dockerd).unwrap();
        why
    };
    let silent = thread::spawn(move || check("silent", "sleep 1000"));
    let unready = thread::spawn(move || {
        let script = "[ \"$1\" = --version ] && echo Docker version 20.10.24, build 5d6db84 && exit\n\
                      echo about to begin >&2; sleep 1000";
        check("unready", script)
    });
    let why = stopped.join().unwrap();
    assert!(why.contains("did not answer within 30s"), "{why}");
    let why = silent.join().unwrap();
    assert!(why.contains("was not answered within 30 s"), "{why}");
    let why = unready.join().unwrap();
    assert!(
        why.contains("no sign within 30 s") && why.contains("about to begin"),
        "{why}"
    );
}

fn a_containerd_is_kept_while_it_lives(access: Access) {
    let mut docker = isolated(access);
    run(&mut docker, spec("db"));
    let before = process(&docker, "containerd");
    docker
        .command(&Command::Daemon(DaemonConfig::default()))
        .unwrap();
    let containerd = process(&docker, "containerd");
    assert_eq!(containerd, before, "it is kept");
    kill(containerd, Signal::SIGKILL).unwrap();
    assert!(docker.command(&Command::Start("db".into())).is_err());
    drop(docker);
    // And the next one works.
    run(&mut isolated(access), spec("db"));
}
