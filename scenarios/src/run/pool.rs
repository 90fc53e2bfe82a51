//! Many scenarios, several at once.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Instant,
};

use super::{
    lockstep::{Keep, play},
    models::{Machine, ModelKind},
    record::{End, Played, Record},
};
use crate::language::Scenario;

/// What to run, and on what.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The scenarios.
    pub scenarios: &'a [Scenario],
    /// The models, the one that others are compared with first.
    pub models: &'a [ModelKind],
    /// What this machine can do.
    pub machine: &'a Machine,
    /// How many scenarios at once.
    pub jobs: usize,
    /// How much is kept of what was seen.
    pub keep: Keep,
}

/// Plays all scenarios. `done` gets their records in their order, each as soon as it can.
pub fn run_all(run: &Run<'_>, mut done: impl FnMut(&Scenario, &Record)) {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let work = |sender: mpsc::Sender<(usize, Record)>| {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(scenario) = run.scenarios.get(at) else {
                return;
            };
            if sender.send((at, one(run, scenario))).is_err() {
                return;
            }
        }
    };
    thread::scope(|scope| {
        let workers = run.jobs.min(run.scenarios.len());
        let mut started = 0;
        for _ in 0..workers {
            let (work, sender) = (&work, sender.clone());
            let worker = thread::Builder::new().spawn_scoped(scope, move || work(sender));
            started += usize::from(worker.is_ok());
        }
        if started == 0 {
            work(sender.clone());
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut turn = 0;
        for (at, record) in receiver {
            early.insert(at, record);
            while let Some(record) = early.remove(&turn) {
                if let Some(scenario) = run.scenarios.get(turn) {
                    done(scenario, &record);
                }
                turn += 1;
            }
        }
    });
}

fn one(run: &Run<'_>, scenario: &Scenario) -> Record {
    let start = Instant::now();
    let mut record = Record {
        models: Vec::new(),
        skipped: Vec::new(),
        played: Played::default(),
        time: start.elapsed(),
    };
    let mut models = Vec::new();
    for kind in run.models {
        if let Some(why) = run.machine.lacks(*kind) {
            record
                .skipped
                .push((kind.as_str().to_owned(), why.to_owned()));
            continue;
        }
        record.models.push(kind.as_str().to_owned());
        match run.machine.open(*kind) {
            Ok(model) => models.push(model),
            Err(why) => {
                record.played.end = End::Broken {
                    step: 0,
                    model: record.models.len() - 1,
                    why,
                };
                return record;
            }
        }
    }
    record.played = match models.is_empty() {
        true => Played {
            end: End::Skipped,
            ..Played::default()
        },
        false => play(scenario, &mut models, run.keep),
    };
    drop(models);
    record.time = start.elapsed();
    record
}
