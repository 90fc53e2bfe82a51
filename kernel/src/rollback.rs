//! Undoing a plan that was refused half-way, and finishing one that was not.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;
use netlink_packet_route::RouteNetlinkMessage;
use netparity_core::{plan::LinkChange, port::Port, snapshot::LinkKind};

use crate::{
    Kernel, addresses,
    error::Failure,
    links::{self, Link, Place},
    namespaces::Slot,
    routes::{self, Entry},
    scrub::retire,
    sysctl::{self, Setting},
};

/// What has to be done to make things as they were, last first.
#[derive(Default)]
pub(crate) struct Journal {
    undo: Vec<Undo>,
    /// Namespaces that the plan has made: what is in them goes with them.
    made: BTreeSet<Slot>,
}

/// How one change is undone. What a plan removes is kept until the plan has succeeded.
pub(crate) enum Undo {
    /// Remove a namespace that was made.
    Remove(Slot),
    /// Give a namespace its name back.
    Name(Slot),
    /// Delete a link that was made.
    Delete(Place),
    /// Make a link as it was.
    Link(Box<Before>),
    /// Make the main table what it was.
    Routes(Slot, Vec<Entry>),
    /// Set a parameter to what it was.
    Sysctl(Slot, Setting),
    /// Close a server.
    Close(Slot, Port),
    /// Open a server again.
    Listen(Slot, Port),
}

/// A link before a change.
pub(crate) struct Before {
    place: Place,
    link: Link,
    addresses: Vec<Ipv4Net>,
    /// The main table of its namespace.
    routes: Vec<Entry>,
    /// If the change was to set it aside: a bridge's ports.
    aside: Option<Vec<u32>>,
}

impl Journal {
    pub(crate) fn push(&mut self, undo: Undo) {
        self.undo.push(undo);
    }

    pub(crate) fn made(&mut self, slot: Slot) {
        self.made.insert(slot);
        self.undo.push(Undo::Remove(slot));
    }
}

impl Kernel {
    /// Notes how a link is, so that it can be made so again.
    pub(crate) fn keep(&mut self, place: Place, journal: &mut Journal) -> Result<(), Failure> {
        if !journal.made.contains(&place.slot) {
            let before = self.before(place)?;
            journal.push(Undo::Link(Box::new(before)));
        }
        Ok(())
    }

    /// Notes the routes of a namespace.
    pub(crate) fn keep_routes(&mut self, slot: Slot, journal: &mut Journal) -> Result<(), Failure> {
        if !journal.made.contains(&slot) {
            let routes = routes::list(&mut self.namespaces.get_mut(slot)?.netlink)?;
            journal.push(Undo::Routes(slot, routes));
        }
        Ok(())
    }

    fn before(&mut self, place: Place) -> Result<Before, Failure> {
        let link = self.look_at(place)?;
        let netlink = &mut self.namespaces.get_mut(place.slot)?.netlink;
        Ok(Before {
            place,
            link,
            addresses: addresses::of_link(netlink, place.index)?,
            routes: routes::list(netlink)?,
            aside: None,
        })
    }

    /// A link as it is now.
    pub(crate) fn look_at(&mut self, place: Place) -> Result<Link, Failure> {
        let netlink = &mut self.namespaces.get_mut(place.slot)?.netlink;
        let answers = netlink.get(vec![links::ask(place.index)], "look at link")?;
        let link = answers.iter().find_map(|answer| match answer {
            RouteNetlinkMessage::NewLink(message) => Link::read(message),
            _ => None,
        });
        link.ok_or(Failure::NO_LINK)
    }

    /// Takes a link out of everything it has a part in, so that it is as good as removed: that
    /// can be undone, and takes a fraction of the time. It is removed when the plan has succeeded.
    pub(crate) fn set_aside(&mut self, place: Place, journal: &mut Journal) -> Result<(), Failure> {
        let mut before = self.before(place)?;
        let bridge = before.link.master;
        let namespace = self.namespaces.get_mut(place.slot)?;
        let ports = namespace.links.ports(place.index);
        before.aside = Some(ports.clone());
        let release = |port: &u32| links::change(*port, LinkChange::Master(None), None);
        let mut requests: Vec<_> = ports.iter().map(release).collect();
        // Those of the same network go with the first of them, which for that has to be the last.
        let addresses = before.addresses.iter().rev();
        requests.extend(addresses.map(|address| addresses::delete(place.index, *address)));
        // To remove a bridge has all who change a network wait.
        requests.push(match namespace.links.is_kept(place.index) {
            true => links::keep_bridge(place.index),
            false => links::set_aside(place.index),
        });
        journal.push(Undo::Link(Box::new(before)));
        namespace
            .netlink
            .change(requests)
            .map_err(|(_, failure)| failure)?;
        namespace.forget_addresses();
        namespace.links.unname(place.index);
        namespace.links.set_master(place.index, None);
        for port in &ports {
            namespace.links.set_master(*port, None);
        }
        for index in ports.into_iter().chain(bridge) {
            let slot = place.slot;
            self.catch_up(Place { slot, index })?;
        }
        self.catch_up(place)
    }

    /// Makes things as they were before the plan.
    pub(crate) fn roll_back(&mut self, journal: Journal) -> Result<(), Failure> {
        for undo in journal.undo.into_iter().rev() {
            self.undo(undo)?;
        }
        Ok(())
    }

