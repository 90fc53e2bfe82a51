//! The laws of an allocator of addresses.
//!
//! [`hold`] puts an allocator through every short sequence of operations on small pools and
//! through long ones on large pools; [`check`] judges one sequence of your own. Both take any
//! [`Allocator`] that can be [started again](Persistent), and hold it to the [`Order`] it promises.
//!
//! ```
//! use std::{collections::BTreeSet, net::Ipv4Addr};
//!
//! use netparity_core::{
//!     allocator::Allocator,
//!     laws::allocator::{Law, Order, Persistent, Pool, check, Operation},
//! };
//!
//! /// Hands out the lowest free address, and does not know that a gateway is one too.
//! struct Mine {
//!     pool: Pool,
//!     held: BTreeSet<Ipv4Addr>,
//! }
//!
//! impl Allocator for Mine {
//!     fn next(&self) -> Option<Ipv4Addr> {
//!         let mut free = self.pool.range.hosts().filter(|it| !self.held.contains(it));
//!         free.next()
//!     }
//!
//!     fn reserve(&mut self, address: Ipv4Addr) -> bool {
//!         address == self.pool.gateway || self.held.insert(address)
//!     }
//!
//!     fn release(&mut self, address: Ipv4Addr) -> bool {
//!         self.held.remove(&address)
//!     }
//! }
//!
//! impl Persistent for Mine {
//!     fn restart(&mut self) {}
//! }
//!
//! let pool = Pool::new("10.0.0.0/29".parse().unwrap());
//! let mine = Mine { pool, held: BTreeSet::new() };
//! let broken = check(pool, Order::LowestFree, mine, &[Operation::Allocate]).unwrap_err();
//! assert_eq!(broken.law, Law::Reserved);
//! assert_eq!(broken.got, "10.0.0.1");
//! ```

mod judge;
mod scope;

use std::{fmt, net::Ipv4Addr};

use ipnet::Ipv4Net;

use self::judge::Judge;
pub use self::scope::{Extent, hold};
use crate::allocator::{Allocator, LowestFree, LowestReleased, NextAfterLast};

/// What an allocator hands out addresses of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The network. Its first and last address are never handed out.
    pub subnet: Ipv4Net,
    /// Where [`Allocator::allocate`] takes addresses from; the subnet or a part of it.
    pub range: Ipv4Net,
    /// An address of the subnet that is the bridge's own and never handed out.
    pub gateway: Ipv4Addr,
}

impl Pool {
    /// All of `subnet`, with its first address as the gateway, as Docker chooses it.
    pub fn new(subnet: Ipv4Net) -> Self {
        let subnet = subnet.trunc();
        Self {
            subnet,
            range: subnet,
            gateway: Ipv4Addr::from_bits(subnet.network().to_bits() + 1),
        }
    }

    /// The same pool, handing out addresses of `range` only.
    pub fn within(self, range: Ipv4Net) -> Self {
        Self { range, ..self }
    }

    fn is_reserved(&self, address: Ipv4Addr) -> bool {
        address == self.subnet.network()
            || address == self.subnet.broadcast()
            || address == self.gateway
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.subnet)?;
        if self.range != self.subnet {
            write!(f, ", range {}", self.range)?;
        }
        write!(f, ", gateway {}", self.gateway)
    }
}

/// An allocator whose leases outlive its process.
pub trait Persistent: Allocator {
    /// Ends it, and starts it again with what it had written down.
    fn restart(&mut self);
}

impl Persistent for LowestFree {
    /// What it writes down is its leases.
    fn restart(&mut self) {
        let mut again = self.without_leases();
        for lease in self.leases() {
            again.reserve(lease);
        }
        *self = again;
    }
}

impl Persistent for LowestReleased {
    /// It writes down all it has.
    fn restart(&mut self) {
        *self = self.clone();
    }
}

impl Persistent for NextAfterLast {
    /// It writes down all it has.
    fn restart(&mut self) {
        *self = self.clone();
    }
}

