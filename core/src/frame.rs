//! Captured frames, normalised for comparison and decoded for people.
//!
//! Normalised are the fields that a correct network is free in: hardware addresses are replaced by
//! the links they belong to, TCP sequence numbers are counted from the connection's first, TCP
//! windows and timestamps and the IPv4 identification of whole packets are blanked,
//! fragments are numbered by the packet they are of, and source ports that masquerading drew at
//! random are replaced by the first of those they were drawn from. A checksum that was right before
//! that is blanked; one that was wrong stays, and so differs. Nothing else is touched.

mod ports;

use std::{collections::BTreeMap, fmt, net::Ipv4Addr};

use pnet::packet::{
    Packet,
    arp::{ArpOperations, ArpPacket},
    ethernet::{EtherType, EtherTypes, EthernetPacket},
    icmp::{self, IcmpPacket, IcmpTypes, echo_reply::EchoReplyPacket},
    ip::{IpNextHeaderProtocol, IpNextHeaderProtocols},
    ipv4::{self, Ipv4Flags, Ipv4Packet},
    tcp::{self, MutableTcpPacket, TcpFlags, TcpOptionNumbers, TcpPacket},
    udp::{self, UdpPacket},
};

use self::ports::DrawnPorts;
use crate::{
    MacAddr,
    name::LinkRef,
    trace::{Station, Tap},
};

const ETHERNET: usize = 14;
const IPV4_ID: std::ops::Range<usize> = 4..6;
const IPV4_CHECKSUM: std::ops::Range<usize> = 10..12;
const TCP_SEQUENCE: std::ops::Range<usize> = 4..8;
const TCP_WINDOW: std::ops::Range<usize> = 14..16;
const TCP_CHECKSUM: std::ops::Range<usize> = 16..18;
const UDP_CHECKSUM: std::ops::Range<usize> = 6..8;
const ICMP_CHECKSUM: std::ops::Range<usize> = 2..4;
const ICMP_HEADER: usize = 8;

/// A frame with all that is free in it replaced by what it stands for. Equal ones are equal
/// for parity. Displayed in a line, much as tcpdump has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalFrame {
    stations: Vec<String>,
    bytes: Vec<u8>,
}

/// Normalises the frames of one trace, which have to be given in the order in which they were seen.
pub struct Normaliser<'a> {
    stations: &'a BTreeMap<Station, LinkRef>,
    /// First sequence number of each direction of a TCP connection.
    sequences: BTreeMap<TcpDirection, u32>,
    /// Identifications of fragmented packets, by tap, in the order seen.
    fragmented: BTreeMap<Tap, Vec<u16>>,
    ports: DrawnPorts,
}

/// Whether Docker drew this address, and did not make it from a container's, which is nearly always
/// in a private network (`netutils.GenerateRandomMAC`, `GenerateMACFromIP`).
fn is_drawn(mac: MacAddr) -> bool {
    let [first, second, rest @ ..] = mac.octets();
    [first, second] == [0x02, 0x42] && !Ipv4Addr::from(rest).is_private()
}

/// Which way a segment of a TCP connection goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct TcpDirection {
    from: (Ipv4Addr, u16),
    to: (Ipv4Addr, u16),
    /// Where both ends have one address and port, what the listening one sends.
    back: bool,
}

impl TcpDirection {
    fn of(segment: &TcpPacket<'_>, source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        let from = (source, segment.get_source());
        let to = (destination, segment.get_destination());
        let acknowledges = segment.get_flags() & TcpFlags::ACK != 0;
        Self {
            from,
            to,
            back: from == to && acknowledges,
        }
    }

    fn reverse(self) -> Self {
        Self {
            from: self.to,
            to: self.from,
            back: self.from == self.to && !self.back,
        }
    }
}

impl<'a> Normaliser<'a> {
    /// A normaliser that knows whose the hardware addresses are.
    pub fn new(stations: &'a BTreeMap<Station, LinkRef>) -> Self {
        Self {
            stations,
            sequences: BTreeMap::new(),
            fragmented: BTreeMap::new(),
            ports: DrawnPorts::default(),
        }
    }

