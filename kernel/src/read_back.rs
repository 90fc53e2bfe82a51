//! What the kernel answers, read from bytes that somebody else has made: for fuzzing, and of no
//! other use. Each function says how many things it has read.

use netlink_packet_core::{NetlinkDeserializable as _, NetlinkHeader};
use netlink_packet_route::RouteNetlinkMessage;

use crate::{addresses, links::Link, nftables, routes, snapshot, sockets};

/// Chains and rules of a dump of nf_tables, as this crate writes them or (`foreign`) iptables-nft.
pub fn rules(bytes: &[u8], foreign: bool) -> usize {
    nftables::read_back(bytes, foreign)
}

/// Links, addresses, routes and neighbours of a dump of rtnetlink.
pub fn network(mut bytes: &[u8]) -> usize {
    const HEADER: usize = 16;
    let mut read = 0;
    while let Some((head, _)) = bytes.split_at_checked(HEADER) {
        let [l0, l1, l2, l3, t0, t1, ..] = *head else {
            break;
        };
        let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
        let Some(payload) = bytes.get(HEADER..length) else {
            break;
        };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        let mut header = NetlinkHeader::default();
        header.message_type = u16::from_ne_bytes([t0, t1]);
        if let Ok(message) = RouteNetlinkMessage::deserialize(&header, payload) {
            read += usize::from(understood(&message));
        }
    }
    read
}

fn understood(message: &RouteNetlinkMessage) -> bool {
    match message {
        RouteNetlinkMessage::NewLink(message) => Link::read(message).is_some(),
        RouteNetlinkMessage::NewAddress(_) => addresses::read(message).is_some(),
        RouteNetlinkMessage::NewRoute(_) => routes::read(message).is_some(),
        RouteNetlinkMessage::NewNeighbour(message) => snapshot::hardware_address(message).is_some(),
        _ => false,
    }
}

/// Servers of a dump of sock_diag.
pub fn servers(bytes: &[u8]) -> usize {
    sockets::read_back(bytes)
}
