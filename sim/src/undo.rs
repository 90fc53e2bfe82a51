//! Undoing what has been carried out of a plan that is refused further on.

use netparity_core::{
    plan::ReversePathFilter,
    port::Port,
    rules::{Chain, ChainRef, Policy, Rule, Table},
};

use crate::{
    Sim,
    bridge::{self, Behind, Bridge},
    link::{Address, Kind, Link},
    namespace::Namespace,
    neighbour::Neighbours,
    route::Routes,
    slab::{BridgeId, LinkId, NsId},
    wire::Mac,
};

/// How to undo one change.
#[derive(Clone, Debug)]
pub(crate) enum Undo {
    RemoveNetns(NsId),
    RestoreNetns(NsId, Box<Namespace>),
    RemoveLink(LinkId),
    /// With its place among its namespace's links.
    RestoreLink(LinkId, Box<Link>, usize),
    Settings(LinkId, Box<Settings>),
    Neighbours(LinkId, Neighbours),
    RemoveBridge(BridgeId),
    RestoreBridge(BridgeId, Box<Bridge>),
    BridgeSettings {
        bridge: BridgeId,
        mtu_set: bool,
        mac_set: bool,
    },
    RemovePort(BridgeId),
    RestorePort(BridgeId, usize, bridge::Port),
    Port(BridgeId, usize, bridge::Port),
    Learned(BridgeId, LinkId, Vec<Mac>),
    Disown(BridgeId, Mac),
    Own(BridgeId, Mac),
    Routes(NsId, Box<Routes>),
    Sysctls(NsId, Sysctls),
    Close(NsId, Port),
    Open(NsId, Port),
    RemoveTable(Table),
    Chain(ChainRef, Option<Chain>),
    Policy(ChainRef, Policy),
    RemoveRule(ChainRef, usize),
    RestoreRule(ChainRef, usize, Rule),
}

/// What of a link an operation changes.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    mac: Mac,
    mtu: u32,
    up: bool,
    carrier: bool,
    master: Option<LinkId>,
    addresses: Vec<Address>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Sysctls {
    pub forwards: bool,
    pub bridge_calls_iptables: bool,
    pub reverse_path: ReversePathFilter,
}

impl Sim {
    /// A link, to be changed. Its hardware address is not to be changed by this.
    pub(crate) fn edit(&mut self, link: LinkId) -> &mut Link {
        let old = &self.links[link];
        let settings = Settings {
            mac: old.mac,
            mtu: old.mtu,
            up: old.up,
            carrier: old.carrier,
            master: old.master,
            addresses: old.addresses.clone(),
        };
        self.undo.push(Undo::Settings(link, Box::new(settings)));
        &mut self.links[link]
    }

    pub(crate) fn edit_mac(&mut self, link: LinkId, mac: Mac) {
        let old = self.edit(link).mac;
        self.set_station(link, old, mac);
    }

    fn set_station(&mut self, link: LinkId, old: Mac, new: Mac) {
        self.links[link].mac = new;
        if self.links[link].kind != Kind::Loopback && old != new {
            self.stations.remove(old, link);
            self.stations.add(new, link);
        }
    }

    /// Changes a namespace's routes, and with them who has which address.
    pub(crate) fn edit_routes(&mut self, ns: NsId, change: impl FnOnce(&mut Routes)) {
        let mut routes = self.namespaces[ns].routes.clone();
        change(&mut routes);
        let old = self.swap_routes(ns, routes);
        self.undo.push(Undo::Routes(ns, Box::new(old)));
    }

    fn swap_routes(&mut self, ns: NsId, new: Routes) -> Routes {
        for entry in new.local() {
            self.owners.add(ns, entry);
        }
        let old = std::mem::replace(&mut self.namespaces[ns].routes, new);
        for entry in old.local() {
            self.owners.remove(entry);
        }
        old
    }

    pub(crate) fn edit_sysctls(&mut self, ns: NsId) -> &mut Namespace {
        let old = &self.namespaces[ns];
        let sysctls = Sysctls {
            forwards: old.forwards,
            bridge_calls_iptables: old.bridge_calls_iptables,
            reverse_path: old.reverse_path,
        };
        self.undo.push(Undo::Sysctls(ns, sysctls));
        &mut self.namespaces[ns]
    }

    pub(crate) fn insert_link(&mut self, link: Link) -> LinkId {
        let (ns, name, mac, kind) = (link.ns, link.name, link.mac, link.kind);
        let id = self.links.insert(link);
        self.namespaces[ns].links.push(id);
        self.by_name.insert((ns, name), id);
        if kind != Kind::Loopback {
            self.stations.add(mac, id);
        }
        self.undo.push(Undo::RemoveLink(id));
        id
    }

