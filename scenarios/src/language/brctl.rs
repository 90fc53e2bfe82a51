//! `brctl addbr`, `delbr`, `addif` and `delif` of bridge-utils.

use netparity_core::{
    command::Tool,
    name::{LinkRef, Netns},
    plan::Op,
};

use super::{
    Mistake,
    arguments::Arguments,
    host_tool::CommandLine,
    observe::{Enslave, Observant, Release},
    value,
};

pub(super) const COMMANDS: [&str; 4] = ["addbr", "delbr", "addif", "delif"];

/// Reads the words behind `brctl`.
pub(crate) fn read(
    netns: Netns,
    arguments: &mut Arguments<'_>,
) -> Result<Vec<CommandLine>, Mistake> {
    let word = arguments.require("a brctl command: addbr, delbr, addif or delif")?;
    if !COMMANDS.contains(&word.text.as_str()) {
        return Err(Mistake::unknown(word, "brctl command", COMMANDS));
    }
    let name = value::link(arguments.require("the name of a bridge")?)?;
    let bridge = LinkRef::new(netns.clone(), name);
    let one = |op| vec![CommandLine::of_tool(Tool::Brctl, vec![op])];
    match word.text.as_str() {
        "addbr" => {
            arguments.end()?;
            return Ok(one(Op::AddBridge {
                link: bridge,
                mac: None,
            }));
        }
        "delbr" => {
            arguments.end()?;
            return Ok(one(Op::DeleteBridge(bridge)));
        }
        _ => {}
    }
    let first = arguments.require("the name of an interface")?;
    let mut lines = Vec::new();
    for port in std::iter::once(first).chain(arguments.rest()) {
        let link = LinkRef::new(netns.clone(), value::link(port)?);
        let (port, bridge) = (link, name);
        lines.push(CommandLine::Observant(match word.text.as_str() {
            "addif" => Observant::Enslave(Enslave { port, bridge }),
            _ => Observant::Release(Release { port, bridge }),
        }));
    }
    Ok(lines)
}
