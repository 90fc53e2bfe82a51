//! The laws hold for Docker's allocator, and catch allocators that are wrong in one way each.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::{collections::BTreeSet, net::Ipv4Addr};

use netparity_core::{
    allocator::{Allocator, LowestFree, LowestReleased, NextAfterLast},
    laws::allocator::{Law, Order, Persistent, Pool, Violation, hold},
};

#[test]
fn dockers_allocator_keeps_every_law() {
    let extent = hold(Order::LowestFree, |pool| {
        LowestFree::within(pool.subnet, pool.range)
    });
    let extent = extent.unwrap_or_else(|violation| panic!("{violation}"));
    assert!(extent.sequences > 800_000, "{extent}");
}

/// All of them, as [`hold`] puts them to the test.
fn hold_all(promised: Order) -> [Result<(), Law>; 3] {
    fn law<T>(held: Result<T, Box<Violation>>) -> Result<(), Law> {
        held.map(drop).map_err(|violation| violation.law)
    }
    [
        law(hold(promised, |pool| {
            LowestFree::within(pool.subnet, pool.range)
        })),
        law(hold(promised, |pool| {
            LowestReleased::within(pool.subnet, pool.range)
        })),
        law(hold(promised, |pool| {
            NextAfterLast::within(pool.subnet, pool.range)
        })),
    ]
}

#[test]
fn every_order_is_kept_by_its_allocator_and_by_no_other() {
    let own =
        |own: usize| std::array::from_fn(|at| if at == own { Ok(()) } else { Err(Law::Order) });
    assert_eq!(hold_all(Order::LowestFree), own(0));
    assert_eq!(hold_all(Order::LowestReleased), own(1));
    assert_eq!(hold_all(Order::NextAfterLast), own(2));
}

/// A way to be wrong that an allocator of any order can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slip {
    /// Docker 0.11 checks an address that is asked for by name, and forgets to note it.
    ForgetsReservation,
    /// Starts with an empty table.
    RestartLosesLeases,
    /// Starts with its leases, and from the first address.
    RestartLosesPlace,
    /// Forgets to put what is given back on its list.
    ForgetsReleased,
    /// Does not come round.
    NeverWraps,
}

/// An allocator of Docker's, with such a slip.
struct Slipping<A> {
    pool: Pool,
    new: fn(&Pool) -> A,
    inner: A,
    slip: Slip,
    held: BTreeSet<Ipv4Addr>,
    highest: Option<Ipv4Addr>,
}

impl<A> Slipping<A> {
    fn new(pool: &Pool, new: fn(&Pool) -> A, slip: Slip) -> Self {
        Self {
            pool: *pool,
            new,
            inner: new(pool),
            slip,
            held: BTreeSet::new(),
            highest: None,
        }
    }
}

impl<A: Allocator> Allocator for Slipping<A> {
    fn next(&self) -> Option<Ipv4Addr> {
        let next = self.inner.next()?;
        let is_behind = Some(next) > self.highest;
        (self.slip != Slip::NeverWraps || is_behind).then_some(next)
    }

    fn allocate(&mut self) -> Option<Ipv4Addr> {
        self.next()?;
        let address = self.inner.allocate()?;
        self.highest = self.highest.max(Some(address));
        self.held.insert(address);
        Some(address)
    }

    fn reserve(&mut self, address: Ipv4Addr) -> bool {
        if self.slip == Slip::ForgetsReservation && address != self.pool.gateway {
            let mut trial = (self.new)(&self.pool);
            return !self.held.contains(&address)
                && address != self.pool.gateway
                && trial.reserve(address);
        }
        let done = self.inner.reserve(address);
        if done && address != self.pool.gateway {
            self.held.insert(address);
        }
        done
    }

    fn release(&mut self, address: Ipv4Addr) -> bool {
        if self.slip == Slip::ForgetsReleased {
            return self.held.remove(&address);
        }
        self.held.remove(&address);
        self.inner.release(address)
    }
}

impl<A: Allocator> Persistent for Slipping<A> {
    fn restart(&mut self) {
        let keeps = match self.slip {
            Slip::RestartLosesLeases => false,
            Slip::RestartLosesPlace => true,
            _ => return,
        };
        self.inner = (self.new)(&self.pool);
        self.inner.reserve(self.pool.gateway);
        self.held.retain(|_| keeps);
        for address in &self.held {
            self.inner.reserve(*address);
        }
    }
}

