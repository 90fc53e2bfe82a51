//! What an allocator must answer, kept as the set of what is held.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::Ipv4Addr,
};

use super::{Law, Operation, Order, Persistent, Pool};

/// The answers so far, and what follows from them.
pub(super) struct Judge {
    pool: Pool,
    order: Order,
    /// What is held, each with the restarts there had been when it was taken.
    held: BTreeMap<u32, u32>,
    /// What was allocated and is held.
    given: BTreeSet<u32>,
    /// What was allocated last.
    last: Option<u32>,
    /// What was held and was given back, each with the restarts there had been by then.
    released: BTreeMap<u32, u32>,
    /// Addresses of the range that are neither held nor reserved.
    free: u64,
    /// No address of the range below this is free.
    lowest: u32,
    restarts: u32,
}

/// A law and the answer that breaks it.
pub(super) struct Breach {
    pub law: Law,
    pub expected: String,
    pub got: String,
}

fn breach(law: Law, expected: impl fmt::Display, got: impl fmt::Display) -> Result<(), Breach> {
    Err(Breach {
        law,
        expected: expected.to_string(),
        got: got.to_string(),
    })
}

fn said(taken: bool) -> &'static str {
    if taken { "yes" } else { "no" }
}

fn address_or_none(address: Option<Ipv4Addr>) -> String {
    address.map_or_else(|| "no address".to_owned(), |address| address.to_string())
}

impl Judge {
    pub fn new(pool: Pool, order: Order) -> Self {
        let (first, last) = (
            pool.range.network().to_bits(),
            pool.range.broadcast().to_bits(),
        );
        let reserved = [pool.subnet.network(), pool.subnet.broadcast(), pool.gateway];
        let reserved = reserved.map(Ipv4Addr::to_bits);
        let of_range = |address: &&u32| (first..=last).contains(*address);
        Self {
            pool,
            order,
            held: BTreeMap::new(),
            given: BTreeSet::new(),
            last: None,
            released: BTreeMap::new(),
            free: u64::from(last - first) + 1 - reserved.iter().filter(of_range).count() as u64,
            lowest: first,
            restarts: 0,
        }
    }

    /// The answer to reserving the gateway in a new pool.
    pub fn gateway(&self, taken: bool) -> Result<(), Breach> {
        match taken {
            true => Ok(()),
            false => breach(
                Law::Available,
                "the gateway to be free in a new pool",
                "that it is taken",
            ),
        }
    }

    pub fn step(
        &mut self,
        allocator: &mut impl Persistent,
        operation: Operation,
    ) -> Result<(), Breach> {
        match operation {
            Operation::Allocate => {
                let foretold = allocator.next();
                let got = allocator.allocate();
                self.allocated(got)?;
                match foretold == got {
                    true => Ok(()),
                    false => breach(
                        Law::Foretold,
                        address_or_none(foretold),
                        address_or_none(got),
                    ),
                }
            }
            Operation::Reserve(address) => self.reserved(address, allocator.reserve(address)),
            Operation::Release(address) if address == self.pool.gateway => Ok(()),
            Operation::Release(address) => self.given_back(address, allocator.release(address)),
            Operation::Restart => {
                allocator.restart();
                self.restarts += 1;
                Ok(())
            }
        }
    }

    fn allocated(&mut self, got: Option<Ipv4Addr>) -> Result<(), Breach> {
        let lowest = self.lowest_free();
        let Some(address) = got else {
            let Some(free) = lowest else { return Ok(()) };
            // Where it was held before a restart, the restart has forgotten the release.
            let law = match self.released.get(&free.to_bits()) {
                Some(before) if *before < self.restarts => Law::Kept,
                Some(_) => Law::Released,
                None => Law::Exhausted,
            };
            return breach(law, free, "no address");
        };
        let ordered = self.in_order(lowest);
        let expected = || match (ordered, lowest) {
            (_, None) => "no address".to_owned(),
            (None, Some(_)) => "a free address of the range".to_owned(),
            (Some(next), Some(_)) => next.to_string(),
        };
        self.may_have(address)
            .or_else(|law| breach(law, expected(), address))?;
        if !self.pool.range.contains(&address) {
            return breach(Law::Within, expected(), address);
        }
        if ordered.is_some_and(|next| next != address) {
            return breach(Law::Order, expected(), address);
        }
        self.take(address);
        self.given.insert(address.to_bits());
        self.last = Some(address.to_bits());
        Ok(())
    }

