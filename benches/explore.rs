//! Exploring: all states of a small scope, each held to the laws; and what one state costs.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use netparity::explore::{Icc, Scope, Search, State, Symmetry};
use netparity_core::{command::Command, engine::Variant, laws::isolation::LAWS, model::Planned};
use netparity_sim::Sim;

fn sim() -> Planned<Sim> {
    Planned::new(Sim::new())
}

fn search(scope: Scope) -> Search<'static> {
    Search {
        scope,
        symmetry: Symmetry::new(&scope.names()),
        empty: &sim,
        jobs: 1,
        until: None,
    }
}

/// States a second, on one thread.
fn states(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("explore/states");
    group.sample_size(10);
    for (containers, depth) in [(2, 3), (3, 3)] {
        let scope = Scope {
            engine: Variant::default(),
            containers,
            depth,
            links: 1,
            icc: Icc::Both,
        };
        let search = search(scope);
        let Ok(explored) = search.run(&|_| ()) else {
            continue;
        };
        let states = explored.levels.iter().map(|level| level.states).sum();
        group.throughput(Throughput::Elements(states));
        let id = BenchmarkId::new("containers", containers);
        group.bench_function(id, |bencher| bencher.iter(|| search.run(&|_| ())));
    }
    group.finish();
}

/// The parts of it, for a parent, its child, and a third.
fn parts(criterion: &mut Criterion) {
    let scope = Scope {
        engine: Variant::default(),
        containers: 3,
        depth: 3,
        links: 1,
        icc: Icc::Off,
    };
    let mut state = State::new(sim());
    let linked = |line: &str| {
        let child = [
            "--name=c1 --expose",
            "--name=c2 --link=c1",
            "--name=c3 image",
        ];
        child.iter().any(|part| line.contains(part))
    };
    let commands = scope.commands();
    let named = |command: &&Command| {
        linked(&netparity::language::spelling::command(command).unwrap_or_default())
    };
    for command in scope.daemons().iter().chain(commands.iter().filter(named)) {
        drop(state.apply(command));
    }
    let symmetry = Symmetry::new(&scope.names());
    let mut group = criterion.benchmark_group("explore/parts");
    group.bench_function("fork", |bencher| bencher.iter(|| state.clone()));
    group.bench_function("class", |bencher| bencher.iter(|| symmetry.class(&state)));
    group.bench_function("check", |bencher| bencher.iter(|| state.check(&LAWS)));
    let restart = commands.iter().find(|it| matches!(it, Command::Restart(_)));
    if let Some(restart) = restart {
        group.bench_function("fork and restart", |bencher| {
            bencher.iter(|| state.clone().apply(restart));
        });
    }
    group.finish();
}

criterion_group!(benches, states, parts);
criterion_main!(benches);
