//! The rules that Docker 20.10 writes. Source: libnetwork's `drivers/bridge/setup_ip_tables.go`,
//! `iptables/iptables.go` and `firewall_linux.go`.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use ipnet::Ipv4Net;

use crate::{
    name::LinkName,
    plan::{Op, RuleOp},
    port::{Port, Protocol},
    rules::{ChainName, ChainRef, Field, Policy, Rule, Target},
};

pub(super) const FORWARD: ChainRef = ChainRef::filter(ChainName::Forward);
/// What is not let through any more by a daemon that turns forwarding on (`setupIPForwarding`).
pub(super) const NO_FORWARDING: RuleOp = RuleOp::Policy(FORWARD, Policy::Drop);
pub(super) const FILTER_DOCKER: ChainRef = ChainRef::filter(ChainName::Docker);
const NAT_DOCKER: ChainRef = ChainRef::nat(ChainName::Docker);
const USER: ChainRef = ChainRef::filter(ChainName::DockerUser);
const STAGE_1: ChainRef = ChainRef::filter(ChainName::DockerIsolationStage1);
const STAGE_2: ChainRef = ChainRef::filter(ChainName::DockerIsolationStage2);
const PREROUTING: ChainRef = ChainRef::nat(ChainName::Prerouting);
const OUTPUT: ChainRef = ChainRef::nat(ChainName::Output);
const POSTROUTING: ChainRef = ChainRef::nat(ChainName::Postrouting);

/// What the rules of a bridge depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bridge {
    pub link: LinkName,
    pub subnet: Ipv4Net,
    pub icc: bool,
    pub masquerade: bool,
}

/// The chains that Docker writes to, as it has left them: what a daemon finds of one before it
/// decides what it adds, and where.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    pub chains: BTreeMap<ChainRef, Vec<Rule>>,
    /// The rules of links, which are all that filter's DOCKER holds.
    pub links: BTreeSet<Rule>,
}

impl Tables {
    /// Docker's own chains, empty; nothing jumps to nat's (`removeIPChains`, `setupIPChains`).
    pub fn renew(&mut self) {
        self.delete(PREROUTING, &to_docker());
        self.delete(OUTPUT, &local_to_docker());
        for chain in [NAT_DOCKER, FILTER_DOCKER, STAGE_1, STAGE_2] {
            self.chains.entry(chain).or_default().clear();
        }
        self.links.clear();
        for chain in [STAGE_1, STAGE_2] {
            self.append(chain, Rule::new(Target::Return));
        }
    }

    /// Puts the owner's chain before all others (`arrangeUserFilterRule`).
    pub fn jump_to_user(&mut self) {
        self.append(USER, Rule::new(Target::Return));
        self.raise(FORWARD, Rule::new(Target::Jump(ChainName::DockerUser)));
    }

    /// Adds what a network needs where it is not there (`setupIPTables`, `setINC`).
    pub fn add(&mut self, bridge: &Bridge) {
        let rules = Rules::of(bridge);
        if bridge.masquerade {
            self.insert(POSTROUTING, rules.masquerade);
            self.insert(NAT_DOCKER, rules.skip);
        }
        if bridge.icc {
            self.delete(FORWARD, &rules.neighbours_drop);
            self.insert(FORWARD, rules.neighbours_accept);
        } else {
            self.delete(FORWARD, &rules.neighbours_accept);
            self.append(FORWARD, rules.neighbours_drop);
        }
        self.insert(FORWARD, rules.outgoing);
        self.append(PREROUTING, to_docker());
        self.append(OUTPUT, local_to_docker());
        self.insert(FORWARD, rules.published);
        self.insert(FORWARD, rules.established);
        self.raise(
            FORWARD,
            Rule::new(Target::Jump(ChainName::DockerIsolationStage1)),
        );
        self.insert(STAGE_1, rules.leaves);
        self.insert(STAGE_2, rules.enters);
    }

    /// Takes a network's rules out again; the jumps to Docker's chains stay.
    pub fn remove(&mut self, bridge: &Bridge) {
        let rules = Rules::of(bridge);
        if bridge.masquerade {
            self.delete(POSTROUTING, &rules.masquerade);
            self.delete(NAT_DOCKER, &rules.skip);
        }
        let neighbours = match bridge.icc {
            true => &rules.neighbours_accept,
            false => &rules.neighbours_drop,
        };
        for rule in [
            neighbours,
            &rules.outgoing,
            &rules.published,
            &rules.established,
        ] {
            self.delete(FORWARD, rule);
        }
        self.delete(STAGE_1, &rules.leaves);
        self.delete(STAGE_2, &rules.enters);
    }

    /// What turns `before` into this.
    pub fn since(&self, before: &Self) -> Vec<Op> {
        let mut ops = Vec::new();
        for chain in [NAT_DOCKER, FILTER_DOCKER, STAGE_1, STAGE_2, USER] {
            if self.chains.contains_key(&chain) && !before.chains.contains_key(&chain) {
                ops.push(RuleOp::NewChain(chain));
            }
        }
        if self.links.is_empty() && !before.links.is_empty() {
            ops.push(RuleOp::Flush(FILTER_DOCKER));
        }
        for (chain, rules) in &self.chains {
            let old = before.chains.get(chain).map_or(&[][..], Vec::as_slice);
            if old == rules {
                continue;
            }
            if !old.is_empty() {
                ops.push(RuleOp::Flush(*chain));
            }
            let append = |rule: &Rule| RuleOp::Append(*chain, rule.clone());
            ops.extend(rules.iter().map(append));
        }
        ops.into_iter().map(Op::Rules).collect()
    }

