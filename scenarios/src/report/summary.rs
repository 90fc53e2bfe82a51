//! What came of all scenarios together.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::run::{End, Record, StandIn};

/// What came of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All as expected, and the same on all models.
    Pass,
    /// As expected, but for models that went another way, as they are known to.
    Diverges,
    /// Two models parted.
    Differ,
    /// A model did not do what the scenario says, or did though it is known not to; or a recording
    /// is of no use.
    Fail,
    /// A model failed itself.
    Broken,
    /// No model could run.
    Skip,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Pass,
        Self::Diverges,
        Self::Differ,
        Self::Fail,
        Self::Broken,
        Self::Skip,
    ];

    /// What came of this one.
    pub fn of(record: &Record) -> Self {
        match record.played.end {
            End::Passed if record.played.partings.is_empty() => Self::Pass,
            End::Passed => Self::Diverges,
            End::Skipped => Self::Skip,
            End::Differs { .. } => Self::Differ,
            End::Failed { .. } | End::Agrees { .. } | End::Unusable { .. } => Self::Fail,
            End::Broken { .. } => Self::Broken,
        }
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Diverges => "diverges",
            Self::Differ => "differ",
            Self::Fail => "fail",
            Self::Broken => "broken",
            Self::Skip => "skip",
        }
    }
}

/// Models that were not run, each with why: in how many scenarios.
pub type Absent = BTreeMap<(String, String), usize>;

/// What came of all scenarios together.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many came to what.
    pub counts: BTreeMap<Status, usize>,
    /// Models that were not run, and why: how many scenarios went without.
    pub skipped: Absent,
    /// Models that were not run where recordings stood in, and why: for how many scenarios.
    pub recorded: Absent,
    /// Models that could not run though they had to.
    pub missed: Vec<String>,
    /// How long it all took.
    pub time: Duration,
}

/// All as expected.
pub const PASSED: u8 = 0;
/// A difference, or something not as expected.
pub const DIFFERED: u8 = 1;
/// Bad input.
pub const BAD_INPUT: u8 = 2;
/// A model could not run.
pub const COULD_NOT_RUN: u8 = 3;

impl Summary {
    /// Counts one more.
    pub fn add(&mut self, record: &Record) {
        *self.counts.entry(Status::of(record)).or_default() += 1;
        for skip in &record.skipped {
            *self.skipped.entry(skip.clone()).or_default() += 1;
        }
        for StandIn { model, why } in &record.recorded {
            if let Some(why) = why {
                let absent = (model.clone(), why.clone());
                *self.recorded.entry(absent).or_default() += 1;
            }
        }
    }

    /// How many came to this.
    pub fn count(&self, status: Status) -> usize {
        self.counts.get(&status).copied().unwrap_or(0)
    }

    /// How many there were.
    pub fn total(&self) -> usize {
        self.counts.values().sum()
    }

    /// The exit status of the command.
    pub fn exit_status(&self) -> u8 {
        if !self.missed.is_empty() || self.count(Status::Broken) > 0 {
            COULD_NOT_RUN
        } else if self.count(Status::Differ) + self.count(Status::Fail) > 0 {
            DIFFERED
        } else {
            PASSED
        }
    }
}
