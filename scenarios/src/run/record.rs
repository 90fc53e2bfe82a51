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
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The models it was played on.
    pub models: Vec<String>,
    /// The models that recordings stood in for.
    pub recorded: Vec<StandIn>,
    /// The models that cannot run here, and why.
    pub skipped: Vec<(String, String)>,
    /// What was seen.
    pub played: Played,
    /// How long it took.
    pub time: Duration,
}

/// A model that its recording stood in for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct StandIn {
    /// The model.
    pub model: String,
    /// Why the model itself was not played, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Record {
    /// Everyone's name, in the order of their places: the models', and behind them those of the
    /// models that recordings stood in for.
    pub fn names(&self) -> Vec<String> {
        let recorded = self.recorded.iter();
        let recorded = recorded.map(|it| format!("{} (recorded)", it.model));
        self.models.iter().cloned().chain(recorded).collect()
    }

    /// The model at this place, whether it was played or recorded.
    pub fn model(&self, place: usize) -> &str {
        let recorded = self.recorded.iter().map(|it| &it.model);
        let mut all = self.models.iter().chain(recorded);
        all.nth(place).map_or("", String::as_str)
    }

    /// The name of whoever is at this place.
    pub fn name(&self, place: usize) -> String {
        self.names().into_iter().nth(place).unwrap_or_default()
    }
}

/// What was seen of one scenario's steps.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// Each step that was reached, where they are kept; else only those that show something.
    pub steps: Vec<StepRecord>,
    /// How many were reached.
    pub reached: usize,
    /// Models that went another way, as they are known to.
    pub partings: Vec<Parting>,
    /// How it ended.
    pub end: End,
}

/// How a model went another way, as it is known to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parting {
    /// Its place.
    pub model: usize,
    /// At which step.
    pub step: usize,
    /// How.
    pub how: How,
}

/// How a model went another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// From the model at this place.
    Differs(usize, Box<Difference>),
    /// From what the scenario says.
    Failed(Box<Failure>),
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
    /// A model that is known to diverge did not.
    Agrees {
        /// Which, by its place.
        model: usize,
    },
    /// A recording is none of this scenario, or cannot be read.
    Unusable {
        /// The first step that it does not have.
        step: usize,
        /// The model.
        model: String,
        /// The recording's file.
        path: String,
        /// What is wrong.
        why: String,
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
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
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
