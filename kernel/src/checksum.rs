//! Completing the checksums that Linux leaves to a network card.
//!
//! What a socket sends over loopback goes with the sum of the pseudo header alone
//! (`CHECKSUM_PARTIAL`), and no card ever completes it. An ICMP error then quotes it as it is.
//! Veths complete it, because they are told that they cannot; loopback cannot be told.

use std::collections::BTreeMap;

use netparity_core::frame::quoted;
use pnet::packet::{
    MutablePacket, Packet,
    ethernet::{EtherTypes, MutableEthernetPacket},
    icmp::{self, IcmpPacket, MutableIcmpPacket},
    ip::{IpNextHeaderProtocol, IpNextHeaderProtocols},
    ipv4::{Ipv4Flags, Ipv4Packet, MutableIpv4Packet},
    tcp, udp,
};

/// Where a segment has its checksum, by protocol.
const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;
const ICMP_HEADER: usize = 8;

/// Packets whose checksums have been completed, for errors that quote them.
#[derive(Default)]
pub(crate) struct Completed {
    sums: BTreeMap<Key, u16>,
}

/// What an error quotes of a packet at the least: addresses, protocol, ports, and the partial sum.
type Key = (u32, u32, u8, [u8; 4], u16);

impl Completed {
    /// Completes the checksum of a frame, if it is partial, and of what it quotes.
    pub(crate) fn complete(&mut self, frame: &mut [u8]) {
        let Some(mut ethernet) = MutableEthernetPacket::new(frame) else {
            return;
        };
        if ethernet.get_ethertype() != EtherTypes::Ipv4 {
            return;
        }
        let Some(mut packet) = MutableIpv4Packet::new(ethernet.payload_mut()) else {
            return;
        };
        let fragment =
            packet.get_flags() & Ipv4Flags::MoreFragments != 0 || packet.get_fragment_offset() != 0;
        if fragment {
            return;
        }
        if packet.get_next_level_protocol() == IpNextHeaderProtocols::Icmp {
            self.complete_quoted(packet.payload_mut());
            return;
        }
        let view = packet.to_immutable();
        let Some(at) = checksum_place(view.get_next_level_protocol()) else {
            return;
        };
        let (Some(partial), Some(whole)) = (partial_sum(&view), whole_sum(&view)) else {
            return;
        };
        let key = key(&view, partial);
        if sum_at(view.payload(), at) != Some(partial) || partial == whole {
            return;
        }
        if let Some(key) = key {
            self.sums.insert(key, whole);
        }
        if let Some(bytes) = packet.payload_mut().get_mut(at..at + 2) {
            bytes.copy_from_slice(&whole.to_be_bytes());
        }
    }

    fn complete_quoted(&self, message: &mut [u8]) {
        let Some((_, _, packet)) = quoted(message) else {
            return;
        };
        let header = usize::from(packet.get_header_length()) * 4;
        let Some(at) = checksum_place(packet.get_next_level_protocol()) else {
            return;
        };
        let sum = sum_at(packet.payload(), at);
        let whole = sum.and_then(|sum| self.sums.get(&key(&packet, sum)?));
        let place = ICMP_HEADER + header + at;
        if let (Some(whole), Some(bytes)) = (whole, message.get_mut(place..place + 2)) {
            bytes.copy_from_slice(&whole.to_be_bytes());
            let sum = IcmpPacket::new(message).map_or(0, |it| icmp::checksum(&it));
            if let Some(mut error) = MutableIcmpPacket::new(message) {
                error.set_checksum(sum);
            }
        }
    }
}

fn checksum_place(protocol: IpNextHeaderProtocol) -> Option<usize> {
    match protocol {
        IpNextHeaderProtocols::Tcp => Some(TCP_CHECKSUM),
        IpNextHeaderProtocols::Udp => Some(UDP_CHECKSUM),
        _ => None,
    }
}

fn sum_at(segment: &[u8], at: usize) -> Option<u16> {
    let bytes = segment.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*bytes))
}

fn key(packet: &Ipv4Packet<'_>, sum: u16) -> Option<Key> {
    Some((
        packet.get_source().to_bits(),
        packet.get_destination().to_bits(),
        packet.get_next_level_protocol().0,
        *packet.payload().first_chunk()?,
        sum,
    ))
}

/// The sum of the pseudo header, as the kernel leaves it: not complemented.
fn partial_sum(packet: &Ipv4Packet<'_>) -> Option<u16> {
    let length = u32::from(packet.get_total_length())
        .checked_sub(u32::from(packet.get_header_length()) * 4)?;
    let halves = |bits: u32| (bits >> 16) + (bits & 0xffff);
    let mut sum = halves(packet.get_source().to_bits())
        + halves(packet.get_destination().to_bits())
        + u32::from(packet.get_next_level_protocol().0)
        + length;
    while sum > 0xffff {
        sum = halves(sum);
    }
    Some(sum as u16)
}

fn whole_sum(packet: &Ipv4Packet<'_>) -> Option<u16> {
    let (source, destination) = (packet.get_source(), packet.get_destination());
    let segment = packet.payload();
    match packet.get_next_level_protocol() {
        IpNextHeaderProtocols::Tcp => {
            let segment = tcp::TcpPacket::new(segment)?;
            Some(tcp::ipv4_checksum(&segment, &source, &destination))
        }
        IpNextHeaderProtocols::Udp => {
            let datagram = udp::UdpPacket::new(segment)?;
            Some(udp::ipv4_checksum(&datagram, &source, &destination))
        }
        _ => None,
    }
}
