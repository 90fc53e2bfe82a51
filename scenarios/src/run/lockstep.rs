//! One scenario on several models, step by step.

use std::borrow::Cow;

use netparity_core::{
    model::{ModelError, NetworkModel, Outcome},
    name::Name,
    parity::{Difference, Facts, Observation},
    probe::Probe,
    snapshot::Snapshot,
    trace::Trace,
};

use super::{
    company::Company,
    judge,
    record::{End, Failure, Played, Seen, StepRecord},
    replay::Replay,
};
use crate::{
    language::{Action, CommandLine, Scenario, View},
    recording::Recording,
    view::{self, Absent},
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
/// scenario says, or fails. The recordings, which have to be of this scenario, are compared as if
/// they were models behind the last.
pub fn play(
    scenario: &Scenario,
    models: &mut [Model],
    recordings: &[Recording],
    keep: Keep,
) -> Played {
    let mut lockstep = Lockstep::new(scenario, models, recordings);
    let mut played = Played::default();
    for (step, line) in scenario.steps.iter().enumerate() {
        played.reached = step + 1;
        let mut seen = Vec::new();
        let end = lockstep.step(step, &line.action, &mut seen);
        let shows = matches!(line.action, Action::Show { .. });
        if keep == Keep::Everything || shows {
            let snapshots = match keep == Keep::Everything && line.action.acts() {
                true => lockstep.fresh_looks().to_vec(),
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
    if played.end == End::Passed
        && let Some(model) = lockstep.company.convert()
    {
        played.end = End::Agrees { model };
    }
    played.partings = lockstep.company.partings;
    played
}

/// Why a scenario does not go on.
pub(super) enum Halt {
    Differs([usize; 2], Difference),
    Failed(Failure),
    Broken(usize, String),
}

impl Halt {
    pub fn at(self, step: usize) -> End {
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

pub(super) struct Lockstep<'a> {
    models: &'a mut [Model],
    replays: Vec<Replay<'a>>,
    company: Company,
    /// The step that is being played.
    step: usize,
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

impl<'a> Lockstep<'a> {
    pub fn new(scenario: &Scenario, models: &'a mut [Model], recordings: &'a [Recording]) -> Self {
        let replays: Vec<_> = recordings.iter().map(Replay::new).collect();
        let names = models.iter().map(|it| it.name());
        let names = names.chain(replays.iter().map(|it| it.model));
        let company = Company::new(names.map(|name| scenario.divergence(name).is_some()));
        Self {
            models,
            replays,
            company,
            step: 0,
            looks: Vec::new(),
            changes: 0,
        }
    }

    /// Plays a step, and compares and judges what comes of it.
    pub fn step(&mut self, step: usize, action: &Action, seen: &mut Vec<Seen>) -> Result<(), Halt> {
        self.step = step;
        if action.acts() {
            self.replays.iter_mut().for_each(Replay::advance);
        }
        match action {
            Action::Command { command, refusal } => {
                let results = self.apply(command)?;
                let observations = self.observe(&results, Observation::of_command);
                seen.extend(results.into_iter().map(Seen::Command));
                self.compare(&observations)?;
                let judge = |it: &Cow<'_, _>| judge::command(refusal.as_deref(), it);
                self.company
                    .judge(step, &observations, judge, |_| Vec::new())
            }
            Action::Probe { probe, end } => {
                let results = self.probe(probe)?;
                let observations = self.observe(&results, Observation::of_probe);
                seen.extend(results.into_iter().map(Seen::Probe));
                self.compare(&observations)?;
                let judge = |it: &Cow<'_, _>| judge::probe(end, it);
                self.company
                    .judge(step, &observations, judge, |it| judge::about(it))
            }
            Action::Expect(expectation) => {
                self.look()?;
                let views = self.views(&expectation.name, expectation.view);
                seen.extend(views.iter().cloned().map(Seen::View));
                let views: Vec<_> = views.into_iter().map(Some).collect();
                let judge = |it: &Result<_, _>| judge::view(expectation, it);
                let lines = |it: &Result<Vec<String>, _>| it.clone().unwrap_or_default();
                self.company.judge(step, &views, judge, lines)
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
        let apply = |model: &mut Model| line.apply(&mut **model);
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

    /// What the models have shown, and what the recordings have.
    fn observe<T>(
        &self,
        results: &[T],
        observation: impl Fn(&T) -> Observation,
    ) -> Vec<Option<Cow<'a, Observation>>> {
        let live = results.iter().map(|it| Some(Cow::Owned(observation(it))));
        let recorded = self.replays.iter();
        live.chain(recorded.map(|it| it.observation().map(Cow::Borrowed)))
            .collect()
    }

    /// Compares what came of a step, and what the networks look like after it.
    fn compare(&mut self, observations: &[Option<Cow<'_, Observation>>]) -> Result<(), Halt> {
        let differ = |one: &Cow<'_, Observation>, other: &Cow<'_, _>| one.difference(other);
        self.company.compare(self.step, observations, differ)?;
        let size = self.looks.first().map_or(0, |look| look.netns.len());
        match size <= SMALL || self.changes >= size / LOOKS_PER_SIZE {
            true => self.look(),
            false => Ok(()),
        }
    }

    /// Looks at the models, where something may have changed, and compares.
    pub fn look(&mut self) -> Result<(), Halt> {
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
        if !self.company.compares() {
            return Ok(());
        }
        let live = self.looks.iter();
        let live = live.map(|look| Some(Cow::Owned(Facts::of(look))));
        let recorded = self.replays.iter();
        let recorded = recorded.map(|replay| replay.facts().map(Cow::Borrowed));
        let facts: Vec<_> = live.chain(recorded).collect();
        let differ = |one: &Cow<'_, Facts>, other: &Cow<'_, _>| one.difference(other);
        self.company.compare(self.step, &facts, differ)
    }

    /// What the models look like, where they were looked at since the last command or probe.
    pub fn fresh_looks(&self) -> &[Snapshot] {
        match self.changes {
            0 => &self.looks,
            _ => &[],
        }
    }

    fn views(&self, name: &Name, view: View) -> Vec<Result<Vec<String>, Absent>> {
        let lines = |look| view::lines(look, name, view);
        self.looks.iter().map(lines).collect()
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
