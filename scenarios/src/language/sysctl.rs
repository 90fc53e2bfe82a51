//! `sysctl -w KEY=VALUE` of procps.

use netparity_core::{
    command::Tool,
    name::Netns,
    plan::{Op, ReversePathFilter, Sysctl},
};

use super::{Mistake, arguments::Arguments, host_tool::CommandLine, lexer::Word, value};

const IP_FORWARD: &str = "net.ipv4.ip_forward";
const BRIDGE_NF: &str = "net.bridge.bridge-nf-call-iptables";
const RP_FILTER: &str = "net.ipv4.conf.all.rp_filter";

pub(super) const KEYS: [&str; 3] = [IP_FORWARD, BRIDGE_NF, RP_FILTER];

/// Reads the words behind `sysctl`.
pub(crate) fn read(
    netns: Netns,
    arguments: &mut Arguments<'_>,
) -> Result<Vec<CommandLine>, Mistake> {
    arguments.take("-w");
    let first = arguments.require("KEY=VALUE")?;
    let mut ops = Vec::new();
    for word in std::iter::once(first).chain(arguments.rest()) {
        ops.push(Op::SetSysctl {
            netns: netns.clone(),
            sysctl: setting(word)?,
        });
    }
    Ok(vec![CommandLine::of_tool(Tool::Sysctl, ops)])
}

fn setting(word: &Word) -> Result<Sysctl, Mistake> {
    let Some((key, text)) = word.split_once('=') else {
        return Err(Mistake::in_word(word, format!("no value: {}", word.text))
            .expected("expected KEY=VALUE"));
    };
    Ok(match key.text.as_str() {
        IP_FORWARD => Sysctl::IpForward(value::number(&text, "value", 0..=1)? == 1),
        BRIDGE_NF => Sysctl::BridgeNfCallIptables(value::number(&text, "value", 0..=1)? == 1),
        RP_FILTER => Sysctl::ReversePathFilter(match value::number(&text, "value", 0..=2)? {
            0 => ReversePathFilter::Off,
            1 => ReversePathFilter::Strict,
            _ => ReversePathFilter::Loose,
        }),
        _ => {
            return Err(Mistake::unknown(&key, "kernel parameter", KEYS));
        }
    })
}