    fn reserved(&mut self, address: Ipv4Addr, taken: bool) -> Result<(), Breach> {
        let may = self.may_have(address);
        match (may, taken) {
            (Ok(()), true) => self.take(address),
            (Err(law), true) => return breach(law, "no", said(taken)),
            (Err(_), false) => {}
            (Ok(()), false) => {
                let law = match self.released.get(&address.to_bits()) {
                    Some(before) if *before < self.restarts => Law::Kept,
                    Some(_) => Law::Released,
                    None => Law::Available,
                };
                return breach(law, "yes", said(taken));
            }
        }
        Ok(())
    }

    fn given_back(&mut self, address: Ipv4Addr, released: bool) -> Result<(), Breach> {
        let since = self.held.get(&address.to_bits()).copied();
        if released == since.is_some() {
            if released {
                self.give(address);
            }
            return Ok(());
        }
        let law = match since {
            Some(before) if before < self.restarts => Law::Kept,
            _ => Law::Held,
        };
        breach(law, said(!released), said(released))
    }

    /// Whether nothing speaks against handing it out, or the law that does.
    fn may_have(&self, address: Ipv4Addr) -> Result<(), Law> {
        if !self.pool.subnet.contains(&address) {
            return Err(Law::Within);
        }
        if self.pool.is_reserved(address) {
            return Err(Law::Reserved);
        }
        match self.held.get(&address.to_bits()) {
            Some(before) if *before < self.restarts => Err(Law::Kept),
            Some(_) => Err(Law::Unique),
            None => Ok(()),
        }
    }

    fn take(&mut self, address: Ipv4Addr) {
        self.held.insert(address.to_bits(), self.restarts);
        self.released.remove(&address.to_bits());
        if self.pool.range.contains(&address) {
            self.free -= 1;
        }
    }

    fn give(&mut self, address: Ipv4Addr) {
        self.held.remove(&address.to_bits());
        self.given.remove(&address.to_bits());
        self.released.insert(address.to_bits(), self.restarts);
        if self.pool.range.contains(&address) {
            self.free += 1;
            self.lowest = self.lowest.min(address.to_bits());
        }
    }

    /// Which address the promised order has next, the lowest free one of the range being `lowest`.
    fn in_order(&self, lowest: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        let free = lowest?;
        let behind = |address: Option<u32>| {
            let following = address?.checked_add(1)?..=self.pool.range.broadcast().to_bits();
            following.map(Ipv4Addr::from_bits).find(|address| {
                let is_free = !self.held.contains_key(&address.to_bits());
                is_free && !self.pool.is_reserved(*address)
            })
        };
        match self.order {
            Order::Any => None,
            Order::LowestFree => Some(free),
            Order::LowestReleased => {
                let range = self.pool.range;
                let range = range.network().to_bits()..=range.broadcast().to_bits();
                let released = self.released.range(range).next();
                let released = released.map(|(address, _)| Ipv4Addr::from_bits(*address));
                let highest = self.given.last().copied();
                Some(released.or_else(|| behind(highest)).unwrap_or(free))
            }
            Order::NextAfterLast => Some(behind(self.last).unwrap_or(free)),
        }
    }

    fn lowest_free(&mut self) -> Option<Ipv4Addr> {
        if self.free == 0 {
            return None;
        }
        // At least one is free, so this ends within the range.
        while self.held.contains_key(&self.lowest)
            || self.pool.is_reserved(Ipv4Addr::from_bits(self.lowest))
        {
            self.lowest += 1;
        }
        Some(Ipv4Addr::from_bits(self.lowest))
    }
}
