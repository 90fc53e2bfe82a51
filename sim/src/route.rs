//! A namespace's routes: the local and the main table.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use netparity_core::{name::LinkName, plan::Route};

use crate::{
    link::{is_multicast, is_zeronet, mask},
    slab::LinkId,
};

/// How far a route's destination is; the greater, the nearer (`rt_scope_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scope {
    Universe,
    Link,
    Host,
}

/// What a destination is (`RTN_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum To {
    /// One of the namespace's own addresses. In the local table.
    Local,
    /// Everybody on a link. In the local table.
    Broadcast,
    /// A group.
    Multicast,
    /// Somebody else. In the main table.
    Unicast,
}

/// A route of the local or the main table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub to: u32,
    pub prefix: u8,
    pub kind: To,
    pub scope: Scope,
    /// The kernel made it with an address.
    pub kernel: bool,
    pub link: LinkId,
    /// The next hop, or 0.
    pub via: u32,
    /// The next hop is one of the namespace's own addresses, which means nobody.
    pub via_self: bool,
    /// The preferred source, or 0.
    pub source: u32,
}

impl Entry {
    fn holds(&self, address: u32) -> bool {
        (address ^ self.to) & mask(self.prefix) == 0
    }

    fn is_main(&self) -> bool {
        self.kind == To::Unicast
    }

    /// Whom packets are handed to, or 0 for their destination itself (`rt_set_nexthop`).
    pub fn next(&self) -> u32 {
        if self.via_self { 0 } else { self.via }
    }

    /// Whether what it leads to is next door (`nhc_scope`).
    pub fn is_direct(&self) -> bool {
        self.next() == 0
    }

    pub fn net(&self) -> Ipv4Net {
        Ipv4Net::new(self.to.into(), self.prefix).unwrap_or_default()
    }

    pub fn describe(&self, link: LinkName) -> Route {
        let given = |address: u32| (address != 0).then(|| Ipv4Addr::from(address));
        Route {
            to: self.net(),
            via: given(self.via),
            link: Some(link),
            source: given(self.source),
            kernel: self.kernel,
        }
    }
}

/// What a namespace has found out about the way to one destination (`fib_nh_exception`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exception {
    pub to: u32,
    pub link: LinkId,
    /// The gateway a redirect named, or 0.
    pub via: u32,
    /// The path's MTU in bytes, or 0.
    pub mtu: u32,
}

/// The local and the main table, longest prefixes first; among equals the local table, then what
/// was there first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Routes {
    pub entries: Vec<Entry>,
    pub exceptions: Vec<Exception>,
}

impl Routes {
    /// The route for `to`, among those of at least `scope` that use `link` if one is given
    /// (`fib_table_lookup`).
    pub fn lookup(&self, to: u32, scope: Scope, link: Option<LinkId>) -> Option<&Entry> {
        self.entries.iter().find(|entry| {
            entry.holds(to) && entry.scope >= scope && link.is_none_or(|link| link == entry.link)
        })
    }

    /// The route with the shortest prefix.
    pub fn lookup_wrongly(&self, to: u32) -> Option<&Entry> {
        let local = |entry: &&Entry| !entry.is_main() && entry.holds(to);
        let mut main = self.entries.iter().rev().filter(|entry| entry.holds(to));
        self.entries.iter().find(local).or_else(|| main.next())
    }

    /// What `address` is (`inet_addr_type`). Both tables lie in one trie, so that a longer prefix
    /// of the main table hides a local network.
    pub fn kind(&self, address: u32) -> To {
        if is_multicast(address) {
            return To::Multicast;
        }
        if is_zeronet(address) || address == u32::MAX {
            return To::Broadcast;
        }
        self.entries
            .iter()
            .find(|entry| entry.holds(address))
            .map_or(To::Unicast, |entry| entry.kind)
    }

    /// Whether some link has exactly this address.
    pub fn has_address(&self, address: u32) -> bool {
        let has =
            |entry: &Entry| entry.kind == To::Local && entry.prefix == 32 && entry.to == address;
        self.entries.iter().any(has)
    }

