//! Packet filter and NAT rules as data, in iptables' terms and notation.
//!
//! One value is written by the engine, evaluated by the simulator, encoded for and decoded from
//! nf_tables by the kernel backend, and printed for people as `iptables -S` prints it.

use std::{collections::BTreeMap, fmt};

use ipnet::Ipv4Net;
use serde::{Serialize, Serializer};

use crate::{name::LinkName, port::Protocol};

/// A table of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Decides what passes. Hooks at priority 0.
    Filter,
    /// Rewrites addresses, for the first packet of a connection. Priority -100, or 100 for source addresses.
    Nat,
}

impl Table {
    /// The chains the kernel enters by itself, in the order `iptables -S` lists them.
    pub const fn built_in(self) -> &'static [&'static str] {
        match self {
            Self::Filter => &["INPUT", "FORWARD", "OUTPUT"],
            Self::Nat => &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
        })
    }
}

/// A chain's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainName {
    /// A packet comes in from a link, before routing.
    Prerouting,
    /// It is for this namespace.
    Input,
    /// It is passed on, routed or (with `bridge-nf-call-iptables`) bridged.
    Forward,
    /// It is made in this namespace.
    Output,
    /// It is about to leave.
    Postrouting,
    /// Docker's own, in both tables.
    Docker,
    /// Out of one Docker bridge …
    DockerIsolationStage1,
    /// … and into another.
    DockerIsolationStage2,
    /// For the machine's owner; Docker only makes it.
    DockerUser,
}

impl ChainName {
    /// Its name in iptables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prerouting => "PREROUTING",
            Self::Input => "INPUT",
            Self::Forward => "FORWARD",
            Self::Output => "OUTPUT",
            Self::Postrouting => "POSTROUTING",
            Self::Docker => "DOCKER",
            Self::DockerUser => "DOCKER-USER",
            Self::DockerIsolationStage1 => "DOCKER-ISOLATION-STAGE-1",
            Self::DockerIsolationStage2 => "DOCKER-ISOLATION-STAGE-2",
        }
    }

    /// Every chain name there is.
    pub const ALL: [Self; 9] = [
        Self::Prerouting,
        Self::Input,
        Self::Forward,
        Self::Output,
        Self::Postrouting,
        Self::Docker,
        Self::DockerUser,
        Self::DockerIsolationStage1,
        Self::DockerIsolationStage2,
    ];

    /// The chain called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|chain| chain.as_str() == name)
    }

    /// Whether the kernel enters it by itself.
    pub const fn is_built_in(self) -> bool {
        matches!(
            self,
            Self::Prerouting | Self::Input | Self::Forward | Self::Output | Self::Postrouting
        )
    }
}

impl fmt::Display for ChainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A chain in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainRef {
    /// The table.
    pub table: Table,
    /// The chain.
    pub chain: ChainName,
}

impl ChainRef {
    /// `chain` of the filter table.
    pub const fn filter(chain: ChainName) -> Self {
        Self {
            table: Table::Filter,
            chain,
        }
    }

    /// `chain` of the nat table.
    pub const fn nat(chain: ChainName) -> Self {
        Self {
            table: Table::Nat,
            chain,
        }
    }
}

impl fmt::Display for ChainRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.table, self.chain)
    }
}

/// What happens to a packet that runs off the end of a built-in chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Policy {
    /// It goes on.
    #[default]
    Accept,
    /// It is gone.
    Drop,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Accept => "ACCEPT",
            Self::Drop => "DROP",
        })
    }
}

/// One rule: where all of its matches hold, its target decides.
///
/// Matches are kept in the order of [`Field`], which is that of `iptables -S`, so that equal
/// rules are equal values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    matches: Vec<Match>,
    target: Target,
}

impl Rule {
    /// A rule with no match: it takes every packet.
    pub const fn new(target: Target) -> Self {
        Self {
            matches: Vec::new(),
            target,
        }
    }

    /// The rule, with one more match.
    pub fn when(mut self, field: Field) -> Self {
        self.insert(Match {
            negated: false,
            field,
        });
        self
    }

    /// The rule, with one more match, negated (`!`).
    pub fn unless(mut self, field: Field) -> Self {
        self.insert(Match {
            negated: true,
            field,
        });
        self
    }

    fn insert(&mut self, new: Match) {
        let at = self.matches.partition_point(|old| old.field <= new.field);
        self.matches.insert(at, new);
    }

    /// What has to hold.
    pub fn matches(&self) -> &[Match] {
        &self.matches
    }

    /// What then happens.
    pub const fn target(&self) -> Target {
        self.target
    }
}

/// A condition on a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Match {
    /// Whether it holds where the field does *not* match.
    pub negated: bool,
    /// What is looked at.
    pub field: Field,
}

