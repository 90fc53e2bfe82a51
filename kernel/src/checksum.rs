//! Completing the checksums that Linux leaves to a network card.
//!
//! What a socket sends over loopback goes with the sum of the pseudo header alone
//! (`CHECKSUM_PARTIAL`), and no card ever completes it. An ICMP error then quotes it as it is.
//! Veths complete it, because they are told that they cannot; loopback cannot be told.

use std::{collections::BTreeMap, net::Ipv4Addr};

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
    sums: BTreeMap<Key, Sums>,
}

struct Sums {
    partial: u16,
    whole: u16,
}

/// What is the same of a packet and of what an error quotes of it: protocol, identification, length,
/// and the sum of addresses, ports and checksum. A translation changes the checksum in a quote by
/// what it changes of the others, as if it were a whole one (`inet_proto_csum_replace4`).
type Key = (u8, u16, u16, u16);

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
            self.sums.insert(key, Sums { partial, whole });
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
        let whole = sum_at(packet.payload(), at).and_then(|sum| {
            let sums = self.sums.get(&key(&packet, sum)?)?;
            Some(match sum == sums.partial {
                true => sums.whole,
                false => folded([sums.whole, sum, !sums.partial]),
            })
        });
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
    let [source_port, destination_port] = ports(packet)?;
    let [source, destination] = [packet.get_source(), packet.get_destination()].map(halves);
    Some((
        packet.get_next_level_protocol().0,
        packet.get_identification(),
        packet.get_total_length(),
        folded([source, destination, source_port, destination_port, sum]),
    ))
}

fn ports(packet: &Ipv4Packet<'_>) -> Option<[u16; 2]> {
    let [a, b, c, d] = *packet.payload().first_chunk()?;
    Some([[a, b], [c, d]].map(u16::from_be_bytes))
}

/// The sum in ones' complement (RFC 1071), neither complemented nor 0 if there is anything in it.
fn folded<const N: usize>(words: [u16; N]) -> u16 {
    let mut sum: u32 = words.into_iter().map(u32::from).sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

/// The sum of the pseudo header, as the kernel leaves it: not complemented.
fn partial_sum(packet: &Ipv4Packet<'_>) -> Option<u16> {
    let length = packet
        .get_total_length()
        .checked_sub(u16::from(packet.get_header_length()) * 4)?;
    let [source, destination] = [packet.get_source(), packet.get_destination()].map(halves);
    let protocol = u16::from(packet.get_next_level_protocol().0);
    Some(folded([source, destination, protocol, length]))
}

/// The sum of an address's halves.
fn halves(address: Ipv4Addr) -> u16 {
    let bits = address.to_bits();
    folded([(bits >> 16) as u16, bits as u16])
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
