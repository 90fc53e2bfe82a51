//! Making, changing and removing links.

use std::os::fd::AsFd;

use netparity_core::{
    MacAddr,
    name::{LinkName, LinkRef},
    plan::{LinkChange, VethEnd},
    snapshot::LinkKind,
};
use nix::{errno::Errno, libc};

use crate::{
    Kernel,
    error::{Doing, Failure},
    links::{self, Known, Links, Place},
    namespace::Namespace,
    netlink::Request,
    rollback::{Journal, Undo},
    sys,
};

impl Kernel {
    pub(super) fn add_bridge(
        &mut self,
        link: &LinkRef,
        mac: Option<MacAddr>,
        journal: &mut Journal,
    ) -> Result<(), Failure> {
        let slot = self.namespaces.find(&link.netns)?;
        let namespace = self.namespaces.get_mut(slot)?;
        let index = namespace.make_bridge(link.name, mac)?;
        let known = Known {
            name: link.name,
            kind: LinkKind::Bridge,
            peer: None,
            master: None,
        };
        namespace.links.insert(index, known);
        let place = Place { slot, index };
        self.stations.touch(place);
        journal.push(Undo::Delete(place));
        Ok(())
    }

    /// A bridge that `brctl delbr` would remove is set aside; of any other the kernel says why not.
    pub(super) fn delete_bridge(
        &mut self,
        link: &LinkRef,
        journal: &mut Journal,
    ) -> Result<(), Failure> {
        const DELETE: &str = "delete bridge";
        let slot = self.namespaces.find(&link.netns)?;
        if let Ok(place) = self.place(link) {
            let state = self.look_at(place)?;
            if state.kind == LinkKind::Bridge && !state.up {
                return self.set_aside(place, journal);
            }
        }
        let socket = self.namespaces.get_mut(slot)?.netlink.descriptor();
        sys::delete_bridge(socket, link.name).doing(DELETE)?;
        Err(Failure::nonsense(
            "the kernel has deleted a bridge that was up",
        ))
    }

    pub(super) fn add_veth(
        &mut self,
        near: &VethEnd,
        far: &VethEnd,
        journal: &mut Journal,
    ) -> Result<(), Failure> {
        let near_slot = self.namespaces.find(&near.link.netns)?;
        let far_slot = self.namespaces.find(&far.link.netns)?;
        let near_master = self.master(near_slot, near.master)?;
        let far_master = self.master(far_slot, far.master)?;
        let near_index = self.namespaces.get_mut(near_slot)?.links.reserve();
        let far_index = self.namespaces.get_mut(far_slot)?.links.reserve();
        let far_netns = self.namespaces.get(far_slot).ok_or(Failure::NO_NAMESPACE)?;
        let requests = links::veth(
            (near_index, near, near_master),
            (far_index, far),
            far_netns.as_fd(),
        );
        self.namespaces
            .get_mut(near_slot)?
            .make_link(near_index, requests)?;
        let near_place = Place {
            slot: near_slot,
            index: near_index,
        };
        let far_place = Place {
            slot: far_slot,
            index: far_index,
        };
        let ends = [
            (near_place, near, near_master, far_place),
            (far_place, far, far_master, near_place),
        ];
        for (place, end, master, peer) in ends {
            let known = Known {
                name: end.link.name,
                kind: LinkKind::Veth,
                peer: Some(peer),
                master,
            };
            self.namespaces
                .get_mut(place.slot)?
                .links
                .insert(place.index, known);
        }
        journal.push(Undo::Delete(near_place));
        for (place, end, ..) in ends {
            let socket = self.namespaces.get_mut(place.slot)?.netlink.descriptor();
            sys::complete_checksums(socket, end.link.name).doing("add veth pair")?;
        }
        let mut requests = vec![links::keep_neighbours(far_index)];
        if let Some(master) = far_master {
            let change = LinkChange::Master(far.master);
            requests.push(links::change(far_index, change, Some(master)));
        }
        if far.up {
            requests.push(links::change(far_index, LinkChange::Up(true), None));
        }
        let netlink = &mut self.namespaces.get_mut(far_slot)?.netlink;
        netlink.change(requests).map_err(|(_, failure)| failure)?;
        self.catch_up(near_place)
    }

