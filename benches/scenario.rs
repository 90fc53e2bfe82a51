//! Scenarios: reading them, and playing the whole suite.

use std::{hint::black_box, path::PathBuf};

use criterion::{Criterion, Throughput};
use netparity::{
    language::{self, Scenario},
    run::{Dockerd, Keep, Machine, ModelKind, Run, run_all},
};
use netparity_benches::skip;

fn main() {
    // The user namespace has to be entered before the first thread starts.
    let machine = Machine::new(&[ModelKind::Kernel], &Dockerd::on_path());
    let mut criterion = Criterion::default().configure_from_args();
    let suite = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios"));
    match language::read_all(&[suite]) {
        Ok(read) => {
            let (sources, scenarios): (Vec<_>, Vec<_>) = read.into_iter().unzip();
            let bytes = sources.iter().map(|source| source.text.len() as u64).sum();
            let mut group = criterion.benchmark_group("scenario");
            group.throughput(Throughput::Bytes(bytes));
            let parse = || {
                sources
                    .iter()
                    .map(|source| black_box(language::parse(source)))
            };
            group.bench_function("parse", |bencher| bencher.iter(|| parse().count()));
            group.finish();
            play(&mut criterion, &machine, &scenarios);
        }
        Err(_) => skip("scenario", "there are no scenarios without a mistake"),
    }
    criterion.final_summary();
    netparity_kernel::settle();
}

/// One after the other, and compared.
fn play(criterion: &mut Criterion, machine: &Machine, scenarios: &[Scenario]) {
    let mut group = criterion.benchmark_group("scenario/suite");
    group.sample_size(10);
    group.throughput(Throughput::Elements(scenarios.len() as u64));
    for (name, models) in [
        ("sim", &[ModelKind::Sim][..]),
        ("sim and kernel", &[ModelKind::Sim, ModelKind::Kernel]),
    ] {
        if let Some(why) = models.iter().find_map(|kind| machine.lacks(*kind)) {
            skip(name, why);
            continue;
        }
        let run = Run {
            scenarios,
            models,
            recorded: false,
            machine,
            jobs: 1,
            keep: Keep::Shown,
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                run_all(&run, |_, record| {
                    black_box(record);
                });
            });
        });
    }
    group.finish();
}
