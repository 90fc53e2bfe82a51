//! Whether what a model showed is what the scenario says.

use netparity_core::{
    model::ModelError,
    parity::{self, Observation},
};

use crate::{
    language::{Expectation, ProbeEnd},
    view::Absent,
};

/// What a command should have come to, and what it came to instead, if anything.
pub(super) fn command(
    refusal: Option<&str>,
    observation: &Observation,
) -> Option<(String, String)> {
    match (refusal, observation) {
        (None, Observation::Failed(error)) => Some(("that it is done".into(), error.to_string())),
        (None, _) => None,
        (Some(words), Observation::Failed(error)) => refused(words, error),
        (Some(words), _) => Some((refused_with(words), "it was done".into())),
    }
}

/// The same for a probe.
pub(super) fn probe(end: &ProbeEnd, observation: &Observation) -> Option<(String, String)> {
    match (end, observation) {
        (ProbeEnd::Refusal(words), Observation::Failed(error)) => refused(words, error),
        (ProbeEnd::Refusal(words), other) => Some((refused_with(words), other.to_string())),
        (ProbeEnd::Any, Observation::Failed(error)) => {
            Some(("that it is sent".into(), error.to_string()))
        }
        (ProbeEnd::Any, _) => None,
        (ProbeEnd::Verdict(verdict), Observation::Sent(trace)) if *verdict == trace.verdict => None,
        (ProbeEnd::Verdict(verdict), other) => Some((verdict.to_string(), other.to_string())),
    }
}

/// The same for a view.
pub(super) fn view(
    expectation: &Expectation,
    lines: &Result<Vec<String>, Absent>,
) -> Option<(String, String)> {
    let Expectation {
        name, view, text, ..
    } = expectation;
    let view = view.as_str();
    let lines = match lines {
        Ok(lines) => lines,
        Err(why) => return Some((format!("a view of {name}"), why.clone())),
    };
    let found = lines.iter().find(|line| parity::contains_words(line, text));
    match (expectation.holds, found) {
        (true, None) => Some((
            format!("a line of {name}'s {view} with {text}"),
            "none has it".into(),
        )),
        (false, Some(line)) => Some((
            format!("no line of {name}'s {view} with {text}"),
            line.trim().to_owned(),
        )),
        _ => None,
    }
}

fn refused_with(words: &str) -> String {
    match words {
        "" => "a refusal".into(),
        _ => format!("refused: {words}"),
    }
}

fn refused(words: &str, error: &ModelError) -> Option<(String, String)> {
    match error {
        ModelError::Refused(refusal) if parity::says(refusal, words) => None,
        _ => Some((refused_with(words), error.to_string())),
    }
}

/// What stands beside a probe's verdict: where it was dropped, and its frames.
pub(super) fn about(observation: &Observation) -> Vec<String> {
    let Observation::Sent(trace) = observation else {
        return Vec::new();
    };
    let drops = trace.drops.iter().map(|drop| format!("dropped by {drop}"));
    drops.chain(trace.decoded()).collect()
}