    /// Normalises the next frame.
    pub fn normalise(&mut self, tap: &Tap, frame: &[u8]) -> NormalFrame {
        let mut bytes = frame.to_vec();
        let mut stations = Vec::new();
        let Some(ethernet) = EthernetPacket::new(frame) else {
            return NormalFrame { stations, bytes };
        };
        let ethertype = ethernet.get_ethertype();
        stations.push(self.station(ethernet.get_destination()));
        stations.push(self.station(ethernet.get_source()));
        bytes[..12].fill(0);
        let body = &mut bytes[ETHERNET..];
        match ethertype {
            EtherTypes::Arp => {
                if let Some(arp) = ArpPacket::new(ethernet.payload()) {
                    stations.push(self.station(arp.get_sender_hw_addr()));
                    stations.push(self.station(arp.get_target_hw_addr()));
                    body[8..14].fill(0);
                    body[18..24].fill(0);
                }
            }
            EtherTypes::Ipv4 => self.ipv4(Some(tap), body),
            _ => {}
        }
        NormalFrame { stations, bytes }
    }

    fn station(&self, mac: MacAddr) -> String {
        match self.stations.get(&Station(mac)) {
            Some(link) => link.to_string(),
            None if mac == MacAddr::broadcast() => "broadcast".to_owned(),
            None if mac == MacAddr::zero() => "nobody".to_owned(),
            None if is_drawn(mac) => "whom Docker drew it for".to_owned(),
            None => mac.to_string(),
        }
    }

    /// `tap` is absent for a packet quoted in an ICMP error.
    fn ipv4(&mut self, tap: Option<&Tap>, bytes: &mut [u8]) {
        self.ports.replace(tap.is_some(), bytes);
        let Some(packet) = Ipv4Packet::new(bytes) else {
            return;
        };
        let header = usize::from(packet.get_header_length()) * 4;
        let (source, destination) = (packet.get_source(), packet.get_destination());
        let protocol = packet.get_next_level_protocol();
        let offset = packet.get_fragment_offset();
        let fragment = packet.get_flags() & Ipv4Flags::MoreFragments != 0 || offset != 0;
        let length = usize::from(packet.get_total_length());
        if header < 20 || header > bytes.len() || length < header {
            return;
        }
        let checksum_holds = ipv4::checksum(&packet) == packet.get_checksum();
        let id = packet.get_identification();
        let whole = !fragment && length <= bytes.len();
        let end = length.min(bytes.len());
        let ordinal = match tap {
            Some(tap) if fragment => {
                let seen = self.fragmented.entry(tap.clone()).or_default();
                let at = seen
                    .iter()
                    .position(|other| *other == id)
                    .unwrap_or_else(|| {
                        seen.push(id);
                        seen.len() - 1
                    });
                at as u16 + 1
            }
            _ => 0,
        };
        bytes[IPV4_ID].copy_from_slice(&ordinal.to_be_bytes());
        if checksum_holds {
            bytes[IPV4_CHECKSUM].fill(0);
        }
        let body = &mut bytes[header..end];
        let unfinished = tap
            .is_none()
            .then(|| pseudo_header_sum(source, destination, protocol.0, body.len()));
        match protocol {
            IpNextHeaderProtocols::Icmp if offset == 0 => self.icmp(whole, body),
            _ if fragment => {}
            IpNextHeaderProtocols::Tcp => {
                let holds = TcpPacket::new(body).is_some_and(|segment| {
                    let sum = segment.get_checksum();
                    let right = tcp::ipv4_checksum(&segment, &source, &destination);
                    whole && (sum == right || Some(sum) == unfinished)
                });
                self.tcp(source, destination, body);
                if holds {
                    body[TCP_CHECKSUM].fill(0);
                }
            }
            IpNextHeaderProtocols::Udp => {
                let holds = UdpPacket::new(body).is_some_and(|datagram| {
                    let sum = datagram.get_checksum();
                    let right = udp::ipv4_checksum(&datagram, &source, &destination);
                    whole && (sum == right || Some(sum) == unfinished)
                });
                if holds {
                    body[UDP_CHECKSUM].fill(0);
                }
            }
            _ => {}
        }
    }

