//! One probe across a bridge, with its whole trace: in the simulator, and on the kernel where it is to be had.

use criterion::{Criterion, criterion_group};
use netparity_benches::{container, containers, probe};
use netparity_core::{
    command::Command,
    model::{Dataplane, ModelError, NetworkModel, Planned},
    port::{Port, Protocol},
    probe::Payload,
};
use netparity_kernel::Kernel;
use netparity_sim::Sim;

fn listening<D: Dataplane>(dataplane: D) -> Result<Planned<D>, ModelError> {
    let mut model = containers(dataplane, true, 2)?;
    for port in [Port::new(80, Protocol::Tcp), Port::new(53, Protocol::Udp)]
        .into_iter()
        .flatten()
    {
        model.apply(&Command::Listen {
            name: container(1),
            port,
        })?;
    }
    Ok(model)
}

fn probes<D: Dataplane>(criterion: &mut Criterion, mut model: Planned<D>) {
    let mut group = criterion.benchmark_group(format!("probe/{}", model.name()));
    let kinds = [
        ("tcp", Payload::Tcp(80)),
        ("udp", Payload::Udp(53)),
        ("icmp", Payload::Icmp),
        ("arp", Payload::Arp),
    ];
    for (name, payload) in kinds {
        let probe = probe(0, 1, payload);
        group.bench_function(name, |bencher| bencher.iter(|| model.probe(&probe)));
    }
    group.finish();
}

fn sim(criterion: &mut Criterion) {
    if let Ok(model) = listening(Sim::new()) {
        probes(criterion, model);
    }
}

criterion_group!(benches, sim);

// The user namespace has to be entered before the first thread starts.
#[expect(clippy::print_stderr, reason = "a benchmark reports what it skips")]
fn main() {
    let access = netparity_kernel::enter();
    benches();
    match access.and_then(|access| Kernel::new(&access)) {
        Ok(kernel) => match listening(kernel) {
            Ok(model) => probes(&mut Criterion::default().configure_from_args(), model),
            Err(broken) => eprintln!("probe/kernel: {broken}"),
        },
        Err(missing) => eprintln!("probe/kernel: skipped: {missing}"),
    }
    Criterion::default().configure_from_args().final_summary();
    netparity_kernel::settle();
}
