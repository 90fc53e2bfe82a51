//! A network, and what was declared in it.

use netparity_core::{
    command::Command,
    form::{Canonical, Form},
    laws::isolation::{Law, Situation, Violation, flows, judge},
    model::{ModelError, NetworkModel, Planned},
};
use netparity_sim::Sim;

/// A network to which commands were given and no packet was thrown, and what was declared in it.
#[derive(Clone, Debug)]
pub struct State {
    model: Planned<Sim>,
    situation: Situation,
}

impl State {
    /// Nothing but a model.
    pub fn new(model: Planned<Sim>) -> Self {
        Self {
            model,
            situation: Situation::default(),
        }
    }

    /// Gives a command; whether it was not refused.
    ///
    /// # Errors
    ///
    /// Where the model fails.
    pub fn apply(&mut self, command: &Command) -> Result<bool, String> {
        let done = match self.model.apply(command) {
            Ok(_) => true,
            Err(ModelError::Refused(_)) => false,
            Err(ModelError::Broken(why)) => return Err(why),
        };
        if !self.model.dataplane().is_untouched() {
            return Err(
                "a command has sent packets, and what they leave behind is in no form".into(),
            );
        }
        let snapshot = self.model.snapshot().map_err(|error| error.to_string())?;
        self.situation.after(command, done, &snapshot);
        Ok(done)
    }

    /// Throws every flow that could matter at forks of this state, each as the first packet of all.
    /// Returns what breaks the laws, and how many were thrown.
    ///
    /// # Errors
    ///
    /// Where the model fails.
    pub fn check(&self, laws: &[Law]) -> Result<(Vec<Violation>, u64), String> {
        let mut fork = self.model.clone();
        let flows = flows(&self.situation);
        let mut violations = Vec::new();
        for flow in &flows {
            let verdict = fork.verdict(&flow.probe());
            let verdict = verdict.map_err(|error| error.to_string())?;
            violations.extend(judge(&self.situation, flow, verdict, laws));
            fork.dataplane().forget_packets();
        }
        Ok((violations, flows.len() as u64))
    }
}

impl Canonical for State {
    fn write<'a>(&'a self, form: &mut Form<'a>) {
        let Self { model, situation } = self;
        model.write(form);
        situation.write(form);
    }

    fn outline<'a>(&'a self, form: &mut Form<'a>) {
        self.situation.outline(form);
    }
}
