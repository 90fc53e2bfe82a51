//! A kernel that is reset is as one that is new: scenarios leave the same recordings on both, in
//! whatever order they were played before, and nothing is left behind.
//!
//! This has a `main` of its own, because without root a user namespace has to be entered before
//! the first thread starts, and because it counts the descriptors of the process.
//! `NETPARITY_REQUIRE=kernel` turns the kernel's absence into a failure.

#![allow(
    clippy::print_stderr,
    reason = "what differs has no other place to be told"
)]

use std::{cell::RefCell, fs, path::Path, process::ExitCode, rc::Rc};

use netparity::{
    language::{self, Scenario},
    recording::Recording,
    run::{Dockerd, Machine, ModelKind, record},
};
use netparity_core::{
    command::Command,
    engine::Variant,
    model::{ModelError, NetworkModel, Outcome},
    probe::Probe,
    snapshot::Snapshot,
    trace::Trace,
};
use netparity_kernel::settle;

/// How often every scenario is played on the kernel that is reset.
const ROUNDS: usize = 3;

type Model = Box<dyn NetworkModel>;

/// A model that is still there when a scenario is over.
struct Lasting(Rc<RefCell<Model>>);

impl NetworkModel for Lasting {
    fn name(&self) -> &str {
        "kernel"
    }

    fn apply(&mut self, command: &Command) -> Result<Outcome, ModelError> {
        self.0.borrow_mut().apply(command)
    }

    fn probe(&mut self, probe: &Probe) -> Result<Trace, ModelError> {
        self.0.borrow_mut().probe(probe)
    }

    fn snapshot(&mut self) -> Result<Snapshot, ModelError> {
        self.0.borrow_mut().snapshot()
    }

    fn reset(&mut self) -> Result<(), ModelError> {
        self.0.borrow_mut().reset()
    }
}

fn scenarios() -> Result<Vec<Scenario>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).to_owned();
    let read = language::read_all(&[folder]).map_err(|them| them[0].to_string())?;
    Ok(read.into_iter().map(|it| it.1).collect())
}

fn play(scenario: &Scenario, model: Model) -> Result<Recording, String> {
    match record(scenario, model) {
        Ok((recording, _)) => Ok(recording),
        Err(end) => Err(format!("{}: {end:?}", scenario.name())),
    }
}

/// The scenarios' places, shuffled.
fn order(count: usize, round: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    let mut state = round as u64;
    // splitmix64
    places.sort_by_cached_key(|_| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
    });
    places
}

fn open_descriptors() -> Result<usize, String> {
    let folder = fs::read_dir("/proc/self/fd").map_err(|why| why.to_string())?;
    Ok(folder.count())
}

fn compare(machine: &Machine) -> Result<(), String> {
    let scenarios = scenarios()?;
    let mut fresh = Vec::new();
    for scenario in &scenarios {
        // So that no namespace of the one before is used again.
        settle();
        let model = machine.open(ModelKind::Kernel, scenario.engine)?;
        fresh.push(play(scenario, model)?);
    }
    settle();
    let before = open_descriptors()?;
    let open = |engine| {
        let model = machine.open(ModelKind::Kernel, engine)?;
        Ok((engine, Rc::new(RefCell::new(model))))
    };
    let models = Variant::ALL.into_iter().map(open);
    let models: Vec<_> = models.collect::<Result<_, String>>()?;
    for round in 0..ROUNDS {
        for place in order(scenarios.len(), round) {
            let (scenario, fresh) = (&scenarios[place], &fresh[place]);
            let Some((_, model)) = models.iter().find(|it| it.0 == scenario.engine) else {
                continue;
            };
            let reset = play(scenario, Box::new(Lasting(Rc::clone(model))))?;
            if reset != *fresh {
                return Err(format!(
                    "{}, round {round}: {fresh:#?}\non a kernel that was reset: {reset:#?}",
                    scenario.name()
                ));
            }
            let reset = model.borrow_mut().reset();
            reset.map_err(|why| format!("{}: {why}", scenario.name()))?;
        }
    }
    drop(models);
    settle();
    let after = open_descriptors()?;
    match after == before {
        true => Ok(()),
        false => Err(format!("{before} descriptors were open, and {after} are")),
    }
}

fn main() -> ExitCode {
    let machine = Machine::new(&[ModelKind::Kernel], &Dockerd::on_path());
    let required = std::env::var("NETPARITY_REQUIRE").unwrap_or_default();
    if let Some(why) = machine.lacks(ModelKind::Kernel) {
        eprintln!("the kernel is skipped: {why}");
        return match required.split(',').any(|word| word.trim() == "kernel") {
            true => ExitCode::FAILURE,
            false => ExitCode::SUCCESS,
        };
    }
    match compare(&machine) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
