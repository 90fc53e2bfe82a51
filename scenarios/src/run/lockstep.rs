//! One scenario on several models, step by step.

use std::borrow::Cow;

use netparity_core::{
    model::{ModelError, NetworkModel, Outcome},
    parity::{self, Difference},
    probe::Probe,
    snapshot::Snapshot,
    trace::Trace,
};

use super::{
    judge,
    record::{End, Failure, Instead, Played, Seen, StepRecord},
};
use crate::{
    language::{Action, CommandLine, Scenario},
    view,
};

/// How much of what was seen is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All of it.
    Everything,
    /// What is shown to people.
    Shown,
}

type Model = Box<dyn NetworkModel>;

/// Plays a scenario until its end, or until the models part, one of them does not do what the
/// scenario says, or fails.
pub fn play(scenario: &Scenario, models: &mut [Model], keep: Keep) -> Played {
    let mut lockstep = Lockstep {
        models,
        looks: Vec::new(),
        changes: 0,
    };
    let mut played = Played::default();
    for (step, line) in scenario.steps.iter().enumerate() {
        played.reached = step + 1;
        let mut seen = Vec::new();
        let end = lockstep.step(&line.action, &mut seen);
        let shows = matches!(line.action, Action::Show { .. });
        if keep == Keep::Everything || shows {
            let changes = matches!(line.action, Action::Command { .. } | Action::Probe { .. });
            let snapshots = match changes && lockstep.changes == 0 && keep == Keep::Everything {
                true => lockstep.looks.clone(),
                false => Vec::new(),
            };
            played.steps.push(StepRecord {
                step,
                seen,
                snapshots,
            });
        }
        let end = match step + 1 == scenario.steps.len() {
            true => end.and_then(|()| lockstep.look()),
            false => end,
        };
        if let Err(halt) = end {
            played.end = halt.at(step);
            break;
        }
    }
    played
}

/// Why a scenario does not go on.
enum Halt {
    Differs([usize; 2], Difference),
    Failed(Failure),
    Broken(usize, String),
}

impl Halt {
    fn at(self, step: usize) -> End {
        match self {
            Self::Differs(models, difference) => End::Differs {
                step,
                models,
                difference: Box::new(difference),
            },
            Self::Failed(failure) => End::Failed {
                step,
                failure: Box::new(failure),
            },
            Self::Broken(model, why) => End::Broken { step, model, why },
        }
    }
}

struct Lockstep<'a> {
    models: &'a mut [Model],
    /// What the models looked like when they were last looked at.
    looks: Vec<Snapshot>,
    /// Commands and probes since then.
    changes: usize,
}

/// Networks up to this many namespaces are looked at after every command and probe. The larger
/// ones are looked at less often, so that looks, whose cost grows with the network, stay cheap for
/// each of them.
const SMALL: usize = 32;
/// How often a network is looked at while it grows by its own size.
const LOOKS_PER_SIZE: usize = 8;

