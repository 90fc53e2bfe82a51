//! Where a probe was dropped, and that the right one is blamed.

use netparity_core::{
    name::Netns,
    plan::{LinkChange, Op, ReversePathFilter, RuleOp, Sysctl},
    probe::{Payload, Shot},
    rules::{ChainName, ChainRef, Field, Policy, Rule, Target},
    trace::{Drop, DropCause},
    verdict::Verdict,
};
use netparity_kernel::{Access, Kernel};

use crate::network::*;

const FORWARD: ChainRef = ChainRef::filter(ChainName::Forward);

fn drops(kernel: &mut Kernel, probe: &Shot) -> Vec<Drop> {
    let trace = throw(kernel, probe);
    assert_eq!(trace.verdict, Verdict::Dropped);
    trace.drops
}

fn on(name: &str, cause: DropCause) -> Vec<Drop> {
    vec![Drop {
        netns: netns(name),
        cause,
    }]
}

pub fn a_rule_that_drops_is_named(access: &Access) {
    let mut kernel = one_bridge(access, 2);
    let rule = |number| {
        Rule::new(Target::Drop)
            .when(Field::Protocol(netparity_core::port::Protocol::Tcp))
            .when(Field::DestinationPort(number))
    };
    let append = |number| Op::Rules(RuleOp::Append(FORWARD, rule(number)));
    done(&mut kernel, vec![append(80), append(81)]);
    for number in [80, 81, 80] {
        let dropped = drops(&mut kernel, &shot("c2", "10.0.0.3", Payload::Tcp(number)));
        assert_eq!(dropped, on("host", DropCause::Rule(FORWARD, rule(number))));
    }
    assert_eq!(
        verdict(&mut kernel, "c2", "10.0.0.3", Payload::Tcp(82)),
        Verdict::Refused
    );
    // Bridged packets do not pass the rules if they need not.
    let bypass = Op::SetSysctl {
        netns: Netns::Host,
        sysctl: Sysctl::BridgeNfCallIptables(false),
    };
    done(&mut kernel, vec![bypass]);
    assert_eq!(
        verdict(&mut kernel, "c2", "10.0.0.3", Payload::Tcp(80)),
        Verdict::Refused
    );
}

pub fn a_policy_that_drops_is_named(access: &Access) {
    let mut kernel = one_bridge(access, 2);
    let output = ChainRef::filter(ChainName::Output);
    let policy = |chain| Op::Rules(RuleOp::Policy(chain, Policy::Drop));
    done(&mut kernel, vec![policy(FORWARD), policy(output)]);
    let dropped = drops(&mut kernel, &shot("c2", "10.0.0.3", Payload::Icmp));
    assert_eq!(dropped, on("host", DropCause::Policy(FORWARD)));
    let dropped = drops(&mut kernel, &shot("host", "10.0.0.3", Payload::Icmp));
    assert_eq!(dropped, on("host", DropCause::Policy(output)));
    // An answer, too, can be dropped.
    let dropped = drops(&mut kernel, &shot("c2", "10.0.0.1", Payload::Icmp));
    assert_eq!(dropped, on("host", DropCause::Policy(output)));
}

pub fn a_namespace_that_does_not_forward_is_named(access: &Access) {
    let mut kernel = two_bridges(access);
    let probe = shot("c2", "10.0.1.3", Payload::Icmp);
    assert_eq!(
        drops(&mut kernel, &probe),
        on("host", DropCause::NotForwarding)
    );
    done(&mut kernel, vec![forward()]);
    assert_eq!(throw(&mut kernel, &probe).verdict, Verdict::Reply);
    done(
        &mut kernel,
        vec![Op::SetSysctl {
            netns: Netns::Host,
            sysctl: Sysctl::IpForward(false),
        }],
    );
    assert_eq!(
        drops(&mut kernel, &probe),
        on("host", DropCause::NotForwarding)
    );
    // A container is no router either.
    done(
        &mut kernel,
        vec![add_route("host", "10.5.0.0/16", "10.0.1.3")],
    );
    let dropped = drops(&mut kernel, &shot("host", "10.5.0.1", Payload::Udp(9)));
    assert_eq!(dropped, on("c3", DropCause::NotForwarding));
}

