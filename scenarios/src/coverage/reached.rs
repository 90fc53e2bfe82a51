//! What a line, a command, a packet and a network reach.

use netparity_core::{
    command::{Command, NetMode},
    engine::Refusal,
    model::ModelError,
    probe::Probe,
    rules::{ChainRef, Policy, Rule, RuleSet},
    trace::{DropCause, Trace},
};

use super::{
    Coverage, Topic, labels,
    universe::{ended, policy_of, shape, topic},
};
use crate::{
    fuzz::Step,
    language::{View, vocabulary::words},
};

impl Coverage {
    /// Counts the words of lines that can be read.
    pub fn lines(&mut self, text: &str) {
        for (kind, word) in words(text) {
            self.reach(topic(kind), word);
        }
    }

    /// Counts a line of a fuzzed scenario, and what came of it.
    pub fn step<T>(&mut self, step: &Step, result: &Result<T, ModelError>) {
        match step {
            Step::Command(command) => {
                self.lines(&step.to_string());
                self.command(command, result);
            }
            Step::ByHand(line, _) => {
                self.lines(line);
                self.host_tool(result);
            }
            Step::Probe(probe) => {
                self.lines("probe");
                self.probe(probe);
                if let Err(error) = result {
                    self.error(error);
                }
            }
        }
    }

    /// Counts a command, and what came of it.
    pub fn command<T>(&mut self, command: &Command, result: &Result<T, ModelError>) {
        let label = labels::command(command);
        self.reach(Topic::Command, ended(label, result.is_ok()));
        if let Command::Create(spec) | Command::Run(spec) = command {
            self.mode(&spec.net);
        }
        if let Err(error) = result {
            self.error(error);
        }
    }

    /// Counts what was done by hand, and what came of it.
    pub fn host_tool<T>(&mut self, result: &Result<T, ModelError>) {
        self.reach(Topic::Command, ended(labels::HOST_TOOL, result.is_ok()));
        if let Err(error) = result {
            self.error(error);
        }
    }

    fn mode(&mut self, mode: &NetMode) {
        self.reach(Topic::Mode, labels::mode(mode));
    }

    /// Counts a refusal.
    pub fn error(&mut self, error: &ModelError) {
        match error {
            ModelError::Refused(refusal) => self.refusal(refusal),
            ModelError::Broken(_) => {}
        }
    }

    fn refusal(&mut self, refusal: &Refusal) {
        for text in refusal.texts() {
            self.reach(Topic::Refusal, *text);
        }
        if refusal.texts().is_empty() {
            self.reach(Topic::Refusal, refusal.as_str().to_owned());
        }
    }

    /// Counts what a probe consists of.
    pub fn probe(&mut self, probe: &Probe) {
        let Probe {
            from: _,
            to,
            payload,
            source_port,
            ttl,
            size,
            dont_fragment,
        } = probe;
        self.reach(Topic::Probe, labels::payload(payload));
        self.reach(Topic::Probe, labels::destination(to));
        let given = [
            source_port.is_some(),
            ttl.is_some(),
            size.is_some(),
            *dont_fragment,
        ];
        for (key, is_given) in super::universe::KEYS.into_iter().zip(given) {
            if is_given {
                self.reach(Topic::Probe, key);
            }
        }
    }

    /// Counts what became of a packet.
    pub fn trace(&mut self, trace: &Trace) {
        self.reach(Topic::Verdict, labels::verdict(&trace.verdict));
        for drop in &trace.drops {
            match &drop.cause {
                DropCause::Rule(at, rule) => self.reach(Topic::Drop, shape(*at, rule)),
                DropCause::Policy(at) => self.reach(Topic::Drop, policy_of(*at, Policy::Drop)),
                cause => self.reach(Topic::Drop, labels::cause(cause)),
            }
        }
    }

    /// Counts the rules that a host has.
    pub fn rules(&mut self, rules: &RuleSet) {
        for (at, chain) in &rules.chains {
            for rule in &chain.rules {
                self.reach(Topic::Written, shape(*at, rule));
            }
            if chain.policy == Policy::Drop {
                self.reach(Topic::Written, policy_of(*at, chain.policy));
            }
        }
    }

    /// Counts the packets that a rule took.
    pub fn taken(&mut self, at: ChainRef, rule: &Rule, packets: u64) {
        self.reach_often(super::Item::new(Topic::Taken, shape(at, rule)), packets);
    }

    /// Counts a look at the network.
    pub fn view(&mut self, view: View) {
        self.reach(Topic::View, view.as_str());
    }
}
