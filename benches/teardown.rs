//! Taking containers down: until the call has returned, and until the kernel is done; beside what
//! closing the bare descriptors takes.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use netparity_benches::{containers, floor::Floor, settle, skip};
use netparity_kernel::{Access, Kernel};

/// How far it is waited for.
#[derive(Clone, Copy)]
enum Until {
    Returned,
    Done,
}

fn teardown<T>(times: u64, until: Until, mut build: impl FnMut() -> T) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..times {
        let network = build();
        let start = Instant::now();
        drop(network);
        if let Until::Returned = until {
            total += start.elapsed();
        }
        let _ = settle();
        if let Until::Done = until {
            total += start.elapsed();
        }
    }
    total
}

fn all(criterion: &mut Criterion, access: &Access) {
    for (name, until) in [("returned", Until::Returned), ("done", Until::Done)] {
        let mut group = criterion.benchmark_group(format!("teardown/{name}"));
        group.sample_size(10);
        for count in [10, 100, 1000] {
            group.throughput(Throughput::Elements(count as u64));
            let bare = || {
                let mut floor = Floor::new()?;
                (0..count).try_for_each(|_| floor.endpoint())?;
                Ok::<_, std::io::Error>(floor)
            };
            group.bench_function(BenchmarkId::new("floor", count), |bencher| {
                bencher.iter_custom(|times| teardown(times, until, bare));
            });
            let ours = || Kernel::new(access).map(|kernel| containers(kernel, false, count));
            group.bench_function(BenchmarkId::new("kernel", count), |bencher| {
                bencher.iter_custom(|times| teardown(times, until, ours));
            });
        }
        group.finish();
    }
}

// The user namespace has to be entered before the first thread starts.
fn main() {
    let access = netparity_kernel::enter();
    let mut criterion = Criterion::default().configure_from_args();
    match access {
        Ok(access) => all(&mut criterion, &access),
        Err(missing) => skip("teardown", &missing.to_string()),
    }
    criterion.final_summary();
}
