//! Carrying out plans.

mod links;
mod namespaces;

use std::{collections::BTreeSet, net::Ipv4Addr};

use netparity_core::{
    model::DataplaneError,
    name::{LinkName, LinkRef, Netns},
    plan::{Op, Plan, Route, RuleOp, Sysctl},
    port::{Port, Protocol},
    rules::{ChainName, ChainRef},
};
use nix::{
    libc,
    sys::epoll::{EpollEvent, EpollFlags},
};

use crate::{
    Kernel, addresses,
    error::{Doing, Failure},
    links::Place,
    listener::Listener,
    namespaces::Slot,
    netlink::Request,
    rollback::{Journal, Undo},
    routes::Entry,
    sysctl,
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
            Ok(()) => {
                self.finish(journal).map_err(Failure::broken)?;
                self.forget_connections(plan).map_err(Failure::broken)
            }
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

    fn forget_connections(&mut self, plan: &Plan) -> Result<(), Failure> {
        let address = |op: &Op| match op {
            Op::ForgetConnections(address) => Some(*address),
            _ => None,
        };
        let addresses: BTreeSet<Ipv4Addr> = plan.ops.iter().filter_map(address).collect();
        match addresses.is_empty() {
            true => Ok(()),
            false => self.firewall.forget_connections(&addresses),
        }
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
            Op::Rules(_) | Op::ForgetConnections(_) => Ok(()),
            Op::Listen { netns, port } => self.listen(netns, *port, journal),
            Op::Unlisten { netns, port } => self.unlisten(netns, *port, journal),
        }
    }

    fn change_addresses(&mut self, place: Place, request: Request) -> Result<(), Failure> {
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
        if let Sysctl::IpForward(_) = sysctl {
            namespace.netlink.await_turn()?;
        }
        let old = namespace.inside(|| sysctl::set(sysctl))?;
        namespace.changed(old.clone());
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

    /// Reads anew what a namespace does with packets that are not for it.
    pub(crate) fn note_sysctls(&mut self, slot: Slot) -> Result<(), Failure> {
        let namespace = self.namespaces.get_mut(slot)?;
        namespace.policy = namespace.inside(sysctl::Policy::read)?;
        Ok(())
    }
}