impl Lockstep<'_> {
    fn step(&mut self, action: &Action, seen: &mut Vec<Seen>) -> Result<(), Halt> {
        match action {
            Action::Command { command, refusal } => {
                let results = self.apply(command)?;
                seen.extend(results.iter().cloned().map(Seen::Command));
                self.compare(&results, parity::outcomes)?;
                self.look_if_cheap()?;
                let bare = |_: &Result<Outcome, ModelError>| Vec::new();
                check(&results, |it| judge::command(refusal.as_deref(), it), bare)
            }
            Action::Probe { probe, end } => {
                let results = self.probe(probe)?;
                seen.extend(results.iter().cloned().map(Seen::Probe));
                self.compare(&results, traces)?;
                self.look_if_cheap()?;
                let about =
                    |it: &Result<Trace, _>| it.as_ref().map_or_else(|_| Vec::new(), judge::about);
                check(&results, |it| judge::probe(end, it), about)
            }
            Action::Expect(expectation) => {
                self.look()?;
                let views = self.views(&expectation.name, expectation.view);
                seen.extend(views.iter().cloned().map(Seen::View));
                let lines = |it: &Result<Vec<String>, _>| it.clone().unwrap_or_default();
                check(&views, |it| judge::view(expectation, it), lines)
            }
            Action::Show { name, view } => {
                self.look()?;
                seen.extend(self.views(name, *view).into_iter().map(Seen::View));
                Ok(())
            }
        }
    }

    fn apply(&mut self, line: &CommandLine) -> Result<Vec<Result<Outcome, ModelError>>, Halt> {
        self.changes += 1;
        let apply = |model: &mut Model| {
            let command = match line {
                CommandLine::Plain(command) => Cow::Borrowed(command),
                CommandLine::Observant(it) => {
                    let mut snapshot = model.snapshot()?;
                    let state = snapshot.netns.remove(it.netns()).unwrap_or_default();
                    Cow::Owned(it.command(&state)?)
                }
            };
            model.apply(&command)
        };
        sound(self.models.iter_mut().map(apply))
    }

    fn probe(&mut self, probe: &Probe) -> Result<Vec<Result<Trace, ModelError>>, Halt> {
        self.changes += 1;
        let results = sound(self.models.iter_mut().map(|model| model.probe(probe)))?;
        let timed_out = |it: &Result<Trace, _>| it.as_ref().is_ok_and(|trace| trace.timed_out);
        match results.iter().position(timed_out) {
            Some(model) => Err(Halt::Broken(
                model,
                "a bounded wait ended the probe, and not the network".into(),
            )),
            None => Ok(results),
        }
    }

    fn look_if_cheap(&mut self) -> Result<(), Halt> {
        let size = self.looks.first().map_or(0, |look| look.netns.len());
        match size <= SMALL || self.changes >= size / LOOKS_PER_SIZE {
            true => self.look(),
            false => Ok(()),
        }
    }

    /// Looks at the models, where something may have changed, and compares.
    fn look(&mut self) -> Result<(), Halt> {
        if self.changes == 0 && self.looks.len() == self.models.len() {
            return Ok(());
        }
        let looks = sound(self.models.iter_mut().map(|model| model.snapshot()))?;
        let mut plain = Vec::with_capacity(looks.len());
        for (model, look) in looks.into_iter().enumerate() {
            plain.push(look.map_err(|error| Halt::Broken(model, error.to_string()))?);
        }
        self.looks = plain;
        self.changes = 0;
        self.compare(&self.looks, parity::snapshots)
    }

    fn views(
        &self,
        name: &netparity_core::name::Name,
        view: crate::language::View,
    ) -> Vec<Result<Vec<String>, view::Absent>> {
        let lines = |look| view::lines(look, name, view);
        self.looks.iter().map(lines).collect()
    }

    /// Compares the first model with each of the others.
    fn compare<T>(
        &self,
        results: &[T],
        differ: impl Fn(&T, &T) -> Option<Difference>,
    ) -> Result<(), Halt> {
        let Some((first, others)) = results.split_first() else {
            return Ok(());
        };
        for (at, other) in others.iter().enumerate() {
            if let Some(difference) = differ(first, other) {
                return Err(Halt::Differs([0, at + 1], difference));
            }
        }
        Ok(())
    }
}

/// The models' results, unless one of them is broken.
fn sound<T>(
    results: impl Iterator<Item = Result<T, ModelError>>,
) -> Result<Vec<Result<T, ModelError>>, Halt> {
    let mut sound = Vec::new();
    for (model, result) in results.enumerate() {
        if let Err(ModelError::Broken(why)) = result {
            return Err(Halt::Broken(model, why));
        }
        sound.push(result);
    }
    Ok(sound)
}

fn traces(
    left: &Result<Trace, ModelError>,
    right: &Result<Trace, ModelError>,
) -> Option<Difference> {
    if let (Ok(left), Ok(right)) = (left, right) {
        return parity::traces(left, right);
    }
    let said = |result: &Result<Trace, ModelError>| match result {
        Ok(trace) => trace.verdict.to_string(),
        Err(error) => error.to_string(),
    };
    let (left, right) = (said(left), said(right));
    (left != right).then_some(Difference::Outcome { left, right })
}

/// Judges every model's result.
fn check<T>(
    results: &[T],
    judge: impl Fn(&T) -> Option<(String, String)>,
    about: impl Fn(&T) -> Vec<String>,
) -> Result<(), Halt> {
    let mut wanted = String::new();
    let mut instead = Vec::new();
    for (model, result) in results.iter().enumerate() {
        if let Some((expected, had)) = judge(result) {
            wanted = expected;
            instead.push(Instead {
                model,
                had,
                context: about(result),
            });
        }
    }
    match instead.is_empty() {
        true => Ok(()),
        false => Err(Halt::Failed(Failure {
            expected: wanted,
            instead,
        })),
    }
}
