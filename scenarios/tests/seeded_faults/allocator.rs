//! Mistakes in handing out addresses, held to the laws of allocators.

use std::net::Ipv4Addr;

use netparity::fuzz::{
    Coverage, Finding, Subject,
    allocator::{Allocations, Sequence},
};
use netparity_core::{
    allocator::{Allocator, LowestFree},
    laws::allocator::{Order, Persistent, Pool, check},
};
use proptest::strategy::BoxedStrategy;

/// One thing that an allocator does wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllocatorFault {
    /// What is released stays taken.
    ReleaseForgotten,
    /// What is taken by name is handed out again.
    ReservationForgotten,
    /// The range is not looked at.
    RangeIgnored,
    /// A restart forgets what was taken.
    LeasesForgotten,
}

impl AllocatorFault {
    /// Every fault there is.
    pub const ALL: [Self; 4] = [
        Self::ReleaseForgotten,
        Self::ReservationForgotten,
        Self::RangeIgnored,
        Self::LeasesForgotten,
    ];
}

/// The engine's allocator, with a mistake.
struct Faulty {
    inner: LowestFree,
    pool: Pool,
    fault: AllocatorFault,
}

impl Faulty {
    fn new(pool: Pool, fault: AllocatorFault) -> Self {
        let inner = match fault {
            AllocatorFault::RangeIgnored => LowestFree::new(pool.subnet),
            _ => LowestFree::within(pool.subnet, pool.range),
        };
        Self { inner, pool, fault }
    }
}

impl Allocator for Faulty {
    fn next(&self) -> Option<Ipv4Addr> {
        self.inner.next()
    }

    fn allocate(&mut self) -> Option<Ipv4Addr> {
        self.inner.allocate()
    }

    fn reserve(&mut self, address: Ipv4Addr) -> bool {
        let is_taken = self.inner.reserve(address);
        if self.fault == AllocatorFault::ReservationForgotten && address != self.pool.gateway {
            self.inner.release(address);
        }
        is_taken
    }

    fn release(&mut self, address: Ipv4Addr) -> bool {
        let was_taken = self.inner.release(address);
        if self.fault == AllocatorFault::ReleaseForgotten && was_taken {
            self.inner.reserve(address);
        }
        was_taken
    }
}

impl Persistent for Faulty {
    fn restart(&mut self) {
        if self.fault == AllocatorFault::LeasesForgotten {
            *self = Self::new(self.pool, self.fault);
            self.inner.reserve(self.pool.gateway);
        }
    }
}

/// The cases of `fuzz allocator`, on an allocator with a mistake.
pub struct FaultyAllocations(pub AllocatorFault);

const PLAIN: Allocations = Allocations { operations: 20 };

impl Subject for FaultyAllocations {
    type Case = Sequence;

    fn cases(&self) -> BoxedStrategy<Sequence> {
        PLAIN.cases()
    }

    fn test(&mut self, case: &Sequence, _: &mut Coverage) -> Result<Option<String>, String> {
        let allocator = Faulty::new(case.pool, self.0);
        let broken = check(case.pool, Order::LowestFree, allocator, &case.operations);
        Ok(broken.err().map(|violation| violation.to_string()))
    }

    fn write(&mut self, finding: &Finding<Sequence>) -> String {
        finding.what.clone()
    }
}
