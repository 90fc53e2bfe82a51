//! A packet thrown at a network.
//!
//! What is sent is built here, with pnet, once for every model: the transport segment of a TCP
//! SYN, a UDP datagram or an ICMP echo, and the whole frame of an ARP request. The IPv4 header
//! and the fragments are the sending stack's.

use std::net::Ipv4Addr;

use pnet::packet::{
    MutablePacket,
    arp::{ArpHardwareTypes, ArpOperations, MutableArpPacket},
    ethernet::{EtherTypes, MutableEthernetPacket},
    icmp::{self, IcmpPacket, IcmpTypes, echo_request::MutableEchoRequestPacket},
    tcp::{self, MutableTcpPacket, TcpFlags},
    udp::{self, MutableUdpPacket},
};

use crate::{
    MacAddr,
    command::Destination,
    name::{Name, Netns},
};

/// A probe as a scenario has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Who sends: a container, a namespace, or `host`.
    pub from: Name,
    /// Where to.
    pub to: Destination,
    /// What.
    pub payload: Payload,
    /// The source port, or one that no other probe of the run has.
    pub source_port: Option<u16>,
    /// The time to live, or Linux's 64.
    pub ttl: Option<u8>,
    /// The length of the whole IPv4 packet in bytes, or the protocol's least.
    pub size: Option<u16>,
    /// Whether it must not be fragmented.
    pub dont_fragment: bool,
}

/// What a probe consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payload {
    /// A TCP SYN to this port.
    Tcp(u16),
    /// A UDP datagram to this port.
    Udp(u16),
    /// An ICMP echo request.
    Icmp,
    /// An ARP request on the link that the route to the target uses.
    Arp,
}

/// A probe ready to send: names resolved, every choice made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shot {
    /// The namespace it is sent from.
    pub netns: Netns,
    /// Where to.
    pub to: Ipv4Addr,
    /// What.
    pub payload: Payload,
    /// The source port, or the identifier of an ICMP echo.
    pub source_port: u16,
    /// The time to live.
    pub ttl: u8,
    /// The length of the whole IPv4 packet in bytes, if it was given.
    pub size: Option<u16>,
    /// Whether it must not be fragmented.
    pub dont_fragment: bool,
}

/// Bytes of an IPv4 header without options.
const IPV4_HEADER: usize = 20;
const TCP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const ICMP_HEADER: usize = 8;
const ETHERNET_HEADER: usize = 14;
const ARP_PACKET: usize = 28;

/// The first sequence number of a probe's SYN.
pub const PROBE_SEQUENCE: u32 = 0x6e70_0000;

impl Payload {
    /// The shortest IPv4 packet it fits in, in bytes.
    pub const fn least_size(self) -> u16 {
        (IPV4_HEADER
            + match self {
                Self::Tcp(_) => TCP_HEADER,
                Self::Udp(_) => UDP_HEADER,
                Self::Icmp | Self::Arp => ICMP_HEADER,
            }) as u16
    }

    /// Its number in the IPv4 header; none for ARP.
    pub const fn protocol(self) -> Option<u8> {
        match self {
            Self::Tcp(_) => Some(6),
            Self::Udp(_) => Some(17),
            Self::Icmp => Some(1),
            Self::Arp => None,
        }
    }
}

impl Shot {
    /// The transport segment, complete with its checksum, as it leaves `source`. Empty for ARP.
    pub fn segment(&self, source: Ipv4Addr) -> Vec<u8> {
        let size = self.size.unwrap_or(0).max(self.payload.least_size());
        let mut bytes: Vec<u8> = (0..usize::from(size) - IPV4_HEADER)
            .map(|at| at as u8)
            .collect();
        match self.payload {
            Payload::Tcp(port) => {
                bytes[..TCP_HEADER].fill(0);
                if let Some(mut segment) = MutableTcpPacket::new(&mut bytes) {
                    segment.set_source(self.source_port);
                    segment.set_destination(port);
                    segment.set_sequence(PROBE_SEQUENCE);
                    segment.set_data_offset(5);
                    segment.set_flags(TcpFlags::SYN);
                    segment.set_window(64_240);
                    segment.set_checksum(tcp::ipv4_checksum(
                        &segment.to_immutable(),
                        &source,
                        &self.to,
                    ));
                }
            }
            Payload::Udp(port) => {
                let length = bytes.len() as u16;
                bytes[..UDP_HEADER].fill(0);
                if let Some(mut datagram) = MutableUdpPacket::new(&mut bytes) {
                    datagram.set_source(self.source_port);
                    datagram.set_destination(port);
                    datagram.set_length(length);
                    datagram.set_checksum(udp::ipv4_checksum(
                        &datagram.to_immutable(),
                        &source,
                        &self.to,
                    ));
                }
            }
            Payload::Icmp => {
                bytes[..ICMP_HEADER].fill(0);
                if let Some(mut echo) = MutableEchoRequestPacket::new(&mut bytes) {
                    echo.set_icmp_type(IcmpTypes::EchoRequest);
                    echo.set_identifier(self.source_port);
                    echo.set_sequence_number(1);
                }
                let sum = IcmpPacket::new(&bytes).map_or(0, |echo| icmp::checksum(&echo));
                bytes[2..4].copy_from_slice(&sum.to_be_bytes());
            }
            Payload::Arp => bytes.clear(),
        }
        bytes
    }
}

/// The broadcast frame that asks who has `target`, without padding: 42 bytes.
pub fn arp_request(sender: MacAddr, source: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    arp(
        ArpOperations::Request,
        (sender, source),
        (MacAddr::zero(), target),
        MacAddr::broadcast(),
    )
}

/// The frame with which `sender` answers `asker`: 42 bytes.
pub fn arp_reply(sender: (MacAddr, Ipv4Addr), asker: (MacAddr, Ipv4Addr)) -> Vec<u8> {
    arp(ArpOperations::Reply, sender, asker, asker.0)
}

fn arp(
    operation: pnet::packet::arp::ArpOperation,
    sender: (MacAddr, Ipv4Addr),
    target: (MacAddr, Ipv4Addr),
    destination: MacAddr,
) -> Vec<u8> {
    let mut bytes = vec![0; ETHERNET_HEADER + ARP_PACKET];
    if let Some(mut frame) = MutableEthernetPacket::new(&mut bytes) {
        frame.set_destination(destination);
        frame.set_source(sender.0);
        frame.set_ethertype(EtherTypes::Arp);
        if let Some(mut packet) = MutableArpPacket::new(frame.payload_mut()) {
            packet.set_hardware_type(ArpHardwareTypes::Ethernet);
            packet.set_protocol_type(EtherTypes::Ipv4);
            packet.set_hw_addr_len(6);
            packet.set_proto_addr_len(4);
            packet.set_operation(operation);
            packet.set_sender_hw_addr(sender.0);
            packet.set_sender_proto_addr(sender.1);
            packet.set_target_hw_addr(target.0);
            packet.set_target_proto_addr(target.1);
        }
    }
    bytes
}
