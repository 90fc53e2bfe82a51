//! The command, as a process: its exit statuses, and what it writes where.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

const NETPARITY: &str = env!("CARGO_BIN_EXE_netparity");

fn netparity(arguments: &[&str]) -> Command {
    let mut command = Command::new(NETPARITY);
    command.args(arguments).env_remove("NETPARITY_REQUIRE");
    command
}

struct Ran {
    status: i32,
    out: String,
    err: String,
}

fn ran(command: &mut Command) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    Ran {
        status: status.code().unwrap(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

fn file(folder: &TempDir, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

fn run_on_sim(path: &Path) -> Ran {
    ran(netparity(&["run", "--on", "sim"]).arg(path))
}

const GOOD: &str = "docker run -d --name one base\nprobe one icmp host => reply\n";
const WRONG: &str = "docker run -d --name one base\nprobe one icmp host => dropped\n";

#[test]
fn all_as_expected_is_0() {
    let folder = TempDir::new().unwrap();
    let ran = run_on_sim(&file(&folder, "good.scenario", GOOD));
    assert_eq!(ran.status, 0, "{}", ran.out);
    assert!(ran.out.starts_with("pass  "), "{}", ran.out);
    assert_eq!(ran.err, "", "no progress bar where nobody looks");
}

#[test]
fn a_failed_expectation_is_1_and_the_others_are_played() {
    let folder = TempDir::new().unwrap();
    file(&folder, "a.scenario", WRONG);
    file(&folder, "b.scenario", GOOD);
    let ran = run_on_sim(folder.path());
    assert_eq!(ran.status, 1);
    let words: Vec<_> = ran
        .out
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|word| !word.is_empty())
        .collect();
    assert_eq!(words, ["fail", "pass", "2"], "{}", ran.out);
}

#[test]
fn the_order_is_that_of_the_files_whatever_the_jobs() {
    let folder = TempDir::new().unwrap();
    for number in 10..40 {
        file(&folder, &format!("{number}.scenario"), GOOD);
    }
    for jobs in ["1", "2", "7", "100"] {
        let ran = ran(netparity(&["run", "--on=sim", "--jobs", jobs]).arg(folder.path()));
        let names: Vec<_> = ran
            .out
            .lines()
            .filter_map(|line| {
                line.strip_prefix("pass  ")?
                    .trim()
                    .get(..2)?
                    .parse::<i32>()
                    .ok()
            })
            .collect();
        assert_eq!(names, (10..40).collect::<Vec<_>>(), "{}", ran.out);
    }
}

#[test]
fn bad_input_is_2_and_nothing_is_played() {
    let folder = TempDir::new().unwrap();
    file(&folder, "good.scenario", GOOD);
    file(&folder, "other.txt", "no scenario");
    for (name, text) in [
        ("unknown.scenario", &b"dokcer run x\n"[..]),
        ("empty.scenario", b""),
        ("binary.scenario", b"\x7fELF\0\0"),
        ("latin.scenario", b"# caf\xe9\n"),
    ] {
        let path = file(&folder, name, text);
        for command in [&["run", "--on", "sim"][..], &["check"]] {
            let ran = ran(netparity(command).arg(folder.path()));
            assert_eq!(ran.status, 2, "{name}");
            assert_eq!(ran.out, "", "{name}");
            assert!(ran.err.contains(name), "{name}: {}", ran.err);
        }
        fs::remove_file(path).unwrap();
    }
    let missing = folder.path().join("nowhere");
    let ran = run_on_sim(&missing);
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("no such file or folder"), "{}", ran.err);
    let bare = folder.path().join("bare");
    fs::create_dir(&bare).unwrap();
    let ran = run_on_sim(&bare);
    assert_eq!(ran.status, 2);
    assert!(
        ran.err.contains("a folder without scenarios"),
        "{}",
        ran.err
    );
}

#[test]
fn every_mistake_of_every_file_is_told_at_once() {
    let folder = TempDir::new().unwrap();
    file(&folder, "a.scenario", "dokcer\nlisten x 80\n");
    file(&folder, "b.scenario", "docker run\n");
    let ran = ran(netparity(&["check"]).arg(folder.path()));
    assert_eq!(ran.status, 2);
    assert_eq!(ran.err.matches("error: ").count(), 3, "{}", ran.err);
}

#[test]
fn what_the_command_does_not_know_is_2() {
    for arguments in [
        &["run", "--on", "windows"][..],
        &["run", "--formt", "json"],
        &["run", "--format", "yaml"],
        &["run", "--jobs", "0"],
        &["run", "--require", "all"],
        &["bench", "--count", "1"],
        &["bench", "--count", "1001"],
        &["bench", "--rounds", "0"],
        &["bench", "--against", "podman"],
        &["bench", "--guard", "/nonexistent"],
        &["check"],
        &["play"],
        &[],
    ] {
        assert_eq!(ran(&mut netparity(arguments)).status, 2, "{arguments:?}");
    }
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "good.scenario", GOOD);
    let ran = ran(netparity(&["run"])
        .arg(path)
        .env("NETPARITY_REQUIRE", "all"));
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("NETPARITY_REQUIRE"), "{}", ran.err);
}

