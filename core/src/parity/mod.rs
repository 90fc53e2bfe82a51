//! The first place where two models part.
//!
//! What models show is normalised, and then compared: [`Observation`]s of commands and probes,
//! [`Facts`] about what the network looks like. So what was recorded of a model compares as the
//! model itself does.

mod difference;
mod facts;
mod observation;

pub use self::{
    difference::{Difference, FrameDifference},
    facts::Facts,
    observation::{NormalTrace, Observation},
};

use crate::{
    engine::Refusal,
    model::{ModelError, Outcome},
    snapshot::Snapshot,
    trace::Trace,
};

/// Compares what became of a command.
pub fn outcomes(
    left: &Result<Outcome, ModelError>,
    right: &Result<Outcome, ModelError>,
) -> Option<Difference> {
    Observation::of_command(left).difference(&Observation::of_command(right))
}

/// Compares two traces of one probe.
pub fn traces(left: &Trace, right: &Trace) -> Option<Difference> {
    NormalTrace::of(left).difference(&NormalTrace::of(right))
}

/// Compares what two models look like.
pub fn snapshots(left: &Snapshot, right: &Snapshot) -> Option<Difference> {
    Facts::of(left).difference(&Facts::of(right))
}

/// Every frame of a trace with its tap, normalised and decoded, in the order seen.
pub fn decoded(trace: &Trace) -> Vec<String> {
    NormalTrace::of(trace).decoded()
}

/// Whether a refusal contains the words that were expected, whatever the white space between them.
pub fn says(refusal: &Refusal, expected: &str) -> bool {
    contains_words(refusal.as_str(), expected)
}

/// Whether `text` contains `expected`, where any run of white space is as good as any other.
pub fn contains_words(text: &str, expected: &str) -> bool {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    plain(text).contains(&plain(expected))
}