/// One thing done to an allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Take whatever address comes next.
    Allocate,
    /// Take this one.
    Reserve(Ipv4Addr),
    /// Give this one back. The gateway is never given back: such an operation is passed over.
    Release(Ipv4Addr),
    /// End the allocator and start it again.
    Restart,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allocate => f.write_str("allocate"),
            Self::Reserve(address) => write!(f, "allocate {address}"),
            Self::Release(address) => write!(f, "release {address}"),
            Self::Restart => f.write_str("restart"),
        }
    }
}

/// In which order free addresses are handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// In any.
    Any,
    /// The lowest first: Docker since 1.9.
    #[default]
    LowestFree,
    /// The lowest of those that were given back; where there is none, the next behind the highest
    /// that was allocated and is held, and behind the last one the first again: Docker 0.11.
    LowestReleased,
    /// The next behind the one that was allocated last, and behind the last one the first again:
    /// Docker 0.12 to 1.8.
    NextAfterLast,
}

impl Order {
    /// Every order.
    pub const ALL: [Self; 4] = [
        Self::Any,
        Self::LowestFree,
        Self::LowestReleased,
        Self::NextAfterLast,
    ];
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any order",
            Self::LowestFree => "lowest free first",
            Self::LowestReleased => "lowest released first",
            Self::NextAfterLast => "next after last",
        })
    }
}

/// What an allocator promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Law {
    /// No address is held twice.
    Unique,
    /// The network, broadcast and gateway addresses are never handed out.
    Reserved,
    /// What is allocated is of the range; what is reserved is of the subnet.
    Within,
    /// A free address of the subnet can be reserved.
    Available,
    /// What was released can be had again.
    Released,
    /// Only what is held can be released, and that always can.
    Held,
    /// Nothing can be allocated exactly when all of the range is held.
    Exhausted,
    /// Addresses come in the promised order.
    Order,
    /// What would be allocated next is what then is.
    Foretold,
    /// A restart loses no lease and makes none.
    Kept,
}

impl Law {
    /// Every law.
    pub const ALL: [Self; 10] = [
        Self::Unique,
        Self::Reserved,
        Self::Within,
        Self::Available,
        Self::Released,
        Self::Held,
        Self::Exhausted,
        Self::Order,
        Self::Foretold,
        Self::Kept,
    ];

    /// The law in a sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Unique => "no address is held twice",
            Self::Reserved => "the network, broadcast and gateway addresses are never handed out",
            Self::Within => "what is allocated is of the range, and what is reserved of the subnet",
            Self::Available => "a free address of the subnet can be reserved",
            Self::Released => "what was released can be had again",
            Self::Held => "only what is held can be released, and that always can",
            Self::Exhausted => {
                "nothing can be allocated exactly when every address of the range is held"
            }
            Self::Order => "addresses are handed out in the promised order",
            Self::Foretold => "what is said to come next is what is then handed out",
            Self::Kept => "a restart loses no lease and makes none",
        }
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

/// A law that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub law: Law,
    /// The pool it happened in.
    pub pool: Pool,
    /// Every operation up to and including the one that broke it.
    pub operations: Vec<Operation>,
    /// What should have happened.
    pub expected: String,
    /// What did.
    pub got: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "broken: {}", self.law)?;
        writeln!(f, "pool {}", self.pool)?;
        for operation in &self.operations {
            writeln!(f, "  {operation}")?;
        }
        write!(f, "expected {}, got {}", self.expected, self.got)
    }
}

impl std::error::Error for Violation {}

/// Puts an allocator through `operations`, and judges every answer.
///
/// `allocator` is new, its pool's gateway is not in it yet: it is reserved first.
///
/// # Errors
///
/// The first law that is broken.
pub fn check<A: Persistent>(
    pool: Pool,
    order: Order,
    mut allocator: A,
    operations: &[Operation],
) -> Result<(), Box<Violation>> {
    let mut judge = Judge::new(pool, order);
    let broken = |judge::Breach { law, expected, got }, done: usize| {
        Box::new(Violation {
            law,
            pool,
            operations: operations[..done].to_vec(),
            expected,
            got,
        })
    };
    judge
        .gateway(allocator.reserve(pool.gateway))
        .map_err(|breach| broken(breach, 0))?;
    for (at, operation) in operations.iter().enumerate() {
        judge
            .step(&mut allocator, *operation)
            .map_err(|breach| broken(breach, at + 1))?;
    }
    Ok(())
}
