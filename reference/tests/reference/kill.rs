//! `kill -9`, at any moment.

#![allow(
    clippy::zombie_processes,
    reason = "wait_for_all reaps whatever there is"
)]

use std::{
    env, fs,
    process::{self, Stdio},
    thread,
    time::Duration,
};

use netparity_core::command::{Command, DaemonConfig};
use netparity_reference::{Access, Docker, Options};
use nix::{
    errno::Errno,
    sys::{
        prctl::set_child_subreaper,
        signal::{Signal, kill},
        wait::wait,
    },
    unistd::Pid,
};

use crate::{
    Tests, run, spec, start,
    traces::{Machine, cgroups, processes},
};

pub const TESTS: Tests = &[
    (
        "kill_9_at_fifty_moments_leaves_nothing",
        kill_9_at_fifty_moments_leaves_nothing,
    ),
    (
        "a_killed_guardian_leaves_only_what_the_next_start_removes",
        a_killed_guardian_leaves_only_what_the_next_start_removes,
    ),
];

/// The argument with which this program is a victim.
pub const DRIVE: &str = "drive";

/// Starts dockerd and containers until it is killed.
pub fn drive(access: Access) -> ! {
    for round in 0.. {
        let mut docker = Docker::start(&access, &Options::default()).unwrap();
        docker
            .command(&Command::Daemon(DaemonConfig::default()))
            .unwrap();
        run(&mut docker, spec("db"));
        println!("running");
        run(&mut docker, spec("web"));
        docker.command(&Command::Restart("db".into())).unwrap();
        if round % 2 == 0 {
            docker
                .command(&Command::Daemon(DaemonConfig::default()))
                .unwrap();
        }
    }
    process::exit(0)
}

fn victim() -> process::Child {
    process::Command::new(env::current_exe().unwrap())
        .arg(DRIVE)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn kill_9(pid: u32) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
}

/// Waits for every process below this one, orphans included, and says which came to their end
/// as our own children.
fn wait_for_all() -> Vec<i32> {
    let mut ended = Vec::new();
    loop {
        match wait() {
            Ok(status) => ended.extend(status.pid().map(Pid::as_raw)),
            Err(Errno::ECHILD) => return ended,
            Err(errno) => panic!("wait: {errno}"),
        }
    }
}

/// Folders that one of these processes made.
fn cgroups_of(owners: &[i32]) -> Vec<String> {
    let is_theirs = |name: &String| {
        owners
            .iter()
            .any(|owner| name.starts_with(&format!("netparity-{owner}-")))
    };
    cgroups().into_iter().filter(is_theirs).collect()
}

fn kill_9_at_fifty_moments_leaves_nothing(_: Access) {
    /// About as long as a round of the victim's takes.
    const SPAN: f64 = 2.0;
    // What is orphaned below here becomes our child: when there are none, nothing is left.
    set_child_subreaper(true).unwrap();
    let before = Machine::now();
    let mut orphans = 0;
    for moment in 0..25_u32 {
        // Two at a time, at moments that spread evenly over the span (the golden ratio's multiples).
        let delays = [2 * moment, 2 * moment + 1]
            .map(|number| Duration::from_secs_f64((f64::from(number) * 0.618_034).fract() * SPAN));
        let victims = delays.map(|delay| {
            thread::spawn(move || {
                let victim = victim();
                // Not a wait for anything: it is the moment.
                thread::sleep(delay);
                kill_9(victim.id());
            })
        });
        for victim in victims {
            victim.join().unwrap();
        }
        let ended = wait_for_all();
        orphans += ended.len() - 2;
        assert_eq!(cgroups_of(&ended), [""; 0], "{delays:?}");
        assert_eq!(Machine::now(), before, "{delays:?}");
    }
    assert!(
        orphans >= 25,
        "only {orphans} of 50 victims had a guardian to be killed under"
    );
    set_child_subreaper(false).unwrap();
}

fn a_killed_guardian_leaves_only_what_the_next_start_removes(access: Access) {
    use std::io::{BufRead, BufReader};
    set_child_subreaper(true).unwrap();
    let before = Machine::now();
    let mut victim = victim();
    let mut line = String::new();
    BufReader::new(victim.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "running\n");
    let guardian = processes()
        .find(|pid| parent(*pid) == Some(victim.id()))
        .unwrap();
    kill_9(guardian);
    kill_9(victim.id());
    let ended = wait_for_all();
    set_child_subreaper(false).unwrap();
    assert_eq!(Machine::now(), before);
    assert_eq!(cgroups_of(&ended).len(), 1);
    drop(start(access));
    assert_eq!(cgroups_of(&ended), [""; 0]);
}

fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}
