//! `ip route add` and `del`.

use ipnet::Ipv4Net;
use netparity_core::{
    name::Netns,
    plan::{Op, Route},
};

use super::{CommandLine, command, one};
use crate::language::{Mistake, arguments::Arguments, value};

pub(super) const COMMANDS: &[&str] = &["add", "delete"];
pub(super) const WORDS: [&str; 4] = ["via", "dev", "src", "scope"];

pub(super) fn read(
    netns: Netns,
    arguments: &mut Arguments<'_>,
) -> Result<Vec<CommandLine>, Mistake> {
    let (_, command) = command("route", COMMANDS, arguments)?;
    arguments.take("to");
    let word = arguments.require("a network, or default")?;
    let to = match word.text.as_str() {
        "default" => Ipv4Net::default(),
        _ => value::destination(word, value::network_or_address(word)?)?,
    };
    let mut route = Route {
        to,
        via: None,
        link: None,
        source: None,
        kernel: false,
    };
    while let Some(word) = arguments.next() {
        match word.text.as_str() {
            "via" => route.via = Some(value::address(arguments.require("a gateway")?)?),
            "dev" => route.link = Some(value::link(arguments.require("an interface")?)?),
            "src" => route.source = Some(value::address(arguments.require("an address")?)?),
            // What a route without a gateway has anyway.
            "scope" if route.via.is_none() => {
                if !arguments.take("link") {
                    return Err(arguments.missing("link"));
                }
            }
            _ => {
                return Err(Mistake::unknown(word, "word of ip route", WORDS));
            }
        }
    }
    if command == "add" && route.via.is_none() && route.link.is_none() {
        return Err(arguments.missing("via GATEWAY or dev INTERFACE"));
    }
    Ok(one(match command {
        "add" => Op::AddRoute { netns, route },
        _ => Op::DeleteRoute { netns, route },
    }))
}
