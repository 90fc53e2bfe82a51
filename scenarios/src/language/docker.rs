//! `docker run`, `create`, `start`, `stop`, `restart`, `kill` and `rm`.

use netparity_core::{
    command::{Command, ContainerSpec, NetMode},
    name::Name,
};

use super::{
    Mistake,
    arguments::Arguments,
    flags::{self, Flag, Given},
    lexer::Word,
    scope::{Kind, Scope},
    value,
};

pub(super) const COMMANDS: [&str; 7] = ["run", "create", "start", "stop", "restart", "kill", "rm"];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Id {
    Name,
    Net,
    Expose,
    Link,
    Env,
    Hostname,
    Mac,
    AutoRemove,
    /// Has no effect on the network.
    Ignored,
    Force,
}

const fn flag(id: Id, names: &'static [&'static str], takes_value: bool) -> Flag<Id> {
    Flag {
        id,
        names,
        takes_value,
    }
}

static RUN: [Flag<Id>; 11] = [
    flag(Id::Name, &["--name"], true),
    flag(Id::Net, &["--net", "--network"], true),
    flag(Id::Expose, &["--expose"], true),
    flag(Id::Link, &["--link"], true),
    flag(Id::Env, &["-e", "--env"], true),
    flag(Id::Hostname, &["-h", "--hostname"], true),
    flag(Id::Mac, &["--mac-address"], true),
    flag(Id::AutoRemove, &["--rm"], false),
    flag(Id::Ignored, &["-i", "--interactive"], false),
    flag(Id::Ignored, &["-t", "--tty"], false),
    flag(Id::Ignored, &["-d", "--detach"], false),
];
static STOP: [Flag<Id>; 1] = [flag(Id::Ignored, &["-t", "--time"], true)];
static REMOVE: [Flag<Id>; 2] = [
    flag(Id::Force, &["-f", "--force"], false),
    flag(Id::Ignored, &["-v", "--volumes"], false),
];
static NONE: [Flag<Id>; 0] = [];

/// The flags of a command.
pub(super) fn flags_of(command: &str) -> &'static [Flag<Id>] {
    match command {
        "run" => &RUN,
        // The last of them is `-d`, which create has no use for.
        "create" => &RUN[..RUN.len() - 1],
        "stop" | "restart" => &STOP,
        "rm" => &REMOVE,
        _ => &NONE,
    }
}

/// Reads the words behind `docker`. `refused` says that the line begins with `!`.
pub(crate) fn read(
    arguments: &mut Arguments<'_>,
    scope: &mut Scope,
    refused: bool,
    mistakes: &mut Vec<Mistake>,
) -> Result<Vec<Command>, Mistake> {
    let word =
        arguments.require("a docker command: run, create, start, stop, restart, kill or rm")?;
    let mut named =
        |to: &dyn Fn(Name, bool) -> Command| names(word, arguments, scope, refused, mistakes, to);
    match word.text.as_str() {
        "run" => container(word, arguments, scope, refused, mistakes, &Command::Run),
        "create" => container(word, arguments, scope, refused, mistakes, &Command::Create),
        "start" => named(&|name, _| Command::Start(name)),
        "stop" => named(&|name, _| Command::Stop(name)),
        "restart" => named(&|name, _| Command::Restart(name)),
        "kill" => named(&|name, _| Command::Kill(name)),
        "rm" => named(&|name, force| Command::Remove { name, force }),
        _ => Err(Mistake::unknown(word, "docker command", COMMANDS)),
    }
}

/// `run` and `create`.
fn container(
    word: &Word,
    arguments: &mut Arguments<'_>,
    scope: &mut Scope,
    refused: bool,
    mistakes: &mut Vec<Mistake>,
    to: &dyn Fn(ContainerSpec) -> Command,
) -> Result<Vec<Command>, Mistake> {
    let command = format!("docker {}", word.text);
    let before = mistakes.len();
    let mut spec = ContainerSpec::default();
    let mut name = None;
    for given in flags::take(&command, flags_of(&word.text), arguments, mistakes) {
        if given.id == Id::Name {
            name = Some(given.value.clone());
        }
        if let Err(mistake) = set(&mut spec, &given, scope, refused) {
            mistakes.push(mistake);
        }
    }
    match &name {
        None => scope.give_unnamed(),
        Some(word) => {
            if let Err(mistake) =
                scope.give(&plain(word), Kind::Container, !refused, spec.auto_remove)
            {
                mistakes.push(mistake);
            }
        }
    }
    // The image and the command in it: no part of the network.
    if arguments.rest().is_empty() && mistakes.len() == before {
        return Err(arguments.missing("an image"));
    }
    Ok(vec![to(spec)])
}

