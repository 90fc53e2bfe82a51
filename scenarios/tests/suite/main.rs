//! Every scenario, on the simulator alone and on the kernel beside it; and what a measurement that
//! is killed leaves behind.
//!
//! This has a `main` of its own, because without root a user namespace has to be entered before
//! the first thread starts. `NETPARITY_REQUIRE=kernel` turns the kernel's absence into a failure.

#![allow(
    clippy::print_stderr,
    reason = "the reason for what is ignored has no other place"
)]

mod cell;

use std::{path::Path, process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Failed, Trial};
use netparity::{
    bench::{self, peers::Peer},
    language::{self, Scenario},
    paint::Paint,
    report::{Report, Status, Summary, Text},
    run::{Dockerd, Keep, Machine, ModelKind, Run, run_all},
};

const MODELS: [ModelKind; 2] = [ModelKind::Sim, ModelKind::Kernel];

fn scenarios() -> Result<Vec<Scenario>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).to_owned();
    let read = language::read_all(&[folder]).map_err(|them| them[0].to_string())?;
    Ok(read.into_iter().map(|it| it.1).collect())
}

/// Plays one scenario; what the report says of it, unless it passes.
fn play(scenario: &Scenario, models: &[ModelKind], machine: &Machine) -> Result<(), Failed> {
    let scenarios = std::slice::from_ref(scenario);
    let mut report = Text::new(scenarios, Paint::NONE);
    let mut summary = Summary::default();
    let mut out = Vec::new();
    let mut written = Ok(());
    let run = Run {
        scenarios,
        models,
        recorded: false,
        machine,
        jobs: 1,
        keep: Keep::Shown,
    };
    run_all(&run, |scenario, record| {
        summary.add(record);
        written = report.scenario(&mut out, scenario, record);
    });
    written?;
    match summary.count(Status::Pass) + summary.count(Status::Diverges) {
        1 => Ok(()),
        _ => Err(String::from_utf8_lossy(&out).into()),
    }
}

/// Where there can be no cell with `ip` in it, the test is ignored.
fn killed(dockerd: &Dockerd, kernel_is_required: bool) -> Trial {
    let missing = Peer::Ip.missing(dockerd);
    let lack = missing
        .clone()
        .or_else(|| bench::cell::endpoints(Peer::Ip, 0).err());
    if let Some(why) = &lack {
        eprintln!("cells are skipped: {why}");
    }
    let skips = missing.is_some() || lack.is_some() && !kernel_is_required;
    let name = "nothing_outlives_a_killed_measurement";
    let trial = Trial::test(name, cell::nothing_outlives_a_killed_measurement);
    trial.with_kind("cell").with_ignored_flag(skips)
}

fn main() -> ExitCode {
    cell::divert();
    let dockerd = Dockerd::on_path();
    let machine = Arc::new(Machine::new(&MODELS, &dockerd));
    let arguments = Arguments::from_args();
    let scenarios = match scenarios() {
        Ok(scenarios) => scenarios,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let required = std::env::var("NETPARITY_REQUIRE").unwrap_or_default();
    let kernel_is_required = required.split(',').any(|word| word.trim() == "kernel");
    let lack = machine.lacks(ModelKind::Kernel);
    if let Some(why) = lack {
        eprintln!("the kernel is skipped: {why}");
    }
    let skips_kernel = lack.is_some() && !kernel_is_required;

    let mut trials = Vec::new();
    for scenario in scenarios.into_iter().map(Arc::new) {
        for (kind, models) in [("sim", &[ModelKind::Sim][..]), ("sim, kernel", &MODELS)] {
            let skips = models.contains(&ModelKind::Kernel) && skips_kernel;
            let (scenario, machine) = (Arc::clone(&scenario), Arc::clone(&machine));
            let name = scenario.name().to_owned();
            let test = move || match machine.lacks(ModelKind::Kernel) {
                Some(why) if models.contains(&ModelKind::Kernel) => Err(why.into()),
                _ => play(&scenario, models, &machine),
            };
            let trial = Trial::test(name, test).with_kind(kind);
            trials.push(trial.with_ignored_flag(skips));
        }
    }
    trials.push(killed(&dockerd, kernel_is_required));
    let conclusion = libtest_mimic::run(&arguments, trials);
    netparity_kernel::settle();
    conclusion.exit_code()
}
