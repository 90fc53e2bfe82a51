//! `netparity explore`.

use std::{
    fs,
    num::NonZeroUsize,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use netparity_core::engine::Variant;

use super::{Format, Output, complain, processors};
use crate::{
    explore::{Icc, Report, Scope, Search, Symmetry},
    report::{COULD_NOT_RUN, DIFFERED, PASSED},
};

/// The arguments of `netparity explore`.
#[derive(Debug, Args)]
pub(super) struct ExploreArgs {
    /// Whose rules hold: 20.10, or strict.
    #[arg(long, value_name = "ENGINE", default_value_t)]
    engine: Variant,
    /// How many containers there are names for.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=4))]
    containers: u8,
    /// The most commands after the daemon's first start.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u8).range(0..=20))]
    depth: u8,
    /// The most links of one container.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=3))]
    links: u8,
    /// How the daemon is started, and restarted.
    #[arg(long, value_enum, default_value_t = Icc::Both)]
    icc: Icc,
    /// When to stop in any case: 60s, 5m, 1h. What is proved then is told.
    #[arg(long = "for", value_name = "TIME", value_parser = super::fuzz::duration)]
    time: Option<Duration>,
    /// Takes known violations for new ones, each cause once. With engine strict none is known.
    #[arg(long)]
    no_register: bool,
    /// How many threads; one for each processor if absent.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Text for people, or JSON.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The folder that scenarios are written to which show what is new.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    out: PathBuf,
}

/// Explores, and tells what came of it.
pub(super) fn explore(arguments: &ExploreArgs) -> u8 {
    let scope = Scope {
        engine: arguments.engine,
        containers: arguments.containers,
        depth: arguments.depth,
        links: arguments.links,
        icc: arguments.icc,
    };
    let empty = || scope.empty();
    let start = Instant::now();
    let search = Search {
        scope,
        symmetry: Symmetry::new(&scope.names()),
        empty: &empty,
        jobs: arguments.jobs.unwrap_or_else(processors).get(),
        until: arguments.time.map(|time| start + time),
    };
    let bar = progress_bar();
    let explored = search.run(&|progress| {
        bar.set_length(progress.states);
        bar.set_position(progress.done);
        bar.set_message(format!("depth {}", progress.depth));
    });
    bar.finish_and_clear();
    let explored = match explored {
        Ok(explored) => explored,
        Err(why) => {
            complain(&why);
            return COULD_NOT_RUN;
        }
    };
    let report = Report {
        scope: &scope,
        explored: &explored,
        time: start.elapsed(),
    };
    let mut output = Output::default();
    output.write(|out| match arguments.format {
        Format::Text => write!(out, "{report}"),
        Format::Json => out.write_all(report.json()?.as_bytes()),
    });
    let mut status = PASSED;
    for (cause, broken) in &explored.broken {
        let is_known = cause.is_some() && arguments.engine.is_of_docker();
        if is_known && !arguments.no_register {
            continue;
        }
        status = DIFFERED;
        let cause = cause.map_or("new", |cause| cause.name());
        let path = arguments.out.join(format!("explore-{cause}.scenario"));
        let written = broken
            .scenario(&scope)
            .and_then(|text| fs::write(&path, text).map_err(|error| error.to_string()));
        if let Err(why) = written {
            complain(&format!("{}: {why}", path.display()));
        } else if arguments.format == Format::Text {
            output.write(|out| writeln!(out, "written to {}", path.display()));
        }
    }
    output.exit_status(status)
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{msg}: {pos}/{len} states, {per_sec} {wide_bar}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
