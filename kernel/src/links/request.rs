//! The messages that make, change and ask for links.

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkExtentMask},
    neighbour_table::{NeighbourTableAttribute, NeighbourTableMessage, NeighbourTableParameter},
};
use netparity_core::{
    MacAddr,
    name::LinkName,
    plan::{LinkChange, VethEnd},
};
use rtnetlink::{LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth};

use crate::netlink::Request;

/// Links that a plan has removed are in this group until they are gone. Nobody else uses it.
const LEAVING: u32 = 0x6e70_6c76;
/// A bridge that waits to become another is in this one.
const KEPT: u32 = LEAVING + 1;

/// Whether links of this group are there only for us.
pub(crate) fn is_aside(group: u32) -> bool {
    [LEAVING, KEPT].contains(&group)
}

/// Makes a link one of those that [`delete_leaving`] removes.
pub(crate) fn leave(index: u32) -> Request {
    let message = LinkUnspec::new_with_index(index).link_group(LEAVING);
    Request::change(RouteNetlinkMessage::SetLink(message.build()), "remove link")
}

/// Sets a bridge aside, to become another.
pub(crate) fn keep_bridge(index: u32) -> Request {
    let message = LinkUnspec::new_with_index(index)
        .name(format!("~{index}"))
        .link_group(KEPT)
        .down();
    Request::change(RouteNetlinkMessage::SetLink(message.build()), "keep bridge")
}

/// Makes a bridge that was [kept](keep_bridge) a new one.
pub(crate) fn reuse_bridge(index: u32, name: LinkName, mac: MacAddr) -> Request {
    let message = LinkUnspec::new_with_index(index)
        .name(name.as_str())
        .address(mac.octets().to_vec())
        .link_group(0);
    Request::change(RouteNetlinkMessage::SetLink(message.build()), "add bridge")
}

/// A link under another name, so that its own is free: in nobody's way, and out of all traffic.
pub(crate) fn set_aside(index: u32) -> Request {
    let message = LinkUnspec::new_with_index(index)
        .name(format!("~{index}"))
        .link_group(LEAVING)
        .nocontroller()
        .down();
    Request::change(RouteNetlinkMessage::SetLink(message.build()), "remove link")
}

/// Undoes [`set_aside`], as far as its name goes.
pub(crate) fn put_back(index: u32, name: LinkName) -> Request {
    let message = LinkUnspec::new_with_index(index)
        .name(name.as_str())
        .link_group(0);
    Request::change(
        RouteNetlinkMessage::SetLink(message.build()),
        "put link back",
    )
}

/// Removes every link that was [set aside](set_aside).
pub(crate) fn delete_leaving() -> Request {
    let message = LinkMessageBuilder::<LinkUnspec>::new().link_group(LEAVING);
    Request::change(
        RouteNetlinkMessage::DelLink(message.build()),
        "remove links",
    )
}

/// Gives a link another name.
pub(crate) fn rename(index: u32, name: LinkName) -> Request {
    let message = LinkUnspec::new_with_index(index).name(name.as_str());
    Request::change(RouteNetlinkMessage::SetLink(message.build()), "rename link")
}

pub(crate) fn delete(index: u32) -> Request {
    let message = LinkUnspec::new_with_index(index).build();
    Request::change(RouteNetlinkMessage::DelLink(message), "remove link")
}

/// A bridge that neither sends nor wants to hear of multicast groups: Linux's would join one of
/// its own (224.0.0.106) when it comes up, and say so at a moment of its choice.
pub(crate) fn bridge(index: u32, name: LinkName, mac: Option<MacAddr>) -> Vec<Request> {
    let mut message = LinkMessageBuilder::<LinkBridge>::new(name.as_str())
        .index(index)
        .mcast_snooping(false);
    if let Some(mac) = mac {
        message = message.address(mac.octets().to_vec());
    }
    let mut requests = vec![Request::create(
        RouteNetlinkMessage::NewLink(message.build()),
        "add bridge",
    )];
    requests.push(keep_neighbours(index));
    requests
}

/// A veth pair, the near end as it shall be, the far end down; `far_netns` is where that goes.
pub(crate) fn veth(
    near: (u32, &VethEnd, Option<u32>),
    far: (u32, &VethEnd),
    far_netns: BorrowedFd<'_>,
) -> Vec<Request> {
    let (index, end, master) = near;
    let mut peer = LinkUnspec::new_with_name(far.1.link.name.as_str())
        .index(far.0)
        .address(far.1.mac.octets().to_vec())
        .setns_by_fd(far_netns.as_raw_fd());
    if let Some(mtu) = far.1.mtu {
        peer = peer.mtu(mtu);
    }
    let mut message = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
        .name(end.link.name.as_str())
        .index(index)
        .address(end.mac.octets().to_vec())
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())));
    if let Some(mtu) = end.mtu {
        message = message.mtu(mtu);
    }
    if let Some(master) = master {
        message = message.controller(master);
    }
    if end.up {
        message = message.up();
    }
    let mut requests = vec![Request::create(
        RouteNetlinkMessage::NewLink(message.build()),
        "add veth pair",
    )];
    requests.push(keep_neighbours(index));
    requests
}

/// Keeps the timers of a link's neighbours from firing within a network's life.
pub(crate) fn keep_neighbours(index: u32) -> Request {
    /// A week, in milliseconds.
    const NEVER: u64 = 7 * 24 * 3600 * 1000;
    let mut timers = NeighbourTableMessage::default();
    timers.header.family = AddressFamily::Inet;
    timers.attributes = vec![
        NeighbourTableAttribute::Name("arp_cache".into()),
        NeighbourTableAttribute::Parms(vec![
            NeighbourTableParameter::Ifindex(index),
            NeighbourTableParameter::BaseReachableTime(NEVER),
            NeighbourTableParameter::RetransTime(NEVER),
            NeighbourTableParameter::DelayProbeTime(NEVER),
        ]),
    ];
    Request::change(
        RouteNetlinkMessage::SetNeighbourTable(timers),
        "set up link",
    )
}

/// Changes a link; `master` is the index of the bridge that the change names.
pub(crate) fn change(index: u32, change: LinkChange, master: Option<u32>) -> Request {
    let message = LinkUnspec::new_with_index(index);
    let message = match (change, master) {
        (LinkChange::Up(true), _) => message.up(),
        (LinkChange::Up(false), _) => message.down(),
        (LinkChange::Mtu(mtu), _) => message.mtu(mtu),
        (LinkChange::Mac(mac), _) => message.address(mac.octets().to_vec()),
        (LinkChange::Master(_), Some(master)) => message.controller(master),
        (LinkChange::Master(_), None) => message.nocontroller(),
    };
    Request::change(RouteNetlinkMessage::SetLink(message.build()), "change link")
}

/// Asks for one link.
pub(crate) fn ask(index: u32) -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetLink(
        LinkUnspec::new_with_index(index)
            .append_extra_attribute(brief())
            .build(),
    )
}

/// Asks for all links of a namespace.
pub(crate) fn ask_all() -> RouteNetlinkMessage {
    let message = LinkMessageBuilder::<LinkUnspec>::new().append_extra_attribute(brief());
    RouteNetlinkMessage::GetLink(message.build())
}

/// Leaves out a link's counters, which are most of its description.
fn brief() -> LinkAttribute {
    LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])
}
