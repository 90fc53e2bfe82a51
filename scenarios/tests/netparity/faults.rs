//! Parity sees: every deliberate fault of the simulator makes a scenario differ from the
//! simulator without it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::path::Path;

use netparity::{
    language::{Scenario, parse},
    run::{End, Keep, play},
    source,
};
use netparity_core::{
    model::{NetworkModel, Planned},
    parity::Difference,
};
use netparity_sim::{Fault, Sim};

fn scenarios() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).to_owned();
    let sources = source::read_all(&[folder]).unwrap();
    sources.iter().map(|it| parse(it).unwrap()).collect()
}

/// Where a scenario tells the fault, if it does: the line, and what differs there.
fn caught(scenario: &Scenario, fault: Fault) -> Option<String> {
    let mut models: Vec<Box<dyn NetworkModel>> = vec![
        Box::new(Planned::of(scenario.engine, Sim::new())),
        Box::new(Planned::of(scenario.engine, Sim::with_fault(fault))),
    ];
    match play(scenario, &mut models, &[], Keep::Shown).end {
        End::Differs {
            step, difference, ..
        } => {
            let line = scenario.steps[step].line;
            let text = &scenario.steps[step].text;
            let name = scenario.name();
            Some(format!("{name}:{line}: {text}\n    {}", told(&difference)))
        }
        End::Passed => None,
        // A fault shows as a difference before it can show as anything else.
        other => panic!("{fault:?} in {}: {other:?}", scenario.name()),
    }
}

fn told(difference: &Difference) -> String {
    match difference {
        Difference::Verdict {
            frames: Some(frames),
            ..
        } => format!("{difference}; {frames}"),
        _ => difference.to_string(),
    }
}

#[test]
fn every_fault_is_caught_at_the_packet_where_it_shows() {
    let scenarios = scenarios();
    let mut report = String::new();
    let mut uncaught = Vec::new();
    for &fault in Fault::ALL {
        match scenarios.iter().find_map(|it| caught(it, fault)) {
            Some(first) => report += &format!("{fault:?}\n  {first}\n"),
            None => uncaught.push(fault),
        }
    }
    assert!(uncaught.is_empty(), "no scenario catches {uncaught:?}");
    insta::with_settings!({omit_expression => true}, {
        insta::assert_snapshot!(report);
    });
}
