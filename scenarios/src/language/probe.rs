//! `probe FROM PROTO TARGET [key=value…] [=> VERDICT]`: its words.

use netparity_core::{
    probe::{Payload, Probe},
    verdict::Verdict,
};

use super::{Mistake, lexer::Word, value};

/// What is sent, and the name or address it is sent to.
pub(crate) fn payload(kind: &Word, target: &Word) -> Result<(Word, Payload), Mistake> {
    let with_port = || match target.split_once(':') {
        Some((host, port)) if !host.text.is_empty() => Ok((host, value::port_number(&port)?)),
        _ => Err(
            Mistake::in_word(target, format!("no port: {}", target.text)).expected(format!(
                "expected {}:PORT",
                target.text.trim_end_matches(':')
            )),
        ),
    };
    let without_port = || match target.split_once(':') {
        Some((_, port)) => Err(Mistake::in_word(
            &port,
            format!("a port, which {} does not have", kind.text),
        )
        .expected("expected only a name or an address")),
        None => Ok(target.clone()),
    };
    match kind.text.as_str() {
        "tcp" => with_port().map(|(host, port)| (host, Payload::Tcp(port))),
        "udp" => with_port().map(|(host, port)| (host, Payload::Udp(port))),
        "icmp" => without_port().map(|host| (host, Payload::Icmp)),
        "arp" => without_port().map(|host| (host, Payload::Arp)),
        _ => Err(Mistake::unknown(
            kind,
            "protocol",
            ["tcp", "udp", "icmp", "arp"],
        )),
    }
}

/// A word behind the target.
pub(crate) fn option(probe: &mut Probe, word: &Word) -> Result<(), Mistake> {
    let known = ["sport", "ttl", "size", "df"];
    let Some((key, text)) = word.split_once('=') else {
        return match word.text.as_str() {
            "df" => {
                probe.dont_fragment = true;
                Ok(())
            }
            "sport" | "ttl" | "size" => Err(Mistake::in_word(word, "no value")
                .expected(format!("expected {}=NUMBER", word.text))),
            _ => Err(Mistake::unknown(word, "probe option", known)),
        };
    };
    match key.text.as_str() {
        "sport" => probe.source_port = Some(value::port_number(&text)?),
        "ttl" => probe.ttl = Some(value::number(&text, "ttl", 1..=u8::MAX)?),
        "size" => {
            let sizes = probe.payload.least_size()..=u16::MAX;
            probe.size = Some(value::number(&text, "size", sizes)?);
        }
        _ => return Err(Mistake::unknown(&key, "probe option", known)),
    }
    Ok(())
}

/// The verdict behind `=>`, one that a probe of this kind can have.
pub(crate) fn verdict(word: &Word, kind: &str) -> Result<Verdict, Mistake> {
    let all = Verdict::ALL.map(|(text, _)| text);
    let verdict = word
        .text
        .parse()
        .map_err(|_| Mistake::unknown(word, "verdict", all))?;
    let never = |instead: &str| {
        Err(
            Mistake::in_word(word, format!("{kind} never ends in {verdict}"))
                .expected(format!("perhaps {instead}")),
        )
    };
    match (kind, verdict) {
        ("tcp", Verdict::Reply) => never("open"),
        ("udp", Verdict::Open) => never("reply"),
        ("udp", Verdict::Refused) => never("unreachable:port"),
        ("icmp" | "arp", Verdict::Open | Verdict::Refused) => never("reply"),
        _ => Ok(verdict),
    }
}
