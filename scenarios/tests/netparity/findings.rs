//! Findings: that each known cause has one that shows it, that no cause explains what is not of it,
//! and that what fuzzing writes down fails when it is run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Output},
};

use netparity::{
    language::{Action, CommandLine, Scenario, parse},
    source::{self, Source},
};
use netparity_core::{
    laws::isolation::{Cause, LAWS, Situation, Violation, check},
    model::{NetworkModel, Planned},
};
use netparity_sim::{Fault, Sim};
use tempfile::TempDir;

const NETPARITY: &str = env!("CARGO_BIN_EXE_netparity");

fn findings() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("findings");
    let sources = source::read_all(&[folder]).unwrap();
    sources.iter().map(|it| parse(it).unwrap()).collect()
}

/// What breaks a law after any command of a scenario.
fn violations(scenario: &Scenario, sim: Sim) -> Vec<Violation> {
    let mut model = Planned::of(scenario.engine, sim);
    let mut situation = Situation::default();
    let mut violations = Vec::new();
    for step in &scenario.steps {
        let Action::Command { command, .. } = &step.action else {
            continue;
        };
        let done = command.apply(&mut model).is_ok();
        let snapshot = model.snapshot().unwrap();
        match command {
            CommandLine::Plain(command) => situation.after(command, done, &snapshot),
            _ => situation.look(&snapshot),
        }
        violations.extend(check(&mut model, &mut situation, &LAWS).unwrap());
    }
    violations
}

fn causes(violations: &[Violation]) -> BTreeSet<Option<Cause>> {
    violations.iter().map(|it| it.cause).collect()
}

#[test]
fn each_cause_has_a_finding_that_shows_it_and_nothing_unknown() {
    let mut named = BTreeSet::new();
    for finding in findings() {
        let name = Path::new(&finding.path).file_stem().unwrap();
        let cause = Cause::ALL
            .into_iter()
            .find(|cause| cause.name() == name)
            .unwrap_or_else(|| panic!("{} is named after no cause", finding.path));
        let causes = causes(&violations(&finding, Sim::new()));
        assert!(causes.contains(&Some(cause)), "{name:?}: {causes:?}");
        assert!(!causes.contains(&None), "{name:?}: {causes:?}");
        named.insert(cause);
    }
    assert_eq!(named, BTreeSet::from(Cause::ALL));
}

#[test]
fn strict_rules_break_no_law_where_findings_do() {
    for mut finding in findings() {
        finding.engine = netparity_core::engine::Variant::Strict;
        let violations = violations(&finding, Sim::new());
        assert!(violations.is_empty(), "{}: {violations:?}", finding.path);
    }
}

#[test]
fn what_no_rule_accounts_for_has_no_known_cause() {
    for finding in findings() {
        let violations = violations(&finding, Sim::with_fault(Fault::BridgedSkipHooks));
        assert!(causes(&violations).contains(&None), "{}", finding.path);
    }
}

fn netparity(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(NETPARITY);
    command.args(arguments).current_dir(folder);
    command.output().unwrap()
}

#[test]
fn what_fuzzing_finds_is_told_once_a_cause_and_fails_when_it_is_run() {
    let folder = TempDir::new().unwrap();
    let words = [
        "fuzz",
        "isolation",
        "--no-register",
        "--seed",
        "1",
        "--cases",
        "40",
    ];
    let output = netparity(&words, folder.path());
    assert_eq!(output.status.code(), Some(1));
    let sources = source::read_all(&[folder.path().to_owned()]).unwrap();
    let mut told = BTreeSet::new();
    for Source { path, text } in &sources {
        assert!(text.contains("seed 1, case "), "{text}");
        let why = text.lines().find(|line| line.starts_with("# because "));
        assert!(told.insert(why.unwrap().to_owned()), "{text}");
        let output = netparity(&["run", path, "--on", "sim"], folder.path());
        assert_eq!(output.status.code(), Some(1), "{text}");
        let said = String::from_utf8_lossy(&output.stdout);
        let promise = text.lines().last().unwrap();
        assert!(said.contains(promise), "{said}\n{text}");
    }
    assert!(told.len() > 1, "{told:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), told.len());
}
