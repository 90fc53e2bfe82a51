//! What a namespace is like, as the kernel reads it back.

use netlink_packet_route::{
    RouteNetlinkMessage,
    address::AddressMessage,
    link::{AfSpecInet6, AfSpecUnspec, InfoBridge, InfoData, LinkAttribute, LinkInfo, LinkMessage},
    neighbour::NeighbourMessage,
    route::RouteMessage,
};

use crate::{
    error::Failure,
    links::{self, Links},
    netlink::Netlink,
};

/// A namespace's links, and everything else that is to be found in one.
#[derive(Debug)]
pub(crate) struct Likeness {
    links: Vec<LinkMessage>,
    /// Addresses, routes and neighbours of all families.
    rest: Vec<RouteNetlinkMessage>,
}

impl Likeness {
    pub(crate) fn read(netlink: &mut Netlink) -> Result<Self, Failure> {
        const LOOK: &str = "look at namespace";
        let mut links = Vec::new();
        for answer in netlink.dump(links::ask_all(), LOOK)? {
            if let RouteNetlinkMessage::NewLink(mut message) = answer {
                message.attributes.retain_mut(lasts);
                links.push(message);
            }
        }
        let mut rest = Vec::new();
        for question in [
            RouteNetlinkMessage::GetAddress(AddressMessage::default()),
            RouteNetlinkMessage::GetRoute(RouteMessage::default()),
            RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default()),
        ] {
            rest.extend(netlink.dump(question, LOOK)?);
        }
        Ok(Self { links, rest })
    }

    /// Whether a namespace is like this one, which has a bridge.
    pub(crate) fn is_of(&self, netlink: &mut Netlink, has_bridge: bool) -> Result<bool, Failure> {
        let other = Self::read(netlink)?;
        let links = self.links.iter();
        let links = links.filter(|link| has_bridge || link.header.index == Links::LOOPBACK);
        Ok(links.eq(&other.links) && self.rest == other.rest)
    }
}

/// Whether this is the same of a link that was never used and of one that was, and takes out what is
/// not within it: counts, clocks, the hardware address that a link is given when it is used, the queue and
/// the carrier that it is given when it comes up (`dev_activate`, `br_port_state_selection`), and what
/// a bridge takes over from its ports (`br_set_gso_limits`).
fn lasts(attribute: &mut LinkAttribute) -> bool {
    match attribute {
        LinkAttribute::CarrierChanges(_)
        | LinkAttribute::CarrierUpCount(_)
        | LinkAttribute::CarrierDownCount(_)
        | LinkAttribute::Stats(_)
        | LinkAttribute::Stats64(_)
        | LinkAttribute::Qdisc(_)
        | LinkAttribute::Carrier(_)
        | LinkAttribute::TsoMaxSize(_)
        | LinkAttribute::Address(_) => return false,
        LinkAttribute::LinkInfo(infos) => infos.iter_mut().for_each(|info| {
            if let LinkInfo::Data(InfoData::Bridge(items)) = info {
                items.retain(|item| !is_clock_or_address(item));
            }
        }),
        LinkAttribute::AfSpecUnspec(families) => families.iter_mut().for_each(|family| {
            if let AfSpecUnspec::Inet6(items) = family {
                items.retain(|item| !matches!(item, AfSpecInet6::CacheInfo(_)));
            }
        }),
        _ => {}
    }
    true
}

fn is_clock_or_address(item: &InfoBridge) -> bool {
    matches!(
        item,
        InfoBridge::HelloTimer(_)
            | InfoBridge::TcnTimer(_)
            | InfoBridge::TopologyChangeTimer(_)
            | InfoBridge::GcTimer(_)
            | InfoBridge::RootId(_)
            | InfoBridge::BridgeId(_)
    )
}