pub fn a_source_by_the_wrong_link_is_named(access: &Access) {
    let mut kernel = two_bridges(access);
    let filter = |filter| Op::SetSysctl {
        netns: Netns::Host,
        sysctl: Sysctl::ReversePathFilter(filter),
    };
    // c2 speaks from an address that belongs to the other bridge's network.
    done(
        &mut kernel,
        vec![
            forward(),
            address("c2/eth0", "10.0.1.200/32"),
            Op::DeleteAddress {
                link: at("c2/eth0"),
                address: "10.0.0.2/24".parse().unwrap(),
            },
            Op::AddRoute {
                netns: netns("c2"),
                route: netparity_core::plan::Route {
                    to: "10.0.0.0/24".parse().unwrap(),
                    via: None,
                    link: Some(link("eth0")),
                    source: None,
                    kernel: false,
                },
            },
        ],
    );
    let probe = shot("c2", "10.0.0.1", Payload::Icmp);
    // It has to have the host's hardware address: a request for it would not be answered either.
    throw(&mut kernel, &probe);
    done(&mut kernel, vec![filter(ReversePathFilter::Strict)]);
    assert_eq!(drops(&mut kernel, &probe), on("host", DropCause::Source));
    assert_eq!(drops(&mut kernel, &probe), on("host", DropCause::Source));
    done(&mut kernel, vec![filter(ReversePathFilter::Loose)]);
    let trace = throw(&mut kernel, &probe);
    assert_eq!(trace.drops, []);
}

pub fn a_source_that_is_ones_own_is_named(access: &Access) {
    let mut kernel = one_bridge(access, 2);
    let probe = shot("c3", "10.0.0.2", Payload::Icmp);
    assert_eq!(throw(&mut kernel, &probe).verdict, Verdict::Reply);
    // Two have the same address from here on.
    done(&mut kernel, vec![address("c2/eth0", "10.0.0.3/24")]);
    assert_eq!(drops(&mut kernel, &probe), on("c2", DropCause::Source));
}

pub fn a_port_that_takes_less_is_named(access: &Access) {
    let mut kernel = one_bridge(access, 3);
    let narrow = |place| set(place, LinkChange::Mtu(1000));
    done(&mut kernel, vec![narrow("host/v3"), narrow("c3/eth0")]);
    let large = |to| Shot {
        size: Some(1400),
        dont_fragment: true,
        ..shot("c2", to, Payload::Icmp)
    };
    let dropped = drops(&mut kernel, &large("10.0.0.3"));
    assert_eq!(dropped, on("host", DropCause::TooLong(link("v3"))));
    assert_eq!(
        throw(&mut kernel, &large("10.0.0.4")).verdict,
        Verdict::Reply
    );
    // A rule is to blame where there is one.
    let rule = Rule::new(Target::Drop);
    done(
        &mut kernel,
        vec![Op::Rules(RuleOp::Append(FORWARD, rule.clone()))],
    );
    let dropped = drops(&mut kernel, &large("10.0.0.3"));
    assert_eq!(dropped, on("host", DropCause::Rule(FORWARD, rule)));
}

pub fn what_arrives_is_not_called_dropped(access: &Access) {
    let mut kernel = two_bridges(access);
    done(
        &mut kernel,
        vec![
            forward(),
            Op::Rules(RuleOp::Policy(FORWARD, Policy::Drop)),
            Op::Rules(RuleOp::Append(FORWARD, Rule::new(Target::Accept))),
        ],
    );
    for (from, to) in [("c2", "10.0.1.3"), ("host", "10.0.0.2"), ("c3", "10.0.0.1")] {
        let trace = throw(&mut kernel, &shot(from, to, Payload::Icmp));
        assert_eq!((trace.verdict, trace.drops), (Verdict::Reply, Vec::new()));
    }
}
