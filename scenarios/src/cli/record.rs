//! `netparity record`.

use std::{io, num::NonZeroUsize, path::PathBuf};

use clap::Args;
use netparity_reference::Access;

use super::{DockerdArgs, Output, complain, processors, progress_bar, read};
use crate::{
    language::Scenario,
    recording::Recording,
    report::{COULD_NOT_RUN, DIFFERED, PASSED},
    run::{End, Machine, ModelKind, Recorded, Recordings, record_all},
};

/// The arguments of `netparity record`.
#[derive(Debug, Args)]
pub(super) struct RecordArgs {
    /// Scenario files, and folders of them.
    #[arg(default_value = "scenarios")]
    paths: Vec<PathBuf>,
    /// The model.
    #[arg(long, value_name = "MODEL", default_value = "docker")]
    on: ModelKind,
    #[command(flatten)]
    dockerd: DockerdArgs,
    /// How many scenarios at once; one for each processor if absent.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

/// Records. Has to come before the first thread.
pub(super) fn record(arguments: &RecordArgs, access: Access) -> u8 {
    let mut scenarios = match read(&arguments.paths) {
        Ok(scenarios) => scenarios,
        Err(status) => return status,
    };
    let model = arguments.on;
    let machine = Machine::new(&[model], &arguments.dockerd.dockerd(access));
    if let Some(why) = machine.lacks(model) {
        complain(&format!("{} cannot run: {why}", model.as_str()));
        return COULD_NOT_RUN;
    }
    let mut output = Output::default();
    scenarios.retain(|scenario| match model.lacks(scenario.engine) {
        Some(why) => {
            output.write(|out| writeln!(out, "{:<9}  {}: {why}", "skipped", scenario.path));
            false
        }
        None => true,
    });
    let run = Recordings {
        scenarios: &scenarios,
        model,
        machine: &machine,
        jobs: arguments.jobs.unwrap_or_else(processors).get(),
    };
    let mut status = PASSED;
    let progress = progress_bar(scenarios.len());
    record_all(&run, |scenario, recorded| {
        let (line, more) = told(scenario, model, &recorded);
        status = status.max(more);
        progress.suspend(|| output.write(|out| writeln!(out, "{line}")));
        progress.inc(1);
    });
    progress.finish_and_clear();
    output.exit_status(status)
}

/// A line on one recording, and its exit status.
fn told(scenario: &Scenario, model: ModelKind, recorded: &Recorded) -> (String, u8) {
    let path = Recording::path(scenario, model.as_str());
    let path = path.display();
    let place = |step: usize| match scenario.steps.get(step) {
        Some(step) => format!("{}:{}: {}", scenario.path, step.line, step.text),
        None => scenario.path.clone(),
    };
    let word = match &recorded.written {
        Some(Ok(true)) => "recorded",
        Some(Ok(false)) => "as before",
        Some(Err(why)) => return (not_written(&path, why), COULD_NOT_RUN),
        None => "broken",
    };
    let line = format!("{word:<9}  {path}");
    match &recorded.end {
        End::Failed { step, failure } => {
            let instead = failure.instead.iter().map(|it| it.had.as_str());
            let instead: String = instead.collect();
            let expected = &failure.expected;
            let place = place(*step);
            let more = format!("{place}\n           expected {expected}: {instead}");
            (format!("{line}\n           {more}"), DIFFERED)
        }
        End::Broken { step, why, .. } => {
            let place = place(*step);
            (
                format!("{line}\n           {place}\n           {why}"),
                COULD_NOT_RUN,
            )
        }
        _ => (line, PASSED),
    }
}

fn not_written(path: &impl std::fmt::Display, why: &io::Error) -> String {
    format!("{:<9}  {path}: cannot be written: {why}", "broken")
}
