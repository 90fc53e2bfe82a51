//! Mistakes in plans, as an engine could make them or a backend in carrying them out.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use netparity_core::{
    model::{Dataplane, DataplaneError},
    name::LinkName,
    plan::{LinkChange, Op, Plan, Route, RuleOp, Sysctl, VethEnd},
    port::Port,
    probe::Shot,
    rules::{ChainName, ChainRef, Field, Match, Rule, Target},
    snapshot::Snapshot,
    trace::Sighting,
};

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One thing that a plan has wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum PlanFault {
            $($(#[$doc])* $name,)*
        }

        impl PlanFault {
            /// Every fault there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

faults! {
    /// A link's parent is not let through to its child.
    LinkRuleMissing,
    /// A link's child is not let through to answer.
    AnswerRuleMissing,
    /// A link opens the port behind the one that it should.
    LinkPortOffByOne,
    /// The rules of a link lead from child to parent.
    LinkTurnedAround,
    /// The rules of a link stay when it goes.
    LinkRulesKept,
    /// With icc off nothing keeps neighbours apart.
    IsolationRuleMissing,
    /// What keeps neighbours apart stands before what lets links through.
    IsolationRuleFirst,
    /// Nothing that leaves the bridge's network is masqueraded.
    MasqueradeMissing,
    /// What stays on the bridge is masqueraded too.
    MasqueradeOnBridge,
    /// Answers from outside are not let in.
    EstablishedMissing,
    /// Containers are not let out.
    OutgoingMissing,
    /// The chain of published ports and links is not entered.
    DockerJumpMissing,
    /// Bridges are not kept apart.
    Stage2DropMissing,
    /// Whoever owns the host is not asked first.
    UserJumpMissing,
    /// A daemon that turns forwarding on lets everything through.
    PolicyForgotten,
    /// Forwarding is not turned on.
    ForwardingForgotten,
    /// Bridged packets are not given to the rules.
    BridgeNfForgotten,
    /// Interfaces of containers have Linux's MTU.
    MtuForgotten,
    /// Containers send what is not for their network to the address behind the gateway.
    WrongGateway,
    /// Containers have no default route.
    DefaultRouteMissing,
    /// Containers think their network is larger or smaller than it is.
    WrongPrefix,
    /// Containers have the address behind the one that is theirs.
    WrongAddress,
    /// Containers have another hardware address than Docker gives them.
    WrongMac,
    /// The loopback interfaces of containers stay down.
    LoopbackDown,
    /// The host's end of a container's link is no port of the bridge.
    VethNotInBridge,
    /// The host's end of a container's link is down.
    VethDown,
    /// A bridge keeps the address that it had before.
    OldAddressKept,
    /// The daemon's bridge is not put up.
    BridgeDown,
    /// The namespace of a container that has stopped stays.
    NamespaceKept,
    /// A server stays that was closed.
    ServerKept,
    /// Servers listen on the port behind the one that they should.
    WrongServerPort,
}

impl PlanFault {
    /// Whether it breaks a promise, so that laws tell it without another model. What answers a link
    /// is not among them: the engine strict writes no rule for it.
    pub const fn breaks_a_law(self) -> bool {
        matches!(
            self,
            Self::LinkRuleMissing
                | Self::LinkPortOffByOne
                | Self::LinkTurnedAround
                | Self::IsolationRuleMissing
                | Self::IsolationRuleFirst
                | Self::DockerJumpMissing
                | Self::VethDown
                | Self::VethNotInBridge
        )
    }

    /// The operations that there are instead of this one.
    fn instead(self, op: &Op) -> Vec<Op> {
        let is_wrong = match (self, op) {
            (Self::LinkRuleMissing, _) => link_rule(op).is_some_and(|it| has_port(it, true)),
            (Self::AnswerRuleMissing, _) => link_rule(op).is_some_and(|it| has_port(it, false)),
            (Self::IsolationRuleMissing, _) => is_new(op, FORWARD, Target::Drop),
            (Self::MasqueradeMissing, _) => is_new(op, POSTROUTING, Target::Masquerade),
            (Self::EstablishedMissing, Op::Rules(RuleOp::Append(FORWARD, rule))) => {
                has(rule, |field| field == Field::Established)
            }
            (Self::OutgoingMissing, Op::Rules(RuleOp::Append(FORWARD, rule))) => {
                rule.target() == Target::Accept && rule.matches().iter().any(|it| it.negated)
            }
            (Self::DockerJumpMissing, _) => is_new(op, FORWARD, Target::Jump(ChainName::Docker)),
            (Self::Stage2DropMissing, _) => is_new(op, STAGE_2, Target::Drop),
            (Self::UserJumpMissing, _) => is_new(op, FORWARD, Target::Jump(ChainName::DockerUser)),
            (Self::LinkRulesKept, Op::Rules(RuleOp::Delete(DOCKER, _) | RuleOp::Flush(DOCKER)))
            | (Self::PolicyForgotten, Op::Rules(RuleOp::Policy(..)))
            | (Self::OldAddressKept, Op::DeleteAddress { .. })
            | (Self::NamespaceKept, Op::DeleteNetns(_))
            | (Self::ServerKept, Op::Unlisten { .. }) => true,
            (Self::ForwardingForgotten, Op::SetSysctl { sysctl, .. }) => {
                *sysctl == Sysctl::IpForward(true)
            }
            (Self::BridgeNfForgotten, Op::SetSysctl { sysctl, .. }) => {
                *sysctl == Sysctl::BridgeNfCallIptables(true)
            }
            (Self::DefaultRouteMissing, Op::AddRoute { route, .. }) => route.to.prefix_len() == 0,
            (Self::LoopbackDown, Op::SetLink { link, change }) => {
                link.name == LinkName::LOOPBACK && *change == LinkChange::Up(true)
            }
            (Self::BridgeDown, Op::SetLink { link, change }) => {
                link.name == LinkName::DOCKER0 && *change == LinkChange::Up(true)
            }
            _ => false,
        };
        match is_wrong {
            true => Vec::new(),
            false => vec![self.changed(op.clone())],
        }
    }

    /// The operation, with its mistake.
    fn changed(self, op: Op) -> Op {
        match (self, op) {
            (Self::LinkPortOffByOne, Op::Rules(RuleOp::Append(DOCKER, rule))) => {
                let one_more = |field| match field {
                    Field::DestinationPort(port) => Field::DestinationPort(port ^ 1),
                    Field::SourcePort(port) => Field::SourcePort(port ^ 1),
                    field => field,
                };
                Op::Rules(RuleOp::Append(DOCKER, with_fields(&rule, one_more)))
            }
            (Self::LinkTurnedAround, Op::Rules(RuleOp::Append(DOCKER, rule))) => {
                let turned = |field| match field {
                    Field::Source(net) => Field::Destination(net),
                    Field::Destination(net) => Field::Source(net),
                    field => field,
                };
                Op::Rules(RuleOp::Append(DOCKER, with_fields(&rule, turned)))
            }
            (Self::IsolationRuleFirst, Op::Rules(RuleOp::Append(FORWARD, rule)))
                if rule.target() == Target::Drop =>
            {
                Op::Rules(RuleOp::Insert(FORWARD, rule))
            }
            (Self::MasqueradeOnBridge, Op::Rules(RuleOp::Append(POSTROUTING, rule))) => {
                let mut all = Rule::new(rule.target());
                for item in rule.matches().iter().filter(|it| !it.negated) {
                    all = all.when(item.field);
                }
                Op::Rules(RuleOp::Append(POSTROUTING, all))
            }
            (fault, Op::AddVeth { near, far }) => fault.veth(near, far),
            (Self::WrongGateway, Op::AddRoute { netns, route }) if route.to.prefix_len() == 0 => {
                let via = route.via.map(next);
                Op::AddRoute {
                    netns,
                    route: Route { via, ..route },
                }
            }
            (fault, Op::AddAddress { link, address }) if link.name == LinkName::ETH0 => {
                Op::AddAddress {
                    link,
                    address: fault.address(address),
                }
            }
            (Self::WrongServerPort, Op::Listen { netns, port }) => {
                let number = port.number.get() ^ 1;
                Op::Listen {
                    netns,
                    port: Port::new(number, port.protocol).unwrap_or(port),
                }
            }
            (_, op) => op,
        }
    }

    fn veth(self, near: VethEnd, far: VethEnd) -> Op {
        let (mut near, mut far) = (near, far);
        match self {
            Self::MtuForgotten => (near.mtu, far.mtu) = (None, None),
            Self::WrongMac => far.mac.5 ^= 0x80,
            Self::VethNotInBridge => near.master = None,
            Self::VethDown => near.up = false,
            _ => {}
        }
        Op::AddVeth { near, far }
    }

    fn address(self, address: Ipv4Net) -> Ipv4Net {
        match self {
            Self::WrongPrefix => Ipv4Net::new_assert(address.addr(), address.prefix_len() - 1),
            Self::WrongAddress => Ipv4Net::new_assert(next(address.addr()), address.prefix_len()),
            _ => address,
        }
    }
}

const FORWARD: ChainRef = ChainRef::filter(ChainName::Forward);
const DOCKER: ChainRef = ChainRef::filter(ChainName::Docker);
const STAGE_2: ChainRef = ChainRef::filter(ChainName::DockerIsolationStage2);
const POSTROUTING: ChainRef = ChainRef::nat(ChainName::Postrouting);

fn next(address: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from_bits(address.to_bits() + 1)
}

/// The rule of a link, where the operation writes one.
fn link_rule(op: &Op) -> Option<&Rule> {
    match op {
        Op::Rules(RuleOp::Append(DOCKER, rule)) => Some(rule),
        _ => None,
    }
}

/// Whether the rule asks for a destination's port, or for a source's.
fn has_port(rule: &Rule, of_destination: bool) -> bool {
    has(rule, |field| match field {
        Field::DestinationPort(_) => of_destination,
        Field::SourcePort(_) => !of_destination,
        _ => false,
    })
}

fn has(rule: &Rule, is: impl Fn(Field) -> bool) -> bool {
    rule.matches().iter().any(|item| is(item.field))
}

fn is_new(op: &Op, chain: ChainRef, target: Target) -> bool {
    matches!(op, Op::Rules(RuleOp::Append(at, rule)) if *at == chain && rule.target() == target)
}

fn with_fields(rule: &Rule, change: impl Fn(Field) -> Field) -> Rule {
    let new = Rule::new(rule.target());
    rule.matches()
        .iter()
        .fold(new, |rule, Match { negated, field }| match negated {
            true => rule.unless(change(*field)),
            false => rule.when(change(*field)),
        })
}

/// A data plane that carries out plans with a mistake in them.
pub struct Faulty<D> {
    inner: D,
    fault: PlanFault,
}

impl<D> Faulty<D> {
    pub const fn new(inner: D, fault: PlanFault) -> Self {
        Self { inner, fault }
    }
}

impl<D: Dataplane> Dataplane for Faulty<D> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn execute(&mut self, plan: &Plan) -> Result<(), DataplaneError> {
        let ops = plan.ops.iter().flat_map(|op| self.fault.instead(op));
        self.inner.execute(&ops.collect::<Vec<_>>().into())
    }

    fn probe(&mut self, shot: &Shot) -> Result<Sighting, DataplaneError> {
        self.inner.probe(shot)
    }

    fn snapshot(&mut self) -> Result<Snapshot, DataplaneError> {
        self.inner.snapshot()
    }

    fn reset(&mut self) -> Result<(), DataplaneError> {
        self.inner.reset()
    }
}
