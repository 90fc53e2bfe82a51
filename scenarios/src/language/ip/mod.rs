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
const FLAGS: [&str; 3] = ["-n", "-netns", "-4"];

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
            _ => return Err(Mistake::unknown(word, "flag of ip", FLAGS)),
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

/// What `ip` can be told, in words: `link add`, `link add mtu`, `-n`.
pub(super) fn vocabulary() -> Vec<String> {
    let mut all: Vec<String> = FLAGS.map(str::to_owned).into();
    for object in OBJECTS {
        for command in commands_of(object) {
            all.push(format!("{object} {command}"));
            let words = words_of(object, command).iter();
            all.extend(words.map(|word| format!("{object} {command} {word}")));
        }
    }
    all
}

/// Those of [`vocabulary`] that are in these words, and the words behind `netns exec NAME`.
pub(super) fn said<'a>(words: &[&'a str]) -> (Vec<String>, Vec<&'a str>) {
    let is_flag = |word: &&str| word.starts_with('-');
    let mut said = Vec::new();
    let mut words = words.iter().copied().peekable();
    while let Some(flag) = words.next_if(is_flag) {
        said.extend(FLAGS.contains(&flag).then(|| flag.to_owned()));
        if flag != "-4" {
            words.next();
        }
    }
    let object = words.next().unwrap_or_default();
    let names = |whole: &&str| stands_for(object, whole) || object.starts_with(whole);
    let Some(object) = OBJECTS.into_iter().find(names) else {
        return (said, Vec::new());
    };
    let command = words.next().unwrap_or_default();
    let known = commands_of(object).iter();
    let Some(command) = known.copied().find(|whole| stands_for(command, whole)) else {
        return (said, Vec::new());
    };
    said.push(format!("{object} {command}"));
    if (object, command) == ("netns", "exec") {
        return (said, words.skip(1).collect());
    }
    for word in words {
        let is_number = word.starts_with(|c: char| c.is_ascii_digit());
        let stands_here = |known: &&&str| match is_number {
            true => known.starts_with("ADDRESS"),
            false => **known == word,
        };
        let known = words_of(object, command).iter().find(stands_here);
        said.extend(known.map(|known| format!("{object} {command} {known}")));
    }
    (said, Vec::new())
}

fn commands_of(object: &str) -> &'static [&'static str] {
    match object {
        "link" => link::COMMANDS,
        "addr" => addr::COMMANDS,
        "route" => route::COMMANDS,
        _ => netns::COMMANDS,
    }
}

fn words_of(object: &str, command: &str) -> &'static [&'static str] {
    match (object, command) {
        ("link", "add") => &link::OPTIONS,
        ("link", "set") => &link::SETTINGS,
        ("addr", _) => &addr::WORDS,
        ("route", _) => &route::WORDS,
        _ => &[],
    }
}
