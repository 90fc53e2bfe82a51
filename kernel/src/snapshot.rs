//! Looking at everything, as the kernel has it.

use std::collections::BTreeMap;

use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState},
};
use netparity_core::{
    MacAddr,
    name::LinkName,
    plan::Route,
    snapshot::{LinkKind, LinkState, Neighbour, NetnsState, Snapshot},
    trace::Station,
};

use crate::{
    Kernel, addresses,
    error::Failure,
    last_look::Fresh,
    links::{self, Link, Links, mac_of},
    namespace::Namespace,
    namespaces::Namespaces,
    netlink::Netlink,
    routes,
};

/// What was seen of a namespace.
pub(crate) struct Look {
    /// All but its rules.
    pub state: NetnsState,
    names: BTreeMap<u32, LinkName>,
}

impl Kernel {
    /// Looks at every namespace. What nothing can have changed is not asked for again.
    pub(crate) fn look(&mut self) -> Result<Snapshot, Failure> {
        let is_private = self.is_private();
        if is_private {
            self.note_stray_traffic()?;
        }
        let mut snapshot = Snapshot::default();
        for slot in self.namespaces.named() {
            let namespace = self.namespaces.get_mut(slot)?;
            if !is_private {
                namespace.last_look.forget();
            }
            let mut state = namespace.look()?;
            if slot == Namespaces::HOST {
                state.rules = self.firewall.look(is_private)?;
            }
            snapshot.netns.insert(namespace.name.clone(), state);
        }
        Ok(snapshot)
    }
}

impl Namespace {
    /// All but its rules.
    fn look(&mut self) -> Result<NetnsState, Failure> {
        let look = match self.last_look.take() {
            Fresh::Yes(look) => look,
            Fresh::ButForTraffic(mut look) => {
                look.follow_traffic(&mut self.netlink)?;
                look
            }
            Fresh::No => self.look_at_all()?,
        };
        Ok(self.last_look.keep(look).state.clone())
    }

    fn look_at_all(&mut self) -> Result<Look, Failure> {
        let netlink = &mut self.netlink;
        let links = list_links(netlink)?;
        let names: BTreeMap<u32, LinkName> =
            links.iter().map(|link| (link.index, link.name)).collect();
        let mut state = NetnsState {
            ip_forward: links
                .iter()
                .any(|link| link.index == Links::LOOPBACK && link.forwarding),
            ..NetnsState::default()
        };
        for link in &links {
            let link_state = LinkState {
                kind: link.kind,
                mac: link.mac,
                mtu: link.mtu,
                up: link.up,
                carrier: link.carrier,
                master: link.master.and_then(|index| names.get(&index).copied()),
                addresses: Vec::new(),
                learned: BTreeMap::new(),
            };
            state.links.insert(link.name, link_state);
        }
        let answers = netlink.dump(addresses::ask(None), "list addresses")?;
        for (index, address) in answers.iter().filter_map(addresses::read) {
            let link = names.get(&index).and_then(|name| state.links.get_mut(name));
            if let Some(link) = link {
                link.addresses.push(address);
            }
        }
        let route = |entry: routes::Entry| Route {
            to: entry.to,
            via: entry.via,
            link: entry.link.and_then(|index| names.get(&index).copied()),
            source: entry.source,
            kernel: entry.kernel,
        };
        state.routes = routes::list(netlink)?.into_iter().map(route).collect();
        let mut look = Look { state, names };
        look.follow_traffic(netlink)?;
        if !self.sockets.is_open() {
            let mut sockets = std::mem::take(&mut self.sockets);
            self.inside(|| sockets.open())?;
            self.sockets = sockets;
        }
        look.state.listeners = self.sockets.servers()?.into_iter().collect();
        Ok(look)
    }
}

impl Look {
    /// Looks again at what packets change: what bridges have learned, and neighbours.
    fn follow_traffic(&mut self, netlink: &mut Netlink) -> Result<(), Failure> {
        let Self { state, names } = self;
        for (index, name) in names.iter() {
            if let Some(link) = state.links.get_mut(name)
                && link.kind == LinkKind::Bridge
            {
                link.learned = list_learned(netlink, *index, names)?;
            }
        }
        let neighbours = list_neighbours(netlink, AddressFamily::Inet, Vec::new())?;
        let known = |message: &NeighbourMessage| known_neighbour(message, names);
        state.neighbours = neighbours.iter().filter_map(known).collect();
        Ok(())
    }
}

/// The links, less those that are about to go and those that wait to come back.
pub(crate) fn list_links(netlink: &mut Netlink) -> Result<Vec<Link>, Failure> {
    let answers = netlink.dump(links::ask_all(), "list links")?;
    let link = |answer: &RouteNetlinkMessage| match answer {
        RouteNetlinkMessage::NewLink(message) => Link::read(message),
        _ => None,
    };
    let stays = |link: &Link| !links::is_aside(link.group);
    Ok(answers.iter().filter_map(link).filter(stays).collect())
}

fn list_neighbours(
    netlink: &mut Netlink,
    family: AddressFamily,
    of: Vec<NeighbourAttribute>,
) -> Result<Vec<NeighbourMessage>, Failure> {
    let mut question = NeighbourMessage::default();
    question.header.family = family;
    question.attributes = of;
    let question = RouteNetlinkMessage::GetNeighbour(question);
    let answers = netlink.dump(question, "list neighbours")?;
    let neighbour = |answer| match answer {
        RouteNetlinkMessage::NewNeighbour(message) => Some(message),
        _ => None,
    };
    Ok(answers.into_iter().filter_map(neighbour).collect())
}

fn known_neighbour(
    message: &NeighbourMessage,
    names: &BTreeMap<u32, LinkName>,
) -> Option<(Neighbour, MacAddr)> {
    use NeighbourState::{Delay, Permanent, Probe, Reachable, Stale};
    if !matches!(
        message.header.state,
        Reachable | Stale | Delay | Probe | Permanent
    ) {
        return None;
    }
    let link = *names.get(&message.header.ifindex)?;
    let address = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => Some(*address),
            _ => None,
        })?;
    Some((Neighbour { link, address }, hardware_address(message)?))
}

/// What a bridge has learned.
fn list_learned(
    netlink: &mut Netlink,
    bridge: u32,
    names: &BTreeMap<u32, LinkName>,
) -> Result<BTreeMap<Station, LinkName>, Failure> {
    let mut learned = BTreeMap::new();
    let of = vec![NeighbourAttribute::Controller(bridge)];
    for message in list_neighbours(netlink, AddressFamily::Bridge, of)? {
        let port = names.get(&message.header.ifindex);
        let dynamic = matches!(
            message.header.state,
            NeighbourState::Reachable | NeighbourState::Stale
        );
        if let (true, Some(port), Some(mac)) = (dynamic, port, hardware_address(&message)) {
            learned.insert(Station(mac), *port);
        }
    }
    Ok(learned)
}

pub(crate) fn hardware_address(message: &NeighbourMessage) -> Option<MacAddr> {
    message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            NeighbourAttribute::LinkLayerAddress(bytes) => mac_of(bytes),
            _ => None,
        })
}
