//! One probe across a bridge, only its verdict and with its whole trace: in the simulator, and on
//! the kernel where it is to be had, beside a bare connect.

use criterion::Criterion;
use netparity_benches::{container, containers, floor::Floor, probe, skip, timed};
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

fn probes<D: Dataplane>(criterion: &mut Criterion, dataplane: D) -> Result<(), ModelError> {
    let mut model = listening(dataplane)?;
    let mut group = criterion.benchmark_group(format!("probe/{}", model.name()));
    let kinds = [
        ("tcp", Payload::Tcp(80)),
        ("tcp to a closed port", Payload::Tcp(81)),
        ("udp", Payload::Udp(53)),
        ("icmp", Payload::Icmp),
        ("arp", Payload::Arp),
    ];
    for (name, payload) in kinds {
        let probe = probe(0, 1, payload);
        group.bench_function(format!("{name}, verdict"), |bencher| {
            bencher.iter(|| model.verdict(&probe));
        });
        group.bench_function(format!("{name}, trace"), |bencher| {
            bencher.iter(|| model.probe(&probe));
        });
    }
    group.finish();
    Ok(())
}

fn bare(criterion: &mut Criterion) -> std::io::Result<()> {
    let mut floor = Floor::unruled()?;
    (0..2).try_for_each(|_| floor.endpoint())?;
    criterion.bench_function("probe/floor/connect", |bencher| {
        bencher.iter_custom(|times| {
            // Its queue takes some thousands that nobody accepts.
            let share = 1000;
            let rest = std::iter::successors(Some(times), |left| left.checked_sub(share));
            let shares = rest.map(|left| left.min(share));
            let one = |share: u64| {
                let _ = floor.serve();
                timed(1, || floor.connect(0, (0..share).map(|_| 1)))
            };
            shares.map(one).sum()
        });
    });
    Ok(())
}

// The user namespace has to be entered before the first thread starts.
fn main() {
    let access = netparity_kernel::enter();
    let mut criterion = Criterion::default().configure_from_args();
    if let Err(why) = probes(&mut criterion, Sim::new()) {
        skip("probe/sim", &why.to_string());
    }
    if access.is_ok()
        && let Err(why) = bare(&mut criterion)
    {
        skip("probe/floor", &why.to_string());
    }
    match access.and_then(|access| Kernel::new(&access)) {
        Ok(kernel) => {
            if let Err(why) = probes(&mut criterion, kernel) {
                skip("probe/kernel", &why.to_string());
            }
        }
        Err(missing) => skip("probe/kernel", &missing.to_string()),
    }
    criterion.final_summary();
    netparity_kernel::settle();
}
