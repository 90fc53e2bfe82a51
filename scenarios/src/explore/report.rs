//! What came of a search, for people and for programs.

use std::{fmt, time::Duration};

use netparity_core::{
    command::Command,
    engine::Variant,
    laws::isolation::{Cause, LAWS},
};
use serde::Serialize;

use super::{
    Scope,
    search::{Broken, End, Explored, Level},
    tally::Tally,
};
use crate::fuzz::{Step, transcript};

/// What came of a search.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What was to be explored.
    pub scope: &'a Scope,
    /// What came of it.
    pub explored: &'a Explored,
    /// How long it took.
    pub time: Duration,
}

impl Report<'_> {
    /// How many levels are complete: every sequence of fewer commands is covered.
    fn complete_levels(&self) -> usize {
        let levels = self.explored.levels.len();
        match self.explored.end {
            End::Complete => levels,
            End::Time | End::Found => levels.saturating_sub(1),
        }
    }

    fn proof(&self) -> String {
        let depths = 0..self.complete_levels() as u8;
        let Some(depth) = depths.clone().last() else {
            return "Nothing is proved.".to_owned();
        };
        let sequences: u128 = depths.map(|depth| self.scope.sequences(depth)).sum();
        let partial = match depth < self.scope.depth {
            true => format!(
                "Partial: of the {} commands asked for, {depth} are covered. ",
                self.scope.depth
            ),
            false => String::new(),
        };
        let known = match self.explored.broken.keys().flatten().count() {
            0 => "keep every law".to_owned(),
            _ => "keep every law, but for the known causes above".to_owned(),
        };
        format!(
            "{partial}All {sequences} sequences of up to {depth} commands, in {} states, {known}.",
            self.states(depth)
        )
    }

    /// How many of the commands given on a level led to a state that was there: by another sequence, or
    /// under other names.
    fn merged(&self, depth: usize) -> u64 {
        let levels = &self.explored.levels;
        let next = levels.get(depth + 1).map_or(0, |next| next.states);
        levels.get(depth).map_or(0, |level| {
            let Tally {
                transitions,
                unchanged,
                ..
            } = level.tally;
            transitions.saturating_sub(unchanged + next)
        })
    }

    fn states(&self, depth: u8) -> u64 {
        let levels = self.explored.levels.iter().take(usize::from(depth) + 1);
        levels.map(|level| level.states).sum()
    }

    fn rate(&self) -> f64 {
        let levels = self.explored.levels.iter();
        let states: u64 = levels.map(|level| level.tally.states).sum();
        states as f64 / self.time.as_secs_f64().max(f64::EPSILON)
    }

    /// The report for programs.
    ///
    /// # Errors
    ///
    /// Never, as far as is known.
    pub fn json(&self) -> serde_json::Result<String> {
        let level = |(depth, level): (usize, &Level)| JsonLevel {
            depth,
            sequences: self.scope.sequences(depth as u8),
            states: level.states,
            members: level.members,
            visited: level.tally.states,
            transitions: level.tally.transitions,
            refused: level.tally.refused,
            unchanged: level.tally.unchanged,
            merged: self.merged(depth),
            probes: level.tally.probes,
        };
        let broken = |(cause, broken): (&Option<Cause>, &Broken)| JsonBroken {
            cause: cause.map(Cause::name),
            law: broken.violation.law.name,
            states: broken.states,
            flows: broken.flows,
            commands: broken.commands.iter().map(spelled).collect(),
            probe: broken.violation.flow.to_string(),
            verdict: broken.violation.verdict.to_string(),
        };
        let explored = self.explored;
        let mut text = serde_json::to_string(&Json {
            version: VERSION,
            engine: self.scope.engine.as_str(),
            containers: self.scope.containers,
            depth: self.scope.depth,
            commands: self.scope.commands().len(),
            extent: self.scope.to_string(),
            laws: LAWS.map(|law| law.name).to_vec(),
            end: match explored.end {
                End::Complete => "complete",
                End::Time => "time",
                End::Found => "found",
            },
            proved: self.proof(),
            complete_depth: self.complete_levels().checked_sub(1),
            seconds: self.time.as_secs_f64(),
            states_a_second: self.rate(),
            levels: explored.levels.iter().enumerate().map(level).collect(),
            broken: explored.broken.iter().map(broken).collect(),
        })?;
        text.push('\n');
        Ok(text)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>5}  {:>20}  {:>10}  {:>11}  {:>11}  {:>11}  {:>11}  {:>11}  {:>12}",
            "depth",
            "sequences",
            "states",
            "with names",
            "given",
            "refused",
            "unchanged",
            "merged",
            "packets"
        )?;
        let levels = &self.explored.levels;
        for (depth, level) in levels.iter().enumerate() {
            let Level {
                states,
                members,
                tally,
            } = level;
            let Tally {
                transitions,
                refused,
                unchanged,
                probes,
                ..
            } = tally;
            let merged = self.merged(depth);
            let sequences = self.scope.sequences(depth as u8);
            writeln!(
                f,
                "{depth:>5}  {sequences:>20}  {states:>10}  {members:>11}  {transitions:>11}  {refused:>11}  \
                 {unchanged:>11}  {merged:>11}  {probes:>12}"
            )?;
        }
        for (cause, broken) in &self.explored.broken {
            let Broken {
                states,
                flows,
                commands,
                violation,
            } = broken;
            writeln!(
                f,
                "\n{}: {states} states, {flows} flows. The shortest way:",
                cause.map_or("unknown cause", Cause::name)
            )?;
            for command in commands {
                writeln!(f, "    {}", spelled(command))?;
            }
            let (flow, verdict, law) = (&violation.flow, violation.verdict, violation.law);
            writeln!(f, "    {flow}  gives {verdict}, against {}", law.name)?;
        }
        writeln!(f, "\nThe extent: {}", self.scope)?;
        writeln!(f, "\n{}", self.proof())?;
        let (states, seconds) = (self.states(self.scope.depth), self.time.as_secs_f64());
        let rate = self.rate();
        writeln!(f, "{states} states in {seconds:.1} s, {rate:.0} a second")
    }
}

