//! What became of a probe.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// What became of a probe, as its sender sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// TCP: the other side took the connection (SYN, ACK).
    Open,
    /// TCP: the other side reset it.
    Refused,
    /// An answer came: an ICMP echo, a UDP datagram, an ARP reply.
    Reply,
    /// Nothing came back.
    Dropped,
    /// An ICMP destination unreachable came back, or the sender's own kernel said as much.
    Unreachable(Unreachable),
    /// An ICMP time exceeded came back.
    TtlExceeded,
    /// The sender has no route there; nothing was sent.
    NoRoute,
    /// The sender does not know the name; nothing was sent.
    NoName,
}

/// What cannot be reached, or why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unreachable {
    /// Nobody on the way knows the network.
    Net,
    /// Nobody answers for the address on its link.
    Host,
    /// Nothing listens on the port.
    Port,
    /// A rule on the way refuses it.
    Prohibited,
    /// It is larger than the next link takes, and may not be fragmented.
    FragNeeded,
}

impl Verdict {
    /// Every verdict there is, in the spelling of scenarios.
    pub const ALL: [(&'static str, Self); 12] = [
        ("open", Self::Open),
        ("refused", Self::Refused),
        ("reply", Self::Reply),
        ("dropped", Self::Dropped),
        ("unreachable:net", Self::Unreachable(Unreachable::Net)),
        ("unreachable:host", Self::Unreachable(Unreachable::Host)),
        ("unreachable:port", Self::Unreachable(Unreachable::Port)),
        (
            "unreachable:prohibited",
            Self::Unreachable(Unreachable::Prohibited),
        ),
        (
            "unreachable:frag-needed",
            Self::Unreachable(Unreachable::FragNeeded),
        ),
        ("ttl-exceeded", Self::TtlExceeded),
        ("no-route", Self::NoRoute),
        ("no-name", Self::NoName),
    ];

    /// The spelling of scenarios.
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, verdict)| *verdict == self)
            .map_or("", |(text, _)| text)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The word is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownVerdict;

impl FromStr for Verdict {
    type Err = UnknownVerdict;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .find(|(known, _)| *known == text)
            .map(|(_, verdict)| *verdict)
            .ok_or(UnknownVerdict)
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