fn set(
    spec: &mut ContainerSpec,
    given: &Given<Id>,
    scope: &mut Scope,
    refused: bool,
) -> Result<(), Mistake> {
    let word = &given.value;
    match given.id {
        Id::Name => spec.name = Some(Name::new(&word.text)),
        Id::Net => spec.net = net_mode(word, scope, refused)?,
        Id::Expose => spec.expose.extend(value::ports(word)?),
        Id::Link => {
            let (child, alias) = word
                .split_once(':')
                .unwrap_or_else(|| (word.clone(), word.clone()));
            scope.call(&alias.text);
            if !refused && !child.text.starts_with('/') {
                scope.container(&child)?;
            }
            spec.links.push(word.text.clone());
        }
        Id::Env => {
            if !word.text.contains('=') || word.text.starts_with('=') {
                return Err(Mistake::in_word(word, format!("no value: {}", word.text))
                    .expected("expected KEY=VALUE"));
            }
            spec.env.push(word.text.clone());
        }
        Id::Hostname => {
            scope.call(&word.text);
            spec.hostname = Some(word.text.clone());
        }
        Id::Mac => spec.mac = Some(value::mac(word)?),
        Id::AutoRemove => spec.auto_remove = given.is_on(),
        Id::Ignored | Id::Force => {}
    }
    Ok(())
}

/// `--net`, as moby's `validateNetContainerMode` reads it.
fn net_mode(word: &Word, scope: &Scope, refused: bool) -> Result<NetMode, Mistake> {
    Ok(match word.text.as_str() {
        "bridge" | "default" => NetMode::Bridge,
        "host" => NetMode::Host,
        "none" => NetMode::None,
        "container" => NetMode::Container(String::new()),
        "" => {
            return Err(Mistake::in_word(word, "no network")
                .expected("expected bridge, host, none or container:NAME"));
        }
        _ => match word.split_once(':') {
            Some((kind, target)) if kind.text == "container" => {
                if !refused && !target.text.is_empty() {
                    scope.container(&plain(&target))?;
                }
                NetMode::Container(target.text)
            }
            _ if !refused => {
                return Err(Mistake::unknown(
                    word,
                    "network",
                    ["bridge", "host", "none", "container:NAME"],
                ));
            }
            _ => NetMode::Network(word.text.clone()),
        },
    })
}

/// A container's name without slashes before it. dockerd takes one away where a name is given, and
/// its client's paths (`path.Join`) have none where a container is spoken of.
fn plain(word: &Word) -> Word {
    let mut plain = word.clone();
    word.text
        .trim_start_matches('/')
        .clone_into(&mut plain.text);
    plain
}

/// The commands that take names of containers: one command for each.
fn names(
    word: &Word,
    arguments: &mut Arguments<'_>,
    scope: &mut Scope,
    refused: bool,
    mistakes: &mut Vec<Mistake>,
    to: &dyn Fn(Name, bool) -> Command,
) -> Result<Vec<Command>, Mistake> {
    let command = format!("docker {}", word.text);
    let given = flags::take(&command, flags_of(&word.text), arguments, mistakes);
    let force = given.iter().any(|it| it.id == Id::Force && it.is_on());
    let mut commands = Vec::new();
    let first = arguments.require("the name of a container")?;
    for name in std::iter::once(first).chain(arguments.rest()) {
        let name = &plain(name);
        if refused && !commands.is_empty() {
            return Err(
                Mistake::in_word(name, "several names where a refusal has to come")
                    .expected("expected one name a line"),
            );
        }
        if !refused {
            if let Err(mistake) = scope.container(name) {
                mistakes.push(mistake);
            }
            match word.text.as_str() {
                "rm" => scope.remove(name),
                "stop" | "kill" | "restart" => scope.end(name),
                _ => {}
            }
        }
        commands.push(to(Name::new(&name.text), force));
    }
    Ok(commands)
}
