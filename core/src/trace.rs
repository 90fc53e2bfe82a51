//! What was seen of a probe on its way.

use std::{collections::BTreeMap, fmt};

use serde::{Serialize, Serializer};

use crate::{
    MacAddr,
    errno::Errno,
    name::{LinkName, LinkRef, Netns},
    rules::{ChainRef, Rule},
    verdict::Verdict,
};

/// A probe's verdict and every frame that was seen while it was under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// What became of the probe.
    pub verdict: Verdict,
    /// Every frame, in the order seen. Only the order at one tap means anything across models.
    pub captures: Vec<Capture>,
    /// Where the probe or an answer to it was dropped, where the model can prove that.
    pub drops: Vec<Drop>,
    /// Whose the hardware addresses in the frames are.
    pub stations: BTreeMap<Station, LinkRef>,
    /// Whether it was a bounded wait that ended the probe and not the network: never, unless something is wrong.
    pub timed_out: bool,
}

/// What a model saw of a [`crate::probe::Shot`], before it is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sighting {
    /// The error that the sender's own stack answered the send with.
    pub send_error: Option<Errno>,
    /// See [`Trace::captures`].
    pub captures: Vec<Capture>,
    /// See [`Trace::drops`].
    pub drops: Vec<Drop>,
    /// See [`Trace::stations`].
    pub stations: BTreeMap<Station, LinkRef>,
    /// See [`Trace::timed_out`].
    pub timed_out: bool,
}

/// A hardware address, as a key that reads well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Station(pub MacAddr);

impl Serialize for Station {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A place where frames are seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Tap {
    /// The link.
    pub link: LinkRef,
    /// Which way.
    pub direction: Direction,
}

impl fmt::Display for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.link, self.direction)
    }
}

/// Which way a frame passes a tap, as seen by the tap's namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The namespace receives it.
    In,
    /// The namespace sends it.
    Out,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::In => "in",
            Self::Out => "out",
        })
    }
}

/// A frame seen at a tap, from the Ethernet header on, checksums complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capture {
    /// Where.
    pub tap: Tap,
    /// The bytes.
    #[serde(serialize_with = "hex")]
    pub frame: Vec<u8>,
}

fn hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// A frame's end before its time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Drop {
    /// The namespace that dropped it.
    pub netns: Netns,
    /// Why.
    pub cause: DropCause,
}

/// Why a frame was dropped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DropCause {
    /// A rule took it.
    Rule(ChainRef, Rule),
    /// It ran off the end of a chain whose policy is to drop.
    Policy(ChainRef),
    /// It is for somebody else, and the namespace does not forward.
    NotForwarding,
    /// Its source is not reachable by the link it came in on (`rp_filter`), or is one no packet may have.
    Source,
    /// It is larger than the bridge port takes.
    TooLong(LinkName),
}

impl Serialize for ChainRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.netns)?;
        match &self.cause {
            DropCause::Rule(at, rule) => write!(f, "{}: -A {} {rule}", at.table, at.chain),
            DropCause::Policy(at) => write!(f, "{}: -P {} DROP", at.table, at.chain),
            DropCause::NotForwarding => f.write_str("does not forward"),
            DropCause::Source => f.write_str("source address not acceptable on this link"),
            DropCause::TooLong(link) => write!(f, "longer than {link} takes"),
        }
    }
}

impl Trace {
    /// The trace of a probe that its sender could not send.
    pub fn unsent(verdict: Verdict) -> Self {
        Self { verdict, captures: Vec::new(), drops: Vec::new(), stations: BTreeMap::new(), timed_out: false }
    }

    /// Judges what was seen of `shot`.
    pub fn judge(_shot: &crate::probe::Shot, _sighting: Sighting) -> Self {
        unimplemented!()
    }
}
