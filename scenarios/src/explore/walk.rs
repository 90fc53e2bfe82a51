//! Going to states, and looking at them.

use std::collections::{HashMap, HashSet};

use netparity_core::{
    command::Command,
    laws::isolation::{LAWS, Violation},
    name::Name,
};

use super::{Class, State, Symmetry, frontier::Longer, symmetry::form, tally::Tally};

/// The commands of a scope. A way is the number of a start of the daemon, and then those of commands.
pub(super) struct Alphabet {
    pub names: Vec<Name>,
    pub daemons: Vec<Command>,
    pub commands: Vec<Command>,
}

impl Alphabet {
    pub fn command(&self, place: usize, step: u8) -> Option<&Command> {
        let commands = match place {
            0 => &self.daemons,
            _ => &self.commands,
        };
        commands.get(usize::from(step))
    }

    /// The commands of a way.
    pub fn spell(&self, way: &[u8]) -> Vec<Command> {
        let steps = way.iter().enumerate();
        let commands = steps.filter_map(|(place, step)| self.command(place, *step));
        commands.cloned().collect()
    }
}

/// States that were not seen before, by hash: how to get there, and how many are of their class.
pub(super) type New = HashMap<u128, (Longer, u32)>;

/// One who goes from state to state. Two that begin alike are a short way from each other.
pub(super) struct Walk<'a> {
    alphabet: &'a Alphabet,
    symmetry: &'a Symmetry,
    empty: State,
    /// The state that each step of the way led to.
    line: Vec<(u8, State)>,
    bytes: [Vec<u8>; 2],
}

impl<'a> Walk<'a> {
    pub fn new(alphabet: &'a Alphabet, symmetry: &'a Symmetry, empty: State) -> Self {
        Self {
            alphabet,
            symmetry,
            empty,
            line: Vec::new(),
            bytes: [Vec::new(), Vec::new()],
        }
    }

    /// Goes where the steps lead.
    pub fn go(&mut self, way: &[u8]) -> Result<&State, String> {
        let line = self.line.iter().map(|(step, _)| step);
        let common = line
            .zip(way)
            .take_while(|(one, other)| one == other)
            .count();
        self.line.truncate(common);
        for (place, step) in way.iter().enumerate().skip(common) {
            let mut state = self.here().clone();
            if let Some(command) = self.alphabet.command(place, *step) {
                state.apply(command)?;
            }
            self.line.push((*step, state));
        }
        Ok(self.here())
    }

    fn here(&self) -> &State {
        self.line.last().map_or(&self.empty, |(_, state)| state)
    }

    /// The class of the state it has gone to.
    pub fn class(&self) -> Class {
        self.symmetry.class(self.here())
    }

    /// Holds the state it has gone to to the laws.
    pub fn check(&self, tally: &mut Tally) -> Result<Vec<Violation>, String> {
        let (violations, probes) = self.here().check(&LAWS)?;
        tally.states += 1;
        tally.probes += probes;
        Ok(violations)
    }

    /// Gives every command to the state it has gone to, which is the one at `from` of its level.
    pub fn expand(
        &mut self,
        from: u32,
        seen: &HashSet<u128>,
        new: &mut New,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let names = &self.alphabet.names;
        let [before, after] = &mut self.bytes;
        let here = self.line.last().map_or(&self.empty, |(_, state)| state);
        *before = form(here, names, std::mem::take(before));
        let mut spare = None;
        for (step, command) in self.alphabet.commands.iter().enumerate() {
            let mut fork = spare.take().unwrap_or_else(|| here.clone());
            let done = fork.apply(command)?;
            tally.transitions += 1;
            tally.refused += u64::from(!done);
            *after = form(&fork, names, std::mem::take(after));
            if before == after {
                // As good as another fork.
                tally.unchanged += 1;
                spare = Some(fork);
                continue;
            }
            let Class { hash, members } = self.symmetry.class(&fork);
            if !seen.contains(&hash) {
                let step = step as u8;
                let way = Longer { from, step };
                new.entry(hash).or_insert((way, members));
            }
        }
        Ok(())
    }
}
