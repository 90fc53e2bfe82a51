//! Recordings: that they are stable, that they compare as models do, and what is said of those
//! that are of no use.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use netparity::{
    language::{Scenario, parse},
    recording::Recording,
    run::{End, Keep, Played, play, record},
    source::{self, Source},
};
use netparity_core::{
    model::{NetworkModel, Planned},
    parity::{Difference, Observation},
};
use netparity_sim::Sim;
use tempfile::TempDir;

const NETPARITY: &str = env!("CARGO_BIN_EXE_netparity");

fn scenarios() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).to_owned();
    let sources = source::read_all(&[folder]).unwrap();
    sources.iter().map(|it| parse(it).unwrap()).collect()
}

fn sim(scenario: &Scenario) -> Box<dyn NetworkModel> {
    Box::new(Planned::of(scenario.engine, Sim::new()))
}

fn recorded(scenario: &Scenario) -> Recording {
    record(scenario, sim(scenario)).unwrap().0
}

fn played(scenario: &Scenario, recording: &Recording) -> Played {
    play(
        scenario,
        &mut [sim(scenario)],
        std::slice::from_ref(recording),
        Keep::Shown,
    )
}

#[test]
fn a_recording_is_the_same_each_time_and_reads_as_it_was_written() {
    for scenario in scenarios() {
        let text = recorded(&scenario).to_string();
        assert!(text == recorded(&scenario).to_string(), "{}", scenario.path);
        let read: Recording = text.parse().unwrap();
        assert!(read == recorded(&scenario), "{}", scenario.path);
        assert_eq!(read.first_other_step(&scenario), None);
    }
}

