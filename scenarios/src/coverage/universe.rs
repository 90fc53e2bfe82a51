//! Everything that can be reached.

use std::collections::BTreeSet;

use netparity_core::{
    engine::{refusal, rule_repertoire},
    plan::RuleOp,
    rules::{ChainRef, Policy, Rule, Target},
};

use super::{Item, Topic, labels};
use crate::language::{
    View,
    vocabulary::{Kind, vocabulary},
};

/// Every item of every topic but those of the fuzzer alone, which are what it happens to do.
pub fn universe() -> BTreeSet<Item> {
    let mut all = BTreeSet::new();
    let mut add = |topic, what: String| all.insert(Item::new(topic, what));
    for (kind, word) in vocabulary() {
        add(topic(kind), word);
    }
    for command in labels::COMMANDS {
        add(Topic::Command, ended(command, true));
        add(Topic::Command, ended(command, false));
    }
    for mode in labels::MODES {
        add(Topic::Mode, (*mode).to_owned());
    }
    for text in refusal::TEXTS {
        add(Topic::Refusal, (*text).to_owned());
    }
    let probes = [labels::PAYLOADS, labels::DESTINATIONS, &KEYS].concat();
    for word in probes {
        add(Topic::Probe, word.to_owned());
    }
    for verdict in labels::VERDICTS {
        add(Topic::Verdict, (*verdict).to_owned());
    }
    for cause in labels::CAUSES {
        if ![labels::BY_RULE, labels::BY_POLICY].contains(cause) {
            add(Topic::Drop, (*cause).to_owned());
        }
    }
    for op in rule_repertoire() {
        match op {
            RuleOp::Insert(at, rule) | RuleOp::Append(at, rule) => {
                add(Topic::Written, shape(at, &rule));
                add(Topic::Taken, shape(at, &rule));
                if rule.target() == Target::Drop {
                    add(Topic::Drop, shape(at, &rule));
                }
            }
            RuleOp::Policy(at, policy) => {
                add(Topic::Written, policy_of(at, policy));
                if policy == Policy::Drop {
                    add(Topic::Drop, policy_of(at, policy));
                }
            }
            RuleOp::NewChain(_)
            | RuleOp::DeleteChain(_)
            | RuleOp::Flush(_)
            | RuleOp::Delete(..) => {}
        }
    }
    for view in View::ALL {
        add(Topic::View, view.as_str().to_owned());
    }
    all
}

/// What a probe can be given.
pub(super) const KEYS: [&str; 4] = ["sport", "ttl", "size", "df"];

pub(super) const fn topic(kind: Kind) -> Topic {
    match kind {
        Kind::Line => Topic::Line,
        Kind::DaemonFlag => Topic::DaemonFlag,
        Kind::ContainerFlag => Topic::ContainerFlag,
        Kind::HostTool => Topic::HostTool,
    }
}

pub(super) fn ended(command: &str, is_done: bool) -> String {
    let end = if is_done { "done" } else { "refused" };
    format!("{command}: {end}")
}

/// A rule with every link, address and port in it left out.
pub(super) fn shape(at: ChainRef, rule: &Rule) -> String {
    let mut text = at.to_string();
    for item in rule.matches() {
        let not = if item.negated { " !" } else { "" };
        let field = labels::field(&item.field);
        text.push_str(&format!("{not} {field}"));
    }
    text.push_str(&format!(" -j {}", rule.target()));
    text
}

pub(super) fn policy_of(at: ChainRef, policy: Policy) -> String {
    format!("{} -P {} {policy}", at.table, at.chain)
}

#[cfg(test)]
mod tests {
    use netparity_core::verdict::Verdict;

    use super::*;

    #[test]
    fn every_verdict_of_the_language_has_its_label() {
        for (text, verdict) in Verdict::ALL {
            assert_eq!(labels::verdict(&verdict), text);
        }
        assert_eq!(labels::VERDICTS.len(), Verdict::ALL.len());
    }

    #[test]
    fn the_rules_of_a_link_and_the_policy_are_among_all() {
        let all = universe();
        for (topic, what) in [
            (
                Topic::Taken,
                "filter DOCKER -s … -d … -i … -o … -p … --dport … -j ACCEPT",
            ),
            (Topic::Drop, "filter FORWARD -i … -o … -j DROP"),
            (Topic::Drop, "filter -P FORWARD DROP"),
        ] {
            assert!(all.contains(&Item::new(topic, what)), "{what}");
        }
    }
}
