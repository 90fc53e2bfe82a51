//! `dockerd FLAGS`, and `DOCKER_OPTS="FLAGS"` as /etc/default/docker has it.

use std::ops::Range;

use netparity_core::command::{BridgeChoice, Command, DaemonConfig};

use super::{
    Mistake,
    arguments::Arguments,
    flags::{self, Flag, Given},
    lexer::{Lexer, Word},
    value,
};

/// Where /etc/default/docker has the daemon's flags.
pub(crate) const OPTIONS: &str = "DOCKER_OPTS=";

#[derive(Clone, Copy)]
pub(super) enum Id {
    Bridge,
    Bip,
    FixedCidr,
    Mtu,
    Icc,
    Iptables,
    IpMasq,
    IpForward,
}

const fn flag(id: Id, names: &'static [&'static str], takes_value: bool) -> Flag<Id> {
    Flag {
        id,
        names,
        takes_value,
    }
}

pub(super) static FLAGS: [Flag<Id>; 8] = [
    flag(Id::Bridge, &["-b", "--bridge"], true),
    flag(Id::Bip, &["--bip"], true),
    flag(Id::FixedCidr, &["--fixed-cidr"], true),
    flag(Id::Mtu, &["--mtu"], true),
    flag(Id::Icc, &["--icc"], false),
    flag(Id::Iptables, &["--iptables"], false),
    flag(Id::IpMasq, &["--ip-masq"], false),
    flag(Id::IpForward, &["--ip-forward"], false),
];

/// Reads the words behind `dockerd`.
pub(crate) fn read(
    arguments: &mut Arguments<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Result<Command, Mistake> {
    let mut config = DaemonConfig::default();
    for given in flags::take("dockerd", &FLAGS, arguments, mistakes) {
        if let Err(mistake) = set(&mut config, &given) {
            mistakes.push(mistake);
        }
    }
    arguments.end()?;
    Ok(Command::Daemon(config))
}

/// The place of what stands between the quotes of `DOCKER_OPTS="…"`.
pub(super) fn options(source: &str, word: &Word) -> Range<usize> {
    let range = word.span.start + OPTIONS.len()..word.span.end;
    let inside = source.get(range.clone()).unwrap_or_default();
    let is_quoted =
        |quote: &char| inside.len() >= 2 && inside.starts_with(*quote) && inside.ends_with(*quote);
    match ['"', '\''].iter().any(is_quoted) {
        true => range.start + 1..range.end - 1,
        false => range,
    }
}

/// Reads the flags in `DOCKER_OPTS="…"`.
pub(crate) fn read_options(
    source: &str,
    word: &Word,
    mistakes: &mut Vec<Mistake>,
) -> Result<Command, Mistake> {
    let range = options(source, word);
    let (words, arrow) = Lexer::new(source, range).words()?;
    if let Some(arrow) = arrow {
        return Err(Mistake::in_word(&arrow, "=> among flags").expected("expected a flag"));
    }
    read(&mut Arguments::new(&words), mistakes)
}

fn set(config: &mut DaemonConfig, given: &Given<Id>) -> Result<(), Mistake> {
    let word = &given.value;
    match given.id {
        Id::Bridge => {
            config.bridge = match word.text.as_str() {
                "none" => BridgeChoice::None,
                "" => BridgeChoice::Docker0,
                _ => BridgeChoice::Existing(value::link(word)?),
            }
        }
        Id::Bip => config.bip = Some(value::network(word)?),
        Id::FixedCidr => config.fixed_cidr = Some(value::network(word)?),
        // Docker has its own words for one below zero.
        Id::Mtu => config.mtu = Some(value::number(word, "MTU", i64::MIN..=i64::from(i32::MAX))?),
        Id::Icc => config.icc = given.is_on(),
        Id::Iptables => config.iptables = given.is_on(),
        Id::IpMasq => config.ip_masq = given.is_on(),
        Id::IpForward => config.ip_forward = given.is_on(),
    }
    Ok(())
}
