//! What the simulated host looks like.

use std::collections::{BTreeMap, BTreeSet};

use netparity_core::{
    MacAddr,
    name::LinkName,
    rules::{ChainRef, RuleSet, Table},
    snapshot::{LinkKind, LinkState, Neighbour as Place, NetnsState, Snapshot},
    trace::Station,
};

use crate::{
    Sim,
    bridge::Behind,
    link::{Address, Kind},
    neighbour::Neighbour,
    slab::{LinkId, NsId},
};

impl Sim {
    pub(crate) fn look(&self) -> Snapshot {
        let netns = self
            .by_netns
            .iter()
            .map(|(name, ns)| (name.clone(), self.look_at(*ns)));
        Snapshot {
            netns: netns.collect(),
            containers: BTreeMap::new(),
        }
    }

    fn look_at(&self, ns: NsId) -> NetnsState {
        let state = &self.namespaces[ns];
        let links = state.links.iter();
        let neighbours = links.clone().flat_map(|link| self.neighbours_on(*link));
        NetnsState {
            links: links
                .clone()
                .map(|link| (self.links[*link].name, self.look_at_link(*link)))
                .collect(),
            routes: state
                .routes
                .listed()
                .iter()
                .map(|entry| entry.describe(self.links[entry.link].name))
                .collect(),
            neighbours: neighbours.collect(),
            rules: match ns == self.host {
                true => self.look_at_rules(),
                false => RuleSet::default(),
            },
            ip_forward: state.forwards,
            listeners: state.listeners.iter().copied().collect::<BTreeSet<_>>(),
        }
    }

    fn neighbours_on(&self, link: LinkId) -> impl Iterator<Item = (Place, MacAddr)> {
        let link = &self.links[link];
        let name: LinkName = link.name;
        let known = move |(address, neighbour): (&u32, &Neighbour)| match neighbour {
            Neighbour::Known(known) => Some((
                Place {
                    link: name,
                    address: (*address).into(),
                },
                MacAddr::from(known.mac),
            )),
            Neighbour::Asked(_) | Neighbour::Failed => None,
        };
        link.neighbours.iter().filter_map(known)
    }

    fn look_at_link(&self, id: LinkId) -> LinkState {
        let link = &self.links[id];
        let learned = match link.kind {
            Kind::Bridge(bridge) => {
                let learned = |(mac, behind): (&[u8; 6], &Behind)| match behind {
                    Behind::Port(port) => {
                        Some((Station(MacAddr::from(*mac)), self.links[*port].name))
                    }
                    Behind::Own(_) => None,
                };
                let fdb = &self.bridges[bridge].fdb;
                fdb.iter().filter_map(learned).collect()
            }
            _ => BTreeMap::new(),
        };
        LinkState {
            kind: match link.kind {
                Kind::Loopback => LinkKind::Loopback,
                Kind::Bridge(_) => LinkKind::Bridge,
                Kind::Veth(_) => LinkKind::Veth,
            },
            mac: link.mac.into(),
            mtu: link.mtu,
            up: link.up,
            carrier: link.runs(),
            master: link.master.map(|master| self.links[master].name),
            addresses: link.addresses.iter().map(|it| Address::net(*it)).collect(),
            learned,
        }
    }

    fn look_at_rules(&self) -> RuleSet {
        let tables = [Table::Filter, Table::Nat].into_iter();
        let chains = tables.flat_map(|table| {
            self.chains(table).map(move |(chain, state)| {
                let at = ChainRef { table, chain };
                (at, state.clone())
            })
        });
        RuleSet {
            chains: chains.collect(),
        }
    }
}