/// That the simulator does the same is for the suite to see.
#[test]
fn every_scenario_has_a_recording_of_docker_and_every_recording_a_scenario() {
    let scenarios = scenarios();
    let of_docker = scenarios.iter().filter(|it| it.engine.is_of_docker());
    let expected: BTreeSet<_> = of_docker.map(|it| Recording::path(it, "docker")).collect();
    let folders = ["recordings", "findings/recordings"];
    let folders = folders.map(|it| Path::new(env!("CARGO_MANIFEST_DIR")).join(it));
    let found: BTreeSet<_> = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn who_does_the_same_as_its_recording_passes() {
    for scenario in scenarios() {
        let recording = recorded(&scenario);
        assert_eq!(
            played(&scenario, &recording).end,
            play(
                &scenario,
                &mut [sim(&scenario), sim(&scenario)],
                &[],
                Keep::Shown
            )
            .end,
        );
    }
}

/// Every kind of line that can say something else, and the step at which it then differs.
#[test]
fn a_change_of_any_line_is_found_at_its_step() {
    let text = "dockerd --icc=false\n\
                docker run -d --name db --expose 80 image\n\
                docker run -d --name web --link db:db image\n\
                listen db 80/tcp\n\
                probe web tcp db:80\n\
                probe web tcp db:81 => dropped\n\
                ! docker rm web\n\
                docker stop db\n";
    let scenario = scenario(text);
    let recording = recorded(&scenario).to_string();
    let mut step = 0;
    let mut counts = BTreeMap::new();
    for (at, line) in recording.lines().enumerate().skip(1) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let other = match word {
            ">" => {
                step += 1;
                continue;
            }
            "" | "frame" | "end" => continue,
            "done" => "refused No such device".to_owned(),
            "verdict" => "verdict ttl-exceeded".to_owned(),
            // The last byte.
            "is" if line.ends_with('0') => format!("{}1", &line[..line.len() - 1]),
            "is" => format!("{}0", &line[..line.len() - 1]),
            "seen" => String::new(),
            "refused" | "dropped" => format!("{word} of it"),
            "now" if line.ends_with('=') => format!("{line} more"),
            "now" => format!("{line}, and more"),
            "gone" => format!("now {rest} = here"),
            _ => panic!("an untried line: {line}"),
        };
        *counts.entry(word).or_insert(0) += 1;
        let mut lines: Vec<&str> = recording.lines().collect();
        lines[at] = &other;
        let changed: Recording = lines.join("\n").parse().unwrap();
        match played(&scenario, &changed).end {
            End::Differs {
                step: found,
                models: [0, 1],
                ..
            } => assert_eq!(found + 1, step, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
    let tried: Vec<_> = counts.keys().copied().collect();
    assert_eq!(
        tried,
        [
            "done", "dropped", "gone", "is", "now", "refused", "seen", "verdict"
        ]
    );
}

#[test]
fn the_difference_is_that_of_a_model() {
    let scenario = scenario("docker run -d --name web image\nprobe web icmp host\n");
    let mut recording = recorded(&scenario);
    let Some(Observation::Sent(trace)) = recording.steps.last_mut().map(|it| &mut it.observation)
    else {
        panic!("no probe")
    };
    trace.frames.pop();
    let End::Differs { difference, .. } = played(&scenario, &recording).end else {
        panic!("no difference")
    };
    let Difference::Frames(frames) = *difference else {
        panic!("no frame differs")
    };
    assert_eq!(frames.tap.to_string(), "web/eth0 in");
    assert!(frames.left.is_some() && frames.right.is_none());
}

#[test]
fn a_recording_goes_on_where_the_model_does_not_do_what_was_expected() {
    let scenario = scenario(
        "docker run -d --name web image\nprobe web icmp host => dropped\ndocker stop web\n",
    );
    let (recording, end) = record(&scenario, sim(&scenario)).unwrap();
    assert!(matches!(end, End::Failed { step: 2, .. }), "{end:?}");
    assert_eq!(recording.steps.len(), 4);
}

fn scenario(text: &str) -> Scenario {
    let source = Source {
        path: "it.scenario".into(),
        text: text.into(),
    };
    parse(&source).unwrap_or_else(|mistakes| panic!("{}", mistakes[0]))
}

#[test]
fn what_is_no_recording_is_told_by_its_line() {
    let good = recorded(&scenario(
        "docker run -d --name web image\nprobe web icmp host\n",
    ))
    .to_string();
    let mut told = String::new();
    let mut tell = |text: &str| {
        let error = text.parse::<Recording>().unwrap_err();
        told += &format!("{error}\n");
    };
    tell("");
    tell("<html>\n");
    tell(&good.replace("recording 1", "recording 2"));
    tell(&good.replace("\nend", ""));
    tell(&good.replace("\nend", "\nend\n> docker stop web"));
    tell(&good.replacen("> ", "", 1));
    tell(&good.replacen("verdict reply", "verdict maybe", 1));
    tell(&good.replacen("verdict reply\n", "", 1));
    tell(&good.replacen("done", "", 1));
    tell(&good.replacen("done", "done\ndone", 1));
    tell(&good.replacen("seen 1", "seen 9", 1));
    tell(&good.replacen("seen 1 out", "seen 1 up", 1));
    tell(&good.replacen("is broadcast", "is \\x", 1));
    tell(&good.replacen("0800", "080g", 1));
    tell(&good.replacen(" = true", "", 1));
    tell(&good.replacen("now ", "later ", 1));
    insta::with_settings!({omit_expression => true}, {
        insta::assert_snapshot!(told);
    });
}

struct Ran {
    status: i32,
    out: String,
    err: String,
}

fn netparity(arguments: &[&str], path: &Path) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(NETPARITY)
        .args(arguments)
        .arg(path)
        .env_remove("NETPARITY_REQUIRE")
        .output()
        .unwrap();
    Ran {
        status: status.code().unwrap(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

const GOOD: &str = "docker run -d --name one base\nprobe one icmp host => reply\n";

/// A folder with a scenario, and a recording that the simulator made and that claims to be
/// Docker's.
fn folder(text: &str) -> (TempDir, PathBuf, PathBuf) {
    let folder = TempDir::new().unwrap();
    let scenario = folder.path().join("one.scenario");
    fs::write(&scenario, text).unwrap();
    let ran = netparity(&["record", "--on", "sim"], &scenario);
    assert_eq!(ran.status, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.starts_with("recorded "), "{}", ran.out);
    let recordings = folder.path().join("recordings");
    let (made, claimed) = (
        recordings.join("one.sim.txt"),
        recordings.join("one.docker.txt"),
    );
    let recording = fs::read_to_string(&made).unwrap();
    fs::write(&claimed, recording.replace("1 of sim", "1 of docker")).unwrap();
    fs::remove_file(made).unwrap();
    (folder, scenario, claimed)
}

#[test]
fn a_recording_stands_in_for_its_model_and_the_report_says_so() {
    let (_folder, scenario, recording) = folder(GOOD);
    let ran = netparity(&["run", "--on", "sim"], &scenario);
    assert_eq!(ran.status, 0, "{}", ran.out);
    assert!(ran.out.contains("sim, docker (recorded)"), "{}", ran.out);
    let ran = netparity(&["run", "--on", "docker", "--recorded"], &scenario);
    assert_eq!(ran.status, 0, "{}", ran.out);
    assert!(ran.out.contains("  docker (recorded)  "), "{}", ran.out);

    let text = fs::read_to_string(&recording).unwrap();
    let changed = text.replace("verdict reply", "verdict dropped");
    fs::write(&recording, &changed).unwrap();
    let ran = netparity(&["run", "--on", "sim"], &scenario);
    assert_eq!(ran.status, 1);
    assert!(ran.out.starts_with("differ "), "{}", ran.out);
    assert!(ran.out.contains("one.scenario:2: probe"), "{}", ran.out);
    assert!(
        ran.out.contains("docker (recorded)  dropped"),
        "{}",
        ran.out
    );
    // What the scenario says is judged too.
    let ran = netparity(&["run", "--on", "docker", "--recorded"], &scenario);
    assert_eq!(ran.status, 1);
    assert!(ran.out.starts_with("fail "), "{}", ran.out);
}

#[test]
fn a_dockerd_that_is_not_there_is_stood_in_for_unless_it_is_required() {
    let (_folder, scenario, _) = folder(GOOD);
    let run = ["run", "--on", "sim,docker", "--dockerd", "/nonexistent"];
    let ran = netparity(&run, &scenario);
    assert_eq!(ran.status, 0, "{}", ran.out);
    assert!(ran.out.contains("sim, docker (recorded)"), "{}", ran.out);
    let said = "docker was not run but recorded (1 of 1): ";
    assert!(ran.out.contains(said), "{}", ran.out);
    let ran = netparity(&[&run[..], &["--require", "docker"]].concat(), &scenario);
    assert_eq!(ran.status, 3, "{}", ran.out);
    let said = "docker is required and was not run but recorded (1 of 1): ";
    assert!(ran.out.contains(said), "{}", ran.out);
}

#[test]
fn a_model_without_a_recording_is_skipped() {
    let (_folder, scenario, recording) = folder(GOOD);
    fs::remove_file(recording).unwrap();
    let run = ["run", "--on", "sim,docker", "--recorded"];
    let ran = netparity(&run, &scenario);
    assert_eq!(ran.status, 0, "{}", ran.out);
    assert!(ran.out.contains("sim (docker skipped)"), "{}", ran.out);
    assert!(
        ran.out
            .contains("there is no recording: netparity record --on docker"),
        "{}",
        ran.out
    );
    let ran = netparity(&[&run[..], &["--require", "docker"]].concat(), &scenario);
    assert_eq!(ran.status, 3, "{}", ran.out);
}

#[test]
fn a_recording_of_no_use_fails_the_scenario() {
    let (_folder, scenario, recording) = folder(GOOD);
    let good = fs::read_to_string(&recording).unwrap();
    for (text, said) in [
        ("", "it has no end"),
        (
            "recording 1 of docker\n\nend\n",
            "of another version of this scenario: record it again",
        ),
        (
            &*good.replace("1 of docker", "1 of kernel"),
            "it is one of kernel",
        ),
        (
            &*good.replace("done", "doen"),
            "line 4: no such line in a recording: doen",
        ),
    ] {
        fs::write(&recording, text).unwrap();
        let ran = netparity(&["run", "--on", "sim"], &scenario);
        assert_eq!(ran.status, 1, "{text}");
        assert!(ran.out.starts_with("fail "), "{}", ran.out);
        assert!(ran.out.contains("one.docker.txt: "), "{}", ran.out);
        assert!(ran.out.contains(said), "{}", ran.out);
    }
    fs::write(&recording, b"caf\xe9").unwrap();
    let ran = netparity(&["run", "--on", "sim"], &scenario);
    assert_eq!(ran.status, 1);
    assert!(ran.out.contains("UTF-8"), "{}", ran.out);
}

#[test]
fn a_recording_of_another_version_is_noticed_at_the_first_new_line() {
    let (_folder, scenario, _) = folder(GOOD);
    // Looks, comments and white space are nothing that a model does.
    let looked = "# A title\ndocker run  -d --name one base\nshow host ip\n\
                  probe one icmp host    => reply # as before\n";
    fs::write(&scenario, looked).unwrap();
    assert_eq!(netparity(&["run", "--on", "sim"], &scenario).status, 0);
    for (text, line) in [
        (
            "docker run -d --name one base\nprobe one icmp host\n",
            ":2: probe",
        ),
        ("docker run -d --name one base\n", ":1: docker"),
        (&*format!("{GOOD}docker stop one\n"), ":3: docker stop"),
        (&*format!("dockerd --icc=false\n{GOOD}"), ":1: dockerd"),
    ] {
        fs::write(&scenario, text).unwrap();
        let ran = netparity(&["run", "--on", "sim"], &scenario);
        assert_eq!(ran.status, 1, "{text}");
        assert!(ran.out.contains(line), "{}", ran.out);
        assert!(ran.out.contains("record it again"), "{}", ran.out);
    }
}

/// Where the kernel can be had.
#[test]
fn the_kernel_does_the_same_each_time() {
    let folder = TempDir::new().unwrap();
    for name in ["redis-webapp-link", "masquerade", "fragments"] {
        let file = format!("{name}.scenario");
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
        fs::copy(from, folder.path().join(file)).unwrap();
    }
    let record = || netparity(&["record", "--on", "kernel"], folder.path());
    let first = record();
    let required = std::env::var("NETPARITY_REQUIRE").unwrap_or_default();
    if first.status == 3 && !required.contains("kernel") {
        assert!(first.err.contains("kernel cannot run: "), "{}", first.err);
        return;
    }
    assert_eq!(first.out.matches("recorded ").count(), 3, "{}", first.out);
    let second = record();
    assert_eq!(
        second.out.matches("as before ").count(),
        3,
        "{}",
        second.out
    );
    let ran = netparity(&["run", "--on", "sim"], folder.path());
    assert_eq!(ran.status, 0, "{}", ran.out);
    assert_eq!(ran.out.matches("sim, kernel (recorded)").count(), 3);
}

#[test]
fn what_cannot_be_recorded_is_said() {
    let (_folder, scenario, recording) = folder(GOOD);
    let before = fs::read(&recording).unwrap();
    let lacking = ["record", "--on", "docker", "--dockerd", "/nonexistent"];
    let ran = netparity(&lacking, &scenario);
    assert_eq!(ran.status, 3);
    assert!(ran.err.contains("docker cannot run: "), "{}", ran.err);
    assert_eq!(fs::read(&recording).unwrap(), before);
    let ran = netparity(&["record", "--on", "sim,docker"], &scenario);
    assert_eq!(ran.status, 2, "one model at a time");

    fs::write(&scenario, GOOD.replace("reply", "dropped")).unwrap();
    let ran = netparity(&["record", "--on", "sim"], &scenario);
    assert_eq!(ran.status, 1);
    assert!(ran.out.starts_with("recorded "), "{}", ran.out);
    assert!(ran.out.contains("expected dropped: reply"), "{}", ran.out);

    let recordings = scenario.with_file_name("recordings");
    fs::remove_dir_all(&recordings).unwrap();
    fs::write(&recordings, "in the way").unwrap();
    let ran = netparity(&["record", "--on", "sim"], &scenario);
    assert_eq!(ran.status, 3);
    assert!(ran.out.contains("cannot be written"), "{}", ran.out);
}
