//! Recording what a model does.

use std::io;

use netparity_core::{
    model::NetworkModel,
    parity::{Facts, Observation},
};

use super::{
    lockstep::{Halt, Lockstep},
    models::{Machine, ModelKind},
    pool,
    record::{End, Seen},
};
use crate::{
    language::Scenario,
    recording::{RecordedStep, Recording, words},
};

/// What came of recording a scenario.
#[derive(Debug)]
pub struct Recorded {
    /// Whether the recording was written; not where it was there already, to the byte.
    pub written: Option<io::Result<bool>>,
    /// How the model did: where it failed itself nothing is written, where it only did not do what
    /// the scenario says that is on record.
    pub end: End,
}

/// What to record.
#[derive(Clone, Copy, Debug)]
pub struct Recordings<'a> {
    /// The scenarios.
    pub scenarios: &'a [Scenario],
    /// The model.
    pub model: ModelKind,
    /// What this machine can do.
    pub machine: &'a Machine,
    /// How many scenarios at once.
    pub jobs: usize,
}

/// Records all scenarios. `done` gets what came of it in their order, each as soon as it can.
pub fn record_all(run: &Recordings<'_>, mut done: impl FnMut(&Scenario, Recorded)) {
    let work = |scenario: &Scenario| one(run, scenario);
    pool::in_order(run.scenarios, run.jobs, work, |scenario, recorded| {
        done(scenario, recorded);
    });
}

fn one(run: &Recordings<'_>, scenario: &Scenario) -> Recorded {
    let opened = run.machine.open(run.model, scenario.engine);
    let made = opened
        .map_err(|why| End::Broken {
            step: 0,
            model: 0,
            why,
        })
        .and_then(|model| record(scenario, model));
    match made {
        Ok((recording, end)) => {
            let path = Recording::path(scenario, &recording.model);
            let written = Some(recording.save(&path));
            Recorded { written, end }
        }
        Err(end) => Recorded { written: None, end },
    }
}

/// Plays a scenario on one model, to its end whatever the scenario expects, and takes down what
/// it does. With that comes the first expectation that failed, if one did.
///
/// # Errors
///
/// Where the model fails itself.
pub fn record(scenario: &Scenario, model: Box<dyn NetworkModel>) -> Result<(Recording, End), End> {
    let mut models = [model];
    let name = models[0].name().to_owned();
    let mut lockstep = Lockstep::new(scenario, &mut models, &[]);
    let mut steps: Vec<RecordedStep> = Vec::new();
    let mut facts = Facts::default();
    let mut end = End::Passed;
    for (at, step) in scenario.steps.iter().enumerate() {
        let mut seen = Vec::new();
        match lockstep.step(at, &step.action, &mut seen) {
            Ok(()) => {}
            Err(halt @ Halt::Failed(_)) if end == End::Passed => end = halt.at(at),
            Err(Halt::Failed(_)) => {}
            Err(halt) => return Err(halt.at(at)),
        }
        if let Some(observation) = seen.first().and_then(observation) {
            steps.push(RecordedStep {
                text: words(step),
                observation,
                look: None,
            });
        }
        if at + 1 == scenario.steps.len() {
            lockstep.look().map_err(|halt| halt.at(at))?;
        }
        if let (Some(step), Some(look)) = (steps.last_mut(), lockstep.fresh_looks().first())
            && step.look.is_none()
        {
            let now = Facts::of(look);
            step.look(&facts, &now);
            facts = now;
        }
    }
    Ok((Recording { model: name, steps }, end))
}

fn observation(seen: &Seen) -> Option<Observation> {
    match seen {
        Seen::Command(result) => Some(Observation::of_command(result)),
        Seen::Probe(result) => Some(Observation::of_probe(result)),
        Seen::View(_) => None,
    }
}
