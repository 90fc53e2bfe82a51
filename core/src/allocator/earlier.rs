//! The orders in which earlier versions of Docker handed out addresses. Source:
//! `daemon/networkdriver/ipallocator/allocator.go` of those versions, less its mistakes: an address
//! that was asked for by name is held.

use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;

use super::{Allocator, LowestFree};

/// Docker 0.11's order: the lowest of the addresses that were given back; where there is none, the
/// next free one behind the highest that was handed out and is held, and behind the last one the
/// first again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LowestReleased {
    pool: LowestFree,
    /// What was handed out and is held.
    given: BTreeSet<Ipv4Addr>,
    /// What was given back, and is free.
    released: BTreeSet<Ipv4Addr>,
}

impl LowestReleased {
    /// The addresses of `range`, as [`LowestFree::within`] has them.
    pub fn within(subnet: Ipv4Net, range: Ipv4Net) -> Self {
        Self {
            pool: LowestFree::within(subnet, range),
            given: BTreeSet::new(),
            released: BTreeSet::new(),
        }
    }

    /// What is held.
    pub fn leases(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.pool.leases()
    }
}

impl Allocator for LowestReleased {
    fn next(&self) -> Option<Ipv4Addr> {
        let highest = || self.pool.next_after(self.given.last().copied());
        self.released.first().copied().or_else(highest)
    }

    fn allocate(&mut self) -> Option<Ipv4Addr> {
        let address = self.next().filter(|next| self.reserve(*next))?;
        self.given.insert(address);
        Some(address)
    }

    fn reserve(&mut self, address: Ipv4Addr) -> bool {
        self.released.remove(&address);
        self.pool.reserve(address)
    }

    fn release(&mut self, address: Ipv4Addr) -> bool {
        let was_held = self.pool.release(address);
        self.given.remove(&address);
        if was_held && self.pool.is_in_range(address) {
            self.released.insert(address);
        }
        was_held
    }
}

/// The order of Docker 0.12 to 1.8: the next free address behind the one handed out last, and
/// behind the last one the first again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextAfterLast {
    pool: LowestFree,
    /// Handed out last.
    last: Option<Ipv4Addr>,
}

impl NextAfterLast {
    /// The addresses of `range`, as [`LowestFree::within`] has them.
    pub fn within(subnet: Ipv4Net, range: Ipv4Net) -> Self {
        Self {
            pool: LowestFree::within(subnet, range),
            last: None,
        }
    }

    /// What is held.
    pub fn leases(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.pool.leases()
    }
}

impl Allocator for NextAfterLast {
    fn next(&self) -> Option<Ipv4Addr> {
        self.pool.next_after(self.last)
    }

    fn allocate(&mut self) -> Option<Ipv4Addr> {
        self.last = Some(self.next().filter(|next| self.pool.reserve(*next))?);
        self.last
    }

    fn reserve(&mut self, address: Ipv4Addr) -> bool {
        self.pool.reserve(address)
    }

    fn release(&mut self, address: Ipv4Addr) -> bool {
        self.pool.release(address)
    }
}
