//! The host's own tools, at the host's prompt or in another namespace.

use netparity_core::{
    command::{Command, HostCommand, Tool},
    model::{ModelError, NetworkModel, Outcome},
    name::Netns,
    plan::Op,
};

use super::{
    Mistake, arguments::Arguments, brctl, ifconfig, ip, lexer::Word, observe::Observant, route,
    scope::Scope, sysctl,
};

/// A command, as far as it can be said before anything runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// The same whatever the network looks like.
    Plain(Command),
    /// One whose tool looks at the network first.
    Observant(Observant),
}

impl CommandLine {
    /// Has a model do it. A tool that looks first sees what the model shows.
    ///
    /// # Errors
    ///
    /// The model's, and the tool's refusal.
    pub fn apply(&self, model: &mut dyn NetworkModel) -> Result<Outcome, ModelError> {
        match self {
            Self::Plain(command) => model.apply(command),
            Self::Observant(it) => {
                let mut snapshot = model.snapshot()?;
                let state = snapshot.netns.remove(it.netns()).unwrap_or_default();
                model.apply(&it.command(&state)?)
            }
        }
    }

    /// What a tool asks of the kernel.
    pub(crate) fn of_tool(tool: Tool, ops: Vec<Op>) -> Self {
        Self::Plain(Command::Host(HostCommand { tool, ops }))
    }
}

/// What a host tool's line can change about the names that are known.
pub(crate) struct Context<'a> {
    pub scope: &'a mut Scope,
    /// Whether the line begins with `!`.
    pub refused: bool,
    /// How many veths the scenario has made: they get their hardware addresses from it.
    pub veths: &'a mut u32,
}

/// The host's tools.
pub(crate) const TOOLS: [&str; 5] = ["brctl", "ifconfig", "route", "ip", "sysctl"];

/// Reads the words behind `tool`, one of [`TOOLS`], run in `netns`.
pub(crate) fn read(
    tool: &Word,
    netns: Netns,
    arguments: &mut Arguments<'_>,
    context: &mut Context<'_>,
) -> Result<Vec<CommandLine>, Mistake> {
    match tool.text.as_str() {
        "brctl" => brctl::read(netns, arguments),
        "ifconfig" => ifconfig::read(netns, arguments),
        "route" => route::read(netns, arguments),
        "ip" => ip::read(netns, arguments, context),
        "sysctl" => sysctl::read(netns, arguments),
        _ => Err(Mistake::unknown(tool, "command", TOOLS)),
    }
}
