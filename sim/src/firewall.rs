//! The rules of the host, and what they say of a packet.

use std::collections::BTreeMap;

use netparity_core::{
    name::LinkName,
    rules::{Chain, ChainName, ChainRef, Field, Match, Policy, Rule, Table, Target},
    trace::DropCause,
};

use crate::{
    link::mask,
    route::{Routes, To},
};

const CHAINS: usize = ChainName::ALL.len();

/// Chains by table and name. A table that no rule operation has touched is not there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Firewall {
    filter: Option<Chains>,
    nat: Option<Chains>,
    /// How many rules make the kernel track connections (`nf_ct_netns_get`). That there is a nat
    /// table is not enough: without such a rule its chains are not even asked.
    tracking: usize,
}

pub(crate) type Chains = Box<[Option<Chain>; CHAINS]>;

/// What the rules look at.
pub(crate) struct Packet<'a> {
    pub source: u32,
    pub destination: u32,
    pub protocol: u8,
    /// Source and destination port; absent in later fragments.
    pub ports: Option<(u16, u16)>,
    pub input: Option<LinkName>,
    pub output: Option<LinkName>,
    pub established: bool,
    pub routes: &'a Routes,
    pub mistakes: Mistakes,
}

/// How many packets each rule has taken: all that its matches held for.
pub(crate) type Taken = BTreeMap<(ChainRef, Rule), u64>;

/// Deliberate mistakes in reading rules.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mistakes {
    pub drop_ignored: bool,
    pub policy_ignored: bool,
    pub negated_out_ignored: bool,
    pub ports_ignored: bool,
    pub return_accepts: bool,
}

/// What a table's chain says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Accept,
    /// With the chain, and the place of the rule in it or nothing for its policy.
    Drop(ChainRef, Option<usize>),
    Masquerade,
}

/// How deep chains may be entered from one another (`NFT_JUMP_STACK_SIZE`).
const DEEPEST: usize = 16;

impl Firewall {
    pub fn table(&self, table: Table) -> Option<&Chains> {
        match table {
            Table::Filter => self.filter.as_ref(),
            Table::Nat => self.nat.as_ref(),
        }
    }

    fn table_mut(&mut self, table: Table) -> &mut Option<Chains> {
        match table {
            Table::Filter => &mut self.filter,
            Table::Nat => &mut self.nat,
        }
    }

    /// Makes the table with its built-in chains, unless it is there; whether it was not.
    pub fn make_table(&mut self, table: Table) -> bool {
        let place = self.table_mut(table);
        if place.is_some() {
            return false;
        }
        let built_in = |name: ChainName| table.built_in().contains(&name.as_str());
        let chains = ChainName::ALL.map(|name| built_in(name).then(Chain::default));
        *place = Some(Box::new(chains));
        true
    }

    pub fn remove_table(&mut self, table: Table) {
        *self.table_mut(table) = None;
    }

    pub fn chain(&self, at: ChainRef) -> Option<&Chain> {
        self.table(at.table)?.get(at.chain as usize)?.as_ref()
    }

    /// The place of a chain, if its table is there.
    pub fn place_mut(&mut self, at: ChainRef) -> Option<&mut Option<Chain>> {
        self.table_mut(at.table)
            .as_mut()?
            .get_mut(at.chain as usize)
    }

    pub fn chain_mut(&mut self, at: ChainRef) -> Option<&mut Chain> {
        self.place_mut(at)?.as_mut()
    }

    pub fn count(&mut self, rules: &[Rule], more: bool) {
        let tracking = rules.iter().filter(|rule| needs_tracking(rule)).count();
        match more {
            true => self.tracking += tracking,
            false => self.tracking -= tracking,
        }
    }

    /// Whether connections are tracked.
    pub fn tracks(&self) -> bool {
        self.tracking > 0
    }

    pub fn has_nat(&self) -> bool {
        self.nat.is_some()
    }

    pub fn has_filter(&self) -> bool {
        self.filter.is_some()
    }

    /// Asks a built-in chain; the rules that take the packet are counted if `taken` is there.
    pub fn decide(&self, at: ChainRef, packet: &Packet<'_>, taken: &mut Option<Taken>) -> Decision {
        let Some(chain) = self.chain(at) else {
            return Decision::Accept;
        };
        if let Some(decision) = self.walk(at, chain, packet, 0, taken) {
            return decision;
        }
        match chain.policy {
            Policy::Drop if !packet.mistakes.policy_ignored => Decision::Drop(at, None),
            _ => Decision::Accept,
        }
    }

    fn walk(
        &self,
        at: ChainRef,
        chain: &Chain,
        packet: &Packet<'_>,
        depth: usize,
        taken: &mut Option<Taken>,
    ) -> Option<Decision> {
        for (place, rule) in chain.rules.iter().enumerate() {
            if !rule.matches().iter().all(|item| packet.matches(item)) {
                continue;
            }
            if let Some(taken) = taken {
                *taken.entry((at, rule.clone())).or_default() += 1;
            }
            match rule.target() {
                Target::Accept => return Some(Decision::Accept),
                Target::Drop if packet.mistakes.drop_ignored => {}
                Target::Drop => return Some(Decision::Drop(at, Some(place))),
                Target::Return if packet.mistakes.return_accepts => {
                    return Some(Decision::Accept);
                }
                Target::Return => return None,
                Target::Masquerade => return Some(Decision::Masquerade),
                Target::Jump(name) => {
                    let next = ChainRef { chain: name, ..at };
                    let entered = self.chain(next).filter(|_| depth < DEEPEST);
                    let decision =
                        entered.and_then(|chain| self.walk(next, chain, packet, depth + 1, taken));
                    if decision.is_some() {
                        return decision;
                    }
                }
            }
        }
        None
    }

    /// The words for a drop.
    pub fn cause(&self, at: ChainRef, rule: Option<usize>) -> DropCause {
        let found = rule.and_then(|place| self.chain(at)?.rules.get(place));
        match found {
            Some(rule) => DropCause::Rule(at, rule.clone()),
            None => DropCause::Policy(at),
        }
    }
}

fn needs_tracking(rule: &Rule) -> bool {
    let state = |item: &Match| item.field == Field::Established;
    rule.target() == Target::Masquerade || rule.matches().iter().any(state)
}

impl Packet<'_> {
    fn matches(&self, item: &Match) -> bool {
        let within = |address: u32, net: ipnet::Ipv4Net| {
            (address ^ net.addr().to_bits()) & mask(net.prefix_len()) == 0
        };
        let holds = match item.field {
            Field::Source(net) => within(self.source, net),
            Field::Destination(net) => within(self.destination, net),
            Field::In(link) => self.input == Some(link),
            Field::Out(link) if self.mistakes.negated_out_ignored => {
                return self.output == Some(link);
            }
            Field::Out(link) => self.output == Some(link),
            Field::Protocol(protocol) => self.protocol == protocol.number(),
            Field::SourcePort(_) | Field::DestinationPort(_) if self.mistakes.ports_ignored => {
                return true;
            }
            // Where there is no port to look at, the rule does not match, negated or not.
            Field::SourcePort(port) => match self.ports {
                Some((source, _)) => source == port,
                None => return false,
            },
            Field::DestinationPort(port) => match self.ports {
                Some((_, destination)) => destination == port,
                None => return false,
            },
            Field::Established => self.established,
            Field::SourceIsLocal => self.routes.kind(self.source) == To::Local,
            Field::DestinationIsLocal => self.routes.kind(self.destination) == To::Local,
        };
        holds != item.negated
    }
}
