//! Source ports that masquerading draws.

use std::net::Ipv4Addr;

use pnet::packet::{
    icmp::IcmpTypes,
    ip::{IpNextHeaderProtocol, IpNextHeaderProtocols},
    ipv4::Ipv4Packet,
};

/// The ports that were drawn in one trace.
///
/// Where another connection has the port that a masqueraded one had before, Linux draws one at
/// random (`nf_nat_l4proto_unique_tuple`). That this was done is known by the address that changes
/// with it, on the way to one destination.
#[derive(Default)]
pub(super) struct DrawnPorts {
    /// The probe's.
    first: Option<Flow>,
    drawn: Vec<End>,
}

/// One end of a connection; with an ICMP echo its identifier is the asker's port.
#[derive(Clone, Copy, PartialEq, Eq)]
struct End {
    protocol: IpNextHeaderProtocol,
    address: Ipv4Addr,
    port: u16,
}

#[derive(Clone, Copy)]
struct Flow {
    source: End,
    destination: End,
    /// Where the ports are in the packet, and where its checksum is.
    source_at: Option<usize>,
    destination_at: Option<usize>,
    checksum_at: usize,
}

impl DrawnPorts {
    /// Replaces a drawn port by the first of those that it was drawn from, in a packet or, if it is
    /// not the outer one, in one that an ICMP error quotes. A right checksum stays right.
    pub fn replace(&mut self, outer: bool, packet: &mut [u8]) {
        let Some(flow) = Flow::of(packet) else {
            return;
        };
        if outer {
            self.notice(&flow);
        }
        for (end, at) in [
            (flow.source, flow.source_at),
            (flow.destination, flow.destination_at),
        ] {
            if let Some(at) = at.filter(|_| self.drawn.contains(&end)) {
                put(packet, at, end.lowest(), flow.checksum_at);
            }
        }
    }

    fn notice(&mut self, flow: &Flow) {
        let first = self.first.get_or_insert(*flow);
        let is_translated = flow.destination == first.destination
            && flow.source.address != first.source.address
            && flow.source.port != first.source.port;
        if is_translated && !self.drawn.contains(&flow.source) {
            self.drawn.push(flow.source);
        }
    }
}

impl End {
    /// The lowest port that is drawn in the place of one like this.
    fn lowest(self) -> u16 {
        match self.port {
            _ if self.protocol == IpNextHeaderProtocols::Icmp => 0,
            0..512 => 1,
            512..1024 => 600,
            1024.. => 1024,
        }
    }
}

impl Flow {
    /// Of a packet that begins with its ports.
    fn of(bytes: &[u8]) -> Option<Self> {
        let packet = Ipv4Packet::new(bytes).filter(|packet| packet.get_fragment_offset() == 0)?;
        let header = usize::from(packet.get_header_length()) * 4;
        let protocol = packet.get_next_level_protocol();
        let (source_at, destination_at, checksum_at) = match protocol {
            IpNextHeaderProtocols::Tcp => (Some(0), Some(2), 16),
            IpNextHeaderProtocols::Udp => (Some(0), Some(2), 6),
            IpNextHeaderProtocols::Icmp => match *bytes.get(header)? {
                kind if kind == IcmpTypes::EchoRequest.0 => (Some(4), None, 2),
                kind if kind == IcmpTypes::EchoReply.0 => (None, Some(4), 2),
                _ => return None,
            },
            _ => return None,
        };
        let place = |at: Option<usize>| at.map(|at| header + at);
        let end = |address, at| {
            let port = match at {
                Some(at) => word(bytes, at)?,
                None => 0,
            };
            Some(End {
                protocol,
                address,
                port,
            })
        };
        let (source_at, destination_at) = (place(source_at), place(destination_at));
        Some(Self {
            source: end(packet.get_source(), source_at)?,
            destination: end(packet.get_destination(), destination_at)?,
            source_at,
            destination_at,
            checksum_at: header + checksum_at,
        })
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_be_bytes)
}

/// Writes a word, and makes the checksum follow (RFC 1624). One that was cut off is left alone,
/// and so is UDP's 0, which stands for none.
fn put(bytes: &mut [u8], at: usize, new: u16, checksum_at: usize) {
    let Some(old) = word(bytes, at) else {
        return;
    };
    let checksum = word(bytes, checksum_at).filter(|sum| *sum != 0);
    let follows = checksum.map(|sum| {
        let sum = u32::from(!sum) + u32::from(!old) + u32::from(new);
        let sum = (sum & 0xffff) + (sum >> 16);
        !(((sum & 0xffff) + (sum >> 16)) as u16)
    });
    for (at, value) in [(at, Some(new)), (checksum_at, follows)] {
        if let Some(value) = value
            && let Some(place) = bytes.get_mut(at..at + 2)
        {
            place.copy_from_slice(&value.to_be_bytes());
        }
    }
}
