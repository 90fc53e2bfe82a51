//! Exploring: that what it leaves out is nothing, and that it finds what is wrong.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
    time::Duration,
};

use netparity::explore::{
    Class, End, Explored, Icc, Level, Report, Scope, Search, State, Symmetry,
};
use netparity_core::{
    engine::Variant,
    form::{Canonical, Form},
    laws::isolation::{Cause, LAWS, Situation, Violation, flows},
    model::{NetworkModel, Planned},
};
use netparity_sim::{Fault, Sim};
use tempfile::TempDir;

const NETPARITY: &str = env!("CARGO_BIN_EXE_netparity");

const SMALL: Scope = Scope {
    engine: Variant::Docker20_10,
    containers: 2,
    depth: 2,
    links: 1,
    icc: Icc::Both,
};

fn explore(
    scope: Scope,
    symmetry: Symmetry,
    empty: &(dyn Fn() -> Planned<Sim> + Sync),
) -> Explored {
    let search = Search {
        scope,
        symmetry,
        empty,
        jobs: 2,
        until: None,
    };
    search.run(&|_| ()).unwrap()
}

fn sim() -> Planned<Sim> {
    Planned::new(Sim::new())
}

/// A violation, but for names: what does not depend on them.
type Shape = String;

fn shape(violation: &Violation) -> Shape {
    let (flow, law, cause) = (&violation.flow, violation.law.name, violation.cause);
    let ends = (flow.source, flow.destination, flow.port, flow.source_port);
    format!("{law} {cause:?} {ends:?} {}", violation.verdict)
}

fn shapes(state: &State) -> BTreeSet<Shape> {
    let (violations, _) = state.check(&LAWS).unwrap();
    violations.iter().map(shape).collect()
}

/// What every state that was reached had to say, by its class.
#[derive(Default)]
struct Seen {
    classes: BTreeMap<Class, (BTreeSet<Shape>, Option<BTreeSet<Class>>)>,
    named: BTreeSet<Class>,
    sequences: u128,
}

impl Seen {
    /// Tries every sequence that goes on from `state`, without leaving one out.
    fn go_on(&mut self, scope: &Scope, symmetry: &Symmetry, state: &State, depth: u8) -> Class {
        self.sequences += 1;
        let class = symmetry.class(state);
        let alone = Symmetry::none(&scope.names());
        self.named.insert(alone.class(state));
        let followers = (depth > 0).then(|| {
            let follow = |command| {
                let mut next = state.clone();
                next.apply(command).unwrap();
                self.go_on(scope, symmetry, &next, depth - 1)
            };
            scope.commands().iter().map(follow).collect()
        });
        let found = (shapes(state), followers);
        match self.classes.get_mut(&class) {
            None => drop(self.classes.insert(class, found)),
            Some(known) => {
                assert_eq!(known.0, found.0, "one class, other violations");
                match (&known.1, &found.1) {
                    (Some(known), Some(found)) => {
                        assert_eq!(known, found, "one class, other followers");
                    }
                    _ => known.1 = known.1.take().or(found.1),
                }
            }
        }
        class
    }
}

#[test]
fn what_is_merged_does_the_same() {
    let scope = Scope {
        icc: Icc::Off,
        depth: 3,
        ..SMALL
    };
    let symmetry = Symmetry::new(&scope.names());
    let mut seen = Seen::default();
    for daemon in scope.daemons() {
        let mut state = State::new(sim());
        state.apply(&daemon).unwrap();
        seen.go_on(&scope, &symmetry, &state, scope.depth);
    }
    let explored = explore(scope, symmetry, &sim);
    assert_eq!(explored.end, End::Complete);

    let sequences: u128 = (0..=scope.depth).map(|depth| scope.sequences(depth)).sum();
    assert_eq!(seen.sequences, sequences);
    let total = |count: fn(&Level) -> u64| -> u64 { explored.levels.iter().map(count).sum() };
    assert_eq!(seen.classes.len() as u64, total(|level| level.states));
    assert_eq!(seen.named.len() as u64, total(|level| level.members));
    let flows: u64 = explored.broken.values().map(|broken| broken.flows).sum();
    let shapes: usize = seen.classes.values().map(|(shapes, _)| shapes.len()).sum();
    assert!(shapes > 0);
    assert_eq!(flows, shapes as u64);
}

#[test]
fn a_link_that_follows_a_name_is_found_seven_commands_away() {
    let scope = Scope {
        icc: Icc::Off,
        depth: 7,
        ..SMALL
    };
    let explored = explore(scope, Symmetry::new(&scope.names()), &sim);
    assert_eq!(
        explored.end,
        End::Complete,
        "{:?}",
        explored.broken.get(&None)
    );
    let found = &explored.broken[&Some(Cause::FollowsName)];
    assert_eq!(found.commands.len(), 8);
}

#[test]
fn strict_rules_break_no_law() {
    let scope = Scope {
        engine: Variant::Strict,
        depth: 4,
        ..SMALL
    };
    let names = scope.names();
    let explored = explore(scope, Symmetry::new(&names), &|| scope.empty());
    assert_eq!(explored.end, End::Complete);
    assert!(explored.broken.is_empty(), "{:?}", explored.broken);
    assert_eq!(explored.levels.len(), 5);
}

