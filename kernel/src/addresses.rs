//! IPv4 addresses of links, as netlink messages.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressMessage, AddressScope},
};

use crate::{
    error::Failure,
    netlink::{Netlink, Request},
};

/// Puts an address on a link. The broadcast address is left unset.
pub(crate) fn add(index: u32, address: Ipv4Net) -> Request {
    Request::create(
        RouteNetlinkMessage::NewAddress(message(index, address)),
        "add address",
    )
}

/// Takes an address off a link.
pub(crate) fn delete(index: u32, address: Ipv4Net) -> Request {
    Request::change(
        RouteNetlinkMessage::DelAddress(message(index, address)),
        "delete address",
    )
}

// Not rtnetlink's builder, which sets a broadcast address.
fn message(index: u32, address: Ipv4Net) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = address.prefix_len();
    message.header.index = index;
    // As `ip` has it (iproute2's `default_scope`), and the kernel itself with `lo`'s own.
    if address.addr().is_loopback() {
        message.header.scope = AddressScope::Host;
    }
    let ip = IpAddr::V4(address.addr());
    message.attributes = vec![AddressAttribute::Local(ip), AddressAttribute::Address(ip)];
    message
}

/// Asks for the addresses of a link, or of all links.
pub(crate) fn ask(index: Option<u32>) -> RouteNetlinkMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.index = index.unwrap_or(0);
    RouteNetlinkMessage::GetAddress(message)
}

/// A link's index and one of its addresses.
pub(crate) fn read(message: &RouteNetlinkMessage) -> Option<(u32, Ipv4Net)> {
    let RouteNetlinkMessage::NewAddress(message) = message else {
        return None;
    };
    let local = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
            _ => None,
        });
    let net = Ipv4Net::new(local?, message.header.prefix_len).ok()?;
    Some((message.header.index, net))
}

/// Whether packets to `address` are for a namespace that has these addresses, whatever its links
/// and routes are.
pub(crate) fn is_local(address: Ipv4Addr, own: &[Ipv4Net]) -> bool {
    address.is_loopback()
        || address.is_multicast()
        || address.is_broadcast()
        || own.iter().any(|net| address == net.addr())
}

/// The addresses of a link, in the kernel's order.
pub(crate) fn of_link(netlink: &mut Netlink, index: u32) -> Result<Vec<Ipv4Net>, Failure> {
    let answers = netlink.dump(ask(Some(index)), "list addresses")?;
    let of_this = answers
        .iter()
        .filter_map(read)
        .filter(|(of, _)| *of == index);
    Ok(of_this.map(|(_, net)| net).collect())
}

/// Makes the addresses of a link what they were.
pub(crate) fn restore(
    netlink: &mut Netlink,
    index: u32,
    before: &[Ipv4Net],
) -> Result<(), Failure> {
    let now = of_link(netlink, index)?;
    if now == before {
        return Ok(());
    }
    // Those of the same network go with the first of them, which for that has to be the last.
    let gone = now.iter().rev().map(|address| delete(index, *address));
    let back = before.iter().map(|address| add(index, *address));
    let requests = gone.chain(back).collect();
    netlink.change(requests).map_err(|(_, failure)| failure)
}
