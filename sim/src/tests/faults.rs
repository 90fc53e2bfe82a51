//! Every fault shows, and nothing but it.

use netparity_core::{
    model::Dataplane,
    parity,
    plan::{LinkChange, Op, ReversePathFilter, RuleOp, Sysctl},
    port::Protocol,
    probe::{Payload, Shot},
    rules::{ChainName, ChainRef, Field, Policy, Rule, Target},
    trace::Trace,
};

use super::{
    net::{add_route, address, append, end, home, listen, name, net, netns, set, shot, sysctl},
    rules::FORWARD,
};
use crate::{Fault, Sim};

/// A home in which there is something of everything.
fn furnished() -> Vec<Op> {
    let mut ops = home();
    let from_home = Field::Source(net("10.0.0.0/24"));
    let to_bridge = Field::Out(name("br0"));
    let docker = ChainRef::filter(ChainName::Docker);
    ops.extend([
        listen("b", "80/tcp"),
        listen("b", "53/udp"),
        listen("c", "80/tcp"),
        listen("c", "53/udp"),
        set("host/vc", LinkChange::Mtu(1300)),
        set("c/eth0", LinkChange::Mtu(1300)),
        Op::Rules(RuleOp::NewChain(docker)),
        append(
            docker,
            Rule::new(Target::Return).when(Field::Source(net("10.0.0.2/32"))),
        ),
        append(FORWARD, Rule::new(Target::Accept).when(Field::Established)),
        append(FORWARD, Rule::new(Target::Jump(ChainName::Docker))),
        append(
            FORWARD,
            Rule::new(Target::Accept)
                .when(Field::In(name("br0")))
                .unless(to_bridge),
        ),
        append(
            FORWARD,
            Rule::new(Target::Drop)
                .when(Field::Protocol(Protocol::Tcp))
                .when(Field::DestinationPort(81)),
        ),
        append(
            FORWARD,
            Rule::new(Target::Accept).when(Field::Destination(net("10.0.0.0/24"))),
        ),
        Op::Rules(RuleOp::Policy(FORWARD, Policy::Drop)),
        append(
            ChainRef::nat(ChainName::Postrouting),
            Rule::new(Target::Masquerade)
                .when(from_home)
                .unless(to_bridge),
        ),
    ]);
    ops
}