    /// The local table.
    pub fn local(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !entry.is_main())
    }

    pub fn add(&mut self, new: Entry) {
        let key = |entry: &Entry| (32 - entry.prefix, entry.is_main());
        let at = self.entries.partition_point(|old| key(old) <= key(&new));
        self.entries.insert(at, new);
    }

    /// Adds a route that the kernel makes, unless the very same is there.
    pub fn ensure(&mut self, new: Entry) {
        if !self.entries.contains(&new) {
            self.add(new);
        }
    }

    /// Whether the main table has a route to exactly this network.
    pub fn has_main(&self, to: u32, prefix: u8) -> bool {
        self.main()
            .any(|entry| entry.to == to && entry.prefix == prefix)
    }

    /// Removes the first main route that is to this network and for which `fits`.
    pub fn remove_main(&mut self, to: u32, prefix: u8, fits: impl Fn(&Entry) -> bool) -> bool {
        let found = self.entries.iter().position(|entry| {
            entry.is_main() && entry.to == to && entry.prefix == prefix && fits(entry)
        });
        let Some(at) = found else {
            return false;
        };
        let gone = self.entries.remove(at);
        self.forget(|exception| exception.link == gone.link);
        true
    }

    pub fn retain(&mut self, keep: impl Fn(&Entry) -> bool) {
        let gone: Vec<LinkId> = self
            .entries
            .iter()
            .filter(|entry| !keep(entry))
            .map(|entry| entry.link)
            .collect();
        if !gone.is_empty() {
            self.entries.retain(keep);
            self.forget(|exception| gone.contains(&exception.link));
        }
    }

    fn forget(&mut self, which: impl Fn(&Exception) -> bool) {
        self.exceptions.retain(|exception| !which(exception));
    }

    pub fn main(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.is_main())
    }

    /// The main table as `ip route` lists it: by address, and for one address the longest prefix
    /// first, as they lie in the kernel's trie.
    pub fn listed(&self) -> Vec<Entry> {
        let mut routes: Vec<Entry> = self.main().copied().collect();
        routes.sort_by_key(|entry| (entry.to, 32 - entry.prefix));
        routes
    }

    pub fn exception(&self, to: u32, link: LinkId) -> Option<&Exception> {
        self.exceptions
            .iter()
            .find(|exception| exception.to == to && exception.link == link)
    }

    /// The exception for `to` by `link`, made if there is none.
    pub fn exception_mut(&mut self, to: u32, link: LinkId) -> &mut Exception {
        let found = self
            .exceptions
            .iter()
            .position(|exception| exception.to == to && exception.link == link);
        let at = found.unwrap_or(self.exceptions.len());
        if found.is_none() {
            self.exceptions.push(Exception {
                to,
                link,
                via: 0,
                mtu: 0,
            });
        }
        &mut self.exceptions[at]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::slab::Id;

    fn entry(to: u32, prefix: u8) -> Entry {
        Entry {
            to: to & mask(prefix),
            prefix,
            kind: To::Unicast,
            scope: Scope::Link,
            kernel: false,
            link: LinkId::new(1),
            via: 0,
            via_self: false,
            source: 0,
        }
    }

    proptest! {
        #[test]
        fn the_longest_prefix_wins(
            networks in proptest::collection::vec((any::<u32>(), 0..=32_u8), 0..20),
            near in any::<prop::sample::Index>(),
            low: u8,
        ) {
            let mut routes = Routes::default();
            for (to, prefix) in &networks {
                routes.add(entry(*to, *prefix));
            }
            let to = if networks.is_empty() {
                u32::from(low)
            } else {
                near.get(&networks).0 ^ u32::from(low)
            };
            let expected = networks
                .iter()
                .filter(|(net, prefix)| (net ^ to) & mask(*prefix) == 0)
                .map(|(_, prefix)| *prefix)
                .max();
            let found = routes.lookup(to, Scope::Universe, None);
            prop_assert_eq!(found.map(|entry| entry.prefix), expected);
        }
    }

    #[test]
    fn routes_are_listed_by_address_and_then_longest_first() {
        let mut routes = Routes::default();
        for (to, prefix) in [
            (0x0a00_0000, 8),
            (0, 0),
            (0x0a00_0000, 16),
            (0x0900_0000, 8),
        ] {
            routes.add(entry(to, prefix));
        }
        let listed: Vec<(u32, u8)> = routes
            .listed()
            .iter()
            .map(|entry| (entry.to, entry.prefix))
            .collect();
        let expected = [
            (0, 0),
            (0x0900_0000, 8),
            (0x0a00_0000, 16),
            (0x0a00_0000, 8),
        ];
        assert_eq!(listed, expected);
    }

    #[test]
    fn a_local_address_comes_before_a_route_to_it() {
        let mut routes = Routes::default();
        routes.add(entry(7, 32));
        routes.add(Entry {
            kind: To::Local,
            scope: Scope::Host,
            ..entry(7, 32)
        });
        let found = routes.lookup(7, Scope::Universe, None);
        assert_eq!(found.map(|entry| entry.kind), Some(To::Local));
    }
}
