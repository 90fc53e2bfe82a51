//! `netparity fuzz`.

use std::{
    collections::BTreeSet,
    fs,
    num::NonZeroUsize,
    path::PathBuf,
    process,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use netparity_core::engine::Variant;
use netparity_reference::Access;

use super::{DockerdArgs, Output, complain};
use crate::{
    fuzz::{
        Campaign, Coverage, Finding, Shard, Subject, World, allocator::Allocations,
        isolation::Isolation, parity::Parity,
    },
    report::{BAD_INPUT, COULD_NOT_RUN, DIFFERED, PASSED},
    run::{Machine, ModelKind},
};

/// What is fuzzed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// The allocator, against its laws.
    Allocator,
    /// The isolation of containers, against its laws, in the simulator.
    Isolation,
    /// Two models, against each other.
    Parity,
}

/// The arguments of `netparity fuzz`.
#[derive(Debug, Args)]
pub(super) struct FuzzArgs {
    what: What,
    /// The two models that are compared.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "sim,kernel",
        value_name = "MODEL"
    )]
    on: Vec<ModelKind>,
    /// Whose rules hold: 20.10 if absent, or strict. For isolation and parity.
    #[arg(long, value_name = "ENGINE")]
    engine: Option<Variant>,
    /// How many cases.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    cases: u64,
    /// When to stop in any case: 60s, 5m, 1h. Shrinking may take as long again.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    time: Option<Duration>,
    /// What the cases are drawn from; another one each time if absent.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Part I of N of the cases, from 1.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<Shard>,
    /// The most steps of a case.
    #[arg(long, value_name = "N", default_value_t = 20)]
    steps: usize,
    /// How many containers there are names for.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=9))]
    containers: u8,
    /// Tells known violations too, each cause once.
    #[arg(long)]
    no_register: bool,
    /// The folder that what is found is written to.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    out: PathBuf,
    #[command(flatten)]
    dockerd: DockerdArgs,
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("{text} is no time: expected a number with s, m or h behind it");
    let unit = text.chars().last().ok_or_else(expected)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(expected()),
    };
    let number: u64 = text
        .trim_end_matches(unit)
        .parse()
        .map_err(|_| expected())?;
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

fn shard(text: &str) -> Result<Shard, String> {
    let expected = || format!("{text} is no part: expected I/N, such as 1/4");
    let (index, count) = text.split_once('/').ok_or_else(expected)?;
    let index: u64 = index.parse().map_err(|_| expected())?;
    let count: u64 = count.parse().map_err(|_| expected())?;
    match (1..=count).contains(&index) {
        true => Ok(Shard {
            index: index - 1,
            count,
        }),
        false => Err(expected()),
    }
}

/// Fuzzes. Has to come before the first thread.
pub(super) fn fuzz(arguments: &FuzzArgs, access: Access) -> u8 {
    let campaign = Campaign {
        seed: arguments.seed.unwrap_or_else(fresh_seed),
        cases: arguments.cases,
        time: arguments.time,
        shard: arguments.shard.unwrap_or_default(),
    };
    let world = World {
        containers: arguments.containers,
        steps: arguments.steps,
        probes: arguments.what == What::Parity,
        by_hand: arguments.what == What::Parity,
        icc_off: arguments.what == What::Isolation,
        ports: if arguments.what == What::Isolation {
            2
        } else {
            4
        },
    };
    let engine = arguments.engine.unwrap_or_default();
    match arguments.what {
        What::Allocator if arguments.engine.is_some() => {
            complain("--engine: the allocator is the same whosever rules hold");
            BAD_INPUT
        }
        What::Allocator => conduct(arguments, &campaign, || Allocations {
            operations: arguments.steps,
        }),
        What::Isolation => conduct(arguments, &campaign, || {
            Isolation::new(world, engine, !arguments.no_register)
        }),
        What::Parity => {
            let models: Result<[ModelKind; 2], _> = arguments.on.clone().try_into();
            let Ok(models) = models else {
                complain("--on: expected two models, such as sim,kernel");
                return BAD_INPUT;
            };
            if let Some(why) = models.iter().find_map(|kind| kind.lacks(engine)) {
                complain(&format!("--engine: {why}"));
                return BAD_INPUT;
            }
            let machine = Machine::new(&models, &arguments.dockerd.dockerd(access));
            if let Some(why) = models.iter().find_map(|kind| machine.lacks(*kind)) {
                complain(why);
                return COULD_NOT_RUN;
            }
            conduct(arguments, &campaign, || {
                Parity::new(&machine, models, engine, world)
            })
        }
    }
}