    fn rules(&mut self, chain: ChainRef) -> &mut Vec<Rule> {
        self.chains.entry(chain).or_default()
    }

    fn insert(&mut self, chain: ChainRef, rule: Rule) {
        let rules = self.rules(chain);
        if !rules.contains(&rule) {
            rules.insert(0, rule);
        }
    }

    fn append(&mut self, chain: ChainRef, rule: Rule) {
        let rules = self.rules(chain);
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }

    fn delete(&mut self, chain: ChainRef, rule: &Rule) {
        self.rules(chain).retain(|other| other != rule);
    }

    /// `EnsureJumpRule`.
    fn raise(&mut self, chain: ChainRef, rule: Rule) {
        self.delete(chain, &rule);
        self.insert(chain, rule);
    }
}

/// The rules of a bridge, by what they are for.
struct Rules {
    /// What leaves the bridge's network takes the host's address.
    masquerade: Rule,
    /// What comes from containers is not for published ports.
    skip: Rule,
    neighbours_accept: Rule,
    neighbours_drop: Rule,
    outgoing: Rule,
    /// To published ports and links.
    published: Rule,
    established: Rule,
    /// Out of this bridge and, by stage 2, not into another.
    leaves: Rule,
    /// Into this bridge, out of another.
    enters: Rule,
}

impl Rules {
    fn of(bridge: &Bridge) -> Self {
        let inward = Field::In(bridge.link);
        let outward = Field::Out(bridge.link);
        let neighbours = |target| Rule::new(target).when(inward).when(outward);
        Self {
            masquerade: Rule::new(Target::Masquerade)
                .when(Field::Source(bridge.subnet))
                .unless(outward),
            skip: Rule::new(Target::Return).when(inward),
            neighbours_accept: neighbours(Target::Accept),
            neighbours_drop: neighbours(Target::Drop),
            outgoing: Rule::new(Target::Accept).when(inward).unless(outward),
            published: Rule::new(Target::Jump(ChainName::Docker)).when(outward),
            established: Rule::new(Target::Accept)
                .when(outward)
                .when(Field::Established),
            leaves: Rule::new(Target::Jump(ChainName::DockerIsolationStage2))
                .when(inward)
                .unless(outward),
            enters: Rule::new(Target::Drop).when(outward),
        }
    }
}

fn to_docker() -> Rule {
    Rule::new(Target::Jump(ChainName::Docker)).when(Field::DestinationIsLocal)
}

fn local_to_docker() -> Rule {
    let loopback = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
    to_docker().unless(Field::Destination(loopback))
}

/// The rules in filter's DOCKER that let a parent reach the ports of a child and the child answer,
/// in the order Docker adds them: largest port first (`nat.SortPortMap`, `linkContainers`).
pub(super) fn link(
    bridge: LinkName,
    parent: Ipv4Addr,
    child: Ipv4Addr,
    ports: &[Port],
) -> impl Iterator<Item = Rule> {
    let of_a_number = |one: &Port, other: &Port| one.number == other.number;
    let largest_first = ports.chunk_by(of_a_number).rev().flatten();
    largest_first.flat_map(move |port| {
        let from_port = Field::SourcePort(port.number.get());
        let answer = along(bridge, child, parent, port).when(from_port);
        [question(bridge, parent, child, port), answer]
    })
}

/// The rule in filter's DOCKER that lets a parent reach a port of a child.
pub(super) fn question(bridge: LinkName, parent: Ipv4Addr, child: Ipv4Addr, port: &Port) -> Rule {
    along(bridge, parent, child, port).when(Field::DestinationPort(port.number.get()))
}

fn along(bridge: LinkName, from: Ipv4Addr, to: Ipv4Addr, port: &Port) -> Rule {
    Rule::new(Target::Accept)
        .when(Field::In(bridge))
        .when(Field::Out(bridge))
        .when(Field::Protocol(port.protocol))
        .when(Field::Source(from.into()))
        .when(Field::Destination(to.into()))
}

/// An operation for every kind of rule and policy that is ever written: the rules of a bridge in
/// every setting, and of a link to a port of every protocol.
pub(super) fn repertoire() -> Vec<RuleOp> {
    let link = LinkName::DOCKER0;
    let subnet = Ipv4Net::new_assert(Ipv4Addr::new(172, 17, 0, 0), 16);
    let mut ops = vec![NO_FORWARDING];
    let write = |ops: &mut Vec<RuleOp>, at, rule: &Rule| {
        let op = RuleOp::Append(at, rule.clone());
        if !ops.contains(&op) {
            ops.push(op);
        }
    };
    for icc in [true, false] {
        for masquerade in [true, false] {
            let mut tables = Tables::default();
            tables.renew();
            tables.add(&Bridge {
                link,
                subnet,
                icc,
                masquerade,
            });
            tables.jump_to_user();
            for (at, rules) in &tables.chains {
                rules.iter().for_each(|rule| write(&mut ops, *at, rule));
            }
        }
    }
    let [parent, child] = [2, 3].map(|host| Ipv4Addr::new(172, 17, 0, host));
    let ports = Protocol::ALL.into_iter().filter_map(|it| Port::new(80, it));
    for rule in self::link(link, parent, child, &ports.collect::<Vec<_>>()) {
        write(&mut ops, FILTER_DOCKER, &rule);
    }
    ops
}
