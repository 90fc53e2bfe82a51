//! `route add` and `route del` of net-tools.

use ipnet::Ipv4Net;
use netparity_core::{
    command::Tool,
    name::Netns,
    plan::{Op, Route},
};

use super::{Mistake, arguments::Arguments, host_tool::CommandLine, value};

pub(super) const COMMANDS: [&str; 2] = ["add", "del"];
pub(super) const DESTINATIONS: [&str; 3] = ["default", "-net", "-host"];
pub(super) const WORDS: [&str; 3] = ["netmask", "gw", "dev"];

/// Reads the words behind `route`.
pub(crate) fn read(
    netns: Netns,
    arguments: &mut Arguments<'_>,
) -> Result<Vec<CommandLine>, Mistake> {
    let word = arguments.require("add or del")?;
    let adds = match word.text.as_str() {
        "add" => true,
        "del" => false,
        _ => return Err(Mistake::unknown(word, "route command", COMMANDS)),
    };
    let kind = arguments.require("default, -net or -host")?;
    let mut to = match kind.text.as_str() {
        "default" => Ipv4Net::default(),
        "-net" => match arguments.require("a network")? {
            word if word.text == "default" => Ipv4Net::default(),
            word => value::network_or_address(word)?,
        },
        "-host" => value::address(arguments.require("an address")?)?.into(),
        _ => {
            return Err(Mistake::unknown(kind, "destination", DESTINATIONS));
        }
    };
    let place = arguments.last().unwrap_or(kind);
    let (mut via, mut link) = (None, None);
    while let Some(word) = arguments.next() {
        match word.text.as_str() {
            "netmask" => {
                let prefix = value::netmask(arguments.require("a netmask")?)?;
                to = Ipv4Net::new_assert(to.addr(), prefix);
            }
            "gw" => via = Some(value::address(arguments.require("a gateway")?)?),
            "dev" => link = Some(value::link(arguments.require("an interface")?)?),
            _ if arguments.peek().is_none() => link = Some(value::link(word)?),
            _ => {
                return Err(Mistake::unknown(word, "word of route", WORDS));
            }
        }
    }
    if adds && via.is_none() && link.is_none() {
        return Err(arguments.missing("gw GATEWAY or dev INTERFACE"));
    }
    let route = Route {
        to: value::destination(place, to)?,
        via,
        link,
        source: None,
        kernel: false,
    };
    let op = match adds {
        true => Op::AddRoute { netns, route },
        false => Op::DeleteRoute { netns, route },
    };
    Ok(vec![CommandLine::of_tool(Tool::Ifconfig, vec![op])])
}
