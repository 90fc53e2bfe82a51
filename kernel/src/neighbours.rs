//! Neighbours whose hardware address has been asked for, and the table of them all.

use std::net::Ipv4Addr;

use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState},
    neighbour_table::{NeighbourTableAttribute, NeighbourTableMessage},
};
use netparity_core::MacAddr;
use nix::libc;
use pnet::packet::{
    Packet,
    arp::{ArpOperations, ArpPacket},
    ethernet::{EtherTypes, EthernetPacket},
};

use crate::{
    error::Failure,
    netlink::{Netlink, Request},
};

/// What an ARP request says.
pub(crate) struct Asked {
    /// The hardware address of the link that asks.
    pub asker: MacAddr,
    /// The address that it asks for.
    pub address: Ipv4Addr,
}

/// The ARP request in a frame, if that is what it carries.
pub(crate) fn request(frame: &[u8]) -> Option<Asked> {
    let ethernet = EthernetPacket::new(frame)?;
    if ethernet.get_ethertype() != EtherTypes::Arp {
        return None;
    }
    let arp = ArpPacket::new(ethernet.payload())?;
    (arp.get_operation() == ArpOperations::Request).then(|| Asked {
        asker: arp.get_sender_hw_addr(),
        address: arp.get_target_proto_addr(),
    })
}

/// The neighbours on a link whose address is being asked for.
pub(crate) fn waited_for(netlink: &mut Netlink, link: u32) -> Result<Vec<Ipv4Addr>, Failure> {
    let mut question = NeighbourMessage::default();
    question.header.family = AddressFamily::Inet;
    let question = RouteNetlinkMessage::GetNeighbour(question);
    let answers = netlink.dump(question, "look at neighbours")?;
    let waited_for = |answer: &RouteNetlinkMessage| match answer {
        RouteNetlinkMessage::NewNeighbour(it)
            if it.header.ifindex == link && it.header.state == NeighbourState::Incomplete =>
        {
            it.attributes.iter().find_map(|attribute| match attribute {
                NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => Some(*address),
                _ => None,
            })
        }
        _ => None,
    };
    Ok(answers.iter().filter_map(waited_for).collect())
}

/// Fails a neighbour that has not answered: packets that wait for it are dropped, and their senders
/// told (`neigh_invalidate`, `arp_error_report`). Returns whether it was one.
pub(crate) fn give_up(
    netlink: &mut Netlink,
    link: u32,
    address: Ipv4Addr,
) -> Result<bool, Failure> {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.ifindex = link;
    message.attributes = vec![NeighbourAttribute::Destination(NeighbourAddress::Inet(
        address,
    ))];
    let question = RouteNetlinkMessage::GetNeighbour(message.clone());
    let answers = match netlink.get(vec![question], "look at neighbour") {
        Err(failure) if failure.errno() == Some(libc::ENOENT) => return Ok(false),
        answers => answers?,
    };
    let incomplete = answers.iter().any(|answer| match answer {
        RouteNetlinkMessage::NewNeighbour(it) => it.header.state == NeighbourState::Incomplete,
        _ => false,
    });
    if incomplete {
        message.header.state = NeighbourState::Failed;
        let failed = RouteNetlinkMessage::NewNeighbour(message);
        netlink.one(Request::replace(failed, "fail neighbour"))?;
    }
    Ok(incomplete)
}

/// The kernel's table of neighbours, which all namespaces of a machine share: it holds
/// `net.ipv4.neigh.default.gc_thresh3` of them, 1,024 by default, and a packet to one more is lost.
pub(crate) struct Table {
    netlink: Netlink,
    overflows: u64,
}

impl Table {
    /// `netlink` is for a namespace with few links, because each has a part in the answers.
    pub(crate) fn new(netlink: Netlink) -> Result<Self, Failure> {
        let mut table = Self {
            netlink,
            overflows: 0,
        };
        table.has_overflown()?;
        Ok(table)
    }

    /// Whether there was no room since this was last asked.
    pub(crate) fn has_overflown(&mut self) -> Result<bool, Failure> {
        let mut question = NeighbourTableMessage::default();
        question.header.family = AddressFamily::Inet;
        let question = RouteNetlinkMessage::GetNeighbourTable(question);
        let answers = self.netlink.dump(question, "look at neighbour table")?;
        let tables = answers.iter().filter_map(|answer| match answer {
            RouteNetlinkMessage::NewNeighbourTable(table) => Some(&table.attributes),
            _ => None,
        });
        let counts = tables.flatten().filter_map(|attribute| match attribute {
            NeighbourTableAttribute::Stats(counts) => Some(counts.table_fulls),
            _ => None,
        });
        let now = counts.sum();
        let before = std::mem::replace(&mut self.overflows, now);
        Ok(now != before)
    }
}
