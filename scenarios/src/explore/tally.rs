//! What was counted.

use std::collections::BTreeMap;

use netparity_core::laws::isolation::{Cause, Violation};

/// What was counted in states of one level.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// States that were held to the laws.
    pub states: u64,
    /// Packets thrown.
    pub probes: u64,
    /// Commands given.
    pub transitions: u64,
    /// Those that were refused.
    pub refused: u64,
    /// Those that changed nothing, refused or not.
    pub unchanged: u64,
    /// What breaks a law, by its cause; by none where that is not known.
    pub broken: BTreeMap<Option<Cause>, Sighting>,
}

/// Where something was seen.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// In how many states.
    pub states: u64,
    /// By how many flows.
    pub flows: u64,
    /// The place of the first of the states on its level.
    pub(super) place: usize,
    /// What was seen there first.
    pub violation: Violation,
}

impl Tally {
    /// Counts what was seen in the state at `place`.
    pub(super) fn saw(&mut self, place: usize, violations: Vec<Violation>) {
        let mut here: BTreeMap<Option<Cause>, Sighting> = BTreeMap::new();
        for violation in violations {
            let first = || Sighting {
                states: 1,
                flows: 0,
                place,
                violation: violation.clone(),
            };
            here.entry(violation.cause).or_insert_with(first).flows += 1;
        }
        self.add_broken(here);
    }

    pub(super) fn add(&mut self, other: Self) {
        let Self {
            states,
            probes,
            transitions,
            refused,
            unchanged,
            broken,
        } = other;
        self.states += states;
        self.probes += probes;
        self.transitions += transitions;
        self.refused += refused;
        self.unchanged += unchanged;
        self.add_broken(broken);
    }

    fn add_broken(&mut self, broken: BTreeMap<Option<Cause>, Sighting>) {
        for (cause, mut new) in broken {
            if let Some(old) = self.broken.remove(&cause) {
                let (states, flows) = (old.states + new.states, old.flows + new.flows);
                if old.place < new.place {
                    new = old;
                }
                (new.states, new.flows) = (states, flows);
            }
            self.broken.insert(cause, new);
        }
    }
}
