//! Lines to steps.

use std::ops::Range;

use netparity_core::{
    command::{Command, DaemonConfig, Destination},
    engine::Variant,
    name::{Name, Netns},
    port::{Port, Protocol},
    probe::{Payload, Probe},
    verdict::Verdict,
};

use super::{
    Action, CommandLine, Divergence, Expectation, Mistake, ProbeEnd, Scenario, Step, View,
    arguments::Arguments,
    docker, dockerd, host_tool,
    lexer::{self, Lexer, Word},
    probe,
    scope::Scope,
    value,
};
use crate::{
    diagnostic::{Diagnostic, Lines},
    run::ModelKind,
    source::Source,
};

pub(super) const COMMANDS: [&str; 15] = [
    "engine",
    "diverges",
    "dockerd",
    "docker",
    "brctl",
    "ifconfig",
    "route",
    "ip",
    "sysctl",
    "listen",
    "unlisten",
    "probe",
    "expect",
    "show",
    "DOCKER_OPTS",
];

/// Reads a scenario.
///
/// # Errors
///
/// Every mistake in it, in order.
pub fn parse(source: &Source) -> Result<Scenario, Vec<Diagnostic>> {
    let mut parser = Parser {
        source: &source.text,
        scope: Scope::default(),
        steps: Vec::new(),
        engine: None,
        divergences: Vec::new(),
        mistakes: Vec::new(),
        veths: 0,
        place: Range::default(),
        number: 1,
    };
    for range in lexer::lines(&source.text) {
        let text = source.text.get(range.clone()).unwrap_or_default();
        parser.line(range);
        parser.number += text.matches('\n').count();
    }
    let Parser {
        steps,
        engine,
        divergences,
        mistakes,
        ..
    } = parser;
    if !mistakes.is_empty() {
        let lines = Lines::new(&source.text);
        return Err(mistakes
            .into_iter()
            .map(|mistake| mistake.diagnostic(source, &lines))
            .collect());
    }
    if steps.is_empty() {
        return Err(vec![Diagnostic::of_file(
            &source.path,
            "a scenario in which nothing happens",
            "a scenario has one command a line, such as docker run -d --name redis redis",
            "",
        )]);
    }
    Ok(Scenario {
        path: source.path.clone(),
        title: title(&source.text),
        engine: engine.unwrap_or_default(),
        steps,
        divergences,
    })
}

/// The first comment that has a line to itself.
fn title(text: &str) -> String {
    text.lines()
        .find_map(|line| line.trim_start().strip_prefix('#'))
        .map_or_else(String::new, |title| title.trim().to_owned())
}

struct Parser<'a> {
    source: &'a str,
    scope: Scope,
    steps: Vec<Step>,
    engine: Option<Variant>,
    divergences: Vec<Divergence>,
    mistakes: Vec<Mistake>,
    veths: u32,
    /// The line that is being read, and its number.
    place: Range<usize>,
    number: usize,
}

/// A line's words, less `!`, `sudo` and what `=>` leads to.
struct Line<'w> {
    words: &'w [Word],
    refused: bool,
    arrow: Option<Arrow>,
}

struct Arrow {
    word: Word,
    /// What stands behind it.
    text: Option<Word>,
}

