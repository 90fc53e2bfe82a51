//! Setting up containers on a bridge, icc off: in the simulator, and on the kernel where it is to be had.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use netparity_benches::{containers, floor::Floor};
use netparity_kernel::{Access, Kernel};
use netparity_sim::Sim;

fn sim(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("setup/sim");
    for count in [1, 10, 100] {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| containers(Sim::new(), false, count));
        });
    }
    group.finish();
}

/// The same endpoints by bare system calls, without a line of ours.
fn bare(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("setup/floor");
    group.sample_size(10);
    for count in [1, 10, 100] {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| {
                let mut floor = Floor::new()?;
                (0..count).try_for_each(|_| floor.endpoint())?;
                Ok::<_, std::io::Error>(floor)
            });
        });
    }
    group.finish();
}

fn kernel(criterion: &mut Criterion, access: &Access) {
    let mut group = criterion.benchmark_group("setup/kernel");
    group.sample_size(10);
    for count in [1, 10, 100] {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| Kernel::new(access).map(|kernel| containers(kernel, false, count)));
        });
    }
    group.finish();
}

criterion_group!(benches, sim);

// The user namespace has to be entered before the first thread starts.
#[expect(clippy::print_stderr, reason = "a benchmark reports what it skips")]
fn main() {
    let access = netparity_kernel::enter();
    benches();
    match access {
        Ok(access) => {
            bare(&mut Criterion::default().configure_from_args());
            kernel(&mut Criterion::default().configure_from_args(), &access);
        }
        Err(missing) => eprintln!("setup/kernel: skipped: {missing}"),
    }
    Criterion::default().configure_from_args().final_summary();
    netparity_kernel::settle();
}
