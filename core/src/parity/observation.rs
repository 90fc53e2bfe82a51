//! What a model showed of one command or probe, less what a correct network is free in.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{Difference, FrameDifference};
use crate::{
    engine::Refusal,
    frame::{NormalFrame, Normaliser},
    model::{ModelError, Outcome},
    trace::{Drop, Tap, Trace},
    verdict::Verdict,
};

/// What a model showed of one command or probe. Equal ones are equal for parity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// The command was carried out.
    Done(Outcome),
    /// The command or the probe was not.
    Failed(ModelError),
    /// The probe was sent.
    Sent(NormalTrace),
}

/// A trace, normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalTrace {
    /// What became of the probe.
    pub verdict: Verdict,
    /// Every frame, in the order seen. Only the order at one tap counts.
    pub frames: Vec<(Tap, NormalFrame)>,
    /// Where it or an answer to it was dropped.
    pub drops: Vec<String>,
}

impl Observation {
    /// Of a command.
    pub fn of_command(result: &Result<Outcome, ModelError>) -> Self {
        match result {
            Ok(outcome) => Self::Done(outcome.clone()),
            Err(error) => Self::Failed(without_veths(error)),
        }
    }

    /// Of a probe.
    pub fn of_probe(result: &Result<Trace, ModelError>) -> Self {
        match result {
            Ok(trace) => Self::Sent(NormalTrace::of(trace)),
            Err(error) => Self::Failed(without_veths(error)),
        }
    }

    /// How two models differ, if they do.
    pub fn difference(&self, other: &Self) -> Option<Difference> {
        if let (Self::Sent(left), Self::Sent(right)) = (self, other) {
            return left.difference(right);
        }
        let is_same = match (self, other) {
            (Self::Failed(left), Self::Failed(right)) => without_link(left) == without_link(right),
            _ => self == other,
        };
        (!is_same).then(|| Difference::Outcome {
            left: self.to_string(),
            right: other.to_string(),
        })
    }
}

/// Digits behind `veth` in the names that Docker draws
/// (libnetwork's `netutils.GenerateIfaceName`).
const DRAWN: usize = 7;

/// The error with `veth` in the place of every name of a veth that Docker draws.
fn without_veths(error: &ModelError) -> ModelError {
    let ModelError::Refused(refusal) = error else {
        return error.clone();
    };
    let mut parts = refusal.as_str().split("veth");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_hex = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let rest = match part.split_at_checked(DRAWN) {
            Some((digits, rest)) if is_hex(digits) => rest,
            _ => part,
        };
        text.push_str("veth");
        text.push_str(rest);
    }
    ModelError::Refused(Refusal::new(text))
}

/// The error without the one of several links that Docker names: it takes a container's links from a
/// map, and the first whose child does not run is the one that it stumbles over
/// (`setupLinkedContainers`).
fn without_link(error: &ModelError) -> Cow<'_, ModelError> {
    const STOPPED: &str = "Cannot link to a non running container: ";
    let parent = |refusal: &Refusal| {
        let link = refusal.as_str().strip_prefix(STOPPED)?;
        let (parent, _alias) = link.split_once(" AS ")?.1.rsplit_once('/')?;
        Some(ModelError::Refused(Refusal::new(format!(
            "{STOPPED}{parent}"
        ))))
    };
    match error {
        ModelError::Refused(refusal) => parent(refusal).map_or(Cow::Borrowed(error), Cow::Owned),
        _ => Cow::Borrowed(error),
    }
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(outcome) if outcome.warnings.is_empty() => f.write_str("done"),
            Self::Done(outcome) => {
                write!(f, "done, with warnings: {}", outcome.warnings.join("; "))
            }
            Self::Failed(error) => error.fmt(f),
            Self::Sent(trace) => trace.verdict.fmt(f),
        }
    }
}

impl NormalTrace {
    /// Normalises a trace.
    pub fn of(trace: &Trace) -> Self {
        let mut normaliser = Normaliser::new(&trace.stations);
        let frames = trace.captures.iter();
        Self {
            verdict: trace.verdict,
            frames: frames
                .map(|seen| {
                    let frame = normaliser.normalise(&seen.tap, &seen.frame);
                    (seen.tap.clone(), frame)
                })
                .collect(),
            drops: trace.drops.iter().map(Drop::to_string).collect(),
        }
    }

    /// Every frame with its tap, decoded, in the order seen.
    pub fn decoded(&self) -> Vec<String> {
        let line = |(tap, frame): &(Tap, NormalFrame)| format!("{tap}: {frame}");
        self.frames.iter().map(line).collect()
    }

    /// How two models differ, if they do.
    pub fn difference(&self, other: &Self) -> Option<Difference> {
        let frames = self.first_frame(other).map(Box::new);
        let drops = || (self.drops.clone(), other.drops.clone());
        if self.verdict != other.verdict {
            let (left_drops, right_drops) = drops();
            return Some(Difference::Verdict {
                left: self.verdict,
                right: other.verdict,
                frames,
                left_drops,
                right_drops,
            });
        }
        if let Some(frames) = frames {
            return Some(Difference::Frames(frames));
        }
        let differ = self.drops != other.drops;
        differ.then(|| {
            let (left, right) = drops();
            Difference::Drops { left, right }
        })
    }

    /// The frames by tap, each with its place among all.
    fn by_tap(&self) -> BTreeMap<&Tap, Vec<(usize, &NormalFrame)>> {
        let mut taps: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (place, (tap, frame)) in self.frames.iter().enumerate() {
            taps.entry(tap).or_default().push((place, frame));
        }
        taps
    }

    /// The first frame in which the two part.
    fn first_frame(&self, other: &Self) -> Option<FrameDifference> {
        let (lefts, rights) = (self.by_tap(), other.by_tap());
        let none = Vec::new();
        let taps: BTreeSet<&Tap> = lefts.keys().chain(rights.keys()).copied().collect();
        let parting = |tap| {
            let ours = lefts.get(tap).unwrap_or(&none);
            let theirs = rights.get(tap).unwrap_or(&none);
            let pairs = ours.iter().zip(theirs);
            let same = pairs.take_while(|(one, other)| one.1 == other.1).count();
            let found = [ours.get(same), theirs.get(same)];
            // The first of all is the one that was seen first by whoever saw it.
            let place = found.iter().flatten().map(|it| it.0).min()?;
            Some((place, tap, same, found.map(|it| it.map(|it| it.1.clone()))))
        };
        let (_, tap, index, [left, right]) = taps
            .into_iter()
            .filter_map(parting)
            .min_by_key(|found| found.0)?;
        Some(FrameDifference {
            tap: tap.clone(),
            index,
            left,
            right,
            left_frames: self.decoded(),
            right_frames: other.decoded(),
        })
    }
}
