//! Carrying out plans.

use std::os::fd::AsFd;

use netparity_core::{
    MacAddr,
    model::DataplaneError,
    name::{LinkName, LinkRef, Netns},
    plan::{LinkChange, Op, Plan, Route, RuleOp, Sysctl, VethEnd},
    port::{Port, Protocol},
    rules::{ChainName, ChainRef},
    snapshot::LinkKind,
};
use nix::{
    libc,
    sys::epoll::{EpollEvent, EpollFlags},
};

use crate::{
    Kernel, addresses,
    error::{Doing, Failure},
    links::{self, Known, Links, Place},
    listener::Listener,
    namespace::{Namespace, Slot},
    rollback::{Journal, Undo},
    routes::Entry,
    sys, sysctl,
    watch::Source,
};

impl Kernel {
    /// Carries out all of a plan or none of it.
    ///
    /// Rules are changed last, in one transaction: no packet is under way meanwhile that could tell,
    /// the kernel undoes by itself what it refuses of them, and nothing is left that could fail.
    pub(crate) fn carry_out(&mut self, plan: &Plan) -> Result<(), DataplaneError> {
        let mut journal = Journal::default();
        match self.carry_all(plan, &mut journal) {
            Ok(()) => self.finish(journal).map_err(Failure::broken),
            Err(error) => {
                self.roll_back(journal).map_err(Failure::broken)?;
                Err(error)
            }
        }
    }

    fn carry_all(&mut self, plan: &Plan, journal: &mut Journal) -> Result<(), DataplaneError> {
        let mut rules: Vec<(usize, &RuleOp)> = Vec::new();
        for (at, op) in plan.ops.iter().enumerate() {
            if let Op::Rules(rule) = op {
                rules.push((at, rule));
            } else if let Err(failure) = self.carry(op, journal) {
                return Err(self
                    .refused_before(&rules)
                    .unwrap_or_else(|| failure.at(at)));
            }
        }
        if rules.is_empty() {
            return Ok(());
        }
        self.rule_counts.forget();
        let ops: Vec<_> = rules.iter().map(|(_, rule)| *rule).collect();
        self.firewall.apply(&ops).map_err(|(at, failure)| {
            let at = rules.get(at).map_or(0, |(place, _)| *place);
            failure.at(at)
        })
    }

    /// The refusal of the first of these, in front of an operation that was refused: asked for in
    /// a transaction that the kernel cannot but refuse in the end.
    fn refused_before(&mut self, rules: &[(usize, &RuleOp)]) -> Option<DataplaneError> {
        let refused = RuleOp::DeleteChain(ChainRef::filter(ChainName::Input));
        let mut ops: Vec<_> = rules.iter().map(|(_, rule)| *rule).collect();
        if ops.is_empty() {
            return None;
        }
        ops.push(&refused);
        let (at, failure) = self.firewall.apply(&ops).err()?;
        rules.get(at).map(|(place, _)| failure.at(*place))
    }

    fn carry(&mut self, op: &Op, journal: &mut Journal) -> Result<(), Failure> {
        match op {
            Op::AddNetns(netns) => self.add_netns(netns, journal),
            Op::DeleteNetns(netns) => self.delete_netns(netns, journal),
            Op::AddBridge { link, mac } => self.add_bridge(link, *mac, journal),
            Op::DeleteBridge(link) => self.delete_bridge(link, journal),
            Op::AddVeth { near, far } => self.add_veth(near, far, journal),
            Op::DeleteLink(link) => self.delete_link(link, journal),
            Op::SetLink { link, change } => self.set_link(link, *change, journal),
            Op::AddAddress { link, address } => {
                let place = self.place(link)?;
                self.keep(place, journal)?;
                self.change_addresses(place, addresses::add(place.index, *address))
            }
            Op::DeleteAddress { link, address } => {
                let place = self.place(link)?;
                self.keep(place, journal)?;
                self.change_addresses(place, addresses::delete(place.index, *address))
            }
            Op::AddRoute { netns, route } => {
                let (slot, entry) = self.entry(netns, route)?;
                self.keep_routes(slot, journal)?;
                self.namespaces.get_mut(slot)?.netlink.one(entry.add())
            }
            Op::DeleteRoute { netns, route } => {
                let (slot, entry) = self.entry(netns, route)?;
                self.keep_routes(slot, journal)?;
                self.namespaces.get_mut(slot)?.netlink.one(entry.delete())
            }
            Op::SetSysctl { netns, sysctl } => self.set_sysctl(netns, *sysctl, journal),
            Op::Rules(_) => Ok(()),
            Op::Listen { netns, port } => self.listen(netns, *port, journal),
            Op::Unlisten { netns, port } => self.unlisten(netns, *port, journal),
        }
    }

    fn add_netns(&mut self, netns: &Netns, journal: &mut Journal) -> Result<(), Failure> {
        if self.namespaces.find(netns).is_ok() {
            return Err(Failure::Errno(libc::EEXIST, "add namespace"));
        }
        let namespace = Namespace::new(netns.clone(), &self.runtime, self.access.settings())?;
        let slot = self.adopt(namespace)?;
        journal.made(slot);
        Ok(())
    }

    /// Puts a new namespace in its place and watches it.
    pub(crate) fn adopt(&mut self, namespace: Namespace) -> Result<Slot, Failure> {
        let slot = self.namespaces.next();
        let event = EpollEvent::new(EpollFlags::EPOLLIN, Source::Tap(slot).token());
        self.watch
            .add(&namespace.tap, event)
            .doing("watch packet socket")?;
        Ok(self.namespaces.add(namespace))
    }

