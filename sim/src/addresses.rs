//! Addresses and the routes that come and go with them, and routes set by hand (`devinet.c`,
//! `fib_frontend.c`, `fib_semantics.c`).

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use netparity_core::{errno::Errno, plan::Route};

use crate::{
    Sim,
    fault::Fault,
    link::{Address, Kind, is_zeronet},
    route::{Entry, Routes, Scope, To},
    slab::{LinkId, NsId},
};

const LOOPBACK: Address = Address {
    address: 0x7f00_0001,
    prefix: 8,
    secondary: false,
};

impl Sim {
    /// `lo` gets its address whenever it is set up.
    pub(crate) fn add_loopback_address(&mut self, link: LinkId) {
        let _ = self.insert_address(link, LOOPBACK);
    }

    pub(crate) fn add_address(&mut self, link: LinkId, net: Ipv4Net) -> Result<(), Errno> {
        let address = self.insert_address(
            link,
            Address {
                address: net.addr().to_bits(),
                prefix: net.prefix_len(),
                secondary: false,
            },
        )?;
        let entries = self.address_routes(link, address);
        let ns = self.links[link].ns;
        self.edit_routes(ns, |routes| add_all(routes, &entries));
        Ok(())
    }

    /// Puts an address in its place: behind those that are first in their networks and of no
    /// smaller scope, unless it is in one of those networks (`inet_insert_ifa`).
    fn insert_address(&mut self, link: LinkId, mut new: Address) -> Result<Address, Errno> {
        let addresses = &self.links[link].addresses;
        let shares = |old: &&Address| old.prefix == new.prefix && old.holds(new.address);
        let mut in_network = addresses.iter().filter(shares).peekable();
        new.secondary = in_network.peek().is_some();
        if in_network.any(|old| old.address == new.address) {
            return Err(Errno::EEXIST);
        }
        let at = match new.secondary {
            true => addresses.len(),
            false => addresses
                .iter()
                .rposition(|old| !old.secondary && (old.is_host_only() || !new.is_host_only()))
                .map_or(0, |last| last + 1),
        };
        self.edit(link).addresses.insert(at, new);
        Ok(new)
    }

    /// The routes that an address brings: itself and, on a link that is up, its network and that
    /// network's broadcast address (`fib_add_ifaddr`).
    fn address_routes(&self, link: LinkId, address: Address) -> Vec<Entry> {
        let up = self.links[link].up;
        let loopback = self.links[link].kind == Kind::Loopback;
        let primary = self.links[link]
            .addresses
            .iter()
            .find(|other| other.prefix == address.prefix && other.holds(address.address))
            .map_or(address.address, |primary| primary.address);
        let entry = |kind, to, prefix| Entry {
            to,
            prefix,
            kind,
            scope: match kind {
                To::Local => Scope::Host,
                _ => Scope::Link,
            },
            kernel: true,
            link,
            via: 0,
            via_self: false,
            source: primary,
        };
        let mut entries = vec![entry(To::Local, address.address, 32)];
        let has_network = !is_zeronet(address.network())
            && !address.secondary
            && (address.prefix < 32 || address.network() != address.address);
        if up && has_network && !self.has(Fault::ConnectedRouteMissing) {
            let kind = if loopback { To::Local } else { To::Unicast };
            entries.push(entry(kind, address.network(), address.prefix));
            if address.prefix < 31 {
                entries.push(entry(To::Broadcast, address.broadcast(), 32));
            }
        }
        entries
    }

    /// The routes of all addresses of a link that has come up.
    pub(crate) fn add_address_routes(&mut self, link: LinkId) {
        let addresses = self.links[link].addresses.clone();
        let entries: Vec<Entry> = addresses
            .iter()
            .flat_map(|address| self.address_routes(link, *address))
            .collect();
        if !entries.is_empty() {
            let ns = self.links[link].ns;
            self.edit_routes(ns, |routes| add_all(routes, &entries));
        }
    }

    /// A link that goes down takes its routes along; its addresses stay the namespace's own
    /// (`fib_sync_down_dev`).
    pub(crate) fn remove_link_routes(&mut self, link: LinkId) {
        let ns = self.links[link].ns;
        let keep = |entry: &Entry| entry.link != link || entry.kind == To::Local;
        self.edit_routes(ns, |routes| routes.retain(keep));
    }