    fn tcp(&mut self, source: Ipv4Addr, destination: Ipv4Addr, body: &mut [u8]) {
        let Some(segment) = TcpPacket::new(body) else {
            return;
        };
        let direction = TcpDirection::of(&segment, source, destination);
        let first = *self
            .sequences
            .entry(direction)
            .or_insert_with(|| segment.get_sequence());
        let sequence = segment.get_sequence().wrapping_sub(first);
        let acknowledgement = match self.sequences.get(&direction.reverse()) {
            Some(first) if segment.get_flags() & TcpFlags::ACK != 0 => {
                segment.get_acknowledgement().wrapping_sub(*first)
            }
            _ => segment.get_acknowledgement(),
        };
        let options = 20..(usize::from(segment.get_data_offset()) * 4).clamp(20, body.len());
        body[TCP_SEQUENCE].copy_from_slice(&sequence.to_be_bytes());
        if let Some(mut segment) = MutableTcpPacket::new(body) {
            segment.set_acknowledgement(acknowledgement);
        }
        body[TCP_WINDOW].fill(0);
        blank_timestamps(&mut body[options]);
    }

    fn icmp(&mut self, whole: bool, body: &mut [u8]) {
        let Some(message) = IcmpPacket::new(body) else {
            return;
        };
        let holds = whole && icmp::checksum(&message) == message.get_checksum();
        let quotes = is_error(message.get_icmp_type());
        if quotes && body.len() > ICMP_HEADER {
            self.ipv4(None, &mut body[ICMP_HEADER..]);
        }
        if holds {
            body[ICMP_CHECKSUM].fill(0);
        }
    }
}

/// The checksum of a segment that its sender leaves to the hardware to finish: an error may quote it
/// before that (`CHECKSUM_PARTIAL`).
fn pseudo_header_sum(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, length: usize) -> u16 {
    let halves = |address: Ipv4Addr| [address.to_bits() >> 16, address.to_bits() & 0xffff];
    let parts = halves(source).into_iter().chain(halves(destination));
    let sum: u32 = parts.sum::<u32>() + u32::from(protocol) + length as u32;
    let folded = (sum & 0xffff) + (sum >> 16);
    ((folded & 0xffff) + (folded >> 16)) as u16
}

fn blank_timestamps(options: &mut [u8]) {
    let mut at = 0;
    while at < options.len() {
        let step = match options[at] {
            0 => return,
            1 => 1,
            _ => match options.get(at + 1) {
                Some(length @ 2..) => usize::from(*length),
                _ => return,
            },
        };
        if options[at] == TcpOptionNumbers::TIMESTAMPS.0 && at + step <= options.len() {
            options[at + 2..at + step].fill(0);
        }
        at += step;
    }
}

fn is_error(kind: icmp::IcmpType) -> bool {
    matches!(
        kind,
        IcmpTypes::DestinationUnreachable
            | IcmpTypes::TimeExceeded
            | IcmpTypes::ParameterProblem
            | IcmpTypes::SourceQuench
            | IcmpTypes::RedirectMessage
    )
}

/// The IPv4 packet in a frame, if that is what it carries.
pub fn ipv4_of(frame: &[u8]) -> Option<Ipv4Packet<'_>> {
    let ethernet = EthernetPacket::new(frame)?;
    (ethernet.get_ethertype() == EtherTypes::Ipv4)
        .then(|| Ipv4Packet::new(frame.get(ETHERNET..)?))?
}

/// The packet that an ICMP error quotes, with the error's type and code.
pub fn quoted(message: &[u8]) -> Option<(icmp::IcmpType, u8, Ipv4Packet<'_>)> {
    let error = IcmpPacket::new(message)?;
    let kind = error.get_icmp_type();
    if !is_error(kind) {
        return None;
    }
    Some((
        kind,
        error.get_icmp_code().0,
        Ipv4Packet::new(message.get(ICMP_HEADER..)?)?,
    ))
}

