//! The names that the lines of a case have made so far.

use std::collections::BTreeSet;

use netparity_core::{
    command::{Command, ContainerSpec, Destination},
    name::Name,
};

use super::{Step, by_hand::OUTSIDE};

/// The names that the lines of a case have made so far, or have tried to make.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeSet<Name>);

impl Known {
    /// Whether a scenario may have this as its next line, which then is one.
    pub fn admits(&mut self, step: &Step) -> bool {
        match step {
            Step::Command(Command::Create(spec) | Command::Run(spec)) => self.make(spec),
            Step::Command(Command::Listen { name, .. } | Command::Unlisten { name, .. }) => {
                return self.has(name);
            }
            Step::Command(_) => {}
            Step::ByHand(line, _) => {
                let mut words = line.split(' ');
                if line.starts_with("ip netns add") {
                    self.0.insert(Name::new(OUTSIDE));
                } else if words.any(|word| word == OUTSIDE) {
                    return self.has(&Name::new(OUTSIDE));
                }
            }
            Step::Probe(probe) => {
                let to = match &probe.to {
                    Destination::Name(name) => self.has(name),
                    Destination::Address(_) => true,
                };
                return to && self.has(&probe.from);
            }
        }
        true
    }

    fn has(&self, name: &Name) -> bool {
        name.as_str() == Name::HOST || self.0.contains(name)
    }

    fn make(&mut self, spec: &ContainerSpec) {
        let aliases = spec.links.iter().filter_map(|link| link.split_once(':'));
        self.0.extend(aliases.map(|(_, alias)| Name::new(alias)));
        self.0.extend(spec.name.clone());
    }
}
