//! The whole suite, and fuzzing.

use std::time::Instant;

use netparity_core::engine::Variant;

use super::{Options, timed};
use crate::{
    bench::figures::{Figures, KERNEL, What},
    fuzz::{Campaign, Shard, World, parity::Parity},
    language::{self, Scenario},
    run::{Keep, Machine, ModelKind, Run, run_all},
};

const MODELS: [ModelKind; 2] = [ModelKind::Sim, ModelKind::Kernel];
const CASES: u64 = 100;
const STEPS: usize = 20;

pub(super) fn measure(
    options: &Options,
    machine: &Machine,
    figures: &mut Figures,
) -> Result<(), String> {
    match read(options) {
        Ok(scenarios) => play(&scenarios, options, machine, figures),
        Err(why) => drop(figures.skipped.insert("suite".into(), why)),
    }
    let world = World {
        containers: 4,
        steps: STEPS,
        probes: true,
        by_hand: true,
        icc_off: false,
        ports: 4,
    };
    let mut subject = Parity::new(machine, MODELS, Variant::default(), world);
    for round in 0..options.rounds as u64 {
        let campaign = Campaign {
            seed: round,
            cases: CASES,
            time: None,
            shard: Shard::default(),
        };
        let (outcome, time) = timed(|| campaign.run(&mut subject, |_| true))?;
        if let Some(finding) = outcome.findings.first() {
            return Err(format!("the models differ: {}", finding.what));
        }
        figures.add(What::FuzzedCase, KERNEL, STEPS, time, CASES as usize);
    }
    Ok(())
}

fn read(options: &Options) -> Result<Vec<Scenario>, String> {
    let folder = options.suite.display();
    let read = language::read_all(std::slice::from_ref(&options.suite)).map_err(|_| {
        format!(
            "{folder} has no scenarios, or mistakes (see netparity check {folder}): name another \
             folder with --suite"
        )
    })?;
    Ok(read.into_iter().map(|it| it.1).collect())
}

fn play(scenarios: &[Scenario], options: &Options, machine: &Machine, figures: &mut Figures) {
    let run = Run {
        scenarios,
        models: &MODELS,
        recorded: false,
        machine,
        jobs: 1,
        keep: Keep::Shown,
    };
    for _ in 0..options.rounds {
        let start = Instant::now();
        run_all(&run, |_, _| ());
        let count = scenarios.len();
        figures.add(What::Scenario, KERNEL, count, start.elapsed(), count);
    }
}