/// What a condition looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The source address is in this network (its host bits are zero).
    Source(Ipv4Net),
    /// The destination address is in this network (its host bits are zero).
    Destination(Ipv4Net),
    /// It came in by this link; a bridged packet came in by the bridge.
    In(LinkName),
    /// It goes out by this link; a bridged packet goes out by the bridge.
    Out(LinkName),
    /// The transport protocol.
    Protocol(Protocol),
    /// The transport's source port. Needs a [`Field::Protocol`].
    SourcePort(u16),
    /// The transport's destination port. Needs a [`Field::Protocol`].
    DestinationPort(u16),
    /// Its connection is related to, or is, an established one (`--ctstate RELATED,ESTABLISHED`).
    Established,
    /// The source address is one of the namespace's own.
    SourceIsLocal,
    /// The destination address is one of the namespace's own.
    DestinationIsLocal,
}

/// What a rule does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Lets it go on; no further rule of this hook and table is asked.
    Accept,
    /// Ends it.
    Drop,
    /// Goes back to the chain this one was entered from, or to the policy.
    Return,
    /// Enters another chain of the table.
    Jump(ChainName),
    /// Gives the connection the address of the outgoing link as its source. Nat table only.
    Masquerade,
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = if self.negated { "! " } else { "" };
        match self.field {
            Field::Source(net) => write!(f, "{not}-s {net}"),
            Field::Destination(net) => write!(f, "{not}-d {net}"),
            Field::In(link) => write!(f, "{not}-i {link}"),
            Field::Out(link) => write!(f, "{not}-o {link}"),
            Field::Protocol(protocol) => write!(f, "{not}-p {protocol}"),
            Field::SourcePort(port) => write!(f, "{not}--sport {port}"),
            Field::DestinationPort(port) => write!(f, "{not}--dport {port}"),
            Field::Established => write!(f, "-m conntrack {not}--ctstate RELATED,ESTABLISHED"),
            Field::SourceIsLocal => write!(f, "-m addrtype {not}--src-type LOCAL"),
            Field::DestinationIsLocal => write!(f, "-m addrtype {not}--dst-type LOCAL"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Accept => "ACCEPT",
            Self::Drop => "DROP",
            Self::Return => "RETURN",
            Self::Masquerade => "MASQUERADE",
            Self::Jump(chain) => chain.as_str(),
        })
    }
}

/// Displayed as `iptables -S` does, less the `-A CHAIN`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, item) in self.matches.iter().enumerate() {
            let loads_module =
                matches!(item.field, Field::SourcePort(_) | Field::DestinationPort(_))
                    && !self.matches[..at]
                        .iter()
                        .any(|other| matches!(other.field, Field::SourcePort(_)));
            let protocol = self.matches.iter().find_map(|other| match other.field {
                Field::Protocol(protocol) => Some(protocol),
                _ => None,
            });
            if let (true, Some(protocol)) = (loads_module, protocol) {
                write!(f, "-m {protocol} ")?;
            }
            write!(f, "{item} ")?;
        }
        write!(f, "-j {}", self.target)
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A chain's rules, and its policy if it is built in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// What happens at its end; always [`Policy::Accept`] for a user chain, which returns.
    pub policy: Policy,
    /// Its rules, first to last.
    pub rules: Vec<Rule>,
}

/// The rules of a namespace: every chain of every table. A built-in chain that is absent is
/// empty and accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSet {
    /// The chains.
    pub chains: BTreeMap<ChainRef, Chain>,
}

impl RuleSet {
    /// The lines of `iptables -S` for `table`: built-in chains first, then Docker's, then the rules.
    pub fn lines(&self, table: Table) -> Vec<String> {
        let mut chains: Vec<_> = self
            .chains
            .iter()
            .filter(|(at, _)| at.table == table)
            .collect();
        if chains.is_empty() {
            return Vec::new();
        }
        chains.sort_by_key(|(at, _)| !at.chain.is_built_in());
        let mut lines = Vec::new();
        for (at, chain) in &chains {
            lines.push(if at.chain.is_built_in() {
                format!("-P {} {}", at.chain, chain.policy)
            } else {
                format!("-N {}", at.chain)
            });
        }
        for (at, chain) in &chains {
            lines.extend(
                chain
                    .rules
                    .iter()
                    .map(|rule| format!("-A {} {rule}", at.chain)),
            );
        }
        lines
    }
}

impl Serialize for RuleSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            [Table::Filter, Table::Nat].map(|table| (table.to_string(), self.lines(table))),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn rules_print_as_iptables_prints_them() {
        let link = Rule::new(Target::Accept)
            .when(Field::DestinationPort(6379))
            .when(Field::Protocol(Protocol::Tcp))
            .when(Field::Out(LinkName::DOCKER0))
            .when(Field::In(LinkName::DOCKER0))
            .when(Field::Destination(net("172.17.0.1/32")))
            .when(Field::Source(net("172.17.0.2/32")));
        assert_eq!(
            link.to_string(),
            "-s 172.17.0.2/32 -d 172.17.0.1/32 -i docker0 -o docker0 -p tcp -m tcp --dport 6379 -j ACCEPT"
        );
        let masquerade = Rule::new(Target::Masquerade)
            .unless(Field::Out(LinkName::DOCKER0))
            .when(Field::Source(net("172.17.0.0/16")));
        assert_eq!(
            masquerade.to_string(),
            "-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE"
        );
    }
}