#[test]
fn check_says_how_many_there_are() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "good.scenario", GOOD);
    let ran = ran(netparity(&["check"]).arg(&path).arg(&path));
    assert_eq!(
        (ran.status, ran.out.as_str()),
        (0, "2 scenarios without a mistake\n")
    );
}

/// Too few descriptors for a namespace: there is no kernel model on any machine.
fn without_kernel(folder: &TempDir, more: &str, require: &str) -> Ran {
    let path = file(folder, "good.scenario", GOOD);
    let line = format!(
        "ulimit -n 8; exec '{NETPARITY}' run {more} '{}'",
        path.display()
    );
    ran(Command::new("sh")
        .args(["-c", &line])
        .env("NETPARITY_REQUIRE", require))
}

#[test]
fn a_model_that_cannot_run_is_skipped_and_said_so() {
    let folder = TempDir::new().unwrap();
    let ran = without_kernel(&folder, "", "");
    assert_eq!(ran.status, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("sim (kernel skipped)"), "{}", ran.out);
    assert!(
        ran.out.contains("kernel was skipped (1 of 1): "),
        "{}",
        ran.out
    );
    let ran = without_kernel(&folder, "--on kernel", "");
    assert_eq!(ran.status, 0);
    assert!(ran.out.starts_with("skip  "), "{}", ran.out);
    assert!(ran.out.contains("0 passed, 1 skipped"), "{}", ran.out);
}

#[test]
fn a_model_that_has_no_such_engine_is_skipped_and_said_so() {
    let folder = TempDir::new().unwrap();
    let strict = format!("# title\nengine strict\n{GOOD}");
    let path = file(&folder, "strict.scenario", &strict);
    let flags = ["run", "--on", "sim,docker"];
    let alone = ran(netparity(&flags).arg(&path));
    assert_eq!(alone.status, 0, "{}{}", alone.out, alone.err);
    assert!(alone.out.contains("sim (docker skipped)"), "{}", alone.out);
    let why = "docker was skipped (1 of 1): there is no dockerd of engine strict";
    assert!(alone.out.contains(why), "{}", alone.out);
    let recorded = ran(netparity(&["record", "--on", "sim"]).arg(&path));
    assert_eq!(recorded.status, 0, "{}{}", recorded.out, recorded.err);
    let fuzzed = ran(&mut netparity(&[
        "fuzz",
        "parity",
        "--engine",
        "strict",
        "--on",
        "sim,docker",
    ]));
    assert_eq!(fuzzed.status, 2);
    assert!(fuzzed.err.contains("there is no dockerd"), "{}", fuzzed.err);
    let unknown = ran(&mut netparity(&["fuzz", "isolation", "--engine", "0.11"]));
    assert_eq!(unknown.status, 2);
    assert!(
        unknown.err.contains("expected 20.10 or strict"),
        "{}",
        unknown.err
    );
}

#[test]
fn a_required_model_that_cannot_run_is_3() {
    let folder = TempDir::new().unwrap();
    for (more, require) in [
        ("--require kernel", ""),
        ("--require sim,kernel", ""),
        ("", "kernel"),
        ("", "sim, kernel"),
    ] {
        let ran = without_kernel(&folder, more, require);
        assert_eq!(ran.status, 3, "{}", ran.out);
        let said = "kernel is required and was skipped";
        assert!(ran.out.contains(said), "{}", ran.out);
    }
    assert_eq!(without_kernel(&folder, "--on sim", "kernel").status, 0);
}

#[test]
fn a_reader_that_goes_is_no_error() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "good.scenario", GOOD);
    let mut child = netparity(&["run", "--on", "sim", "--format", "json"])
        .arg(path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut complaint = String::new();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_to_string(&mut complaint).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(complaint, "");
}

#[test]
fn a_report_that_cannot_be_written_is_3() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "good.scenario", GOOD);
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let status = netparity(&["run", "--on", "sim"])
        .arg(path)
        .stdout(full)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(3));
}

#[test]
fn json_is_one_object() {
    let folder = TempDir::new().unwrap();
    file(&folder, "a.scenario", GOOD);
    file(&folder, "b.scenario", WRONG);
    let ran = ran(netparity(&["run", "--on", "sim", "--format", "json"]).arg(folder.path()));
    assert_eq!(ran.status, 1);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["version"], 1);
    assert_eq!(report["summary"]["pass"], 1);
    assert_eq!(report["summary"]["fail"], 1);
    assert_eq!(report["summary"]["exit_status"], 1);
    let steps = report["scenarios"][0]["steps"].as_array().unwrap();
    let probe = &steps.last().unwrap()["seen"]["sim"]["probe"];
    assert_eq!(probe["verdict"], "reply");
    assert!(!probe["frames"].as_array().unwrap().is_empty());
}

#[test]
fn what_a_guard_cannot_read_is_told_before_anything_is_measured() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "guard.json", "[1, 2]");
    let ran = ran(netparity(&["bench", "--guard"]).arg(path));
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("--keep FILE"), "{}", ran.err);
    assert_eq!(ran.out, "");
}
