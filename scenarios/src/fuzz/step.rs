//! One line of a fuzzed scenario.

use std::fmt;

use netparity_core::{command::Command, name::Name, probe::Probe};

use crate::language::{CommandLine, spelling};

/// One line of a fuzzed scenario.
#[derive(Clone, PartialEq, Eq)]
pub enum Step {
    /// A command to the daemon, or a server.
    Command(Command),
    /// Something done by hand: its line, and what that was read as.
    ByHand(&'static str, CommandLine),
    /// A packet.
    Probe(Probe),
}

impl Step {
    /// The container it makes, if it is one that makes one.
    pub fn makes(&self) -> Option<&Name> {
        match self {
            Self::Command(Command::Create(spec) | Command::Run(spec)) => spec.name.as_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => f.write_str(&spelling::command(command).unwrap_or_default()),
            Self::ByHand(line, _) => f.write_str(line),
            Self::Probe(probe) => f.write_str(&spelling::probe(probe)),
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