impl Parser<'_> {
    fn line(&mut self, range: Range<usize>) {
        self.place = range.clone();
        if let Err(mistake) = self.read(range) {
            self.mistakes.push(mistake);
        }
    }

    fn read(&mut self, range: Range<usize>) -> Result<(), Mistake> {
        let mut lexer = Lexer::new(self.source, range);
        let refused = lexer.take_bang();
        let mut ahead = lexer.clone();
        let mut first = ahead.word()?;
        // Needless here, and part of what people paste.
        let sudo = first.take_if(|word| word.text == "sudo");
        if sudo.is_some() {
            lexer = ahead.clone();
            first = ahead.word()?;
        }
        let Some(first) = first else {
            let bang = refused.then(|| lexer.place() - 1..lexer.place());
            return match sudo.map(|word| word.span).or(bang) {
                Some(span) => {
                    Err(Mistake::new(span, "nothing behind it").expected("expected a command"))
                }
                None => Ok(()),
            };
        };
        let starts_daemon = first.text == "dockerd" || first.text.starts_with(dockerd::OPTIONS);
        let is_about_the_file = ["engine", "diverges"].contains(&first.text.as_str());
        if self.steps.is_empty() && !starts_daemon && !is_about_the_file {
            self.default_daemon();
        }
        if first.text == "diverges" {
            return self.diverges(&first, ahead, refused);
        }
        if first.text == "expect" {
            return self.expect(ahead, refused);
        }
        let (words, arrow) = lexer.words()?;
        let arrow = arrow.map(|word| Arrow {
            word,
            text: lexer.rest(),
        });
        let line = Line {
            words: &words,
            refused,
            arrow,
        };
        self.command(&first, &line)
    }

    fn command(&mut self, first: &Word, line: &Line<'_>) -> Result<(), Mistake> {
        let mut arguments = Arguments::new(line.words);
        arguments.next();
        match first.text.as_str() {
            "probe" => return self.probe(&mut arguments, line),
            "show" => return self.show(&mut arguments, line),
            "engine" => return self.engine(&mut arguments, line),
            _ => {}
        }
        if !line.refused
            && let Some(arrow) = &line.arrow
        {
            return Err(
                Mistake::in_word(&arrow.word, "=> where nothing has to come of it")
                    .expected("only a probe, or a line that begins with !, has one"),
            );
        }
        let refusal = match (&line.arrow, line.refused) {
            (_, false) => None,
            (None, true) => Some(String::new()),
            (Some(arrow), true) => Some(refusal_text(arrow)?),
        };
        let before = self.mistakes.len();
        let commands = self.command_lines(first, &mut arguments, line)?;
        if self.mistakes.len() > before {
            return Ok(());
        }
        for command in commands {
            self.push(Action::Command {
                command,
                refusal: refusal.clone(),
            });
        }
        Ok(())
    }

    fn command_lines(
        &mut self,
        first: &Word,
        arguments: &mut Arguments<'_>,
        line: &Line<'_>,
    ) -> Result<Vec<CommandLine>, Mistake> {
        let refused = line.refused;
        let plain = |command| Ok(vec![CommandLine::Plain(command)]);
        match first.text.as_str() {
            "dockerd" => {
                self.restart(refused);
                plain(dockerd::read(arguments, &mut self.mistakes)?)
            }
            text if text.starts_with(dockerd::OPTIONS) => {
                self.restart(refused);
                arguments.end()?;
                plain(dockerd::read_options(
                    self.source,
                    first,
                    &mut self.mistakes,
                )?)
            }
            "docker" => {
                let commands =
                    docker::read(arguments, &mut self.scope, refused, &mut self.mistakes)?;
                Ok(commands.into_iter().map(CommandLine::Plain).collect())
            }
            "listen" | "unlisten" => {
                let name = self
                    .scope
                    .party(arguments.require("a container, a namespace, or host")?)?;
                let port = listening_port(arguments.require("PORT/PROTOCOL")?)?;
                arguments.end()?;
                plain(match first.text.as_str() {
                    "listen" => Command::Listen { name, port },
                    _ => Command::Unlisten { name, port },
                })
            }
            text if host_tool::TOOLS.contains(&text) => {
                let mut context = host_tool::Context {
                    scope: &mut self.scope,
                    refused,
                    veths: &mut self.veths,
                };
                host_tool::read(first, Netns::Host, arguments, &mut context)
            }
            _ => Err(Mistake::unknown(first, "command", COMMANDS)),
        }
    }

    /// A daemon that starts ends the containers of the one before it.
    fn restart(&mut self, refused: bool) {
        if !refused {
            self.scope.end_all();
        }
    }

    /// The daemon that a scenario finds running which does not begin with one.
    fn default_daemon(&mut self) {
        let command = CommandLine::Plain(Command::Daemon(DaemonConfig::default()));
        let refusal = None;
        self.push_text("dockerd".into(), Action::Command { command, refusal });
    }

    fn engine(&mut self, arguments: &mut Arguments<'_>, line: &Line<'_>) -> Result<(), Mistake> {
        no_bang(line, "engine")?;
        let names = Variant::ALL.map(Variant::as_str);
        let word = arguments.require("whose rules hold, such as 20.10")?;
        let unknown = |_| Mistake::unknown(word, "engine", names);
        let variant = word.text.parse().map_err(unknown)?;
        if self.engine.is_some() || !self.steps.is_empty() {
            return Err(Mistake::in_word(word, "an engine where one is running")
                .expected("expected once, before anything is done"));
        }
        self.engine = Some(variant);
        arguments.end()
    }

    /// `diverges MODEL: REASON`.
    fn diverges(
        &mut self,
        first: &Word,
        mut lexer: Lexer<'_>,
        refused: bool,
    ) -> Result<(), Mistake> {
        if refused {
            return Err(
                Mistake::in_word(first, "! before diverges").expected("nobody can refuse this")
            );
        }
        const FORM: &str = "expected MODEL: and why, such as docker: it forgets the rule";
        let missing = |what| Mistake::in_word(first, what).expected(FORM);
        let word = lexer.word()?.ok_or_else(|| missing("no model"))?;
        let Some((name, _)) = word.split_once(':').filter(|it| it.1.text.is_empty()) else {
            return Err(Mistake::in_word(&word, "no colon behind the model").expected(FORM));
        };
        let known = ModelKind::ALL.iter().copied();
        let model = known
            .clone()
            .find(|kind| kind.as_str() == name.text)
            .ok_or_else(|| Mistake::unknown(&name, "model", known.map(ModelKind::as_str)))?;
        let reason = lexer.rest().ok_or_else(|| missing("no reason"))?;
        if self.divergences.iter().any(|it| it.model == model) {
            let what = format!("{} diverges already", name.text);
            return Err(Mistake::in_word(&name, what).expected("one line has all the reasons"));
        }
        self.divergences.push(Divergence {
            line: self.number,
            text: self.text(),
            model,
            reason: reason.text,
        });
        Ok(())
    }

    fn expect(&mut self, mut lexer: Lexer<'_>, refused: bool) -> Result<(), Mistake> {
        let mut words = Vec::new();
        while words.len() < 2
            && let Some(word) = lexer.word()?
        {
            words.push(word);
        }
        let text = lexer.rest();
        let mut arguments = Arguments::new(&words);
        let (name, view) = self.look(&mut arguments)?;
        let text = text.ok_or_else(|| arguments.missing("the text that a line of it contains"))?;
        self.push(Action::Expect(Expectation {
            name,
            view,
            text: text.text,
            holds: !refused,
        }));
        Ok(())
    }

    fn show(&mut self, arguments: &mut Arguments<'_>, line: &Line<'_>) -> Result<(), Mistake> {
        no_bang(line, "show")?;
        let (name, view) = self.look(arguments)?;
        arguments.end()?;
        self.push(Action::Show { name, view });
        Ok(())
    }

    /// `NAME VIEW`.
    fn look(&self, arguments: &mut Arguments<'_>) -> Result<(Name, View), Mistake> {
        let who = arguments.require("a container, a namespace, or host")?;
        let name = self.scope.party(who)?;
        let word = arguments.require("a view")?;
        let all = View::ALL.iter().map(|view| view.as_str());
        let view =
            View::from_word(&word.text).ok_or_else(|| Mistake::unknown(word, "view", all))?;
        if view.is_of_containers() {
            self.scope.container(who)?;
        }
        Ok((name, view))
    }

    fn probe(&mut self, arguments: &mut Arguments<'_>, line: &Line<'_>) -> Result<(), Mistake> {
        let from = self
            .scope
            .party(arguments.require("who sends: a container, a namespace, or host")?)?;
        let kind = arguments.require("tcp, udp, icmp or arp")?;
        let target = arguments.require("where to")?;
        let end = self.probe_end(line, &kind.text)?;
        let may_be_unknown = end == ProbeEnd::Verdict(Verdict::NoName);
        let (host, payload) = probe::payload(kind, target)?;
        let mut probe = Probe {
            from,
            to: self.destination(&host, may_be_unknown)?,
            payload,
            source_port: None,
            ttl: None,
            size: None,
            dont_fragment: false,
        };
        while let Some(word) = arguments.next() {
            if payload == Payload::Arp {
                return Err(
                    Mistake::in_word(word, "an arp probe with options").expected("arp takes none")
                );
            }
            probe::option(&mut probe, word)?;
        }
        self.push(Action::Probe { probe, end });
        Ok(())
    }

    fn probe_end(&self, line: &Line<'_>, kind: &str) -> Result<ProbeEnd, Mistake> {
        match (&line.arrow, line.refused) {
            (None, false) => Ok(ProbeEnd::Any),
            (None, true) => Ok(ProbeEnd::Refusal(String::new())),
            (Some(arrow), true) => Ok(ProbeEnd::Refusal(refusal_text(arrow)?)),
            (Some(arrow), false) => match &arrow.text {
                Some(word) => probe::verdict(word, kind).map(ProbeEnd::Verdict),
                None => Err(Mistake::in_word(&arrow.word, "nothing behind =>")
                    .expected("expected a verdict, such as open or dropped")),
            },
        }
    }

    fn destination(&self, word: &Word, may_be_unknown: bool) -> Result<Destination, Mistake> {
        let numeric = |c: char| c.is_ascii_digit() || c == '.';
        if word.text.chars().all(numeric) {
            return value::address(word).map(Destination::Address);
        }
        if may_be_unknown {
            return Ok(Destination::Name(Name::new(&word.text)));
        }
        self.scope.target(word).map(Destination::Name)
    }

    fn push(&mut self, action: Action) {
        self.push_text(self.text(), action);
    }

    /// The line that is being read, less its comment.
    fn text(&self) -> String {
        let line = self.source.get(self.place.clone()).unwrap_or_default();
        Lexer::new(line, 0..line.len())
            .rest()
            .map_or_else(String::new, |word| word.text)
    }

    fn push_text(&mut self, text: String, action: Action) {
        self.steps.push(Step {
            line: self.number,
            text,
            action,
        });
    }
}

fn no_bang(line: &Line<'_>, command: &str) -> Result<(), Mistake> {
    match (line.words.first(), &line.arrow) {
        (Some(word), _) if line.refused => {
            Err(Mistake::in_word(word, format!("! before {command}"))
                .expected("nobody can refuse this"))
        }
        (_, Some(arrow)) => Err(
            Mistake::in_word(&arrow.word, format!("=> behind {command}"))
                .expected("the command ends before it"),
        ),
        _ => Ok(()),
    }
}

fn refusal_text(arrow: &Arrow) -> Result<String, Mistake> {
    arrow
        .text
        .as_ref()
        .map(|word| word.text.clone())
        .ok_or_else(|| {
            Mistake::in_word(&arrow.word, "nothing behind =>")
                .expected("expected the words of the refusal, or no => for any")
        })
}

fn listening_port(word: &Word) -> Result<Port, Mistake> {
    let port = value::port(word)?;
    if port.protocol == Protocol::Sctp {
        return Err(
            Mistake::in_word(word, "a server that speaks sctp").expected("expected tcp or udp")
        );
    }
    Ok(port)
}
