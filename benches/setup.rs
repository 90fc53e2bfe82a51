//! Setting up containers: in the simulator, on the kernel beside the bare system calls where it is
//! to be had, and by other programs where they are.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use netparity::{bench::peers::Peer, run::Dockerd};
use netparity_benches::{
    container, containers, daemon, floor::Floor, run, run_linked, skip, timed,
};
use netparity_core::{
    command::{Command, ContainerSpec, NetMode},
    model::{Dataplane, ModelError, NetworkModel, Planned},
};
use netparity_kernel::{Access, Kernel};
use netparity_sim::Sim;

const COUNTS: [usize; 4] = [1, 10, 100, 1000];
/// How many endpoints other programs set up.
const FOR_PEERS: usize = 10;

fn sim(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("setup/sim");
    for count in COUNTS {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter_with_large_drop(|| containers(Sim::new(), false, count));
        });
    }
    group.finish();
}

fn bare(count: usize) -> std::io::Result<Floor> {
    let mut floor = Floor::new()?;
    (0..count).try_for_each(|_| floor.endpoint())?;
    Ok(floor)
}

/// The floor and the kernel, one after the other at each size.
fn on_one_bridge(criterion: &mut Criterion, access: &Access) {
    let mut group = criterion.benchmark_group("setup");
    group.sample_size(10);
    for count in COUNTS {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("floor", count), |bencher| {
            bencher.iter_custom(|times| timed(times, || bare(count)));
        });
        group.bench_function(BenchmarkId::new("kernel", count), |bencher| {
            bencher.iter_custom(|times| timed(times, || network(access, false, count)));
        });
    }
    group.finish();
}

fn network(access: &Access, icc: bool, count: usize) -> Result<Planned<Kernel>, String> {
    let kernel = Kernel::new(access).map_err(|why| why.to_string())?;
    containers(kernel, icc, count).map_err(|why| why.to_string())
}

/// A hundred containers in other circumstances.
fn variants(criterion: &mut Criterion, access: &Access) {
    const COUNT: usize = 100;
    let mut group = criterion.benchmark_group("setup/kernel of 100");
    group.sample_size(10);
    group.throughput(Throughput::Elements(COUNT as u64));
    group.bench_function("icc on", |bencher| {
        bencher.iter_custom(|times| timed(times, || network(access, true, COUNT)));
    });
    group.bench_function("linked", |bencher| {
        let linked = || {
            let mut model = network(access, false, 0)?;
            for number in 0..COUNT {
                model
                    .apply(&run_linked(number))
                    .map_err(|why| why.to_string())?;
            }
            Ok::<_, String>(model)
        };
        bencher.iter_custom(|times| timed(times, linked));
    });
    group.bench_function("on 10 bridges of 10 hosts", |bencher| {
        let many = || (0..10).map(|_| network(access, false, COUNT / 10));
        bencher.iter_custom(|times| timed(times, || many().collect::<Vec<_>>()));
    });
    group.finish();
}

/// One container in each mode, where there is one already.
fn modes<D: Dataplane>(criterion: &mut Criterion, dataplane: D) -> Result<(), ModelError> {
    let mut model = daemon(dataplane, true)?;
    model.apply(&run(0))?;
    let mut group = criterion.benchmark_group(format!("setup/{}", model.name()));
    group.sample_size(20);
    for (name, net) in [
        ("bridge", NetMode::Bridge),
        ("host", NetMode::Host),
        ("none", NetMode::None),
        ("container", NetMode::Container(container(0).to_string())),
    ] {
        let run = Command::Run(ContainerSpec {
            name: Some(container(1)),
            net,
            ..ContainerSpec::default()
        });
        let remove = Command::Remove {
            name: container(1),
            force: true,
        };
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let mut total = Duration::ZERO;
                for _ in 0..times {
                    let start = Instant::now();
                    let started = model.apply(&run);
                    total += start.elapsed();
                    drop((started, model.apply(&remove)));
                }
                total
            });
        });
    }
    group.finish();
    Ok(())
}

fn peers(criterion: &mut Criterion, dockerd: &Dockerd) {
    let mut group = criterion.benchmark_group("setup/peers");
    group.sample_size(10);
    group.throughput(Throughput::Elements(FOR_PEERS as u64));
    for peer in Peer::ALL {
        let name = peer.as_str();
        if let Some(why) = peer.missing(dockerd) {
            skip(name, &why);
            continue;
        }
        if let Err(why) = peer.endpoints(1, dockerd) {
            skip(name, &why);
            continue;
        }
        group.bench_function(BenchmarkId::new(name, FOR_PEERS), |bencher| {
            bencher.iter_custom(|times| {
                let each = |_| peer.endpoints(FOR_PEERS, dockerd).unwrap_or_default();
                (0..times).map(each).sum()
            });
        });
    }
    group.finish();
}

// The user namespace has to be entered before the first thread starts, and what keeps peers is
// this program, started again.
fn main() {
    netparity::bench::cell::divert();
    let dockerd = Dockerd::on_path();
    let access = netparity_kernel::enter();
    let mut criterion = Criterion::default().configure_from_args();
    sim(&mut criterion);
    let _ = modes(&mut criterion, Sim::new());
    match access {
        Ok(access) => {
            on_one_bridge(&mut criterion, &access);
            variants(&mut criterion, &access);
            match Kernel::new(&access) {
                Ok(kernel) => {
                    if let Err(why) = modes(&mut criterion, kernel) {
                        skip("setup/kernel", &why.to_string());
                    }
                }
                Err(why) => skip("setup/kernel", &why.to_string()),
            }
            peers(&mut criterion, &dockerd);
        }
        Err(missing) => skip("setup/kernel", &missing.to_string()),
    }
    criterion.final_summary();
    netparity_kernel::settle();
}
