//! Whether what a model showed is what the scenario says.

use netparity_core::{
    model::{ModelError, Outcome},
    parity,
    trace::Trace,
};

use crate::{
    language::{Expectation, ProbeEnd},
    view::Absent,
};

/// What a command should have come to, and what it came to instead, if anything.
pub(super) fn command(
    refusal: Option<&str>,
    result: &Result<Outcome, ModelError>,
) -> Option<(String, String)> {
    match (refusal, result) {
        (None, Ok(_)) => None,
        (None, Err(error)) => Some(("that it is done".into(), error.to_string())),
        (Some(words), Ok(_)) => Some((refused_with(words), "it was done".into())),
        (Some(words), Err(error)) => refused(words, error),
    }
}

/// The same for a probe.
pub(super) fn probe(
    end: &ProbeEnd,
    result: &Result<Trace, ModelError>,
) -> Option<(String, String)> {
    match (end, result) {
        (ProbeEnd::Refusal(words), Err(error)) => refused(words, error),
        (ProbeEnd::Refusal(words), Ok(trace)) => {
            Some((refused_with(words), trace.verdict.to_string()))
        }
        (ProbeEnd::Any, Err(error)) => Some(("that it is sent".into(), error.to_string())),
        (ProbeEnd::Verdict(verdict), Err(error)) => Some((verdict.to_string(), error.to_string())),
        (ProbeEnd::Any, Ok(_)) => None,
        (ProbeEnd::Verdict(verdict), Ok(trace)) => {
            (*verdict != trace.verdict).then(|| (verdict.to_string(), trace.verdict.to_string()))
        }
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
pub(super) fn about(trace: &Trace) -> Vec<String> {
    let drops = trace.drops.iter().map(|drop| format!("dropped by {drop}"));
    drops.chain(parity::decoded(trace)).collect()
}
