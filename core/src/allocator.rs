//! Handing out addresses.

use std::{fmt, iter, net::Ipv4Addr};

use ipnet::Ipv4Net;

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
        let offset = self.taken.first_clear(self.first)?;
        (offset <= self.last).then(|| Ipv4Addr::from_bits(self.subnet.network().to_bits() + offset))
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

/// A set of numbers below a bound that finds the first absent one in a few steps: a bit of each
/// level above the first says that its 64 bits below are all set.
#[derive(Clone, PartialEq, Eq)]
struct BitTree {
    levels: Vec<Vec<u64>>,
    size: u64,
}

const WORD: u64 = u64::BITS as u64;

impl BitTree {
    fn new(size: u64) -> Self {
        let mut levels = Vec::new();
        let mut bits = size;
        loop {
            let words = bits.div_ceil(WORD);
            let mut level = vec![0; words as usize];
            // What lies beyond the bound counts as set.
            if let (Some(last), rest @ 1..) = (level.last_mut(), bits % WORD) {
                *last = u64::MAX << rest;
            }
            levels.push(level);
            if words == 1 {
                return Self { levels, size };
            }
            bits = words;
        }
    }

    /// Adds a number; `false` if it was there.
    fn set(&mut self, number: u32) -> bool {
        let mut at = u64::from(number);
        if at >= self.size || self.levels[0][(at / WORD) as usize] >> (at % WORD) & 1 == 1 {
            return false;
        }
        for level in &mut self.levels {
            let word = &mut level[(at / WORD) as usize];
            *word |= 1 << (at % WORD);
            if *word != u64::MAX {
                break;
            }
            at /= WORD;
        }
        true
    }

    /// Takes a number out; `false` if it was not there.
    fn clear(&mut self, number: u32) -> bool {
        let mut at = u64::from(number);
        if at >= self.size || self.levels[0][(at / WORD) as usize] >> (at % WORD) & 1 == 0 {
            return false;
        }
        for level in &mut self.levels {
            let word = &mut level[(at / WORD) as usize];
            let was_full = *word == u64::MAX;
            *word &= !(1 << (at % WORD));
            if !was_full {
                break;
            }
            at /= WORD;
        }
        true
    }

    /// The numbers that are there.
    fn iter(&self) -> impl Iterator<Item = u32> {
        let words = self.levels.first().into_iter().flatten().enumerate();
        let set = words.flat_map(|(at, word)| {
            let some = |word: u64| (word != 0).then_some(word);
            let rest = iter::successors(some(*word), move |word| some(word & (word - 1)));
            rest.map(move |rest| at as u64 * WORD + u64::from(rest.trailing_zeros()))
        });
        // What lies beyond the bound is set, and is no number.
        set.take_while(|number| *number < self.size)
            .filter_map(|number| u32::try_from(number).ok())
    }

    /// The least number that is absent, from `start` on.
    fn first_clear(&self, start: u32) -> Option<u32> {
        let mut at = u64::from(start);
        let mut level = 0;
        // Up, until a word has a clear bit at or behind the place …
        let mut found = loop {
            let word = *self.levels.get(level)?.get((at / WORD) as usize)?;
            let free = !word & (u64::MAX << (at % WORD));
            if free != 0 {
                break at / WORD * WORD + u64::from(free.trailing_zeros());
            }
            at = at / WORD + 1;
            level += 1;
        };
        // … and down again to it.
        while level > 0 {
            level -= 1;
            let word = self.levels[level][found as usize];
            found = found * WORD + u64::from((!word).trailing_zeros());
        }
        u32::try_from(found).ok()
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