#[test]
fn slips_are_caught_in_the_earlier_orders_too() {
    type Caught = [(Slip, Law); 5];
    fn caught<A: Allocator>(order: Order, new: fn(&Pool) -> A, expected: Caught) {
        for (slip, law) in expected {
            match hold(order, |pool| Slipping::new(pool, new, slip)) {
                Ok(extent) => panic!("{order}: {slip:?} was not caught by {extent}"),
                Err(violation) => assert_eq!(violation.law, law, "{order}: {slip:?}:\n{violation}"),
            }
        }
    }
    let laws = [
        (Slip::ForgetsReservation, Law::Unique),
        (Slip::RestartLosesLeases, Law::Kept),
        (Slip::RestartLosesPlace, Law::Order),
        (Slip::ForgetsReleased, Law::Released),
        (Slip::NeverWraps, Law::Released),
    ];
    let new = |pool: &Pool| LowestReleased::within(pool.subnet, pool.range);
    caught(Order::LowestReleased, new, laws);
    let new = |pool: &Pool| NextAfterLast::within(pool.subnet, pool.range);
    caught(Order::NextAfterLast, new, laws);
}

/// A way to be wrong, as allocators in the field have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// Starts at the network address.
    HandsOutNetworkAddress,
    /// Stops one too late: a /24's last is taken for `.255` whatever the prefix.
    HandsOutBroadcastAddress,
    /// Takes every `.0` for a network address.
    SkipsEveryZero,
    /// Takes every `.255` for a broadcast address.
    SkipsEvery255,
    /// Counts hosts as if the gateway were not one of them.
    StopsOneTooEarly,
    /// Allocates beyond the end of the range.
    IgnoresRange,
    /// Takes the range's own first address for a network address.
    SkipsFirstOfRange,
    /// Docker 0.11 checks a requested address and forgets to note it.
    ForgetsReservation,
    /// Takes whatever address is asked for, of whatever network.
    ReservesAnywhere,
    /// Lets a held address be reserved again, as if asking for it by name proved ownership.
    ReservesTwice,
    /// Refuses to reserve outside of the range from which it allocates.
    ReservesOnlyInRange,
    /// Docker 0.12 to 1.8: the next after the last one handed out.
    NextAfterLast,
    /// Next after the last one, and never back to the beginning.
    NeverWraps,
    /// Keeps free addresses in a list, and puts one back that is on it.
    ReleasesTwice,
    /// Says that all is well whatever is released.
    ReleasesAnything,
    /// Moves its search hint up on allocation and not down on release.
    HintOnlyRises,
    /// Counts in sixteen bits, and so comes round to the network address.
    CountsInSixteenBits,
    /// Starts with an empty table: a stopped container's address is stolen on reboot.
    RestartLosesLeases,
    /// Writes down what is allocated, and not that it was released.
    RestartKeepsReleased,
    /// Writes down allocations, and not reservations by name.
    RestartLosesReservations,
    /// Shows the highest free address and hands out the lowest.
    ShowsAnother,
}

impl Flaw {
    /// Each with the law it breaks first.
    const ALL: [(Self, Law); 21] = [
        (Self::HandsOutNetworkAddress, Law::Reserved),
        (Self::HandsOutBroadcastAddress, Law::Reserved),
        (Self::SkipsEveryZero, Law::Order),
        (Self::SkipsEvery255, Law::Order),
        (Self::StopsOneTooEarly, Law::Exhausted),
        (Self::IgnoresRange, Law::Within),
        (Self::SkipsFirstOfRange, Law::Order),
        (Self::ForgetsReservation, Law::Unique),
        (Self::ReservesAnywhere, Law::Within),
        (Self::ReservesTwice, Law::Unique),
        (Self::ReservesOnlyInRange, Law::Available),
        (Self::NextAfterLast, Law::Order),
        (Self::NeverWraps, Law::Released),
        (Self::ReleasesTwice, Law::Held),
        (Self::ReleasesAnything, Law::Held),
        (Self::HintOnlyRises, Law::Order),
        (Self::CountsInSixteenBits, Law::Reserved),
        (Self::RestartLosesLeases, Law::Kept),
        (Self::RestartKeepsReleased, Law::Kept),
        (Self::RestartLosesReservations, Law::Kept),
        (Self::ShowsAnother, Law::Foretold),
    ];
}

/// A plain allocator with a flaw.
struct Flawed {
    pool: Pool,
    flaw: Flaw,
    held: BTreeSet<u32>,
    /// What it will find written down when it starts again.
    saved: BTreeSet<u32>,
    /// Where it looks first.
    hint: u32,
}

impl Flawed {
    fn new(pool: &Pool, flaw: Flaw) -> Self {
        Self {
            pool: *pool,
            flaw,
            held: BTreeSet::new(),
            saved: BTreeSet::new(),
            hint: pool.range.network().to_bits(),
        }
    }

    fn first(&self) -> u32 {
        let (range, subnet) = (self.pool.range.network(), self.pool.subnet.network());
        let after = match self.flaw {
            Flaw::HandsOutNetworkAddress => 0,
            Flaw::SkipsFirstOfRange => 1,
            _ => u32::from(range == subnet),
        };
        range.to_bits() + after
    }

