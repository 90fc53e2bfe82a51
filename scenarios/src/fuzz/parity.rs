//! Two models in lockstep.

use netparity_core::{
    engine::Variant,
    model::{ModelError, NetworkModel},
    parity::{self, Difference},
};
use proptest::strategy::BoxedStrategy;

use super::{
    Coverage, Finding, Step, Subject, World,
    campaign::SHRINKS,
    cases, reduce,
    transcript::{scenario, transcript},
};
use crate::run::{Machine, ModelKind};

/// The most smaller cases that are tried on a dockerd.
const SHRINKS_ON_DOCKER: u64 = 150;

/// Makes a model, empty: the left one, or the right one.
type Open<'a> = dyn Fn(Side) -> Result<Box<dyn NetworkModel>, String> + 'a;

/// Which of two models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that scenarios are written by.
    Left,
    /// The other.
    Right,
}

/// Cases on two models, which are compared after every step.
pub struct Parity<'a> {
    open: Box<Open<'a>>,
    /// Quicker models, which shrinking goes on with if they part over the same case.
    stand_in: Option<Box<Open<'a>>>,
    /// The most smaller cases that are tried.
    shrinks: u64,
    engine: Variant,
    world: World,
    /// The models that the last case was played on, if there was one and nothing broke.
    played: Option<[Box<dyn NetworkModel>; 2]>,
}

impl<'a> Parity<'a> {
    /// These two models, in which these rules hold.
    pub fn new(
        machine: &'a Machine,
        models: [ModelKind; 2],
        engine: Variant,
        world: World,
    ) -> Self {
        let open = |[left, right]: [ModelKind; 2]| {
            move |side| match side {
                Side::Left => machine.open(left, engine),
                Side::Right => machine.open(right, engine),
            }
        };
        let mut parity = Self::between(open(models), engine, world);
        // dockerd is slow: the kernel takes its place.
        let quick = models.map(|kind| match kind {
            ModelKind::Docker => ModelKind::Kernel,
            quick => quick,
        });
        if quick != models {
            parity.shrinks = SHRINKS_ON_DOCKER;
            parity.stand_in = (quick[0] != quick[1]).then(|| Box::new(open(quick)) as Box<Open>);
        }
        parity
    }

    /// The two models that `open` makes, each empty, in which these rules hold.
    pub fn between(
        open: impl Fn(Side) -> Result<Box<dyn NetworkModel>, String> + 'a,
        engine: Variant,
        world: World,
    ) -> Self {
        Self {
            open: Box::new(open),
            stand_in: None,
            shrinks: SHRINKS,
            engine,
            world,
            played: None,
        }
    }

    /// Both models, empty.
    fn open(&mut self) -> Result<[Box<dyn NetworkModel>; 2], String> {
        if let Some(mut models) = self.played.take() {
            for model in &mut models {
                model.reset().map_err(|error| error.to_string())?;
            }
            return Ok(models);
        }
        Ok([(self.open)(Side::Left)?, (self.open)(Side::Right)?])
    }
}

impl Subject for Parity<'_> {
    type Case = Vec<Step>;

    fn cases(&self) -> BoxedStrategy<Vec<Step>> {
        cases(self.world)
    }

    fn test(
        &mut self,
        case: &Vec<Step>,
        coverage: &mut Coverage,
    ) -> Result<Option<String>, String> {
        let [mut left, mut right] = self.open()?;
        for (at, step) in case.iter().enumerate() {
            let end = match differ(&mut *left, &mut *right, step, coverage) {
                Ok(None) => continue,
                Ok(Some(difference)) => {
                    self.played = Some([left, right]);
                    difference.to_string()
                }
                // A model that has failed is not played on again.
                Err(why) => why,
            };
            return Ok(Some(format!("line {}: {step}\n{end}", at + 1)));
        }
        self.played = Some([left, right]);
        Ok(None)
    }

    fn shrinks(&mut self, failing: &Vec<Step>) -> u64 {
        if let Some(quick) = self.stand_in.take() {
            let slow = std::mem::replace(&mut self.open, quick);
            self.played = None;
            let found = self.test(failing, &mut Coverage::default());
            match found.is_ok_and(|found| found.is_some()) {
                true => self.shrinks = SHRINKS,
                false => (self.open, self.played) = (slow, None),
            }
        }
        self.shrinks
    }

    fn smaller(case: &Vec<Step>) -> impl Iterator<Item = Vec<Step>> {
        reduce::smaller(case)
    }

    fn write(&mut self, finding: &Finding<Vec<Step>>) -> String {
        let written = self.open().and_then(|[mut left, right]| {
            let title = format!("{} and {} part", left.name(), right.name());
            Ok((title, transcript(&mut *left, &finding.case)?))
        });
        match written {
            Ok((title, lines)) => scenario(&title, finding, self.engine, &lines),
            Err(why) => scenario(&why, finding, self.engine, &[]),
        }
    }
}

/// Does a step on both models, and says how they then differ; or fails where a model does.
fn differ(
    left: &mut dyn NetworkModel,
    right: &mut dyn NetworkModel,
    step: &Step,
    coverage: &mut Coverage,
) -> Result<Option<Difference>, String> {
    let difference = match step {
        Step::Probe(probe) => {
            let (one, other) = (left.probe(probe), right.probe(probe));
            coverage.step(step, &one);
            if let Ok(trace) = &one {
                coverage.trace(trace);
            }
            match (sound(one)?, sound(other)?) {
                (Ok(one), Ok(other)) => {
                    if one.timed_out || other.timed_out {
                        return Err("a bounded wait ended it".to_owned());
                    }
                    parity::traces(&one, &other)
                }
                (one, other) => parity::outcomes(
                    &one.map(|_| Default::default()),
                    &other.map(|_| Default::default()),
                ),
            }
        }
        Step::Command(command) => {
            let one = left.apply(command);
            coverage.step(step, &one);
            if one.as_ref().is_err_and(never_ends) {
                return Ok(None);
            }
            let other = right.apply(command);
            parity::outcomes(&sound(one)?, &sound(other)?)
        }
        Step::ByHand(_, line) => {
            let (one, other) = (line.apply(left), line.apply(right));
            coverage.step(step, &one);
            parity::outcomes(&sound(one)?, &sound(other)?)
        }
    };
    if difference.is_some() {
        return Ok(difference);
    }
    let looks = [left.snapshot(), right.snapshot()];
    let [Ok(one), Ok(other)] = &looks else {
        let broken = looks.into_iter().find_map(Result::err);
        return Err(broken.map_or_else(String::new, |error| error.to_string()));
    };
    Ok(parity::snapshots(one, other))
}

/// Whether a real dockerd would hang over it: it is not asked.
fn never_ends(error: &ModelError) -> bool {
    matches!(error, ModelError::Refused(refusal) if refusal.is_silence())
}

/// A result that says something about the network, and not about the model.
fn sound<T>(result: Result<T, ModelError>) -> Result<Result<T, ModelError>, String> {
    match result {
        Err(ModelError::Broken(why)) => Err(why),
        sound => Ok(sound),
    }
}
