//! Every short sequence on small pools, and long ones on large pools.

use std::{fmt, net::Ipv4Addr};

use ipnet::Ipv4Net;

use super::{Operation, Order, Persistent, Pool, Violation, check};

/// How far a proof went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Pools.
    pub pools: u64,
    /// Sequences of operations.
    pub sequences: u64,
    /// Operations.
    pub operations: u64,
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} sequences of {} operations in {} pools",
            self.sequences, self.operations, self.pools
        )
    }
}

/// Operations in the longest of the exhaustive sequences.
const DEPTH: u32 = 4;

/// The most addresses that are taken of a large pool: more than sixteen bits can count.
const MANY: u64 = 70_000;

const NET: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);

/// Puts the allocators that `new` makes through every sequence of four operations on pools of up
/// to eight addresses, and through filling, thinning out, restarting and refilling pools from
/// /28 to /8. `new` makes an allocator in which only the network and broadcast addresses are taken.
///
/// # Errors
///
/// The first law that is broken.
pub fn hold<A: Persistent>(
    order: Order,
    new: impl Fn(&Pool) -> A,
) -> Result<Extent, Box<Violation>> {
    let mut extent = Extent::default();
    let mut try_out = |pool: Pool, operations: &[Operation]| {
        extent.sequences += 1;
        extent.operations += operations.len() as u64;
        check(pool, order, new(&pool), operations)
    };
    let small = small_pools();
    for pool in &small {
        let alphabet = alphabet(pool);
        let count = alphabet.len();
        // Each number, read in the alphabet's base, is a sequence; a prefix of a sequence is
        // checked with it.
        for number in 0..count.pow(DEPTH) {
            let letter = |place: u32| alphabet[number / count.pow(place) % count];
            let operations: [Operation; DEPTH as usize] =
                std::array::from_fn(|place| letter(place as u32));
            try_out(*pool, &operations)?;
        }
    }
    let large = large_pools();
    for pool in &large {
        try_out(*pool, &fill_and_refill(pool))?;
    }
    extent.pools = (small.len() + large.len()) as u64;
    Ok(extent)
}

fn net(base: Ipv4Addr, offset: u32, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::from_bits(base.to_bits() + offset), prefix)
}

fn small_pools() -> Vec<Pool> {
    let whole = Pool::new(net(NET, 0, 29));
    let last_as_gateway = Pool {
        gateway: Ipv4Addr::new(10, 0, 0, 6),
        ..whole
    };
    vec![
        Pool::new(net(NET, 0, 30)),
        whole,
        last_as_gateway,
        whole.within(net(NET, 4, 30)),
        whole.within(net(NET, 2, 31)),
    ]
}

/// Every operation that can matter in a small pool, its neighbours' addresses included.
fn alphabet(pool: &Pool) -> Vec<Operation> {
    let (first, last) = (
        pool.subnet.network().to_bits(),
        pool.subnet.broadcast().to_bits(),
    );
    let addresses = || (first - 1..=last + 1).map(Ipv4Addr::from_bits);
    [Operation::Allocate, Operation::Restart]
        .into_iter()
        .chain(addresses().map(Operation::Reserve))
        .chain(addresses().map(Operation::Release))
        .collect()
}

fn large_pools() -> Vec<Pool> {
    let mut pools: Vec<Pool> = (8..=28)
        .step_by(2)
        .chain([15, 23, 25])
        .map(|prefix| Pool::new(net(NET, 0, prefix)))
        .collect();
    // A range whose own edges are no edges of the subnet, as in moby's TestDaemonBridgeFixedCidr2.
    let wide = Pool::new(net(NET, 0, 16));
    pools.push(wide.within(net(NET, 0x200, 24)));
    pools.push(wide.within(net(NET, 0xff00, 24)));
    pools.push(Pool {
        gateway: Ipv4Addr::new(10, 0, 42, 1),
        ..wide
    });
    pools
}

/// Takes all there is, or many; gives every third back; takes some by name; starts again; takes
/// until nothing is left, and once more.
fn fill_and_refill(pool: &Pool) -> Vec<Operation> {
    let first = pool.range.network().to_bits();
    let size = u64::from(pool.range.broadcast().to_bits() - first) + 1;
    let many = size.min(MANY) as u32;
    let address = |offset: u32| Ipv4Addr::from_bits(first + offset);
    // Until nothing is left, and twice more.
    let fill = |free: u32| (0..free + 2).map(|_| Operation::Allocate);
    let thin_out = (0..many)
        .step_by(3)
        .map(|offset| Operation::Release(address(offset)));
    let by_name = (0..many)
        .step_by(7)
        .map(|offset| Operation::Reserve(address(offset)));
    // Downwards, so that what was released last lies lowest.
    let downwards = (0..many)
        .rev()
        .step_by(5)
        .map(|offset| Operation::Release(address(offset)));
    fill(many)
        .chain(thin_out)
        .chain(by_name)
        .chain([Operation::Restart])
        .chain(fill(many / 3 - many / 21))
        .chain(downwards)
        .chain(fill(many / 5))
        .collect()
}