    fn last(&self) -> u32 {
        let end = match self.flaw {
            Flaw::IgnoresRange => self.pool.subnet.broadcast(),
            _ => self.pool.range.broadcast(),
        };
        let before = match self.flaw {
            Flaw::HandsOutBroadcastAddress => 0,
            Flaw::StopsOneTooEarly => 2,
            _ => u32::from(end == self.pool.subnet.broadcast()),
        };
        end.to_bits() - before
    }

    fn would_take(&self, address: u32) -> bool {
        let free = !self.held.contains(&address);
        match self.flaw {
            Flaw::SkipsEveryZero => free && address & 0xff != 0,
            Flaw::SkipsEvery255 => free && address & 0xff != 0xff,
            _ => free,
        }
    }

    /// Nothing below the hint is free, but for those flaws that are about it.
    fn found(&self) -> Option<u32> {
        let (first, last) = (self.first(), self.last());
        let hint = self.hint.max(first);
        let up = (hint..=last).find(|address| self.would_take(*address));
        match self.flaw {
            Flaw::NextAfterLast | Flaw::HintOnlyRises => {
                up.or_else(|| (first..hint).find(|address| self.would_take(*address)))
            }
            _ => up,
        }
    }
}

impl Allocator for Flawed {
    fn next(&self) -> Option<Ipv4Addr> {
        let shown = match self.flaw {
            Flaw::ShowsAnother => (self.first()..=self.last())
                .rev()
                .find(|address| self.would_take(*address)),
            _ => self.found(),
        };
        shown.map(Ipv4Addr::from_bits)
    }

    fn allocate(&mut self) -> Option<Ipv4Addr> {
        let address = self.found()?;
        self.held.insert(address);
        self.saved.insert(address);
        self.hint = address + 1;
        let base = self.pool.subnet.network().to_bits();
        match self.flaw {
            Flaw::CountsInSixteenBits => {
                let offset = (address - base) & 0xffff;
                if address - base > 0xffff {
                    self.held.remove(&address);
                }
                Some(Ipv4Addr::from_bits(base + offset))
            }
            _ => Some(Ipv4Addr::from_bits(address)),
        }
    }

    fn reserve(&mut self, address: Ipv4Addr) -> bool {
        let inside = match self.flaw {
            Flaw::ReservesAnywhere => true,
            Flaw::ReservesOnlyInRange => {
                self.pool.range.contains(&address) || address == self.pool.gateway
            }
            _ => self.pool.subnet.contains(&address),
        };
        let edge = address == self.pool.subnet.network() || address == self.pool.subnet.broadcast();
        let free = self.flaw == Flaw::ReservesTwice && address != self.pool.gateway
            || !self.held.contains(&address.to_bits());
        if !inside || edge || !free {
            return false;
        }
        if self.flaw != Flaw::ForgetsReservation || address == self.pool.gateway {
            self.held.insert(address.to_bits());
        }
        if self.flaw != Flaw::RestartLosesReservations || address == self.pool.gateway {
            self.saved.insert(address.to_bits());
        }
        true
    }

    fn release(&mut self, address: Ipv4Addr) -> bool {
        let bits = address.to_bits();
        if self.flaw != Flaw::RestartKeepsReleased {
            self.saved.remove(&bits);
        }
        let was_held = self.held.remove(&bits);
        let keeps_hint = matches!(
            self.flaw,
            Flaw::NextAfterLast | Flaw::NeverWraps | Flaw::HintOnlyRises
        );
        if !keeps_hint {
            self.hint = self.hint.min(bits);
        }
        match self.flaw {
            Flaw::ReleasesAnything => true,
            Flaw::ReleasesTwice => self.pool.subnet.contains(&address),
            _ => was_held,
        }
    }
}

impl Persistent for Flawed {
    fn restart(&mut self) {
        if self.flaw == Flaw::RestartLosesLeases {
            self.saved = BTreeSet::from([self.pool.gateway.to_bits()]);
        }
        self.held = self.saved.clone();
        self.hint = self.first();
    }
}

#[test]
fn every_flaw_is_caught_by_the_law_it_breaks() {
    for (flaw, law) in Flaw::ALL {
        match hold(Order::LowestFree, |pool| Flawed::new(pool, flaw)) {
            Ok(extent) => panic!("{flaw:?} was not caught by {extent}"),
            Err(violation) => assert_eq!(violation.law, law, "{flaw:?}:\n{violation}"),
        }
    }
}

#[test]
fn a_flaw_of_order_alone_is_none_where_any_order_will_do() {
    let next_after_last = hold(Order::Any, |pool| Flawed::new(pool, Flaw::NextAfterLast));
    assert!(next_after_last.is_ok());
}

#[test]
fn a_violation_says_what_was_done_and_what_came_of_it() {
    let violation = hold(Order::LowestFree, |pool| {
        Flawed::new(pool, Flaw::RestartLosesLeases)
    })
    .unwrap_err();
    insta::assert_snapshot!(violation);
}
