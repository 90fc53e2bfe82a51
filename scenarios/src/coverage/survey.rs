//! Scenarios and fuzzed cases, played to see what they reach.

use netparity_core::{
    model::{ModelError, NetworkModel, Planned},
    name::Netns,
};
use netparity_sim::Sim;
use proptest::strategy::BoxedStrategy;

use super::Coverage;
use crate::{
    fuzz::{Campaign, Finding, Shard, Step, Subject, World, cases, take, transcript},
    language::{Action, CommandLine, Scenario},
};

/// Cases in the simulator, of which nothing is asked but what they reach.
#[derive(Clone, Copy, Debug)]
pub struct Survey;

/// What a case may consist of: everything.
const WORLD: World = World {
    containers: 4,
    steps: 20,
    probes: true,
    by_hand: true,
    icc_off: false,
    ports: 4,
};

impl Survey {
    /// What so many cases drawn from a seed reach in the simulator.
    ///
    /// # Errors
    ///
    /// Where the simulator fails.
    pub fn cases(seed: u64, cases: u64) -> Result<Coverage, String> {
        let campaign = Campaign {
            seed,
            cases,
            time: None,
            shard: Shard::default(),
        };
        let outcome = campaign.run(&mut Self, |_| true)?;
        Ok(outcome.coverage)
    }

    /// What the words of a scenario reach, and in the simulator what it does.
    ///
    /// # Errors
    ///
    /// Where the simulator fails.
    pub fn scenario(
        text: &str,
        scenario: &Scenario,
        coverage: &mut Coverage,
    ) -> Result<(), String> {
        let mut model = Planned::of(scenario.engine, Sim::counting());
        coverage.lines(text);
        for step in &scenario.steps {
            match &step.action {
                Action::Command { command, .. } => {
                    let result = command.apply(&mut model);
                    match command {
                        CommandLine::Plain(command) => coverage.command(command, &result),
                        CommandLine::Observant(_) => coverage.host_tool(&result),
                    }
                    look(&mut model, coverage)?;
                }
                Action::Probe { probe, .. } => {
                    coverage.probe(probe);
                    match model.probe(probe) {
                        Ok(trace) => coverage.trace(&trace),
                        Err(error) => coverage.error(&error),
                    }
                }
                Action::Expect(expectation) => coverage.view(expectation.view),
                Action::Show { view, .. } => coverage.view(*view),
            }
        }
        count(&mut model, coverage);
        Ok(())
    }
}

/// Counts the rules that there are.
fn look(model: &mut Planned<Sim>, coverage: &mut Coverage) -> Result<(), String> {
    let snapshot = model.snapshot().map_err(|error| error.to_string())?;
    if let Some(host) = snapshot.netns.get(&Netns::Host) {
        coverage.rules(&host.rules);
    }
    Ok(())
}

/// Counts the packets that rules took.
fn count(model: &mut Planned<Sim>, coverage: &mut Coverage) {
    for (at, rule, packets) in model.dataplane().taken() {
        coverage.taken(at, rule, packets);
    }
}

impl Subject for Survey {
    type Case = Vec<Step>;

    fn cases(&self) -> BoxedStrategy<Vec<Step>> {
        cases(WORLD)
    }

    fn test(
        &mut self,
        case: &Vec<Step>,
        coverage: &mut Coverage,
    ) -> Result<Option<String>, String> {
        let mut model = Planned::new(Sim::counting());
        for step in case {
            let result = take(&mut model, step);
            if let Err(ModelError::Broken(why)) = result {
                return Err(why);
            }
            coverage.step(step, &result);
            match result {
                Ok(Some(trace)) => coverage.trace(&trace),
                _ => look(&mut model, coverage)?,
            }
        }
        count(&mut model, coverage);
        Ok(None)
    }

    fn write(&mut self, finding: &Finding<Vec<Step>>) -> String {
        let lines = transcript(&mut Planned::new(Sim::new()), &finding.case);
        lines.map_or_else(|why| why, |lines| lines.join("\n"))
    }
}
