//! What was seen of scenarios.

use std::time::Duration;

use netparity_core::{
    model::{ModelError, Outcome},
    parity::Difference,
    snapshot::Snapshot,
    trace::Trace,
};

use crate::view::Absent;

/// What was seen of one scenario.
#[derive(Clone, Debug)]
pub struct Record {
    /// The models it was played on.
    pub models: Vec<String>,
    /// The models that cannot run here, and why.
    pub skipped: Vec<(String, String)>,
    /// What was seen.
    pub played: Played,
    /// How long it took.
    pub time: Duration,
}

/// What was seen of one scenario's steps.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// Each step that was reached, where they are kept; else only those that show something.
    pub steps: Vec<StepRecord>,
    /// How many were reached.
    pub reached: usize,
    /// How it ended.
    pub end: End,
}

/// What was seen of one step.
#[derive(Clone, Debug)]
pub struct StepRecord {
    /// Its place among the scenario's steps.
    pub step: usize,
    /// What each model showed.
    pub seen: Vec<Seen>,
    /// What each model looked like after it, where that was looked at.
    pub snapshots: Vec<Snapshot>,
}

/// What one model showed at one step.
#[derive(Clone, Debug)]
pub enum Seen {
    /// What became of a command.
    Command(Result<Outcome, ModelError>),
    /// What became of a probe.
    Probe(Result<Trace, ModelError>),
    /// The lines of a view.
    View(Result<Vec<String>, Absent>),
}

/// How a scenario ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// As expected, and the same on all models.
    #[default]
    Passed,
    /// No model can run here.
    Skipped,
    /// Two models parted.
    Differs {
        /// At which step.
        step: usize,
        /// Which, by their places.
        models: [usize; 2],
        /// How.
        difference: Box<Difference>,
    },
    /// A model did not do what the scenario says.
    Failed {
        /// At which step.
        step: usize,
        /// What was wrong.
        failure: Box<Failure>,
    },
    /// A model failed itself.
    Broken {
        /// At which step.
        step: usize,
        /// Which model, by its place.
        model: usize,
        /// What happened.
        why: String,
    },
}

/// What was expected and did not come.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Failure {
    /// What was expected.
    pub expected: String,
    /// What each model that failed had instead: its place, what it had, and more about that.
    pub instead: Vec<Instead>,
}

/// What a model had instead.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Instead {
    /// The model's place.
    pub model: usize,
    /// What it had.
    pub had: String,
    /// More about that: a view's lines, a probe's frames.
    pub context: Vec<String>,
}
