//! The fuzzer finds faults: each of a set of deliberate ones, put into the engine's plans, the
//! simulator, the kernel's plans or the allocator, is caught within so many random cases.
//!
//! Each fault is a test. How many cases and how long it took is told at the end. This has a `main`
//! of its own, because without root a user namespace has to be entered before the first thread
//! starts. `NETPARITY_REQUIRE=kernel` turns the kernel's absence into a failure.

#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "what was found, and why something is ignored, has no other place"
)]

mod allocator;
mod plan;

use std::{
    process::ExitCode,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use libtest_mimic::{Arguments, Failed, Trial};
use netparity::{
    fuzz::{
        Campaign, Coverage, Finding, Shard, Subject, World,
        isolation::Isolation,
        parity::{Parity, Side},
    },
    run::{Dockerd, Machine, ModelKind},
};
use netparity_core::{
    engine::Variant,
    model::{NetworkModel, Planned},
};
use netparity_kernel::{Access, Kernel};
use netparity_sim::{Fault, Sim};
use proptest::strategy::BoxedStrategy;

use self::{
    allocator::{AllocatorFault, FaultyAllocations},
    plan::{Faulty, PlanFault},
};

/// What the cases are drawn from.
const SEED: u64 = 4;
/// The most cases that a fault may take: less than a minute of them.
const CASES: u64 = if IS_OPTIMISED { 25_000 } else { 5_000 };

const IS_OPTIMISED: bool = !cfg!(debug_assertions);

/// Everything that `fuzz parity` plays.
const EVERYTHING: World = World {
    containers: 4,
    steps: 20,
    probes: true,
    by_hand: true,
    icc_off: false,
    ports: 4,
};

/// What `fuzz isolation` plays.
const ISOLATED: World = World {
    probes: false,
    by_hand: false,
    icc_off: true,
    ports: 2,
    ..EVERYTHING
};

/// Faults in plans that are tried on the kernel too: of each kind of operation one at least.
const ON_THE_KERNEL: [PlanFault; 12] = [
    PlanFault::LinkRuleMissing,
    PlanFault::IsolationRuleMissing,
    PlanFault::IsolationRuleFirst,
    PlanFault::MasqueradeMissing,
    PlanFault::PolicyForgotten,
    PlanFault::ForwardingForgotten,
    PlanFault::MtuForgotten,
    PlanFault::WrongGateway,
    PlanFault::WrongPrefix,
    PlanFault::LoopbackDown,
    PlanFault::VethNotInBridge,
    PlanFault::NamespaceKept,
];

/// Whether it shows only where rare things come together, so that it takes more cases than there is
/// time for without optimisation.
fn is_rare(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::ForwardsTooLong
            | Fault::ForwardsWhileOff
            | Fault::TimeExceededMissing
            | Fault::ReversePathIgnored
            | Fault::LocalhostLeaks
            | Fault::FragmentationNeededMissing
            | Fault::RelatedUnknown
            | Fault::ConnectionsKept
            | Fault::MasqueradeMissing
            | Fault::MasqueradeMovesPort
            | Fault::MasqueradeNotReversed
            | Fault::QuoteNotTranslated
            | Fault::NoRollback
    )
}

/// A subject whose first failure is not shrunk: the fault is known.
struct First<S> {
    subject: S,
    has_failed: bool,
}

impl<S: Subject> Subject for First<S> {
    type Case = S::Case;

    fn cases(&self) -> BoxedStrategy<S::Case> {
        self.subject.cases()
    }

    fn test(&mut self, case: &S::Case, coverage: &mut Coverage) -> Result<Option<String>, String> {
        if self.has_failed {
            return Ok(None);
        }
        let found = self.subject.test(case, coverage)?;
        self.has_failed = found.is_some();
        Ok(found)
    }

    fn write(&mut self, finding: &Finding<S::Case>) -> String {
        self.subject.write(finding)
    }
}

/// That a fault was caught.
struct Catch {
    place: &'static str,
    fault: String,
    by: &'static str,
    cases: u64,
    time: Duration,
    /// The first line of what was found.
    what: String,
}

#[derive(Clone, Default)]
struct Catches(Arc<Mutex<Vec<Catch>>>);

impl Catches {
    /// Plays cases until the fault is caught.
    fn hunt(
        &self,
        place: &'static str,
        fault: String,
        by: &'static str,
        subject: impl Subject,
    ) -> Result<(), Failed> {
        let start = Instant::now();
        let campaign = Campaign {
            seed: SEED,
            cases: CASES,
            time: None,
            shard: Shard::default(),
        };
        let mut first = First {
            subject,
            has_failed: false,
        };
        let outcome = campaign.run(&mut first, |_| true)?;
        let Some(finding) = outcome.findings.first() else {
            return Err(format!("{by} does not catch {fault} in {CASES} cases").into());
        };
        let what = finding.what.lines().next().unwrap_or_default().to_owned();
        let catch = Catch {
            place,
            fault,
            by,
            cases: outcome.cases,
            time: start.elapsed(),
            what,
        };
        if let Ok(mut all) = self.0.lock() {
            all.push(catch);
        }
        Ok(())
    }