    /// Takes a link away that nothing depends on any more.
    pub(crate) fn take_link(&mut self, id: LinkId) {
        let (link, at) = self.unlist_link(id);
        self.undo.push(Undo::RestoreLink(id, Box::new(link), at));
    }

    fn unlist_link(&mut self, id: LinkId) -> (Link, usize) {
        let link = self.links.remove(id);
        let links = &mut self.namespaces[link.ns].links;
        let at = links.iter().position(|other| *other == id);
        let at = at.unwrap_or(links.len());
        if at < links.len() {
            links.remove(at);
        }
        self.by_name.remove(&(link.ns, link.name));
        if link.kind != Kind::Loopback {
            self.stations.remove(link.mac, id);
        }
        (link, at)
    }

    fn relist_link(&mut self, id: LinkId, link: Link, at: usize) {
        let links = &mut self.namespaces[link.ns].links;
        links.insert(at.min(links.len()), id);
        self.by_name.insert((link.ns, link.name), id);
        if link.kind != Kind::Loopback {
            self.stations.add(link.mac, id);
        }
        self.links.restore(id, link);
    }

    /// Undoes everything, last things first.
    pub(crate) fn roll_back(&mut self) {
        while let Some(undo) = self.undo.pop() {
            self.undo_one(undo);
        }
    }

    fn undo_one(&mut self, undo: Undo) {
        match undo {
            Undo::RemoveNetns(ns) => {
                let gone = self.namespaces.remove(ns);
                self.by_netns.remove(&gone.name);
            }
            Undo::RestoreNetns(ns, old) => {
                self.by_netns.insert(old.name.clone(), ns);
                self.namespaces.restore(ns, *old);
            }
            Undo::RemoveLink(link) => {
                self.unlist_link(link);
            }
            Undo::RestoreLink(id, link, at) => self.relist_link(id, *link, at),
            Undo::Settings(link, old) => {
                let mac = self.links[link].mac;
                self.set_station(link, mac, old.mac);
                let place = &mut self.links[link];
                place.mtu = old.mtu;
                place.up = old.up;
                place.carrier = old.carrier;
                place.master = old.master;
                place.addresses = old.addresses;
                self.find_station(link);
            }
            Undo::Neighbours(link, old) => self.links[link].neighbours = old,
            Undo::RemoveBridge(bridge) => {
                self.bridges.remove(bridge);
            }
            Undo::RestoreBridge(bridge, old) => self.bridges.restore(bridge, *old),
            Undo::BridgeSettings {
                bridge,
                mtu_set,
                mac_set,
            } => {
                let place = &mut self.bridges[bridge];
                place.mtu_set = mtu_set;
                place.mac_set = mac_set;
            }
            Undo::RemovePort(bridge) => {
                self.bridges[bridge].ports.pop();
            }
            Undo::RestorePort(bridge, at, port) => {
                let ports = &mut self.bridges[bridge].ports;
                ports.insert(at.min(ports.len()), port);
            }
            Undo::Port(bridge, at, old) => {
                if let Some(port) = self.bridges[bridge].ports.get_mut(at) {
                    *port = old;
                }
            }
            Undo::Learned(bridge, port, macs) => {
                let fdb = &mut self.bridges[bridge].fdb;
                fdb.extend(macs.into_iter().map(|mac| (mac, Behind::Port(port))));
            }
            Undo::Disown(bridge, mac) => self.bridges[bridge].disown(mac),
            Undo::Own(bridge, mac) => self.bridges[bridge].own(mac),
            Undo::Routes(ns, old) => {
                self.swap_routes(ns, *old);
            }
            Undo::Sysctls(ns, old) => {
                let place = &mut self.namespaces[ns];
                place.forwards = old.forwards;
                place.bridge_calls_iptables = old.bridge_calls_iptables;
                place.reverse_path = old.reverse_path;
            }
            Undo::Close(ns, port) => self.namespaces[ns].listeners.retain(|other| *other != port),
            Undo::Open(ns, port) => {
                let listeners = &mut self.namespaces[ns].listeners;
                let at = listeners.partition_point(|other| *other < port);
                listeners.insert(at, port);
            }
            Undo::RemoveTable(_)
            | Undo::Chain(..)
            | Undo::Policy(..)
            | Undo::RemoveRule(..)
            | Undo::RestoreRule(..) => self.undo_rule(undo),
        }
    }
}
