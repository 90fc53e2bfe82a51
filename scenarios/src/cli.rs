//! The `netparity` command.

mod bench;
mod coverage;
mod explore;
mod fuzz;
mod record;

use std::{
    io::{self, IsTerminal, Write},
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
    thread,
    time::Instant,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use netparity_reference::{Access, Options};

use crate::{
    language::{self, Scenario},
    paint::Paint,
    report::{Absent, BAD_INPUT, COULD_NOT_RUN, Json, PASSED, Report, Summary, Text},
    run::{Dockerd, Keep, Machine, ModelKind, Run, run_all},
    source::Source,
};

/// Models that have to run, as `--require` has them.
const REQUIRE: &str = "NETPARITY_REQUIRE";

/// Plays container networks on a packet simulator, on the Linux kernel and on a real dockerd, and
/// shows the first packet where they part.
#[derive(Debug, Parser)]
#[command(name = "netparity", version, after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str = "Exit status: 0 all as expected, 1 a difference or a failed expectation, \
                           2 bad input, 3 a model could not run.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays scenarios, and compares the models.
    #[command(after_help = EXIT_STATUS)]
    Run(RunArgs),
    /// Writes down what one model does with scenarios, for runs where it is not at hand.
    #[command(after_help = EXIT_STATUS)]
    Record(record::RecordArgs),
    /// Reads scenarios, and tells every mistake in them.
    Check {
        /// Scenario files, and folders of them.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Tells which commands, rules, refusals and verdicts scenarios and the fuzzer reach, and which
    /// nothing does.
    #[command(after_help = EXIT_STATUS)]
    Coverage(coverage::CoverageArgs),
    /// Tries random cases, and shrinks one that fails to the fewest lines.
    #[command(after_help = EXIT_STATUS)]
    Fuzz(fuzz::FuzzArgs),
    /// Measures setting up, taking down and probing, beside the bare system calls and other programs.
    #[command(after_help = EXIT_STATUS)]
    Bench(bench::BenchArgs),
    /// Tries every sequence of commands up to a length, and holds it to the laws of isolation.
    #[command(after_help = EXIT_STATUS)]
    Explore(explore::ExploreArgs),
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Scenario files, and folders of them.
    #[arg(default_value = "scenarios")]
    paths: Vec<PathBuf>,
    /// The models.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "sim,kernel",
        value_name = "MODEL"
    )]
    on: Vec<ModelKind>,
    /// Models that must not be skipped. The variable NETPARITY_REQUIRE adds to them.
    #[arg(long, value_delimiter = ',', value_name = "MODEL")]
    require: Vec<ModelKind>,
    #[command(flatten)]
    dockerd: DockerdArgs,
    /// Plays no model but the simulator, and lets recordings stand in for the others.
    #[arg(long)]
    recorded: bool,
    /// Text for people, or JSON with every verdict, frame and snapshot.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// How many scenarios at once; one for each processor if absent.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

#[derive(Debug, Args)]
struct DockerdArgs {
    /// The dockerd of the model docker; the first one on PATH if absent.
    #[arg(long, value_name = "PATH")]
    dockerd: Option<PathBuf>,
}

