//! `ip addr add` and `del`.

use netparity_core::{
    name::{LinkRef, Netns},
    plan::Op,
};

use super::{CommandLine, command, one};
use crate::language::{Mistake, arguments::Arguments, value};

pub(super) const COMMANDS: &[&str] = &["add", "delete"];
pub(super) const WORDS: [&str; 3] = ["ADDRESS/PREFIX", "dev", "brd"];

pub(super) fn read(
    netns: Netns,
    arguments: &mut Arguments<'_>,
) -> Result<Vec<CommandLine>, Mistake> {
    let (_, command) = command("addr", COMMANDS, arguments)?;
    let (mut address, mut link) = (None, None);
    while let Some(word) = arguments.next() {
        match word.text.as_str() {
            "dev" => link = Some(value::link(arguments.require("an interface")?)?),
            // It changes nothing that could be seen: the kernel makes that route by itself.
            "brd" | "broadcast" => {
                if !arguments.take("+") {
                    return Err(arguments.missing("+"));
                }
            }
            "local" => {
                let word = arguments.require("an address")?;
                address = Some(value::network_or_address(word)?);
            }
            text if text.starts_with(|first: char| first.is_ascii_digit()) => {
                address = Some(value::network_or_address(word)?);
            }
            _ => {
                return Err(Mistake::unknown(word, "word of ip addr", WORDS));
            }
        }
    }
    let address = address.ok_or_else(|| arguments.missing("ADDRESS/PREFIX"))?;
    let name = link.ok_or_else(|| arguments.missing("dev INTERFACE"))?;
    let link = LinkRef::new(netns, name);
    Ok(one(match command {
        "add" => Op::AddAddress { link, address },
        _ => Op::DeleteAddress { link, address },
    }))
}
