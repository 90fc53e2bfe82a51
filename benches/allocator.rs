//! Allocating and releasing an address, in pools that are empty and all but full.

use std::{hint::black_box, net::Ipv4Addr};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use netparity_core::allocator::{Allocator, LowestFree};

fn pool(prefix: u8, free: u32) -> LowestFree {
    let subnet = format!("10.0.0.0/{prefix}").parse().unwrap_or_default();
    let mut pool = LowestFree::new(subnet);
    let size = 1_u32 << (32 - prefix);
    for offset in 1..size - 1 - free {
        pool.reserve(Ipv4Addr::from_bits(
            Ipv4Addr::new(10, 0, 0, 0).to_bits() + offset,
        ));
    }
    pool
}

fn allocator(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("allocator");
    for prefix in [24, 16, 8] {
        let size = 1_u32 << (32 - prefix);
        for (fill, free) in [("empty", size - 2), ("full", (size / 1000).max(1))] {
            let mut pool = pool(prefix, free);
            group.bench_function(BenchmarkId::new(fill, format!("/{prefix}")), |bencher| {
                bencher.iter(|| {
                    let address = pool.allocate();
                    black_box(address.is_some_and(|address| pool.release(address)))
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, allocator);
criterion_main!(benches);