/// Changes and packets between them, each a chance for a fault to show.
fn acts() -> Vec<(Vec<Op>, Vec<Shot>)> {
    let with = |place: &str, to: &str, payload, ttl, size| Shot {
        ttl,
        size,
        ..shot(place, to, payload)
    };
    let plain = |place: &str, to: &str, payload| shot(place, to, payload);
    let insert = |rule| Op::Rules(RuleOp::Insert(FORWARD, rule));
    let whole = Shot {
        size: Some(1400),
        dont_fragment: true,
        ..shot("c", "10.0.0.3", Payload::Icmp)
    };
    vec![
        (
            furnished(),
            vec![
                plain("a", "10.0.0.3", Payload::Tcp(80)),
                plain("a", "10.0.0.3", Payload::Tcp(9)),
                plain("a", "10.0.0.3", Payload::Tcp(81)),
                plain("a", "10.0.0.3", Payload::Udp(53)),
                plain("a", "10.0.0.3", Payload::Udp(9)),
                plain("c", "10.0.0.99", Payload::Icmp),
                with("a", "10.0.0.3", Payload::Icmp, 64, Some(3000)),
                plain("a", "10.0.0.99", Payload::Arp),
                plain("a", "10.0.0.99", Payload::Icmp),
                plain("b", "10.0.0.3", Payload::Icmp),
                plain("a", "10.1.0.2", Payload::Tcp(80)),
                plain("b", "10.1.0.2", Payload::Udp(9)),
                plain("a", "192.0.2.1", Payload::Icmp),
                with("a", "10.1.0.2", Payload::Icmp, 1, None),
                with("a", "10.1.0.2", Payload::Icmp, 64, Some(1400)),
                plain("c", "10.0.0.3", Payload::Tcp(80)),
                plain("c", "10.1.0.1", Payload::Tcp(80)),
                Shot {
                    netns: netns("a"),
                    ..Shot {
                        to: super::net::ip("10.1.0.2"),
                        ..whole
                    }
                },
            ],
        ),
        (
            vec![
                sysctl("host", Sysctl::ReversePathFilter(ReversePathFilter::Strict)),
                Op::AddNetns(netns("d")),
                Op::AddVeth {
                    near: end("host/vd", 0x40),
                    far: end("d/eth0", 0x41),
                },
                address("d/eth0", "10.1.0.9/24"),
                add_route("d", "10.9.0.0/24 dev eth0"),
                address("host/vd", "10.9.0.1/24"),
                add_route("host", "10.4.0.0/16 dev vd"),
                add_route("host", "10.4.0.0/24 via 10.1.0.2"),
            ],
            vec![
                plain("d", "10.9.0.1", Payload::Icmp),
                plain("host", "10.4.0.4", Payload::Icmp),
            ],
        ),
        (
            vec![
                sysctl("host", Sysctl::ReversePathFilter(ReversePathFilter::Off)),
                add_route("host", "10.9.0.7/32 dev vd"),
                Op::DeleteRoute {
                    netns: netns("d"),
                    route: super::net::route("10.9.0.0/24"),
                },
                address("d/eth0", "10.9.0.7/24"),
                add_route("d", "0.0.0.0/0 via 10.9.0.1"),
                set("host/va", LinkChange::Mtu(1450)),
            ],
            vec![
                plain("d", "10.9.0.1", Payload::Icmp),
                plain("c", "10.9.0.7", Payload::Icmp),
                // Its lo is down, so this goes to the gateway.
                plain("d", "127.0.0.1", Payload::Icmp),
            ],
        ),
        (
            vec![sysctl("host", Sysctl::IpForward(false))],
            vec![plain("a", "10.1.0.2", Payload::Icmp)],
        ),
        (
            vec![
                set("host/br0", LinkChange::Mtu(1500)),
                set("host/vb", LinkChange::Mtu(1200)),
            ],
            vec![Shot {
                size: Some(1400),
                dont_fragment: true,
                ..shot("a", "10.0.0.3", Payload::Icmp)
            }],
        ),
        (
            vec![
                insert(Rule::new(Target::Drop).when(Field::Protocol(Protocol::Udp))),
                insert(Rule::new(Target::Accept).when(Field::Established)),
                Op::ForgetConnections(super::net::ip("10.0.0.3")),
            ],
            vec![plain("a", "10.0.0.3", Payload::Udp(53))],
        ),
    ]
}

fn see(sim: &mut Sim, shot: &Shot) -> Trace {
    Trace::judge(shot, sim.probe(shot).unwrap())
}

/// Where a host with this fault differs from one without.
fn shows(fault: Fault) -> Option<String> {
    let (mut right, mut wrong) = (Sim::new(), Sim::with_fault(fault));
    let differ = |right: &mut Sim, wrong: &mut Sim| {
        let looks = [right.snapshot().unwrap(), wrong.snapshot().unwrap()];
        parity::snapshots(&looks[0], &looks[1]).map(|it| it.to_string())
    };
    for (ops, shots) in acts() {
        for op in ops {
            let plan = vec![op].into();
            if right.execute(&plan) != wrong.execute(&plan) {
                return Some(format!("{plan:?}"));
            }
        }
        for shot in &shots {
            let traces = [see(&mut right, shot), see(&mut wrong, shot)];
            let found = parity::traces(&traces[0], &traces[1]).map(|it| it.to_string());
            if found.is_some() {
                return found;
            }
        }
        if let Some(found) = differ(&mut right, &mut wrong) {
            return Some(found);
        }
    }
    // Refusals.
    let twice = vec![listen("b", "80/tcp")].into();
    let half = vec![
        address("a/eth0", "10.8.0.1/24"),
        Op::DeleteNetns(netns("z")),
    ]
    .into();
    for plan in [twice, half] {
        if right.execute(&plan) != wrong.execute(&plan) {
            return Some(format!("{plan:?}"));
        }
    }
    differ(&mut right, &mut wrong)
}

#[test]
fn every_fault_shows() {
    let unseen: Vec<&Fault> = Fault::ALL
        .iter()
        .filter(|fault| shows(**fault).is_none())
        .collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}

#[test]
fn without_a_fault_two_hosts_are_alike() {
    let (mut one, mut other) = (Sim::new(), Sim::new());
    for (ops, shots) in acts() {
        let plan = ops.into();
        assert_eq!((one.execute(&plan), other.execute(&plan)), (Ok(()), Ok(())));
        for shot in &shots {
            assert_eq!(see(&mut one, shot), see(&mut other, shot));
        }
    }
    assert_eq!(one.snapshot(), other.snapshot());
}
