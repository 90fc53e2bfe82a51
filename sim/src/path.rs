//! Finding the way of a packet, and the source address that goes with it.

use netparity_core::errno::Errno;

use crate::{
    Sim,
    fault::Fault,
    link::{Address, is_loopback, is_multicast, is_zeronet},
    route::{Entry, Scope, To},
    slab::{LinkId, NsId},
};

/// The way a packet goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    pub kind: To,
    pub link: LinkId,
    /// The next hop, or 0 if the destination is on the link.
    pub via: u32,
    /// The source address, or 0 if there is none to be had.
    pub source: u32,
    /// The most that fits, in bytes.
    pub mtu: u32,
}

impl Path {
    /// Where a packet for `to` goes by this path: one for 0.0.0.0 to its sender.
    pub fn destination(&self, to: u32) -> u32 {
        if to == 0 { self.source } else { to }
    }

    /// Whose hardware address the frame gets.
    pub fn next(&self, destination: u32) -> u32 {
        if self.via == 0 { destination } else { self.via }
    }
}

const LOCALHOST: u32 = 0x7f00_0001;
/// The longest IPv4 packet.
const MOST: u32 = 65_535;

impl Sim {
    pub(crate) fn lookup(&self, ns: NsId, to: u32) -> Option<&Entry> {
        let routes = &self.namespaces[ns].routes;
        if self.has(Fault::ShortestPrefix) {
            return routes.lookup_wrongly(to);
        }
        routes.lookup(to, Scope::Universe, None)
    }

    /// The way of a packet that `ns` sends, from `source` if that is not 0
    /// (`ip_route_output_key_hash_rcu`).
    pub(crate) fn route_output(&self, ns: NsId, to: u32, source: u32) -> Result<Path, Errno> {
        let lo = self.loopback(ns);
        if to == 0 {
            // Nowhere is here.
            return Ok(Path {
                kind: To::Local,
                link: lo,
                via: 0,
                source: if source == 0 { LOCALHOST } else { source },
                mtu: self.links[lo].mtu.min(MOST),
            });
        }
        let entry = self.lookup(ns, to).ok_or(Errno::ENETUNREACH)?;
        if entry.kind == To::Local {
            let source = [source, entry.source, to]
                .into_iter()
                .find(|address| *address != 0)
                .unwrap_or(to);
            return Ok(Path {
                kind: To::Local,
                link: lo,
                via: 0,
                source,
                mtu: self.links[lo].mtu.min(MOST),
            });
        }
        let source = match source {
            0 => self.source(entry),
            given => given,
        };
        if is_loopback(source) && entry.link != lo && !self.has(Fault::LocalhostLeaks) {
            return Err(Errno::EINVAL);
        }
        let kind = match to {
            u32::MAX => To::Broadcast,
            to if is_multicast(to) => To::Multicast,
            to if is_zeronet(to) => return Err(Errno::EINVAL),
            _ => entry.kind,
        };
        let routes = &self.namespaces[ns].routes;
        let mut path = Path {
            kind,
            link: entry.link,
            // Everybody is on the link.
            via: if kind == To::Unicast { entry.next() } else { 0 },
            source,
            mtu: self.links[entry.link].mtu.min(MOST),
        };
        if let Some(exception) = routes.exception(to, entry.link) {
            if exception.via != 0 {
                path.via = exception.via;
            }
            if exception.mtu != 0 {
                path.mtu = path.mtu.min(exception.mtu);
            }
        }
        Ok(path)
    }

    /// The address that answers to a broadcast from `source` come from (`fib_compute_spec_dst`).
    pub(crate) fn own_address(&self, link: LinkId, source: u32) -> u32 {
        let ns = self.links[link].ns;
        match self.lookup(ns, source) {
            Some(entry) if !is_zeronet(source) => self.source(entry),
            _ => self.select_address(link, source, Scope::Universe),
        }
    }

    /// The source address of packets by this route (`fib_result_prefsrc`).
    fn source(&self, entry: &Entry) -> u32 {
        match entry.source {
            0 => self.select_address(entry.link, entry.via, entry.scope),
            preferred => preferred,
        }
    }

    /// An address of `link`, by preference one in whose network `towards` is; if the link has
    /// none, one of another link (`inet_select_addr`).
    pub(crate) fn select_address(&self, link: LinkId, towards: u32, scope: Scope) -> u32 {
        let fits = |address: &&Address| {
            !address.secondary && (scope == Scope::Host || !address.is_host_only())
        };
        let own = &self.links[link];
        let mut own_addresses = own.addresses.iter().filter(fits);
        let near = |address: &&Address| towards == 0 || address.holds(towards);
        let chosen = own_addresses
            .clone()
            .find(near)
            .or_else(|| own_addresses.next());
        if let Some(address) = chosen {
            return address.address;
        }
        self.namespaces[own.ns]
            .links
            .iter()
            .find_map(|other| self.links[*other].addresses.iter().find(fits))
            .map_or(0, |address| address.address)
    }

    /// Whether `address` is one of the namespace's own.
    pub(crate) fn is_local(&self, ns: NsId, address: u32) -> bool {
        self.namespaces[ns].routes.kind(address) == To::Local
    }
}