/// Something that differs from run to run: the clock and the process.
fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = now.map_or(0, |now| now.as_nanos() as u64);
    (nanos ^ u64::from(process::id()) << 40) % 1_000_000_000
}

/// What all workers together have come to.
struct Tally<C> {
    cases: u64,
    coverage: Coverage,
    findings: Vec<Finding<C>>,
    broken: Option<String>,
}

/// Tries the cases on as many threads as there are processors, and tells what came of it.
fn conduct<S: Subject>(
    arguments: &FuzzArgs,
    campaign: &Campaign,
    subject: impl Fn() -> S + Sync,
) -> u8
where
    S::Case: Send,
{
    let start = Instant::now();
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get) as u64;
    let bar = progress_bar(campaign);
    let stop = AtomicBool::new(false);
    let tally = Mutex::new(Tally {
        cases: 0,
        coverage: Coverage::default(),
        findings: Vec::new(),
        broken: None,
    });
    let work = |worker: u64| {
        let shard = Shard {
            index: campaign.shard.index + campaign.shard.count * worker,
            count: campaign.shard.count * workers,
        };
        let own = Campaign { shard, ..*campaign };
        let outcome = own.run(&mut subject(), |reached| {
            bar.inc(1);
            bar.set_message(format!("{} things reached", reached.len()));
            !stop.load(Ordering::Relaxed)
        });
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(outcome) => {
                tally.cases += outcome.cases;
                tally.coverage.add(&outcome.coverage);
                tally.findings.extend(outcome.findings);
                stop.fetch_or(outcome.is_found, Ordering::Relaxed);
            }
            Err(why) => {
                stop.store(true, Ordering::Relaxed);
                tally.broken = Some(why);
            }
        }
    };
    thread::scope(|scope| {
        for worker in 1..workers {
            scope.spawn(move || work(worker));
        }
        work(0);
    });
    bar.finish_and_clear();
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.findings.sort_by_key(|finding| finding.number);
    let mut kinds = BTreeSet::new();
    tally
        .findings
        .retain(|finding| kinds.insert(S::kind(&finding.what).to_owned()));
    tell(arguments, campaign, &tally, start.elapsed(), &mut subject())
}

fn progress_bar(campaign: &Campaign) -> ProgressBar {
    let cases = campaign.cases / campaign.shard.count;
    let bar = ProgressBar::with_draw_target(Some(cases), ProgressDrawTarget::stderr());
    let template = "{pos}/{len} cases, {per_sec}, {msg} {wide_bar}";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn tell<S: Subject>(
    arguments: &FuzzArgs,
    campaign: &Campaign,
    tally: &Tally<S::Case>,
    time: Duration,
    subject: &mut S,
) -> u8 {
    let mut output = Output::default();
    let rate = tally.cases as f64 / time.as_secs_f64().max(f64::EPSILON);
    let (cases, seed) = (tally.cases, campaign.seed);
    output.write(|out| {
        write!(out, "{}", tally.coverage)?;
        writeln!(
            out,
            "{cases} cases in {:.1} s, {rate:.0} a second, seed {seed}",
            time.as_secs_f64()
        )
    });
    if let Some(why) = &tally.broken {
        complain(why);
        return COULD_NOT_RUN;
    }
    if tally.findings.is_empty() {
        return output.exit_status(PASSED);
    }
    let kind = arguments.what.to_possible_value();
    let kind = kind.as_ref().map_or("fuzz", |value| value.get_name());
    for finding in &tally.findings {
        let file = format!("{kind}-{seed}-{}.{}", finding.number, S::EXTENSION);
        let path = arguments.out.join(file);
        let text = subject.write(finding);
        if let Err(error) = fs::write(&path, &text) {
            complain(&format!("{}: {error}", path.display()));
        }
        output.write(|out| writeln!(out, "\n{text}\nwritten to {}", path.display()));
    }
    output.exit_status(DIFFERED)
}