#[test]
fn symmetry_leaves_out_nothing_but_names() {
    let scope = Scope {
        containers: 3,
        ..SMALL
    };
    let names = scope.names();
    let merged = explore(scope, Symmetry::new(&names), &sim);
    let named = explore(scope, Symmetry::none(&names), &sim);
    for (merged, named) in merged.levels.iter().zip(&named.levels) {
        assert_eq!(merged.members, named.states);
        assert!(merged.states <= named.states);
    }
    assert_eq!(merged.levels.len(), named.levels.len());
    let ways = |explored: &Explored| -> Vec<_> {
        let broken = explored.broken.iter();
        broken
            .map(|(cause, broken)| (*cause, broken.commands.clone()))
            .collect()
    };
    assert_eq!(ways(&merged), ways(&named));
    assert!(!merged.broken.is_empty());
}

#[test]
fn a_fork_that_has_forgotten_is_as_good_as_new() {
    let scope = SMALL;
    let mut thrown = 0;
    for first in scope.commands() {
        for second in scope.commands() {
            let (mut model, mut situation) = (sim(), Situation::default());
            for command in [&scope.daemons()[0], &first, &second] {
                let done = model.apply(command).is_ok();
                situation.after(command, done, &model.snapshot().unwrap());
            }
            let form = |model: &Planned<Sim>| {
                let mut form = Form::new(&[], Vec::new());
                model.write(&mut form);
                form.into_bytes()
            };
            let before = form(&model);
            assert!(model.dataplane().is_untouched());
            let mut fork = model.clone();
            for flow in flows(&situation) {
                let fresh = model.clone().verdict(&flow.probe()).unwrap();
                assert_eq!(fork.verdict(&flow.probe()).unwrap(), fresh, "{flow}");
                fork.dataplane().forget_packets();
                assert!(fork.dataplane().is_untouched());
                thrown += 1;
            }
            assert_eq!(form(&fork), before);
        }
    }
    assert!(thrown > 100);
}

#[test]
fn a_fault_is_found_with_the_fewest_commands() {
    const FAULTS: [(Fault, u8, &str); 6] = [
        (Fault::LearnsTarget, 1, "host-reaches"),
        (Fault::FloodsToOnePort, 2, "host-reaches"),
        (Fault::BridgedSkipHooks, 2, "icc-off"),
        (Fault::PortsIgnored, 2, "icc-off"),
        (Fault::ReturnAccepts, 2, "icc-off"),
        (Fault::PortUnreachableMissing, 1, "host-reaches"),
    ];
    let scope = Scope { depth: 3, ..SMALL };
    for (fault, depth, law) in FAULTS {
        let explored = explore(scope, Symmetry::new(&scope.names()), &|| {
            Planned::new(Sim::with_fault(fault))
        });
        assert_eq!(explored.end, End::Found, "{fault:?}");
        assert_eq!(explored.levels.len(), usize::from(depth) + 1, "{fault:?}");
        let found = &explored.broken[&None];
        assert_eq!(found.commands.len(), usize::from(depth) + 1, "{fault:?}");
        assert_eq!(found.violation.law.name, law, "{fault:?}");
    }
}

#[test]
fn threads_change_nothing() {
    let scope = Scope {
        containers: 3,
        ..SMALL
    };
    let explored = |jobs| {
        let search = Search {
            scope,
            symmetry: Symmetry::new(&scope.names()),
            empty: &sim,
            jobs,
            until: None,
        };
        let explored = search.run(&|_| ()).unwrap();
        let report = Report {
            scope: &scope,
            explored: &explored,
            time: Duration::from_secs(1),
        };
        report.to_string()
    };
    assert_eq!(explored(1), explored(3));
}

fn netparity(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(NETPARITY).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text)
}

#[test]
fn what_is_found_is_a_scenario_that_fails_the_same_way() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().to_str().unwrap();
    let small = ["explore", "--containers", "2", "--depth", "2"];
    let (status, text) = netparity(&[&small[..], &["--out", out]].concat());
    assert_eq!(status, Some(0), "{text}");
    assert!(
        text.contains("All 1202 sequences of up to 2 commands, in 74 states, keep every law"),
        "{text}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    let (status, text) = netparity(&[&small[..], &["--out", out, "--no-register"]].concat());
    assert_eq!(status, Some(1), "{text}");
    let file = folder.path().join("explore-answers-unasked.scenario");
    let (status, text) = netparity(&["run", "--on", "sim", file.to_str().unwrap()]);
    assert_eq!(status, Some(1), "{text}");
    assert!(
        text.contains("probe c1 tcp 172.17.0.3:6379 sport=6379"),
        "{text}"
    );
    let (status, text) = netparity(&["check", file.to_str().unwrap()]);
    assert_eq!(status, Some(0), "{text}");
}

#[test]
fn when_the_time_is_over_it_says_what_is_proved() {
    let (status, text) = netparity(&["explore", "--for", "0s"]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("Nothing is proved."), "{text}");
    let (status, text) = netparity(&["explore", "--for", "0s", "--format", "json"]);
    assert_eq!(status, Some(0), "{text}");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["end"], "time");
    assert!(json["complete_depth"].is_null());
}

#[test]
fn a_flag_that_makes_no_sense_is_2() {
    for flags in [
        ["--containers", "9"],
        ["--depth", "many"],
        ["--for", "long"],
    ] {
        let (status, _) = netparity(&[&["explore"], &flags[..]].concat());
        assert_eq!(status, Some(2), "{flags:?}");
    }
}
