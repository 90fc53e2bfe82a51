//! Handing out addresses and taking them back, against a set of the free ones.

use std::{collections::BTreeSet, hint::black_box, net::Ipv4Addr};

use ipnet::Ipv4Net;
use netparity_core::allocator::{Allocator, LowestFree};

use super::{Options, timed};
use crate::bench::figures::{BTREE_SET, CORE, Figures, What};

/// How many at a time, so that reading the clock does not count.
const TIMES: usize = 100_000;
const BASE: u32 = 10 << 24;
const SIZE: u32 = 1 << 24;

/// In a /8 that is empty, and in one that is 99.9% full.
pub(super) fn measure(options: &Options, figures: &mut Figures) {
    let subnet = Ipv4Net::new_assert(Ipv4Addr::from_bits(BASE), 8);
    for free in [SIZE - 2, SIZE / 1000] {
        let first = SIZE - 1 - free;
        let mut pool = LowestFree::new(subnet);
        for offset in 1..first {
            pool.reserve(Ipv4Addr::from_bits(BASE + offset));
        }
        let mut set: BTreeSet<u32> = (first..SIZE - 1).map(|offset| BASE + offset).collect();
        for _ in 0..options.rounds {
            let of_pool = || {
                for _ in 0..TIMES {
                    let address = pool.allocate();
                    black_box(address.is_some_and(|address| pool.release(address)));
                }
                Ok::<_, String>(())
            };
            if let Ok((_, time)) = timed(of_pool) {
                figures.add(What::Address, CORE, free as usize, time, TIMES);
            }
            let of_set = || {
                for _ in 0..TIMES {
                    let address = set.pop_first();
                    black_box(address.is_some_and(|address| set.insert(address)));
                }
                Ok::<_, String>(())
            };
            if let Ok((_, time)) = timed(of_set) {
                figures.add(What::Address, BTREE_SET, free as usize, time, TIMES);
            }
        }
    }
}
