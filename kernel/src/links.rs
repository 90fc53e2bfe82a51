//! The links of a namespace: what is known of them, and the messages that make and change them.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    link::{
        AfSpecInet, AfSpecUnspec, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkExtentMask,
        LinkFlags, LinkInfo, LinkMessage,
    },
    neighbour_table::{NeighbourTableAttribute, NeighbourTableMessage, NeighbourTableParameter},
};
use netparity_core::{
    MacAddr,
    name::LinkName,
    plan::{LinkChange, VethEnd},
    snapshot::LinkKind,
};
use rtnetlink::{LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth};

use crate::{error::Failure, namespace::Slot, netlink::Request};

/// A link, wherever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub slot: Slot,
    pub index: u32,
}

/// The links that plans have made in a namespace, and its loopback interface.
pub(crate) struct Links {
    by_name: BTreeMap<LinkName, u32>,
    by_index: BTreeMap<u32, Known>,
    next: u32,
}

/// What a link was made with and cannot change by itself.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub name: LinkName,
    pub kind: LinkKind,
    /// The other end of a veth.
    pub peer: Option<Place>,
    pub master: Option<u32>,
}

impl Default for Links {
    fn default() -> Self {
        let mut links = Self {
            by_name: BTreeMap::new(),
            by_index: BTreeMap::new(),
            next: Self::FIRST,
        };
        let loopback = Known {
            name: LinkName::LOOPBACK,
            kind: LinkKind::Loopback,
            peer: None,
            master: None,
        };
        links.insert(Self::LOOPBACK, loopback);
        links
    }
}

impl Links {
    /// The kernel's `LOOPBACK_IFINDEX`.
    pub(crate) const LOOPBACK: u32 = 1;
    /// Indexes from here on are free for us: those before go to the tunnels that some kernels put
    /// into every namespace.
    const FIRST: u32 = 64;

    /// An index that no link here has had.
    pub(crate) fn reserve(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    pub(crate) fn insert(&mut self, index: u32, known: Known) {
        self.by_name.insert(known.name, index);
        self.by_index.insert(index, known);
    }

    pub(crate) fn find(&self, name: LinkName) -> Result<u32, Failure> {
        self.by_name.get(&name).copied().ok_or(Failure::NO_LINK)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Known> {
        self.by_index.get(&index)
    }

    /// Its name is free for another.
    pub(crate) fn unname(&mut self, index: u32) {
        if let Some(known) = self.by_index.get(&index) {
            self.by_name.remove(&known.name);
        }
    }

    /// It has its name again.
    pub(crate) fn rename(&mut self, index: u32) {
        if let Some(known) = self.by_index.get(&index) {
            self.by_name.insert(known.name, index);
        }
    }

    pub(crate) fn remove(&mut self, index: u32) {
        if let Some(known) = self.by_index.remove(&index)
            && self.by_name.get(&known.name) == Some(&index)
        {
            self.by_name.remove(&known.name);
        }
    }

    pub(crate) fn set_master(&mut self, index: u32, master: Option<u32>) {
        if let Some(known) = self.by_index.get_mut(&index) {
            known.master = master;
        }
    }

    /// The ports of a bridge.
    pub(crate) fn ports(&self, bridge: u32) -> Vec<u32> {
        let port =
            |(index, known): (&u32, &Known)| (known.master == Some(bridge)).then_some(*index);
        self.by_index.iter().filter_map(port).collect()
    }

    /// Every veth's index and other end.
    pub(crate) fn peers(&self) -> Vec<(u32, Place)> {
        let peer = |(index, known): (&u32, &Known)| Some((*index, known.peer?));
        self.by_index.iter().filter_map(peer).collect()
    }
}

/// A link as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub index: u32,
    pub name: LinkName,
    pub kind: LinkKind,
    pub mac: MacAddr,
    pub mtu: u32,
    pub up: bool,
    pub carrier: bool,
    pub master: Option<u32>,
    pub group: u32,
    /// Whether packets that come in by it are forwarded.
    pub forwarding: bool,
}

impl Link {
    /// Reads it from a message, if it is a link of a kind that plans make.
    pub(crate) fn read(message: &LinkMessage) -> Option<Self> {
        let flags = message.header.flags;
        let mut kind = flags
            .contains(LinkFlags::Loopback)
            .then_some(LinkKind::Loopback);
        let (mut name, mut mac, mut mtu) = (None, MacAddr::zero(), 0);
        let (mut master, mut group, mut forwarding) = (None, 0, false);
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(text) => name = text.parse().ok(),
                LinkAttribute::Address(bytes) => mac = mac_of(bytes).unwrap_or(mac),
                LinkAttribute::Mtu(bytes) => mtu = *bytes,
                LinkAttribute::Controller(index) => master = Some(*index),
                LinkAttribute::Group(number) => group = *number,
                LinkAttribute::LinkInfo(infos) => {
                    for info in infos {
                        match info {
                            LinkInfo::Kind(InfoKind::Bridge) => kind = Some(LinkKind::Bridge),
                            LinkInfo::Kind(InfoKind::Veth) => kind = Some(LinkKind::Veth),
                            _ => {}
                        }
                    }
                }
                LinkAttribute::AfSpecUnspec(families) => {
                    forwarding = families.iter().any(forwards);
                }
                _ => {}
            }
        }
        Some(Self {
            index: message.header.index,
            name: name?,
            kind: kind?,
            mac,
            mtu,
            up: flags.contains(LinkFlags::Up),
            carrier: flags.contains(LinkFlags::LowerUp),
            master,
            group,
            forwarding,
        })
    }
}

fn forwards(family: &AfSpecUnspec) -> bool {
    let AfSpecUnspec::Inet(parts) = family else {
        return false;
    };
    parts
        .iter()
        .any(|part| matches!(part, AfSpecInet::DevConf(conf) if conf.forwarding != 0))
}

/// The hardware address in these bytes.
pub(crate) fn mac_of(bytes: &[u8]) -> Option<MacAddr> {
    let [a, b, c, d, e, f] = *bytes.first_chunk()?;
    Some(MacAddr::new(a, b, c, d, e, f))
}

/// Links that a plan has removed are in this group until they are gone. Nobody else uses it.
pub(crate) const LEAVING: u32 = 0x6e70_6c76;

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