    /// Watches a namespace no longer.
    pub(crate) fn unwatch(&self, namespace: &Namespace) -> Result<(), Failure> {
        const UNWATCH: &str = "watch no longer";
        self.watch.delete(&namespace.tap).doing(UNWATCH)?;
        let servers = namespace.listeners.iter();
        for (_, server) in servers.filter(|(port, _)| port.protocol == Protocol::Udp) {
            self.watch.delete(server).doing(UNWATCH)?;
        }
        Ok(())
    }

    fn delete_netns(&mut self, netns: &Netns, journal: &mut Journal) -> Result<(), Failure> {
        if *netns == Netns::Host {
            return Err(Failure::NO_NAMESPACE);
        }
        let slot = self.namespaces.find(netns)?;
        let peers = self.namespaces.get_mut(slot)?.links.peers();
        for (_, peer) in peers {
            if peer.slot != slot && self.namespaces.is_named(peer.slot) {
                self.set_aside(peer, journal)?;
            }
        }
        self.namespaces.unname(slot);
        journal.push(Undo::Name(slot));
        Ok(())
    }

    fn add_bridge(
        &mut self,
        link: &LinkRef,
        mac: Option<MacAddr>,
        journal: &mut Journal,
    ) -> Result<(), Failure> {
        let slot = self.namespaces.find(&link.netns)?;
        let namespace = self.namespaces.get_mut(slot)?;
        let index = namespace.links.reserve();
        namespace.make_link(index, links::bridge(index, link.name, mac))?;
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
    fn delete_bridge(&mut self, link: &LinkRef, journal: &mut Journal) -> Result<(), Failure> {
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

    fn add_veth(
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

    fn delete_link(&mut self, link: &LinkRef, journal: &mut Journal) -> Result<(), Failure> {
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

    fn set_link(
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

    fn change_addresses(
        &mut self,
        place: Place,
        request: crate::netlink::Request,
    ) -> Result<(), Failure> {
        let namespace = self.namespaces.get_mut(place.slot)?;
        namespace.forget_addresses();
        namespace.netlink.one(request)
    }

    fn set_sysctl(
        &mut self,
        netns: &Netns,
        sysctl: Sysctl,
        journal: &mut Journal,
    ) -> Result<(), Failure> {
        let slot = self.namespaces.find(netns)?;
        let namespace = self.namespaces.get_mut(slot)?;
        let old = namespace.inside(|| sysctl::set(sysctl))?;
        journal.push(Undo::Sysctl(slot, old));
        self.note_sysctls(slot)
    }

    fn listen(&mut self, netns: &Netns, port: Port, journal: &mut Journal) -> Result<(), Failure> {
        let slot = self.namespaces.find(netns)?;
        self.serve(slot, port)?;
        journal.push(Undo::Close(slot, port));
        Ok(())
    }

    /// Opens a server and watches it.
    pub(crate) fn serve(&mut self, slot: Slot, port: Port) -> Result<(), Failure> {
        let namespace = self.namespaces.get_mut(slot)?;
        let listener = namespace.inside(|| Listener::open(port))?;
        // What is sent to a tcp server the kernel answers by itself.
        if port.protocol == Protocol::Udp {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, Source::Server(slot, port).token());
            self.watch.add(&listener, event).doing("watch server")?;
        }
        namespace.listeners.insert(port, listener);
        Ok(())
    }

    fn unlisten(
        &mut self,
        netns: &Netns,
        port: Port,
        journal: &mut Journal,
    ) -> Result<(), Failure> {
        let slot = self.namespaces.find(netns)?;
        match self.namespaces.get_mut(slot)?.listeners.remove(&port) {
            Some(_) => journal.push(Undo::Listen(slot, port)),
            None => return Err(Failure::Errno(libc::ENOENT, "find server")),
        }
        Ok(())
    }

    /// Where a link is.
    pub(crate) fn place(&self, link: &LinkRef) -> Result<Place, Failure> {
        let slot = self.namespaces.find(&link.netns)?;
        let namespace = self.namespaces.get(slot).ok_or(Failure::NO_NAMESPACE)?;
        let index = namespace.links.find(link.name)?;
        Ok(Place { slot, index })
    }

    fn master(&self, slot: Slot, name: Option<LinkName>) -> Result<Option<u32>, Failure> {
        let namespace = self.namespaces.get(slot).ok_or(Failure::NO_NAMESPACE)?;
        name.map(|name| namespace.links.find(name)).transpose()
    }

    fn entry(&self, netns: &Netns, route: &Route) -> Result<(Slot, Entry), Failure> {
        let slot = self.namespaces.find(netns)?;
        let link = self.master(slot, route.link)?;
        Ok((slot, Entry::new(route, link)))
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
    fn make_link(
        &mut self,
        index: u32,
        requests: Vec<crate::netlink::Request>,
    ) -> Result<(), Failure> {
        match self.netlink.change(requests) {
            Ok(()) => Ok(()),
            Err((0, failure)) => Err(failure),
            Err((_, failure)) => {
                self.netlink.one(links::delete(index))?;
                Err(failure)
            }
        }
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
            Err(nix::errno::Errno::ENODEV) => Ok(()),
            carrier => carrier.doing("look at carrier"),
        }
    }
}

impl Kernel {
    /// Reads anew what a namespace does with packets that are not for it.
    pub(crate) fn note_sysctls(&mut self, slot: Slot) -> Result<(), Failure> {
        let namespace = self.namespaces.get_mut(slot)?;
        (namespace.forwards, namespace.filters_reverse_path) =
            namespace.inside(sysctl::forwarding_and_reverse_path)?;
        Ok(())
    }
}
