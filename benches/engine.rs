//! The engine alone: `docker run` to plan, with few containers and with many.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use netparity_benches::run;
use netparity_core::{
    command::{Command, DaemonConfig},
    engine::Engine,
    snapshot::NetnsState,
};

fn carry_out(engine: &mut Engine, command: &Command) {
    let host = NetnsState::default();
    for action in engine.actions(command).unwrap_or_default() {
        if let Ok(decision) = engine.decide(&action, &host) {
            drop(engine.commit(black_box(decision)));
        }
    }
}

fn engine(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    for count in [10, 1_000, 10_000] {
        let mut engine = Engine::default();
        carry_out(
            &mut engine,
            &Command::Daemon(DaemonConfig {
                icc: false,
                ..DaemonConfig::default()
            }),
        );
        for number in 0..count {
            carry_out(&mut engine, &run(number));
        }
        let next = run(count);
        let remove = Command::Remove {
            name: netparity_benches::container(count),
            force: true,
        };
        group.bench_function(BenchmarkId::new("run and remove", count), |bencher| {
            bencher.iter(|| {
                carry_out(&mut engine, &next);
                carry_out(&mut engine, &remove);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, engine);
criterion_main!(benches);
