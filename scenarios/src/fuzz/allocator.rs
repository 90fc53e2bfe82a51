//! The laws of an allocator, on random sequences.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use netparity_core::{
    allocator::{LowestFree, LowestReleased, NextAfterLast},
    laws::allocator::{Operation, Order, Pool, check},
};
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof},
    sample::select,
    strategy::BoxedStrategy,
};

use super::{Coverage, Finding, Subject};
use crate::coverage::Topic;

/// A pool, and what is done to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// The pool.
    pub pool: Pool,
    /// The order that the allocator promises.
    pub order: Order,
    /// Each operation.
    pub operations: Vec<Operation>,
}

/// Random sequences on the engine's allocator and on those of earlier versions of Docker, in pools
/// from /30 to /8.
#[derive(Clone, Copy, Debug)]
pub struct Allocations {
    /// The most operations of a sequence.
    pub operations: usize,
}

fn pools() -> impl Strategy<Value = Pool> {
    // A pool's memory is a bit an address: the large ones are drawn less often.
    let prefix = prop_oneof![40 => 24_u8..=30, 10 => 16_u8..24, 1 => 8_u8..16];
    (prefix, any::<u32>(), 0..=2_u8, any::<u32>()).prop_map(|(prefix, place, narrower, part)| {
        let subnet = Ipv4Net::new_assert(Ipv4Addr::from_bits(place | 0x0a00_0000), prefix).trunc();
        let pool = Pool::new(subnet);
        let narrow = (prefix + narrower * 2).min(31);
        let inside = subnet.network().to_bits() | part & subnet.hostmask().to_bits();
        match narrower {
            0 => pool,
            _ => pool.within(Ipv4Net::new_assert(Ipv4Addr::from_bits(inside), narrow).trunc()),
        }
    })
}

/// An address near the range's edges, or anywhere in the subnet, or just beside it.
fn address(pool: Pool) -> impl Strategy<Value = Ipv4Addr> {
    let first = pool.subnet.network().to_bits();
    let last = pool.subnet.broadcast().to_bits();
    let start = pool.range.network().to_bits();
    let end = pool.range.broadcast().to_bits();
    prop_oneof![
        6 => start..=start.saturating_add(8).min(last),
        2 => end.saturating_sub(3)..=end,
        1 => first.saturating_sub(2)..=last.saturating_add(2),
    ]
    .prop_map(Ipv4Addr::from_bits)
}

fn operation(pool: Pool) -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => Just(Operation::Allocate),
        3 => address(pool).prop_map(Operation::Reserve),
        5 => address(pool).prop_map(Operation::Release),
        1 => Just(Operation::Restart),
    ]
}

impl Subject for Allocations {
    type Case = Sequence;

    const EXTENSION: &'static str = "txt";

    fn cases(&self) -> BoxedStrategy<Sequence> {
        let most = self.operations;
        let order = select(vec![
            Order::LowestFree,
            Order::LowestReleased,
            Order::NextAfterLast,
        ]);
        (pools(), order)
            .prop_flat_map(move |(pool, order)| {
                vec(operation(pool), 1..=most).prop_map(move |operations| Sequence {
                    pool,
                    order,
                    operations,
                })
            })
            .boxed()
    }

    fn test(&mut self, case: &Sequence, coverage: &mut Coverage) -> Result<Option<String>, String> {
        let Sequence {
            pool,
            order,
            operations,
        } = case;
        coverage.reach(Topic::Allocation, order.to_string());
        for operation in operations {
            let word = match operation {
                Operation::Allocate => "allocate",
                Operation::Reserve(_) => "allocate this one",
                Operation::Release(_) => "release",
                Operation::Restart => "restart",
            };
            coverage.reach(Topic::Allocation, word);
        }
        let (subnet, range) = (pool.subnet, pool.range);
        let broken = match order {
            Order::Any | Order::LowestFree => {
                check(*pool, *order, LowestFree::within(subnet, range), operations)
            }
            Order::LowestReleased => {
                let allocator = LowestReleased::within(subnet, range);
                check(*pool, *order, allocator, operations)
            }
            Order::NextAfterLast => {
                let allocator = NextAfterLast::within(subnet, range);
                check(*pool, *order, allocator, operations)
            }
        };
        Ok(broken.err().map(|violation| violation.to_string()))
    }

    /// Addresses are not taken by name in a scenario, so this is the sequence itself.
    fn write(&mut self, finding: &Finding<Sequence>) -> String {
        let Sequence {
            pool,
            order,
            operations,
        } = &finding.case;
        let lines: Vec<String> = operations.iter().map(ToString::to_string).collect();
        format!("pool {pool}\n{order}\n{}\n", lines.join("\n"))
    }
}