impl DockerdArgs {
    fn dockerd(&self, access: Access) -> Dockerd {
        let options = Options {
            dockerd: self.dockerd.clone(),
        };
        Dockerd { access, options }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Does what the command line says. Has to come before the first thread.
pub fn main(access: Access) -> ExitCode {
    let status = match Cli::parse().command {
        Command::Run(arguments) => run(&arguments, access),
        Command::Record(arguments) => record::record(&arguments, access),
        Command::Check { paths } => check(&paths),
        Command::Coverage(arguments) => coverage::coverage(&arguments),
        Command::Fuzz(arguments) => fuzz::fuzz(&arguments, access),
        Command::Bench(arguments) => bench::bench(&arguments, access),
        Command::Explore(arguments) => explore::explore(&arguments),
    };
    // Otherwise the kernel would close what is left one by one.
    netparity_kernel::settle();
    ExitCode::from(status)
}

/// Reads scenarios, or tells what is wrong with them.
fn read(paths: &[PathBuf]) -> Result<Vec<Scenario>, u8> {
    let scenarios = read_with_text(paths)?;
    Ok(scenarios.into_iter().map(|it| it.1).collect())
}

/// The same, each with its text.
fn read_with_text(paths: &[PathBuf]) -> Result<Vec<(Source, Scenario)>, u8> {
    language::read_all(paths).map_err(|diagnostics| {
        let mut stderr = io::stderr().lock();
        let paint = Paint::for_terminal(stderr.is_terminal());
        for diagnostic in diagnostics {
            // Where nobody can be told there is nothing else to do.
            let _ = writeln!(stderr, "{}", diagnostic.render(paint));
        }
        BAD_INPUT
    })
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "error: {text}");
}

fn check(paths: &[PathBuf]) -> u8 {
    match read(paths) {
        Ok(scenarios) => {
            let mut output = Output::default();
            output.write(|out| {
                let count = scenarios.len();
                let s = if count == 1 { "" } else { "s" };
                writeln!(out, "{count} scenario{s} without a mistake")
            });
            output.exit_status(PASSED)
        }
        Err(status) => status,
    }
}

fn run(arguments: &RunArgs, access: Access) -> u8 {
    let required = match required(&arguments.require) {
        Ok(required) => required,
        Err(why) => {
            complain(&why);
            return BAD_INPUT;
        }
    };
    let scenarios = match read(&arguments.paths) {
        Ok(scenarios) => scenarios,
        Err(status) => return status,
    };
    let mut models = arguments.on.clone();
    models.sort_by_key(|kind| ModelKind::ALL.iter().position(|it| it == kind));
    models.dedup();

    let start = Instant::now();
    // No thread may have been started before this.
    let played: &[ModelKind] = if arguments.recorded { &[] } else { &models };
    let machine = Machine::new(played, &arguments.dockerd.dockerd(access));
    let run = Run {
        scenarios: &scenarios,
        models: &models,
        recorded: arguments.recorded,
        machine: &machine,
        jobs: arguments.jobs.unwrap_or_else(processors).get(),
        keep: match arguments.format {
            Format::Text => Keep::Shown,
            Format::Json => Keep::Everything,
        },
    };
    let paint = Paint::for_terminal(io::stdout().is_terminal());
    let mut report: Box<dyn Report> = match arguments.format {
        Format::Text => Box::new(Text::new(&scenarios, paint)),
        Format::Json => Box::new(Json::default()),
    };
    let mut summary = Summary::default();
    let mut output = Output::default();
    let progress = progress_bar(scenarios.len());
    output.write(|out| report.begin(out));
    run_all(&run, |scenario, record| {
        summary.add(record);
        progress.suspend(|| output.write(|out| report.scenario(out, scenario, record)));
        progress.inc(1);
    });
    progress.finish_and_clear();
    // That a scenario's rules are none of a model's is no fault of this machine.
    let missed = |kind: &ModelKind| {
        let is_in = |absent: &Absent| absent.keys().any(|(model, _)| model == kind.as_str());
        is_in(&summary.recorded) || is_in(&summary.skipped) && machine.lacks(*kind).is_some()
    };
    let missed = required.into_iter().filter(missed);
    summary.missed = missed.map(|kind| kind.as_str().to_owned()).collect();
    summary.time = start.elapsed();
    output.write(|out| report.end(out, &summary));
    output.exit_status(summary.exit_status())
}

/// The models that must not be skipped, by the command line and by the environment.
fn required(flag: &[ModelKind]) -> Result<Vec<ModelKind>, String> {
    let mut required = flag.to_vec();
    let variable = std::env::var(REQUIRE).unwrap_or_default();
    for word in variable.split(',').map(str::trim) {
        if !word.is_empty() {
            let kind = ModelKind::from_str(word, false)
                .map_err(|_| format!("{REQUIRE} names no model: {word}"))?;
            required.push(kind);
        }
    }
    required.dedup();
    Ok(required)
}

/// How many there are.
fn processors() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// A bar on standard error, where that is a terminal.
fn progress_bar(length: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length as u64), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{pos}/{len} {wide_bar}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Standard output, until its reader is gone.
#[derive(Default)]
struct Output {
    error: Option<io::Error>,
}

impl Output {
    fn write(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        if self.error.is_some() {
            return;
        }
        let mut out = io::BufWriter::new(io::stdout().lock());
        self.error = write(&mut out).and_then(|()| out.flush()).err();
    }

    /// `status`, unless the report could not be written. A reader that has seen enough is no error.
    fn exit_status(self, status: u8) -> u8 {
        match self.error {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                complain(&format!("the report cannot be written: {error}"));
                COULD_NOT_RUN
            }
            _ => status,
        }
    }
}
