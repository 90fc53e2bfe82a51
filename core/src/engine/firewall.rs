//! The rules that Docker 20.10 writes. Source: libnetwork's `drivers/bridge/setup_ip_tables.go`
//! and `iptables/iptables.go`, in the order they have in the end.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::{
    name::LinkName,
    plan::{Op, RuleOp},
    port::Port,
    rules::{ChainName, ChainRef, Field, Rule, Target},
};

pub(super) const FORWARD: ChainRef = ChainRef::filter(ChainName::Forward);
pub(super) const FILTER_DOCKER: ChainRef = ChainRef::filter(ChainName::Docker);
const NAT_DOCKER: ChainRef = ChainRef::nat(ChainName::Docker);
const USER: ChainRef = ChainRef::filter(ChainName::DockerUser);
const STAGE_1: ChainRef = ChainRef::filter(ChainName::DockerIsolationStage1);
const STAGE_2: ChainRef = ChainRef::filter(ChainName::DockerIsolationStage2);
const PREROUTING: ChainRef = ChainRef::nat(ChainName::Prerouting);
const OUTPUT: ChainRef = ChainRef::nat(ChainName::Output);
const POSTROUTING: ChainRef = ChainRef::nat(ChainName::Postrouting);

/// What the rules of a bridge depend on.
pub(super) struct Bridge {
    pub link: LinkName,
    pub subnet: Ipv4Net,
    pub icc: bool,
    pub masquerade: bool,
}

/// Docker's own chains, in the order it makes them.
pub(super) fn new_chains() -> impl Iterator<Item = Op> {
    [NAT_DOCKER, FILTER_DOCKER, STAGE_1, STAGE_2, USER]
        .into_iter()
        .map(|chain| Op::Rules(RuleOp::NewChain(chain)))
}

/// Empties every chain that Docker writes to.
pub(super) fn flush() -> impl Iterator<Item = Op> {
    [
        NAT_DOCKER,
        FILTER_DOCKER,
        STAGE_1,
        STAGE_2,
        USER,
        FORWARD,
        PREROUTING,
        OUTPUT,
        POSTROUTING,
    ]
    .into_iter()
    .map(|chain| Op::Rules(RuleOp::Flush(chain)))
}

fn append(rules: Vec<(ChainRef, Rule)>) -> Vec<Op> {
    rules
        .into_iter()
        .map(|(chain, rule)| Op::Rules(RuleOp::Append(chain, rule)))
        .collect()
}

fn returns() -> [(ChainRef, Rule); 3] {
    [STAGE_1, STAGE_2, USER].map(|chain| (chain, Rule::new(Target::Return)))
}

/// The rules of a daemon and its bridge.
pub(super) fn rules(bridge: &Bridge) -> Vec<Op> {
    let inward = Field::In(bridge.link);
    let outward = Field::Out(bridge.link);
    let neighbours = if bridge.icc {
        Target::Accept
    } else {
        Target::Drop
    };
    let loopback = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
    let to_docker = Rule::new(Target::Jump(ChainName::Docker)).when(Field::DestinationIsLocal);
    let mut rules = vec![
        (FORWARD, Rule::new(Target::Jump(ChainName::DockerUser))),
        (
            FORWARD,
            Rule::new(Target::Jump(ChainName::DockerIsolationStage1)),
        ),
        (
            FORWARD,
            Rule::new(Target::Accept)
                .when(outward)
                .when(Field::Established),
        ),
        (
            FORWARD,
            Rule::new(Target::Jump(ChainName::Docker)).when(outward),
        ),
        (
            FORWARD,
            Rule::new(Target::Accept).when(inward).unless(outward),
        ),
        (FORWARD, Rule::new(neighbours).when(inward).when(outward)),
        (
            STAGE_1,
            Rule::new(Target::Jump(ChainName::DockerIsolationStage2))
                .when(inward)
                .unless(outward),
        ),
        (STAGE_2, Rule::new(Target::Drop).when(outward)),
        (PREROUTING, to_docker.clone()),
        (OUTPUT, to_docker.unless(Field::Destination(loopback))),
    ];
    rules.extend(returns());
    if bridge.masquerade {
        let subnet = Field::Source(bridge.subnet);
        rules.push((
            POSTROUTING,
            Rule::new(Target::Masquerade).when(subnet).unless(outward),
        ));
        rules.push((NAT_DOCKER, Rule::new(Target::Return).when(inward)));
    }
    append(rules)
}

/// The rules of a daemon with `-b none`: seen on 20.10.24, which leaves the jump to the isolation
/// chains standing, and above, where a daemon before it had put it.
pub(super) fn rules_without_bridge(after_another: bool) -> Vec<Op> {
    let isolation = (
        FORWARD,
        Rule::new(Target::Jump(ChainName::DockerIsolationStage1)),
    );
    let mut rules: Vec<_> = after_another.then_some(isolation).into_iter().collect();
    rules.push((FORWARD, Rule::new(Target::Jump(ChainName::DockerUser))));
    rules.extend(returns());
    append(rules)
}

/// The pair of rules in filter's DOCKER that lets a parent reach one port of a child and the
/// child answer (`ChainInfo.Link`).
pub(super) fn link(bridge: LinkName, parent: Ipv4Addr, child: Ipv4Addr, port: Port) -> [Rule; 2] {
    let along = |from: Ipv4Addr, to: Ipv4Addr, port_field: Field| {
        Rule::new(Target::Accept)
            .when(Field::In(bridge))
            .when(Field::Out(bridge))
            .when(Field::Protocol(port.protocol))
            .when(Field::Source(from.into()))
            .when(Field::Destination(to.into()))
            .when(port_field)
    };
    let number = port.number.get();
    [
        along(parent, child, Field::DestinationPort(number)),
        along(child, parent, Field::SourcePort(number)),
    ]
}