impl NormalFrame {
    /// A frame of these [`stations`](Self::stations) and [`bytes`](Self::bytes).
    pub fn new(stations: Vec<String>, bytes: Vec<u8>) -> Self {
        Self { stations, bytes }
    }

    /// What the frame's hardware addresses stand for: destination, source, and with ARP the
    /// sender's and the target's; none where the frame is too short to have any.
    pub fn stations(&self) -> &[String] {
        &self.stations
    }

    /// All the bytes, what is free in them blanked.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All the bytes in hexadecimal.
    pub fn hex(&self) -> String {
        self.bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn station(&self, at: usize) -> &str {
        self.stations.get(at).map_or("?", String::as_str)
    }
}

impl fmt::Display for NormalFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(ethernet) = EthernetPacket::new(&self.bytes) else {
            return write!(f, "{} bytes, too short for Ethernet", self.bytes.len());
        };
        write!(f, "{} > {}: ", self.station(1), self.station(0))?;
        match ethernet.get_ethertype() {
            EtherTypes::Arp => self.arp(f, ethernet.payload()),
            EtherTypes::Ipv4 => ipv4_line(f, ethernet.payload(), true),
            EtherType(other) => write!(f, "ethertype {other:#06x}, {} bytes", self.bytes.len()),
        }
    }
}

impl NormalFrame {
    fn arp(&self, f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
        let Some(arp) = ArpPacket::new(bytes) else {
            return f.write_str("ARP, cut short");
        };
        let (sender, target) = (arp.get_sender_proto_addr(), arp.get_target_proto_addr());
        match arp.get_operation() {
            ArpOperations::Request => write!(
                f,
                "ARP who has {target} ({}), tell {sender} ({})",
                self.station(3),
                self.station(2)
            ),
            ArpOperations::Reply => write!(
                f,
                "ARP {sender} is at {}, for {target} ({})",
                self.station(2),
                self.station(3)
            ),
            other => write!(f, "ARP operation {}", other.0),
        }
    }
}

fn ipv4_line(f: &mut fmt::Formatter<'_>, bytes: &[u8], outer: bool) -> fmt::Result {
    let Some(packet) = Ipv4Packet::new(bytes) else {
        return f.write_str("IPv4, cut short");
    };
    let header = usize::from(packet.get_header_length()) * 4;
    let body = bytes
        .get(header..usize::from(packet.get_total_length()).min(bytes.len()))
        .unwrap_or_default();
    let (source, destination) = (packet.get_source(), packet.get_destination());
    let offset = packet.get_fragment_offset();
    match packet.get_next_level_protocol() {
        _ if offset != 0 => write!(f, "{source} > {destination}: later fragment")?,
        IpNextHeaderProtocols::Tcp => tcp_line(f, source, destination, body)?,
        IpNextHeaderProtocols::Udp => match UdpPacket::new(body) {
            Some(udp) => {
                let (from, to) = (udp.get_source(), udp.get_destination());
                write!(
                    f,
                    "{source}:{from} > {destination}:{to}: UDP, {} bytes",
                    udp.get_length()
                )?;
                wrong_checksum(f, udp.get_checksum(), offset, packet.get_flags())?;
            }
            None => f.write_str("UDP, cut short")?,
        },
        IpNextHeaderProtocols::Icmp => icmp_line(f, source, destination, body, packet.get_flags())?,
        IpNextHeaderProtocol(other) => write!(f, "{source} > {destination}: protocol {other}")?,
    }
    if outer {
        write!(
            f,
            ", ttl {}, length {}",
            packet.get_ttl(),
            packet.get_total_length()
        )?;
        if packet.get_dscp() != 0 || packet.get_ecn() != 0 {
            write!(
                f,
                ", tos {:#04x}",
                packet.get_dscp() << 2 | packet.get_ecn()
            )?;
        }
        if packet.get_flags() & Ipv4Flags::DontFragment != 0 {
            f.write_str(", DF")?;
        }
        if packet.get_flags() & Ipv4Flags::MoreFragments != 0 || offset != 0 {
            let more = if packet.get_flags() & Ipv4Flags::MoreFragments != 0 {
                "+"
            } else {
                ""
            };
            write!(
                f,
                ", fragment {}@{}{more}",
                packet.get_identification(),
                u32::from(offset) * 8
            )?;
        }
        if packet.get_checksum() != 0 {
            f.write_str(", wrong IPv4 checksum")?;
        }
    }
    Ok(())
}