fn spelled(command: &Command) -> String {
    Step::Command(command.clone()).to_string()
}

impl Broken {
    /// A scenario in which the flow fails to do what is promised.
    ///
    /// # Errors
    ///
    /// Where the model fails.
    pub fn scenario(&self, scope: &Scope) -> Result<String, String> {
        let steps: Vec<Step> = self.commands.iter().cloned().map(Step::Command).collect();
        let mut text = format!(
            "# {}\n#\n# found by exploring {} containers, with the fewest commands\n#\n",
            self.violation.law.sentence, scope.containers
        );
        for line in self.violation.to_string().lines() {
            text.push_str(&format!("# {line}\n"));
        }
        text.push('\n');
        if scope.engine != Variant::default() {
            text.push_str(&format!("engine {}\n", scope.engine));
        }
        let lines = transcript(&mut scope.empty(), &steps)?;
        for line in lines.into_iter().chain([self.violation.promise()]) {
            text.push_str(&line);
            text.push('\n');
        }
        Ok(text)
    }
}

/// The version of the report's form. It changes where a program that reads it would have to.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Json {
    version: u32,
    engine: &'static str,
    containers: u8,
    depth: u8,
    commands: usize,
    extent: String,
    laws: Vec<&'static str>,
    end: &'static str,
    proved: String,
    complete_depth: Option<usize>,
    seconds: f64,
    states_a_second: f64,
    levels: Vec<JsonLevel>,
    broken: Vec<JsonBroken>,
}

#[derive(Serialize)]
struct JsonLevel {
    depth: usize,
    sequences: u128,
    states: u64,
    members: u64,
    visited: u64,
    transitions: u64,
    refused: u64,
    unchanged: u64,
    merged: u64,
    probes: u64,
}

#[derive(Serialize)]
struct JsonBroken {
    cause: Option<&'static str>,
    law: &'static str,
    states: u64,
    flows: u64,
    commands: Vec<String>,
    probe: String,
    verdict: String,
}