    /// Takes an address away, with those that were second in its network (`inet_del_ifa`).
    pub(crate) fn delete_address(&mut self, link: LinkId, net: Ipv4Net) -> Result<(), Errno> {
        let address = net.addr().to_bits();
        let addresses = &self.links[link].addresses;
        let found = addresses
            .iter()
            .find(|old| old.address == address && old.prefix == net.prefix_len())
            .copied()
            .ok_or(Errno::EADDRNOTAVAIL)?;
        if !found.secondary {
            let follows = |old: &&Address| {
                old.secondary && old.prefix == found.prefix && old.holds(found.address)
            };
            let following: Vec<Address> = addresses.iter().filter(follows).copied().collect();
            for secondary in following {
                self.drop_address(link, secondary);
            }
        }
        self.drop_address(link, found);
        Ok(())
    }

    /// `fib_del_ifaddr`.
    fn drop_address(&mut self, link: LinkId, gone: Address) {
        let routes_before = self.address_routes(link, gone);
        self.edit(link).addresses.retain(|old| *old != gone);
        let left = self.links[link].addresses.clone();
        let still: Vec<Entry> = left
            .iter()
            .flat_map(|address| self.address_routes(link, *address))
            .collect();
        let needed = |entry: &Entry| {
            let same = |other: &&Entry| {
                (other.to, other.prefix, other.kind) == (entry.to, entry.prefix, entry.kind)
            };
            entry.kind != To::Unicast && still.iter().any(|other| same(&other))
        };
        let ns = self.links[link].ns;
        let was_last = left.is_empty();
        self.edit_routes(ns, |routes| {
            routes.retain(|entry| !routes_before.contains(entry) || needed(entry));
            let address = gone.address;
            if !routes.has_address(address) {
                routes.retain(|entry| entry.source != address || entry.kind != To::Unicast);
            }
            if was_last {
                routes.retain(|entry| entry.link != link);
            }
        });
        if was_last {
            self.forget_neighbours(link);
        }
    }

    /// `inet_rtm_newroute`, `fib_create_info`, `fib_check_nh`.
    pub(crate) fn add_route(&mut self, ns: NsId, route: &Route) -> Result<(), Errno> {
        let via = route.via.map_or(0, Ipv4Addr::to_bits);
        let source = route.source.map_or(0, Ipv4Addr::to_bits);
        let given = match route.link {
            Some(name) => Some(self.find_in(ns, name).ok_or(Errno::ENODEV)?),
            None => None,
        };
        let (to, prefix) = exact(route.to)?;
        let routes = &self.namespaces[ns].routes;
        let (link, via_self) = if via == 0 {
            (given.ok_or(Errno::ENODEV)?, false)
        } else {
            let gateway = routes
                .lookup(via, Scope::Link, given)
                .ok_or(Errno::ENETUNREACH)?;
            match gateway.kind {
                To::Unicast | To::Local => (gateway.link, gateway.kind == To::Local),
                To::Broadcast | To::Multicast => return Err(Errno::EINVAL),
            }
        };
        if !self.links[link].up {
            return Err(Errno::ENETDOWN);
        }
        if source != 0 && routes.kind(source) != To::Local {
            return Err(Errno::EINVAL);
        }
        if routes.has_main(to, prefix) {
            return Err(Errno::EEXIST);
        }
        let scope = match via {
            0 => Scope::Link,
            _ => Scope::Universe,
        };
        let entry = Entry {
            to,
            prefix,
            kind: To::Unicast,
            scope,
            kernel: route.kernel,
            link,
            via,
            via_self,
            source,
        };
        self.edit_routes(ns, |routes| routes.add(entry));
        Ok(())
    }

    /// `inet_rtm_delroute`, `fib_table_delete`.
    pub(crate) fn delete_route(&mut self, ns: NsId, route: &Route) -> Result<(), Errno> {
        let link = match route.link {
            Some(name) => Some(self.find_in(ns, name).ok_or(Errno::ENODEV)?),
            None => None,
        };
        let (to, prefix) = exact(route.to)?;
        let asked = |given: Option<Ipv4Addr>, has: u32| {
            given.is_none_or(|address| address.to_bits() == has)
        };
        let mut found = false;
        self.edit_routes(ns, |routes| {
            found = routes.remove_main(to, prefix, |entry| {
                asked(route.via, entry.via) && link.is_none_or(|link| link == entry.link)
            });
        });
        found.then_some(()).ok_or(Errno::ESRCH)
    }
}

fn add_all(routes: &mut Routes, entries: &[Entry]) {
    for entry in entries {
        routes.ensure(*entry);
    }
}

/// A destination without host bits.
fn exact(net: Ipv4Net) -> Result<(u32, u8), Errno> {
    match net.trunc() == net {
        true => Ok((net.addr().to_bits(), net.prefix_len())),
        false => Err(Errno::EINVAL),
    }
}
