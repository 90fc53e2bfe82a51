//! Handing out addresses and taking them back, against a set of the free ones and CNI's allocator.
//! Docker's own, libnetwork's, is no program that could be asked by itself.

use std::{collections::BTreeSet, hint::black_box, net::Ipv4Addr};

use ipnet::Ipv4Net;
use netparity_core::allocator::{Allocator, LowestFree};

use super::{Options, settle, timed};
use crate::bench::{
    cell,
    figures::{BTREE_SET, CORE, Figures, HOST_LOCAL, What},
    peers::{Peer, host_local},
};

/// How many at a time, so that reading the clock does not count.
const TIMES: usize = 100_000;
const BASE: u32 = 10 << 24;

/// In a /8 that is empty, in one that is 99.9% full, and in a /24 that is 90% full.
pub(super) fn measure(options: &Options, figures: &mut Figures) -> Result<(), String> {
    let cni = Peer::Cni;
    let mut host_local = options.against.contains(&cni) && cni.missing(&options.dockerd).is_none();
    for (what, prefix, free) in [
        (What::Address, 8, (1 << 24) - 2),
        (What::Address, 8, (1 << 24) / 1000),
        (What::SmallPoolAddress, 24, 25),
    ] {
        let subnet = Ipv4Net::new_assert(Ipv4Addr::from_bits(BASE), prefix);
        let broadcast = subnet.broadcast().to_bits();
        let first = broadcast - free;
        let mut pool = LowestFree::new(subnet);
        for address in BASE + 1..first {
            pool.reserve(Ipv4Addr::from_bits(address));
        }
        let mut set: BTreeSet<u32> = (first..broadcast).collect();
        let count = free as usize;
        for _ in 0..options.rounds {
            let of_pool = || {
                for _ in 0..TIMES {
                    let address = pool.allocate();
                    black_box(address.is_some_and(|address| pool.release(address)));
                }
                Ok::<_, String>(())
            };
            let (_, time) = timed(of_pool)?;
            figures.add(what, CORE, count, time, TIMES);
            let of_set = || {
                for _ in 0..TIMES {
                    let address = set.pop_first();
                    black_box(address.is_some_and(|address| set.insert(address)));
                }
                Ok::<_, String>(())
            };
            let (_, time) = timed(of_set)?;
            figures.add(what, BTREE_SET, count, time, TIMES);
            // A file for each of millions of addresses is more than a machine has room for.
            let taken = first - BASE - 1;
            if !host_local || taken > 1000 {
                continue;
            }
            match cell::addresses(subnet, taken) {
                Ok(time) => figures.add(what, HOST_LOCAL, count, time, host_local::TURNS),
                Err(why) => {
                    figures.skipped.insert(HOST_LOCAL.into(), why);
                    host_local = false;
                }
            }
            settle()?;
        }
    }
    Ok(())
}
