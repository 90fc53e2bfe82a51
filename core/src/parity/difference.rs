//! How two models differ.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::{frame::NormalFrame, trace::Tap, verdict::Verdict};

/// How two models differ. `left` and `right` are in the order in which the models were given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// One did what the other refused, or they refused or warned in different words.
    Outcome {
        /// What the left one said.
        left: String,
        /// What the right one said.
        right: String,
    },
    /// A probe had different ends.
    Verdict {
        /// The left one's.
        left: Verdict,
        /// The right one's.
        right: Verdict,
        /// Where their frames part, if they do.
        frames: Option<Box<FrameDifference>>,
        /// Where the left one dropped it.
        left_drops: Vec<String>,
        /// Where the right one dropped it.
        right_drops: Vec<String>,
    },
    /// The same end, by different frames.
    Frames(Box<FrameDifference>),
    /// The same frames, dropped for different reasons.
    Drops {
        /// The left one's.
        left: Vec<String>,
        /// The right one's.
        right: Vec<String>,
    },
    /// The networks look different.
    Snapshot {
        /// Where: `host: links: docker0: mtu`.
        place: String,
        /// What the left one has there.
        left: String,
        /// What the right one has there.
        right: String,
    },
}

/// The first frame in which two traces part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FrameDifference {
    /// The tap at which it was seen.
    pub tap: Tap,
    /// Its place among the frames at that tap, from 0.
    pub index: usize,
    /// The left one's frame, if it has one there.
    #[serde(serialize_with = "as_text")]
    pub left: Option<NormalFrame>,
    /// The right one's frame, if it has one there.
    #[serde(serialize_with = "as_text")]
    pub right: Option<NormalFrame>,
    /// Every frame of the left one, decoded, in the order seen.
    pub left_frames: Vec<String>,
    /// Every frame of the right one.
    pub right_frames: Vec<String>,
}

fn as_text<S: Serializer>(frame: &Option<NormalFrame>, serializer: S) -> Result<S::Ok, S::Error> {
    match frame {
        Some(frame) => serializer.collect_str(frame),
        None => serializer.serialize_none(),
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outcome { left, right } => write!(f, "{left} | {right}"),
            Self::Verdict { left, right, .. } => write!(f, "{left} | {right}"),
            Self::Frames(frames) => frames.fmt(f),
            Self::Drops { left, right } => {
                let said = |drops: &[String]| match drops {
                    [] => "none".to_owned(),
                    _ => drops.join(", "),
                };
                write!(f, "dropped by {} | {}", said(left), said(right))
            }
            Self::Snapshot { place, left, right } => write!(f, "{place}: {left} | {right}"),
        }
    }
}

impl fmt::Display for FrameDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |frame: &Option<NormalFrame>| {
            frame
                .as_ref()
                .map_or_else(|| "nothing".to_owned(), NormalFrame::to_string)
        };
        let (left, right) = (said(&self.left), said(&self.right));
        write!(
            f,
            "frame {} at {}: {left} | {right}",
            self.index + 1,
            self.tap
        )?;
        match (&self.left, &self.right) {
            // They differ where the decoded line does not show it.
            (Some(one), Some(other)) if left == right => {
                write!(f, " ({} | {})", one.hex(), other.hex())
            }
            _ => Ok(()),
        }
    }
}
