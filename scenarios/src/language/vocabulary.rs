//! Every word that lines can consist of, from the tables that they are read with, and those that a
//! line does consist of.

use std::ops::Range;

use super::{
    arguments::Arguments,
    brctl, docker, dockerd,
    flags::{self, Flag, Given},
    host_tool, ifconfig, ip,
    lexer::{self, Lexer, Word},
    parser, route, sysctl,
};

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The first of a line.
    Line,
    /// A flag of `dockerd`.
    DaemonFlag,
    /// A flag of `docker`.
    ContainerFlag,
    /// What a tool of the host is told.
    HostTool,
}

/// Every word.
pub fn vocabulary() -> Vec<(Kind, String)> {
    let lines = parser::COMMANDS
        .iter()
        .map(|word| (Kind::Line, (*word).to_owned()));
    let mut all: Vec<_> = lines.collect();
    let daemon = dockerd::FLAGS
        .iter()
        .map(|it| (Kind::DaemonFlag, spelled(it.names)));
    all.extend(daemon);
    for command in docker::COMMANDS {
        let flags = docker::flags_of(command).iter();
        let word = |it: &Flag<_>| format!("docker {command} {}", spelled(it.names));
        all.extend(flags.map(|it| (Kind::ContainerFlag, word(it))));
    }
    for tool in host_tool::TOOLS {
        let words = words_of(tool).into_iter();
        all.extend(words.map(|word| (Kind::HostTool, format!("{tool} {word}"))));
    }
    all
}

/// The words of lines that can be read.
pub fn words(text: &str) -> Vec<(Kind, String)> {
    lexer::lines(text)
        .into_iter()
        .flat_map(|line| words_in(text, line))
        .collect()
}

fn words_in(text: &str, line: Range<usize>) -> Vec<(Kind, String)> {
    let mut lexer = Lexer::new(text, line);
    lexer.take_bang();
    let mut first = lexer.word().ok().flatten();
    if first.as_ref().is_some_and(|word| word.text == "sudo") {
        first = lexer.word().ok().flatten();
    }
    let Some(first) = first else {
        return Vec::new();
    };
    if first.text.starts_with(dockerd::OPTIONS) {
        let inside = Lexer::new(text, dockerd::options(text, &first)).words();
        let name = dockerd::OPTIONS.trim_end_matches('=');
        let mut said = vec![(Kind::Line, name.to_owned())];
        said.extend(daemon_flags(&inside.map(|it| it.0).unwrap_or_default()));
        return said;
    }
    let mut said = vec![(Kind::Line, first.text.clone())];
    match first.text.as_str() {
        "dockerd" => said.extend(daemon_flags(&rest(lexer))),
        "docker" => said.extend(container_flags(&rest(lexer))),
        tool if host_tool::TOOLS.contains(&tool) => {
            let rest = rest(lexer);
            let rest: Vec<&str> = rest.iter().map(|word| word.text.as_str()).collect();
            host_words(tool, &rest, &mut said);
        }
        _ => {}
    }
    said
}

fn rest(mut lexer: Lexer<'_>) -> Vec<Word> {
    lexer.words().map(|it| it.0).unwrap_or_default()
}

fn spelled(names: &[&str]) -> String {
    names.join(", ")
}

fn daemon_flags(words: &[Word]) -> impl Iterator<Item = (Kind, String)> {
    let mut mistakes = Vec::new();
    let given = flags::take(
        "dockerd",
        &dockerd::FLAGS,
        &mut Arguments::new(words),
        &mut mistakes,
    );
    given
        .into_iter()
        .map(|it| (Kind::DaemonFlag, spelled(it.names)))
}

fn container_flags(words: &[Word]) -> Vec<(Kind, String)> {
    let mut arguments = Arguments::new(words);
    let Some(command) = arguments.next() else {
        return Vec::new();
    };
    let (command, mut mistakes) = (&command.text, Vec::new());
    let given = flags::take(
        command,
        docker::flags_of(command),
        &mut arguments,
        &mut mistakes,
    );
    let word = |it: Given<_>| format!("docker {command} {}", spelled(it.names));
    given
        .into_iter()
        .map(|it| (Kind::ContainerFlag, word(it)))
        .collect()
}

/// What a tool can be told.
fn words_of(tool: &str) -> Vec<String> {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match tool {
        "brctl" => owned(&brctl::COMMANDS),
        "ifconfig" => owned(&ifconfig::WORDS),
        "route" => owned(&[&route::COMMANDS[..], &route::DESTINATIONS, &route::WORDS].concat()),
        "sysctl" => owned(&sysctl::KEYS),
        _ => ip::vocabulary(),
    }
}

/// What a tool is told.
fn host_words(tool: &str, words: &[&str], said: &mut Vec<(Kind, String)>) {
    let mut say = |word: &str| said.push((Kind::HostTool, format!("{tool} {word}")));
    if tool == "ip" {
        let (own, others) = ip::said(words);
        own.iter().for_each(|word| say(word));
        if let Some((tool, words)) = others.split_first() {
            host_words(tool, words, said);
        }
        return;
    }
    let known = words_of(tool);
    for word in words {
        let word = word.split('=').next().unwrap_or_default();
        let is_number = word.starts_with(|c: char| c.is_ascii_digit());
        let is_address = tool == "ifconfig" && is_number && word.contains('.');
        match is_address {
            true => say("ADDRESS"),
            false if known.iter().any(|it| it == word) => say(word),
            false => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_consists_of_words_of_the_vocabulary() {
        let all = vocabulary();
        for (line, expected) in [
            ("! docker run -itd --name=a --net host -- x", "--name"),
            ("DOCKER_OPTS=\"--bip 10.0.0.1/8 --icc=false\"", "--icc"),
            (
                "sudo ip netns exec lab ip a add 10.0.0.1/8 dev eth0",
                "ip addr add dev",
            ),
            (
                "ifconfig bridge0 10.0.0.1 netmask 255.0.0.0",
                "ifconfig ADDRESS",
            ),
            ("route add -net 10.0.0.0/8 gw 172.17.0.1", "route gw"),
            (
                "sysctl -w net.ipv4.ip_forward=0",
                "sysctl net.ipv4.ip_forward",
            ),
            ("expect a env A='", "expect"),
        ] {
            let said = words(line);
            assert!(
                said.iter().all(|word| all.contains(word)),
                "{line}: {said:?}"
            );
            assert!(
                said.iter().any(|(_, word)| word.contains(expected)),
                "{line}: {said:?}"
            );
        }
    }
}
