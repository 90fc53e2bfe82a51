//! Many scenarios on several models.

use std::time::Instant;

use netparity_core::model::NetworkModel;

use super::{
    lockstep::{Keep, play},
    models::{Machine, ModelKind},
    pool,
    record::{End, Record, StandIn},
};
use crate::{language::Scenario, recording::Recording};

/// What to run, and on what.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The scenarios.
    pub scenarios: &'a [Scenario],
    /// The models, the one that others are compared with first.
    pub models: &'a [ModelKind],
    /// Whether recordings stand in for all models but the simulator, even where they could run.
    pub recorded: bool,
    /// What this machine can do.
    pub machine: &'a Machine,
    /// How many scenarios at once.
    pub jobs: usize,
    /// How much is kept of what was seen.
    pub keep: Keep,
}

/// Plays all scenarios. `done` gets their records in their order, each as soon as it can.
pub fn run_all(run: &Run<'_>, mut done: impl FnMut(&Scenario, &Record)) {
    let work = |scenario: &Scenario| one(run, scenario);
    pool::in_order(run.scenarios, run.jobs, work, |scenario, record| {
        done(scenario, &record);
    });
}

fn one(run: &Run<'_>, scenario: &Scenario) -> Record {
    let start = Instant::now();
    let mut record = Record::default();
    match cast(run, scenario, &mut record) {
        Ok((models, _)) if models.is_empty() && record.recorded.is_empty() => {
            record.played.end = End::Skipped;
        }
        Ok((mut models, recordings)) => {
            record.played = play(scenario, &mut models, &recordings, run.keep);
        }
        Err(end) => record.played.end = end,
    }
    record.time = start.elapsed();
    record
}

type Cast = (Vec<Box<dyn NetworkModel>>, Vec<Recording>);

/// The models that a scenario is played on, and the recordings that it is compared with: those of
/// models that cannot run here, and of those that were not asked for.
fn cast(run: &Run<'_>, scenario: &Scenario, record: &mut Record) -> Result<Cast, End> {
    let mut models = Vec::new();
    let mut recordings = Vec::new();
    for kind in ModelKind::ALL {
        let asked_for = run.models.contains(&kind);
        let name = kind.as_str().to_owned();
        if let Some(why) = kind.lacks(scenario.engine) {
            record.skipped.extend(asked_for.then_some((name, why)));
            continue;
        }
        let only_recorded = run.recorded && kind != ModelKind::Sim;
        let lack = run.machine.lacks(kind);
        if asked_for && !only_recorded && lack.is_none() {
            record.models.push(name);
            models.push(
                run.machine
                    .open(kind, scenario.engine)
                    .map_err(|why| End::Broken {
                        step: 0,
                        model: record.models.len() - 1,
                        why,
                    })?,
            );
            continue;
        }
        let why = lack.filter(|_| asked_for && !only_recorded);
        match recording(scenario, kind)? {
            Some(recording) => {
                let why = why.map(str::to_owned);
                record.recorded.push(StandIn { model: name, why });
                recordings.push(recording);
            }
            None if asked_for => {
                let why = why.map_or_else(
                    || format!("there is no recording: netparity record --on {name} makes one"),
                    str::to_owned,
                );
                record.skipped.push((name, why));
            }
            None => {}
        }
    }
    Ok((models, recordings))
}

/// A model's recording of this scenario, if there is one.
fn recording(scenario: &Scenario, kind: ModelKind) -> Result<Option<Recording>, End> {
    let path = Recording::path(scenario, kind.as_str());
    let unusable = |step, why| {
        Err(End::Unusable {
            step,
            model: kind.as_str().to_owned(),
            path: path.display().to_string(),
            why,
        })
    };
    let recording = match Recording::load(&path) {
        Ok(Some(recording)) => recording,
        Ok(None) => return Ok(None),
        Err(why) => return unusable(0, why.to_string()),
    };
    if recording.model != kind.as_str() {
        return unusable(0, format!("it is one of {}", recording.model));
    }
    match recording.first_other_step(scenario) {
        Some(step) => unusable(
            step,
            "it is of another version of this scenario: record it again".to_owned(),
        ),
        None => Ok(Some(recording)),
    }
}