    fn print(&self) {
        let Ok(mut all) = self.0.lock() else {
            return;
        };
        all.sort_by(|one, other| (one.place, &one.fault).cmp(&(other.place, &other.fault)));
        println!("where      fault                         caught by      cases   time  at");
        for it in all.iter() {
            println!(
                "{:<10} {:<29} {:<14} {:>5} {:>4.1} s  {}",
                it.place,
                it.fault,
                it.by,
                it.cases,
                it.time.as_secs_f64(),
                it.what
            );
        }
    }
}

fn sim() -> Box<dyn NetworkModel> {
    Box::new(Planned::new(Sim::new()))
}

/// The simulator without a fault beside another model.
fn beside_sim(
    other: impl Fn() -> Result<Box<dyn NetworkModel>, String>,
) -> impl Fn(Side) -> Result<Box<dyn NetworkModel>, String> {
    move |side| match side {
        Side::Left => Ok(sim()),
        Side::Right => other(),
    }
}

fn in_the_simulator(fault: Fault, catches: &Catches) -> Result<(), Failed> {
    let open = beside_sim(move || Ok(Box::new(Planned::new(Sim::with_fault(fault)))));
    let subject = Parity::between(open, Variant::default(), EVERYTHING);
    catches.hunt("sim", format!("{fault:?}"), "fuzz parity", subject)
}

fn in_the_engine(fault: PlanFault, catches: &Catches) -> Result<(), Failed> {
    let faulty = move |engine| -> Box<dyn NetworkModel> {
        Box::new(Planned::of(engine, Faulty::new(Sim::new(), fault)))
    };
    let name = format!("{fault:?}");
    let engine = Variant::default();
    let open = beside_sim(move || Ok(faulty(engine)));
    let subject = Parity::between(open, engine, EVERYTHING);
    catches.hunt("engine", name.clone(), "fuzz parity", subject)?;
    match fault.breaks_a_law() {
        true => {
            // dockerd's own rules break laws in ways that would be taken for known here.
            let engine = Variant::Strict;
            let subject = Isolation::of(move || faulty(engine), ISOLATED, engine, true);
            catches.hunt("engine", name, "fuzz isolation", subject)
        }
        false => Ok(()),
    }
}

fn in_the_kernels_plan(
    fault: PlanFault,
    access: Option<&Access>,
    catches: &Catches,
) -> Result<(), Failed> {
    let open = beside_sim(move || {
        let access = access.ok_or("the kernel cannot run here")?;
        let kernel = Kernel::new(access).map_err(|why| why.to_string())?;
        Ok(Box::new(Planned::new(Faulty::new(kernel, fault))))
    });
    let subject = Parity::between(open, Variant::default(), EVERYTHING);
    catches.hunt("kernel", format!("{fault:?}"), "fuzz parity", subject)
}

fn in_the_allocator(fault: AllocatorFault, catches: &Catches) -> Result<(), Failed> {
    let subject = FaultyAllocations(fault);
    catches.hunt("allocator", format!("{fault:?}"), "fuzz allocator", subject)
}

fn trials(access: Option<&Access>, skips_kernel: bool, catches: &Catches) -> Vec<Trial> {
    let mut trials = Vec::new();
    for fault in Fault::ALL.iter().copied() {
        let catches = catches.clone();
        let test = move || in_the_simulator(fault, &catches);
        let trial = Trial::test(format!("{fault:?}"), test).with_kind("sim");
        trials.push(trial.with_ignored_flag(!IS_OPTIMISED && is_rare(fault)));
    }
    for fault in PlanFault::ALL.iter().copied() {
        let catches = catches.clone();
        let test = move || in_the_engine(fault, &catches);
        let is_rare = fault == PlanFault::BridgeNfForgotten;
        let trial = Trial::test(format!("{fault:?}"), test).with_kind("engine");
        trials.push(trial.with_ignored_flag(!IS_OPTIMISED && is_rare));
    }
    for fault in AllocatorFault::ALL {
        let catches = catches.clone();
        let test = move || in_the_allocator(fault, &catches);
        trials.push(Trial::test(format!("{fault:?}"), test).with_kind("allocator"));
    }
    for fault in ON_THE_KERNEL {
        let (catches, access) = (catches.clone(), access.cloned());
        let test = move || in_the_kernels_plan(fault, access.as_ref(), &catches);
        let trial = Trial::test(format!("{fault:?}"), test).with_kind("kernel");
        trials.push(trial.with_ignored_flag(skips_kernel));
    }
    trials
}

fn main() -> ExitCode {
    // Found out before the first thread.
    let machine = Machine::new(&[ModelKind::Kernel], &Dockerd::on_path());
    let required = std::env::var("NETPARITY_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|word| word.trim() == "kernel");
    let lack = machine.lacks(ModelKind::Kernel);
    if let Some(why) = lack {
        eprintln!("the kernel is skipped: {why}");
    }
    if !IS_OPTIMISED {
        eprintln!("rare faults are skipped: they take a release build (cargo test --release)");
    }
    let skips_kernel = lack.is_some() && !is_required;

    let catches = Catches::default();
    let trials = trials(machine.kernel().ok(), skips_kernel, &catches);
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    catches.print();
    netparity_kernel::settle();
    conclusion.exit_code()
}