fn wrong_checksum(f: &mut fmt::Formatter<'_>, left: u16, offset: u16, flags: u8) -> fmt::Result {
    let fragment = offset != 0 || flags & Ipv4Flags::MoreFragments != 0;
    if left != 0 && !fragment {
        f.write_str(", wrong checksum")
    } else {
        Ok(())
    }
}

fn tcp_line(
    f: &mut fmt::Formatter<'_>,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    body: &[u8],
) -> fmt::Result {
    let Some(tcp) = TcpPacket::new(body) else {
        return f.write_str("TCP, cut short");
    };
    const NAMES: [(u8, &str); 6] = [
        (TcpFlags::SYN, "SYN"),
        (TcpFlags::FIN, "FIN"),
        (TcpFlags::RST, "RST"),
        (TcpFlags::PSH, "PSH"),
        (TcpFlags::ACK, "ACK"),
        (TcpFlags::URG, "URG"),
    ];
    let flags: Vec<_> = NAMES
        .iter()
        .filter(|(bit, _)| tcp.get_flags() & bit != 0)
        .map(|(_, name)| *name)
        .collect();
    let (from, to) = (tcp.get_source(), tcp.get_destination());
    write!(
        f,
        "{source}:{from} > {destination}:{to}: TCP {} seq {}",
        flags.join(","),
        tcp.get_sequence()
    )?;
    if tcp.get_flags() & TcpFlags::ACK != 0 {
        write!(f, " ack {}", tcp.get_acknowledgement())?;
    }
    for option in tcp.get_options() {
        match (option.number, option.data[..].first_chunk()) {
            (TcpOptionNumbers::MSS, Some(bytes)) => {
                write!(f, " mss {}", u16::from_be_bytes(*bytes))?
            }
            (TcpOptionNumbers::NOP | TcpOptionNumbers::EOL, _) => {}
            (other, _) => write!(f, " option {}", other.0)?,
        }
    }
    wrong_checksum(f, tcp.get_checksum(), 0, 0)
}

fn icmp_line(
    f: &mut fmt::Formatter<'_>,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    body: &[u8],
    flags: u8,
) -> fmt::Result {
    let Some(message) = IcmpPacket::new(body) else {
        return f.write_str("ICMP, cut short");
    };
    write!(f, "{source} > {destination}: ICMP ")?;
    let code = message.get_icmp_code().0;
    match message.get_icmp_type() {
        kind @ (IcmpTypes::EchoRequest | IcmpTypes::EchoReply) => {
            let word = if kind == IcmpTypes::EchoRequest {
                "request"
            } else {
                "reply"
            };
            match EchoReplyPacket::new(body) {
                Some(echo) => write!(
                    f,
                    "echo {word} id {} seq {}",
                    echo.get_identifier(),
                    echo.get_sequence_number()
                )?,
                None => write!(f, "echo {word}")?,
            }
        }
        IcmpTypes::DestinationUnreachable => match code {
            0 => f.write_str("net unreachable")?,
            1 => f.write_str("host unreachable")?,
            3 => f.write_str("port unreachable")?,
            4 => write!(
                f,
                "fragmentation needed, mtu {}",
                body.get(6..8)
                    .map_or(0, |b| u16::from_be_bytes([b[0], b[1]]))
            )?,
            9 | 10 | 13 => f.write_str("prohibited")?,
            other => write!(f, "unreachable, code {other}")?,
        },
        IcmpTypes::TimeExceeded => f.write_str("time exceeded")?,
        other => write!(f, "type {} code {code}", other.0)?,
    }
    if quoted(body).is_some() {
        f.write_str(" for [")?;
        ipv4_line(f, &body[ICMP_HEADER..], false)?;
        f.write_str("]")?;
    }
    wrong_checksum(f, message.get_checksum(), 0, flags)
}
