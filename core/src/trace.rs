//! What was seen of a probe on its way.

use std::{collections::BTreeMap, fmt};

use pnet::packet::{
    Packet,
    arp::{ArpOperations, ArpPacket},
    ethernet::{EtherTypes, EthernetPacket},
    icmp::{IcmpType, IcmpTypes, echo_reply::EchoReplyPacket},
    ip::IpNextHeaderProtocols,
    ipv4::Ipv4Packet,
    tcp::{TcpFlags, TcpPacket},
    udp::UdpPacket,
};
use serde::{Serialize, Serializer};

use crate::{
    MacAddr,
    errno::Errno,
    frame,
    name::{LinkName, LinkRef, Netns},
    probe::{Payload, Shot},
    rules::{ChainRef, Rule},
    verdict::{Unreachable, Verdict},
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
    serializer.serialize_str(
        &bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>(),
    )
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
        Self {
            verdict,
            captures: Vec::new(),
            drops: Vec::new(),
            stations: BTreeMap::new(),
            timed_out: false,
        }
    }

    /// Judges what was seen of `shot`: by the send's own error, or by the first frame that came
    /// in for its sender and answers it.
    pub fn judge(shot: &Shot, sighting: Sighting) -> Self {
        let verdict = match sighting.send_error {
            Some(errno) => refused_send(errno),
            None => {
                let arrived = |seen: &&Capture| {
                    seen.tap.direction == Direction::In && seen.tap.link.netns == shot.netns
                };
                let mut answers = sighting
                    .captures
                    .iter()
                    .filter(arrived)
                    .filter_map(|seen| answer(shot, &seen.frame));
                answers.next().unwrap_or(Verdict::Dropped)
            }
        };
        let Sighting {
            send_error: _,
            captures,
            drops,
            stations,
            timed_out,
        } = sighting;
        Self {
            verdict,
            captures,
            drops,
            stations,
            timed_out,
        }
    }
}

fn refused_send(errno: Errno) -> Verdict {
    match errno {
        Errno::EMSGSIZE => Verdict::Unreachable(Unreachable::FragNeeded),
        Errno::EHOSTUNREACH => Verdict::Unreachable(Unreachable::Host),
        // An output rule dropped it.
        Errno::EPERM => Verdict::Dropped,
        _ => Verdict::NoRoute,
    }
}

/// What `frame` says about the shot, if it answers it.
fn answer(shot: &Shot, frame: &[u8]) -> Option<Verdict> {
    if let Payload::Arp = shot.payload {
        let ethernet =
            EthernetPacket::new(frame).filter(|it| it.get_ethertype() == EtherTypes::Arp)?;
        let arp = ArpPacket::new(ethernet.payload())?;
        let answers =
            arp.get_operation() == ArpOperations::Reply && arp.get_sender_proto_addr() == shot.to;
        return answers.then_some(Verdict::Reply);
    }
    let packet = frame::ipv4_of(frame)?;
    if packet.get_fragment_offset() != 0 {
        return None;
    }
    let body = packet.payload();
    let protocol = packet.get_next_level_protocol();
    if protocol == IpNextHeaderProtocols::Icmp
        && let Some((kind, code, about)) = frame::quoted(body)
    {
        return concerns(shot, &about)
            .then(|| icmp_verdict(kind, code))
            .flatten();
    }
    if packet.get_source() != shot.to {
        return None;
    }
    match shot.payload {
        Payload::Tcp(port) if protocol == IpNextHeaderProtocols::Tcp => {
            let segment = TcpPacket::new(body)?;
            let flags = segment.get_flags();
            let ours =
                segment.get_source() == port && segment.get_destination() == shot.source_port;
            match (
                ours,
                flags & TcpFlags::RST != 0,
                flags & (TcpFlags::SYN | TcpFlags::ACK),
            ) {
                (false, ..) => None,
                // A reset without ACK can only be the sender's own.
                (true, true, flags) => (flags & TcpFlags::ACK != 0).then_some(Verdict::Refused),
                (true, false, flags) => {
                    (flags == TcpFlags::SYN | TcpFlags::ACK).then_some(Verdict::Open)
                }
            }
        }
        Payload::Udp(port) if protocol == IpNextHeaderProtocols::Udp => {
            let datagram = UdpPacket::new(body)?;
            let ours =
                datagram.get_source() == port && datagram.get_destination() == shot.source_port;
            ours.then_some(Verdict::Reply)
        }
        Payload::Icmp if protocol == IpNextHeaderProtocols::Icmp => {
            let echo = EchoReplyPacket::new(body)?;
            let ours = echo.get_icmp_type() == IcmpTypes::EchoReply
                && echo.get_identifier() == shot.source_port;
            ours.then_some(Verdict::Reply)
        }
        _ => None,
    }
}

/// Whether a packet quoted by an ICMP error is the shot.
fn concerns(shot: &Shot, quoted: &Ipv4Packet<'_>) -> bool {
    let head = quoted.payload();
    let word = |at: usize| {
        head.get(at..at + 2)
            .map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    };
    let own = match shot.payload {
        Payload::Tcp(port) | Payload::Udp(port) => {
            word(0) == Some(shot.source_port) && word(2) == Some(port)
        }
        Payload::Icmp => word(4) == Some(shot.source_port),
        Payload::Arp => false,
    };
    own && quoted.get_destination() == shot.to
        && Some(quoted.get_next_level_protocol().0) == shot.payload.protocol()
}

fn icmp_verdict(kind: IcmpType, code: u8) -> Option<Verdict> {
    match (kind, code) {
        (IcmpTypes::TimeExceeded, _) => Some(Verdict::TtlExceeded),
        (IcmpTypes::DestinationUnreachable, code) => Some(Verdict::Unreachable(match code {
            0 | 6 | 11 => Unreachable::Net,
            3 => Unreachable::Port,
            4 => Unreachable::FragNeeded,
            9 | 10 | 13 => Unreachable::Prohibited,
            _ => Unreachable::Host,
        })),
        _ => None,
    }
}