    fn undo(&mut self, undo: Undo) -> Result<(), Failure> {
        match undo {
            Undo::Remove(slot) => self.remove_namespace(slot),
            Undo::Name(slot) => {
                self.namespaces.rename(slot);
                Ok(())
            }
            Undo::Delete(place) => {
                let bridge = self.bridge_of(place);
                self.namespaces
                    .get_mut(place.slot)?
                    .netlink
                    .one(links::delete(place.index))?;
                self.forget_link(place);
                bridge.map_or(Ok(()), |bridge| self.catch_up(bridge))
            }
            Undo::Link(before) => self.restore(&before),
            Undo::Routes(slot, before) => {
                routes::restore(&mut self.namespaces.get_mut(slot)?.netlink, &before)
            }
            Undo::Sysctl(slot, setting) => {
                let namespace = self.namespaces.get_mut(slot)?;
                namespace.inside(|| sysctl::reset(&setting))?;
                self.note_sysctls(slot)
            }
            Undo::Close(slot, port) => {
                self.namespaces.get_mut(slot)?.listeners.remove(&port);
                Ok(())
            }
            Undo::Listen(slot, port) => self.serve(slot, port),
        }
    }

    fn restore(&mut self, before: &Before) -> Result<(), Failure> {
        let Before { place, link, .. } = before;
        let namespace = self.namespaces.get_mut(place.slot)?;
        if let Some(ports) = &before.aside {
            let mut requests = vec![links::put_back(place.index, link.name)];
            let enslave = |port: &u32| {
                links::change(
                    *port,
                    LinkChange::Master(Some(link.name)),
                    Some(place.index),
                )
            };
            requests.extend(ports.iter().map(enslave));
            namespace
                .netlink
                .change(requests)
                .map_err(|(_, failure)| failure)?;
            namespace.links.rename(place.index);
            for port in ports {
                namespace.links.set_master(*port, Some(place.index));
            }
        }
        let now = self.look_at(*place)?;
        let mut requests = Vec::new();
        let mut is_spoilt = false;
        let mut set = |change, master| requests.push(links::change(place.index, change, master));
        // A bridge without an address of its own takes a port's, and needs no help with it.
        if now.mac != link.mac && link.kind != LinkKind::Loopback {
            set(LinkChange::Mac(link.mac), None);
        }
        if now.master != link.master {
            set(LinkChange::Master(None), link.master);
        }
        if now.mtu != link.mtu {
            set(LinkChange::Mtu(link.mtu), None);
            is_spoilt = true;
        }
        if now.up != link.up {
            set(LinkChange::Up(link.up), None);
        }
        let namespace = self.namespaces.get_mut(place.slot)?;
        namespace
            .netlink
            .change(requests)
            .map_err(|(_, failure)| failure)?;
        namespace.links.set_master(place.index, link.master);
        if is_spoilt {
            namespace.links.spoil(place.index);
        }
        addresses::restore(&mut namespace.netlink, place.index, &before.addresses)?;
        namespace.forget_addresses();
        for port in before.aside.iter().flatten() {
            let slot = place.slot;
            self.catch_up(Place { slot, index: *port })?;
        }
        self.catch_up(*place)?;
        routes::restore(
            &mut self.namespaces.get_mut(place.slot)?.netlink,
            &before.routes,
        )
    }

    /// Removes for good what the plan has set aside.
    pub(crate) fn finish(&mut self, journal: Journal) -> Result<(), Failure> {
        let mut removed = BTreeSet::new();
        let mut leaving: BTreeSet<Slot> = BTreeSet::new();
        for undo in journal.undo {
            match undo {
                Undo::Name(slot) => {
                    removed.insert(slot);
                }
                Undo::Link(before) if before.aside.is_some() => {
                    let place = before.place;
                    let namespace = self.namespaces.get_mut(place.slot)?;
                    if namespace.links.is_kept(place.index) {
                        namespace.links.forget(place.index);
                        self.stations.forget(place);
                        continue;
                    }
                    let peer = self.peer_of(place);
                    // Those whose other end goes with its namespace go with it.
                    let goes = peer.is_some_and(|peer| !self.namespaces.is_named(peer.slot));
                    if !goes && self.namespaces.is_named(place.slot) {
                        leaving.insert(place.slot);
                    }
                    self.forget_link(place);
                }
                _ => {}
            }
        }
        for slot in leaving {
            let netlink = &mut self.namespaces.get_mut(slot)?.netlink;
            match netlink.one(links::delete_leaving()) {
                // The other end, in another namespace, has taken it along.
                Err(failure) if failure.errno() == Some(nix::libc::ENODEV) => {}
                result => result?,
            }
        }
        for slot in removed {
            self.remove_namespace(slot)?;
        }
        Ok(())
    }

    pub(crate) fn remove_namespace(&mut self, slot: Slot) -> Result<(), Failure> {
        self.stations.forget_all(slot);
        if let Some(namespace) = self.namespaces.remove(slot) {
            self.unwatch(&namespace)?;
            retire(vec![namespace.into_used()], &self.access);
        }
        Ok(())
    }

    fn forget_link(&mut self, place: Place) {
        let peer = self.peer_of(place);
        for place in [Some(place), peer].into_iter().flatten() {
            if let Ok(namespace) = self.namespaces.get_mut(place.slot) {
                namespace.links.remove(place.index);
            }
            self.stations.forget(place);
        }
    }

    fn peer_of(&self, place: Place) -> Option<Place> {
        self.namespaces
            .get(place.slot)?
            .links
            .get(place.index)?
            .peer
    }

    fn bridge_of(&self, place: Place) -> Option<Place> {
        let known = self.namespaces.get(place.slot)?.links.get(place.index)?;
        let index = known.master?;
        Some(Place {
            slot: place.slot,
            index,
        })
    }
}
