//! The canonical form of a simulated host, and what packets leave behind in one.

use netparity_core::{
    form::{Canonical, Form},
    rules::{Chain, Table},
};

use crate::{
    Sim,
    bridge::{Behind, Bridge},
    link::{Address, Kind, Link},
    namespace::{Namespace, Senders},
    route::{Entry, Routes},
    slab::{LinkId, NsId},
};

/// That of a host through which no packet has gone. Left out, beside what packets leave behind:
/// the numbers under which things are kept, and what only finds them.
impl Canonical for Sim {
    fn write<'a>(&'a self, form: &mut Form<'a>) {
        let Self {
            fault,
            namespaces: _,
            links: _,
            bridges: _,
            by_netns,
            by_name: _,
            stations: _,
            owners: _,
            host: _,
            firewall: _,
            conntrack: _,
            arrivals: _,
            arrived: _,
            in_program: _,
            echoes: _,
            answered: _,
            waiting: _,
            unresolved: _,
            failed: _,
            tape: _,
            buffers: _,
            identification: _,
            sequence: _,
            macs,
            undo: _,
            taken: _,
        } = self;
        form.value(&(fault, macs));
        form.unordered(by_netns, |form, (name, ns)| {
            form.netns(name);
            self.write_namespace(form, *ns);
        });
        for table in [Table::Filter, Table::Nat] {
            form.value(&self.firewall.table(table).is_some());
            for (name, chain) in self.chains(table) {
                let Chain { policy, rules } = chain;
                form.value(&(name, policy, rules));
            }
        }
    }
}

impl Sim {
    fn write_namespace(&self, form: &mut Form<'_>, ns: NsId) {
        let Namespace {
            name: _,
            links,
            routes,
            listeners,
            forwards,
            bridge_calls_iptables,
            reverse_path,
            reassemblies: _,
            half_open: _,
            senders: _,
            peers: _,
        } = &self.namespaces[ns];
        form.value(&(listeners, forwards, bridge_calls_iptables, reverse_path));
        form.value(&links.len());
        for link in links {
            self.write_link(form, *link);
        }
        let Routes {
            exceptions: _,
            entries,
        } = routes;
        form.value(&entries.len());
        for entry in entries {
            self.write_route(form, entry);
        }
    }

    fn write_route(&self, form: &mut Form<'_>, entry: &Entry) {
        let Entry {
            to,
            prefix,
            kind,
            scope,
            kernel,
            link,
            via,
            via_self,
            source,
        } = entry;
        form.value(&(to, prefix, kind, scope, kernel, via, via_self, source));
        form.value(&self.links[*link].name);
    }

    fn write_link(&self, form: &mut Form<'_>, id: LinkId) {
        let Link {
            name,
            ns: _,
            kind,
            mac,
            mtu,
            up,
            carrier,
            master,
            addresses,
            neighbours: _,
        } = &self.links[id];
        let name_of = |link: &LinkId| self.links[*link].name;
        form.value(&(name, mac, mtu, up, carrier, master.as_ref().map(name_of)));
        form.value(&addresses.len());
        for Address {
            address,
            prefix,
            secondary,
        } in addresses
        {
            form.value(&(address, prefix, secondary));
        }
        form.value(&std::mem::discriminant(kind));
        match kind {
            Kind::Loopback => {}
            Kind::Veth(peer) => {
                let peer = &self.links[*peer];
                form.netns(&self.namespaces[peer.ns].name);
                form.value(&peer.name);
            }
            Kind::Bridge(bridge) => {
                let Bridge {
                    link: _,
                    ports,
                    fdb,
                    mtu_set,
                    mac_set,
                } = &self.bridges[*bridge];
                form.value(&(mtu_set, mac_set, ports.len()));
                for port in ports {
                    form.value(&(name_of(&port.link), port.enabled));
                }
                let own = fdb.iter().filter_map(|(mac, behind)| match behind {
                    Behind::Own(count) => Some((mac, count)),
                    Behind::Port(_) => None,
                });
                form.unordered(own, |form, own| form.value(&own));
            }
        }
    }

    /// Whether no packet has left anything behind.
    pub fn is_untouched(&self) -> bool {
        let is_quiet = |ns: &Namespace| {
            ns.reassemblies.is_empty()
                && ns.half_open.is_empty()
                && ns.senders == Senders::default()
                && ns.peers.is_empty()
                && ns.routes.exceptions.is_empty()
        };
        let learned = |bridge: &Bridge| {
            let mut behind = bridge.fdb.values();
            behind.any(|behind| matches!(behind, Behind::Port(_)))
        };
        self.conntrack.is_empty()
            && self.failed.is_empty()
            && self.identification == 0
            && self.sequence == 0
            && self.namespaces.iter().all(is_quiet)
            && self.links.iter().all(|link| link.neighbours.is_empty())
            && !self.bridges.iter().any(learned)
    }

    /// Forgets the packets so far: the next one fares as if it were the first.
    pub fn forget_packets(&mut self) {
        self.conntrack.clear();
        self.failed.clear();
        self.identification = 0;
        self.sequence = 0;
        for ns in self.namespaces.iter_mut() {
            ns.reassemblies.clear();
            ns.half_open.clear();
            ns.senders = Senders::default();
            ns.peers.clear();
            ns.routes.exceptions.clear();
        }
        for link in self.links.iter_mut() {
            link.neighbours.clear();
        }
        for bridge in self.bridges.iter_mut() {
            bridge
                .fdb
                .retain(|_, behind| matches!(behind, Behind::Own(_)));
        }
    }
}
