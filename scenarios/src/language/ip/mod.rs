//! `ip link`, `addr`, `route` and `netns` of iproute2.

mod addr;
mod link;
mod netns;
mod route;

use netparity_core::{command::Tool, name::Netns, plan::Op};

use super::{
    Mistake,
    arguments::Arguments,
    host_tool::{CommandLine, Context},
    lexer::Word,
};

const OBJECTS: [&str; 4] = ["link", "addr", "route", "netns"];

/// Reads the words behind `ip`.
pub(super) fn read(
    mut at: Netns,
    arguments: &mut Arguments<'_>,
    context: &mut Context<'_>,
) -> Result<Vec<CommandLine>, Mistake> {
    while let Some(word) = arguments.peek().filter(|word| word.text.starts_with('-')) {
        arguments.next();
        match word.text.as_str() {
            "-n" | "-net" | "-netns" => {
                let name = arguments.require("the name of a namespace")?;
                at = context.scope.namespace(name)?;
            }
            "-4" | "-family" => {}
            _ => return Err(Mistake::unknown(word, "flag of ip", ["-n", "-netns", "-4"])),
        }
    }
    let object = arguments.require("link, addr, route or netns")?;
    match object.text.as_str() {
        text if stands_for(text, "address") => addr::read(at, arguments),
        text if stands_for(text, "link") => link::read(at, arguments, context),
        text if stands_for(text, "route") => route::read(at, arguments),
        // A single n stands for neigh.
        text if text.len() > 1 && text != "ne" && stands_for(text, "netns") => {
            netns::read(arguments, context)
        }
        _ => Err(Mistake::unknown(object, "object of ip", OBJECTS)),
    }
}

/// Whether a word is an abbreviation of another, as iproute2 takes them (`matches`).
fn stands_for(word: &str, whole: &str) -> bool {
    !word.is_empty() && whole.starts_with(word)
}

fn one(op: Op) -> Vec<CommandLine> {
    vec![CommandLine::of_tool(Tool::Ip, vec![op])]
}

/// The command of an object: `add`, `del` and whatever else is `known`.
fn command<'a>(
    object: &str,
    known: &'static [&'static str],
    arguments: &mut Arguments<'a>,
) -> Result<(&'a Word, &'static str), Mistake> {
    let word = arguments.require(&known.join(" or "))?;
    let found = known.iter().find(|whole| stands_for(&word.text, whole));
    match found {
        Some(whole) => Ok((word, whole)),
        None => Err(Mistake::unknown(
            word,
            &format!("command of ip {object}"),
            known.iter().copied(),
        )),
    }
}
