//! Handing out addresses.

mod bit_tree;
mod earlier;

use std::{fmt, net::Ipv4Addr};

use ipnet::Ipv4Net;

use self::bit_tree::BitTree;
pub use self::earlier::{LowestReleased, NextAfterLast};

/// Hands out the addresses of one subnet.
pub trait Allocator {
    /// The address that [`allocate`](Self::allocate) would hand out now.
    fn next(&self) -> Option<Ipv4Addr>;

    /// Hands out an address.
    fn allocate(&mut self) -> Option<Ipv4Addr> {
        let address = self.next()?;
        self.reserve(address).then_some(address)
    }

    /// Takes this address; `false` if it is taken, reserved or not of the subnet.
    fn reserve(&mut self, address: Ipv4Addr) -> bool;

    /// Gives an address back; `false` if it was not taken. Reserved ones stay reserved.
    fn release(&mut self, address: Ipv4Addr) -> bool;
}

/// Docker's allocator since 1.9: the lowest free address of a range within a subnet, never the
/// network or the broadcast address of the subnet (libnetwork's `ipam` over `bitseq`).
#[derive(Clone, PartialEq, Eq)]
pub struct LowestFree {
    subnet: Ipv4Net,
    // Offsets from the network address; the last is included.
    first: u32,
    last: u32,
    taken: BitTree,
}

impl LowestFree {
    /// All of `subnet`. In a /31 and a /32 nothing is free.
    pub fn new(subnet: Ipv4Net) -> Self {
        Self::within(subnet, subnet)
    }

    /// The addresses of `range`, which Docker 20.10 takes by their host part: a range outside of
    /// the subnet is moved into it (libnetwork's `getAddressRange`).
    pub fn within(subnet: Ipv4Net, range: Ipv4Net) -> Self {
        let subnet = subnet.trunc();
        let host_part = |address: Ipv4Addr| address.to_bits() & subnet.hostmask().to_bits();
        let size = 1_u64 << (32 - subnet.prefix_len());
        let mut taken = BitTree::new(size);
        taken.set(0);
        taken.set((size - 1) as u32);
        Self {
            subnet,
            first: host_part(range.network()),
            last: host_part(range.broadcast()),
            taken,
        }
    }

    /// The subnet whose addresses these are.
    pub fn subnet(&self) -> Ipv4Net {
        self.subnet
    }

    /// What is handed out or reserved, less the network and the broadcast address, lowest first.
    pub fn leases(&self) -> impl Iterator<Item = Ipv4Addr> {
        let base = self.subnet.network().to_bits();
        let inner = self.taken.iter().filter(|offset| !self.is_edge(*offset));
        inner.map(move |offset| Ipv4Addr::from_bits(base + offset))
    }

    /// The same pool with every lease given back.
    pub fn without_leases(&self) -> Self {
        let mut pool = Self::new(self.subnet);
        (pool.first, pool.last) = (self.first, self.last);
        pool
    }

    /// The first free address of the range behind this one, or else of all.
    fn next_after(&self, address: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        let behind = address.and_then(|it| self.offset(it)?.checked_add(1));
        let behind = behind.and_then(|start| self.first_free(start.max(self.first)));
        behind.or_else(|| self.next())
    }

    fn first_free(&self, start: u32) -> Option<Ipv4Addr> {
        let offset = self.taken.first_clear(start)?;
        (offset <= self.last).then(|| Ipv4Addr::from_bits(self.subnet.network().to_bits() + offset))
    }

    fn is_in_range(&self, address: Ipv4Addr) -> bool {
        let offset = self.offset(address);
        offset.is_some_and(|offset| (self.first..=self.last).contains(&offset))
    }

    fn offset(&self, address: Ipv4Addr) -> Option<u32> {
        self.subnet
            .contains(&address)
            .then(|| address.to_bits() - self.subnet.network().to_bits())
    }

    fn is_edge(&self, offset: u32) -> bool {
        offset == 0 || offset == self.subnet.hostmask().to_bits()
    }
}

impl Allocator for LowestFree {
    fn next(&self) -> Option<Ipv4Addr> {
        self.first_free(self.first)
    }

    fn reserve(&mut self, address: Ipv4Addr) -> bool {
        self.offset(address)
            .is_some_and(|offset| self.taken.set(offset))
    }

    fn release(&mut self, address: Ipv4Addr) -> bool {
        self.offset(address)
            .is_some_and(|offset| !self.is_edge(offset) && self.taken.clear(offset))
    }
}

impl fmt::Debug for LowestFree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "LowestFree({}, offsets {} to {}, next {:?})",
            self.subnet,
            self.first,
            self.last,
            self.next()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }

    #[test]
    fn a_slash_30_has_one_address_beside_its_gateway() {
        let mut pool = LowestFree::new(net("192.168.1.0/30"));
        assert!(pool.reserve(ip("192.168.1.1")));
        assert_eq!(pool.allocate(), Some(ip("192.168.1.2")));
        assert_eq!(pool.allocate(), None);
        assert!(pool.release(ip("192.168.1.2")));
        assert_eq!(pool.allocate(), Some(ip("192.168.1.2")));
    }

    #[test]
    fn a_range_uses_its_own_first_and_last_address() {
        // moby's TestDaemonBridgeFixedCidr2.
        let mut pool = LowestFree::within(net("10.2.0.0/16"), net("10.2.2.0/24"));
        assert!(pool.reserve(ip("10.2.2.1")));
        assert_eq!(pool.allocate(), Some(ip("10.2.2.0")));
        assert_eq!(pool.allocate(), Some(ip("10.2.2.2")));
    }

    #[test]
    fn a_range_outside_of_the_subnet_is_moved_into_it() {
        let pool = LowestFree::within(net("10.2.0.0/16"), net("192.168.7.0/24"));
        assert_eq!(pool.next(), Some(ip("10.2.7.0")));
    }

    #[test]
    fn network_and_broadcast_are_never_taken_nor_given_back() {
        let mut pool = LowestFree::new(net("10.0.0.0/29"));
        for edge in ["10.0.0.0", "10.0.0.7", "10.0.0.8"] {
            assert!(!pool.reserve(ip(edge)), "{edge}");
            assert!(!pool.release(ip(edge)), "{edge}");
        }
        assert_eq!(LowestFree::new(net("10.0.0.0/31")).next(), None);
        assert_eq!(LowestFree::new(net("10.0.0.0/32")).next(), None);
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(prefix in 20_u8..=30, steps in prop::collection::vec((0..3, any::<u16>()), 0..400)) {
            let subnet = Ipv4Net::new_assert(ip("10.0.0.0"), prefix);
            let mut pool = LowestFree::new(subnet);
            let mut free: BTreeSet<Ipv4Addr> = subnet.hosts().collect();
            let all = free.clone();
            for (step, number) in steps {
                let address = Ipv4Addr::from_bits(subnet.network().to_bits() + u32::from(number) % (1 << (32 - prefix)));
                match step {
                    0 => prop_assert_eq!(pool.allocate(), free.pop_first()),
                    1 => prop_assert_eq!(pool.reserve(address), free.remove(&address)),
                    _ => prop_assert_eq!(pool.release(address), all.contains(&address) && free.insert(address)),
                }
            }
        }
    }
}
