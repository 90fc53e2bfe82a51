//! What the cases of a campaign have reached.

use std::{collections::BTreeMap, fmt};

use netparity_core::{
    command::{Command, NetMode},
    trace::Trace,
};

use super::Step;

/// How often each thing was reached: commands, modes, flags, verdicts, rules that dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<String, u64>);

impl Coverage {
    /// Counts one more.
    pub fn reach(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    /// Counts what a step is about.
    pub fn step(&mut self, step: &Step, done: bool) {
        let end = if done { "done" } else { "refused" };
        let word = |line: &str, words: usize| {
            line.split_whitespace()
                .take(words)
                .collect::<Vec<_>>()
                .join(" ")
        };
        match step {
            Step::Command(command) => {
                let words = if command.is_for_daemon() { 2 } else { 1 };
                self.reach(format!("command {}: {end}", word(&step.to_string(), words)));
                if let Command::Create(spec) | Command::Run(spec) = command {
                    let mode = match spec.net {
                        NetMode::Bridge => "bridge",
                        NetMode::Host => "host",
                        NetMode::Container(_) => "container",
                        NetMode::None => "none",
                        NetMode::Network(_) => "network",
                    };
                    self.reach(format!("mode {mode}: {end}"));
                }
            }
            Step::ByHand(line, _) => self.reach(format!("by hand {}: {end}", word(line, 2))),
            Step::Probe(_) => {}
        }
    }

    /// Counts what became of a packet.
    pub fn trace(&mut self, trace: &Trace) {
        self.reach(format!("verdict {}", trace.verdict));
        for drop in &trace.drops {
            self.reach(format!("drop by {}", shape(&drop.to_string())));
        }
    }

    /// Adds another campaign's.
    pub fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what.clone()).or_default() += count;
        }
    }

    /// How many different things were reached.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything, with how often.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(what, count)| (what.as_str(), *count))
    }
}

/// A rule with every address and port in it left out, so that rules are counted by their kind.
fn shape(rule: &str) -> String {
    let plain = |word: &str| match word.starts_with(|c: char| c.is_ascii_digit()) {
        true => "…".to_owned(),
        false => word.to_owned(),
    };
    rule.split(' ').map(plain).collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in self.iter() {
            writeln!(f, "{count:>10}  {what}")?;
        }
        Ok(())
    }
}
