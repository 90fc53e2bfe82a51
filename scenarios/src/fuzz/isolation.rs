//! The laws of isolation, after every command.

use netparity_core::{
    engine::Variant,
    laws::isolation::{self, Cause, LAWS, Situation, Violation},
    model::{ModelError, NetworkModel, Planned},
};
use netparity_sim::Sim;
use proptest::strategy::BoxedStrategy;

use super::{
    Coverage, Finding, Step, Subject, World, cases, reduce,
    transcript::{scenario, transcript},
};
use crate::coverage::Topic;

/// Cases in the simulator, held to every law after every command.
pub struct Isolation {
    open: Box<dyn Fn() -> Box<dyn NetworkModel>>,
    world: World,
    engine: Variant,
    /// Whether what is known to break a law is passed over.
    known: bool,
    /// Causes that are passed over although `known` is off: found already.
    found: Vec<Cause>,
}

impl Isolation {
    /// With the register of what is known to break dockerd's rules, or without it.
    pub fn new(world: World, engine: Variant, known: bool) -> Self {
        let open = move || -> Box<dyn NetworkModel> { Box::new(Planned::of(engine, Sim::new())) };
        Self::of(open, world, engine, known)
    }

    /// The same of another model in which the engine's rules hold: the one that `open` makes, empty.
    pub fn of(
        open: impl Fn() -> Box<dyn NetworkModel> + 'static,
        world: World,
        engine: Variant,
        known: bool,
    ) -> Self {
        Self {
            open: Box::new(open),
            world,
            engine,
            known: known && engine.is_of_docker(),
            found: Vec::new(),
        }
    }

    fn is_new(&self, violation: &Violation) -> bool {
        match violation.cause {
            Some(cause) => !self.known && !self.found.contains(&cause),
            None => true,
        }
    }

    /// The first violation of a case that is sought, and the line after which it was seen.
    fn violation(
        &self,
        case: &[Step],
        coverage: &mut Coverage,
        is_sought: impl Fn(&Violation) -> bool,
    ) -> Result<Option<(usize, Violation)>, String> {
        let mut model = (self.open)();
        let mut situation = Situation::default();
        let mut checked = None;
        for (at, step) in case.iter().enumerate() {
            let result = match step {
                Step::Command(command) => model.apply(command),
                Step::ByHand(_, line) => line.apply(&mut *model),
                Step::Probe(_) => continue,
            };
            if let Err(ModelError::Broken(why)) = result {
                return Err(why);
            }
            coverage.step(step, &result);
            let snapshot = model.snapshot().map_err(|error| error.to_string())?;
            match step {
                Step::Command(command) => situation.after(command, result.is_ok(), &snapshot),
                _ => situation.look(&snapshot),
            }
            // What has changed nothing has broken nothing.
            let now = (snapshot.netns, situation.clone());
            if checked.as_ref() == Some(&now) {
                continue;
            }
            let violations = isolation::check(&mut *model, &mut situation, &LAWS)
                .map_err(|error| error.to_string())?;
            for violation in &violations {
                let cause = violation.cause.map_or("unknown cause", Cause::name);
                coverage.reach(Topic::Violation, format!("{}: {cause}", violation.law.name));
            }
            checked = Some((now.0, situation.clone()));
            if let Some(new) = violations.into_iter().find(&is_sought) {
                return Ok(Some((at, new)));
            }
        }
        Ok(None)
    }
}

impl Subject for Isolation {
    type Case = Vec<Step>;

    fn cases(&self) -> BoxedStrategy<Vec<Step>> {
        cases(self.world)
    }

    fn test(
        &mut self,
        case: &Vec<Step>,
        coverage: &mut Coverage,
    ) -> Result<Option<String>, String> {
        let found = self.violation(case, coverage, |it| self.is_new(it))?;
        Ok(found.map(|(_, violation)| violation.to_string()))
    }

    /// The law or, where it is known, the cause.
    fn kind(what: &str) -> &str {
        let mut lines = what.lines();
        let law = lines.next().unwrap_or_default();
        lines.nth(1).unwrap_or(law)
    }

    fn smaller(case: &Vec<Step>) -> impl Iterator<Item = Vec<Step>> {
        reduce::smaller(case)
    }

    fn goes_on(&mut self, finding: &Finding<Vec<Step>>) -> bool {
        let kind = Self::kind(&finding.what);
        let is_it = |cause: &Cause| kind == format!("because {cause}");
        let Some(cause) = Cause::ALL.into_iter().find(is_it) else {
            return false;
        };
        self.found.push(cause);
        self.found.len() < Cause::ALL.len()
    }

    fn write(&mut self, finding: &Finding<Vec<Step>>) -> String {
        let mut lines = transcript(&mut *(self.open)(), &finding.case)
            .unwrap_or_else(|why| vec![format!("# {why}")]);
        let mut title = "a law of isolation is broken".to_owned();
        let is_it = |it: &Violation| Self::kind(&it.to_string()) == Self::kind(&finding.what);
        let found = self.violation(&finding.case, &mut Coverage::default(), is_it);
        if let Ok(Some((at, violation))) = found {
            title = violation.law.sentence.to_owned();
            lines.truncate(at + 1);
            lines.push(violation.promise());
        }
        scenario(&title, finding, self.engine, &lines)
    }
}
