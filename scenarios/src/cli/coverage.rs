//! `netparity coverage`.

use std::path::PathBuf;

use clap::Args;

use super::{Format, Output, complain, read_with_text};
use crate::{
    coverage::{Coverage, Survey, Table},
    report::{COULD_NOT_RUN, PASSED},
};

/// The arguments of `netparity coverage`.
#[derive(Debug, Args)]
pub(super) struct CoverageArgs {
    /// Scenario files, and folders of them.
    #[arg(default_value = "scenarios")]
    paths: Vec<PathBuf>,
    /// How many random cases the fuzzer plays beside them.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    cases: u64,
    /// What the cases are drawn from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Text for people, or JSON.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Plays everything in the simulator, and tells what was reached.
pub(super) fn coverage(arguments: &CoverageArgs) -> u8 {
    let scenarios = match read_with_text(&arguments.paths) {
        Ok(scenarios) => scenarios,
        Err(status) => return status,
    };
    let mut by_scenarios = Coverage::default();
    for (source, scenario) in &scenarios {
        if let Err(why) = Survey::scenario(&source.text, scenario, &mut by_scenarios) {
            complain(&format!("{}: {why}", source.path));
            return COULD_NOT_RUN;
        }
    }
    let by_fuzzer = match Survey::cases(arguments.seed, arguments.cases) {
        Ok(coverage) => coverage,
        Err(why) => {
            complain(&why);
            return COULD_NOT_RUN;
        }
    };
    let table = Table::new(&by_scenarios, &by_fuzzer);
    let mut output = Output::default();
    output.write(|out| match arguments.format {
        Format::Text => table.write_text(out),
        Format::Json => table.write_json(out),
    });
    output.exit_status(PASSED)
}
