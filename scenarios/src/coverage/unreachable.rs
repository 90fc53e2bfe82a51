//! What nothing can reach, and why.

use super::{Item, Topic};

const MAC: &str = "the language takes no hardware address that the kernel refuses";

/// Items with the reason for which neither a scenario nor a fuzzed case reaches them.
const UNREACHABLE: &[(Topic, &str, &str)] = &[
    (
        Topic::Line,
        "diverges",
        "a scenario has it only as long as a model is known to part from the others, and none is",
    ),
    (
        Topic::Refusal,
        "SIOCSIFFLAGS: {why}",
        "no link that can be made here refuses to go up or down",
    ),
    (
        Topic::Refusal,
        "add bridge failed: {why}",
        "the language takes no name that the kernel refuses, and one that is taken has words of its own",
    ),
    (
        Topic::Refusal,
        "can't delete {port} from its bridge: {why}",
        "brctl looks first whether the port is the bridge's, and the kernel lets every port go",
    ),
    (
        Topic::Refusal,
        "invalid environment variable: {setting}",
        "the language takes no variable without a name",
    ),
    (
        Topic::Refusal,
        "sysctl: setting key: {why}",
        "the language takes no value that the kernel refuses",
    ),
    (
        Topic::Refusal,
        "{why}",
        "what Docker asks for the kernel refuses only where it is full: a bridge with 1,023 ports",
    ),
    (
        Topic::Verdict,
        "unreachable:prohibited",
        "no rule and no route that can be made refuses a packet with a message",
    ),
];

/// Why an item cannot be reached, if that is known.
pub(super) fn reason(item: &Item) -> Option<&'static str> {
    let is_it = |known: &&(Topic, &str, &str)| known.0 == item.topic && known.1 == item.what;
    let refuses_mac = item.topic == Topic::Refusal && item.what.contains(" MAC to ");
    match UNREACHABLE.iter().find(is_it) {
        Some(known) => Some(known.2),
        None => refuses_mac.then_some(MAC),
    }
}