    pub(super) fn delete_link(
        &mut self,
        link: &LinkRef,
        journal: &mut Journal,
    ) -> Result<(), Failure> {
        let place = self.place(link)?;
        let namespace = self.namespaces.get_mut(place.slot)?;
        let Some(known) = namespace.links.get(place.index).cloned() else {
            return Err(Failure::NO_LINK);
        };
        if known.kind == LinkKind::Loopback {
            namespace.netlink.one(links::delete(place.index))?;
            return Err(Failure::nonsense(
                "the kernel has deleted a loopback interface",
            ));
        }
        self.set_aside(place, journal)?;
        match known.peer {
            Some(peer) if self.namespaces.is_named(peer.slot) => self.set_aside(peer, journal),
            _ => Ok(()),
        }
    }

    pub(super) fn set_link(
        &mut self,
        link: &LinkRef,
        change: LinkChange,
        journal: &mut Journal,
    ) -> Result<(), Failure> {
        let place = self.place(link)?;
        let master = match change {
            LinkChange::Master(Some(name)) => {
                let namespace = self.namespaces.get_mut(place.slot)?;
                let index = namespace.links.find(name);
                Some(index.map_err(|_| Failure::Errno(libc::ENXIO, "find bridge"))?)
            }
            _ => None,
        };
        self.keep(place, journal)?;
        let namespace = self.namespaces.get_mut(place.slot)?;
        if let LinkChange::Mtu(_) = change {
            // A bridge whose MTU was set does not follow its ports any more.
            namespace.links.spoil(place.index);
        }
        namespace
            .netlink
            .one(links::change(place.index, change, master))?;
        // A link that goes down or comes up has other routes, and may have other addresses.
        namespace.forget_addresses();
        self.catch_up(place)?;
        if let LinkChange::Master(_) = change {
            let namespace = self.namespaces.get_mut(place.slot)?;
            namespace.links.set_master(place.index, master);
            self.catch_up(place)?;
        }
        Ok(())
    }

    /// Makes the kernel's link watcher catch up with all that a change to a link can have made
    /// pass or not: its other end, and the bridges that the two are ports of. The watcher works a
    /// little later on its own, and until then a new queue drops what it is given (`noop_qdisc`).
    pub(crate) fn catch_up(&mut self, place: Place) -> Result<(), Failure> {
        let peer = self
            .namespaces
            .get(place.slot)
            .and_then(|namespace| namespace.links.get(place.index)?.peer);
        for end in [Some(place), peer].into_iter().flatten() {
            let Ok(namespace) = self.namespaces.get_mut(end.slot) else {
                continue;
            };
            let master = namespace
                .links
                .get(end.index)
                .and_then(|known| known.master);
            for index in [Some(end.index), master].into_iter().flatten() {
                namespace.catch_up(index)?;
                self.stations.touch(Place {
                    slot: end.slot,
                    index,
                });
            }
        }
        Ok(())
    }
}

impl Namespace {
    /// Makes a link by the first of these requests, and sets it up by the others.
    fn make_link(&mut self, index: u32, requests: Vec<Request>) -> Result<(), Failure> {
        match self.netlink.change(requests) {
            Ok(()) => Ok(()),
            Err((0, failure)) => Err(failure),
            Err((_, failure)) => {
                self.netlink.one(links::delete(index))?;
                Err(failure)
            }
        }
    }

    /// Makes a bridge, if it can be of one that was kept, and returns its index.
    fn make_bridge(&mut self, name: LinkName, mac: Option<MacAddr>) -> Result<u32, Failure> {
        if let (Some(mac), Some(index)) = (mac, self.links.kept_bridge()) {
            let request = links::reuse_bridge(index, name, mac);
            // Why it is refused the kernel says of a new one.
            if self.netlink.one(request).is_ok() {
                self.links.keep_bridge(index);
                return Ok(index);
            }
        }
        let index = self.links.reserve();
        self.make_link(index, links::bridge(index, name, mac))?;
        if mac.is_some() {
            self.links.keep_bridge(index);
        }
        Ok(index)
    }

    fn catch_up(&mut self, index: u32) -> Result<(), Failure> {
        let Some(name) = self.links.get(index).map(|known| known.name) else {
            return Ok(());
        };
        if index == Links::LOOPBACK {
            return Ok(());
        }
        match sys::sync_carrier(self.netlink.descriptor(), name) {
            // It is being removed, or has another name until then.
            Err(Errno::ENODEV) => Ok(()),
            carrier => carrier.doing("look at carrier"),
        }
    }
}
