//! Probes: what arrives, what is seen of it, and when it is over.

use netparity_core::{
    model::Dataplane,
    parity,
    plan::{LinkChange, Op, RuleOp, VethEnd},
    port::Protocol,
    probe::{Payload, Shot},
    rules::{ChainName, ChainRef, Field, Rule, Target},
    trace::Direction::{In, Out},
    verdict::{Unreachable, Verdict},
};
use netparity_kernel::{Access, Kernel};

use crate::network::*;

pub fn endpoints_on_a_bridge_reach_each_other(access: &Access) {
    let mut kernel = one_bridge(access, 3);
    done(
        &mut kernel,
        vec![listen("c3", tcp(80)), listen("c3", udp(53))],
    );
    for (from, to) in [("c2", "10.0.0.3"), ("host", "10.0.0.3"), ("c3", "10.0.0.3")] {
        let mut ask = |payload| verdict(&mut kernel, from, to, payload);
        assert_eq!(ask(Payload::Tcp(80)), Verdict::Open);
        assert_eq!(ask(Payload::Tcp(81)), Verdict::Refused);
        assert_eq!(ask(Payload::Udp(53)), Verdict::Reply);
        let nobody = Verdict::Unreachable(Unreachable::Port);
        assert_eq!(ask(Payload::Udp(54)), nobody);
        assert_eq!(ask(Payload::Icmp), Verdict::Reply);
    }
    assert_eq!(
        verdict(&mut kernel, "c2", "10.0.0.3", Payload::Arp),
        Verdict::Reply
    );
    assert_eq!(
        verdict(&mut kernel, "host", "10.0.0.3", Payload::Arp),
        Verdict::Reply
    );
    assert_eq!(
        verdict(&mut kernel, "c2", "10.0.0.1", Payload::Icmp),
        Verdict::Reply
    );
}

pub fn a_verdict_alone_is_that_of_the_trace(access: &Access) {
    let mut kernel = one_bridge(access, 2);
    let dropping = Rule::new(Target::Drop)
        .when(Field::Protocol(Protocol::Tcp))
        .when(Field::DestinationPort(99));
    let input = ChainRef::filter(ChainName::Input);
    let rule = Op::Rules(RuleOp::Append(input, dropping));
    let servers = [listen("c3", tcp(80)), listen("c3", udp(53))];
    done(&mut kernel, servers.into_iter().chain([rule]).collect());
    let shots = [
        ("c2", "10.0.0.3", Payload::Tcp(80), Verdict::Open),
        ("c2", "10.0.0.3", Payload::Tcp(81), Verdict::Refused),
        ("c2", "10.0.0.3", Payload::Udp(53), Verdict::Reply),
        ("c2", "10.0.0.1", Payload::Tcp(99), Verdict::Dropped),
        ("c2", "10.0.0.3", Payload::Arp, Verdict::Reply),
        ("host", "10.0.0.3", Payload::Icmp, Verdict::Reply),
        (
            "c2",
            "10.0.0.99",
            Payload::Tcp(80),
            Verdict::Unreachable(Unreachable::Host),
        ),
        ("c2", "192.0.2.1", Payload::Icmp, Verdict::Dropped),
        ("host", "192.0.2.1", Payload::Icmp, Verdict::NoRoute),
    ];
    for (from, to, payload, expected) in shots {
        for _ in 0..3 {
            let alone = kernel.verdict(&shot(from, to, payload)).unwrap();
            assert_eq!(alone, expected, "{from} to {to}");
        }
        // What became of those belongs to no other.
        let open = throw(&mut kernel, &shot("c2", "10.0.0.3", Payload::Tcp(80)));
        assert_eq!((open.verdict, &open.drops), (Verdict::Open, &vec![]));
        assert_eq!(seen(&open, "c3/eth0", In).len(), 2);
        assert_eq!(verdict(&mut kernel, from, to, payload), expected);
    }
}

pub fn the_first_broadcast_on_a_fresh_bridge_reaches_every_port(access: &Access) {
    for _ in 0..200 {
        let mut kernel = one_bridge(access, 4);
        let trace = throw(&mut kernel, &shot("c2", "10.0.0.5", Payload::Arp));
        assert_eq!(trace.verdict, Verdict::Reply);
        for other in ["c3/eth0", "c4/eth0", "c5/eth0", "host/br0"] {
            assert_eq!(seen(&trace, other, In).len(), 1, "{other}");
        }
    }
}

pub fn a_neighbour_that_does_not_answer_is_given_up(access: &Access) {
    let mut kernel = one_bridge(access, 2);
    for _ in 0..2 {
        let trace = throw(&mut kernel, &shot("c2", "10.0.0.99", Payload::Tcp(80)));
        assert_eq!(trace.verdict, Verdict::Unreachable(Unreachable::Host));
        let request =
            "c2/eth0 > broadcast: ARP who has 10.0.0.99 (nobody), tell 10.0.0.2 (c2/eth0)";
        assert_eq!(seen(&trace, "c2/eth0", Out), [request]);
        assert_eq!(seen(&trace, "c3/eth0", In), [request]);
        // Its own stack tells it so.
        assert_eq!(seen(&trace, "c2/lo", In).len(), 1);
    }
}

pub fn a_router_says_that_a_host_does_not_answer(access: &Access) {
    let mut kernel = two_bridges(access);
    done(&mut kernel, vec![forward()]);
    let trace = throw(&mut kernel, &shot("c2", "10.0.1.99", Payload::Udp(53)));
    assert_eq!(trace.verdict, Verdict::Unreachable(Unreachable::Host));
    let said = seen(&trace, "c2/eth0", In).pop().unwrap();
    assert!(
        said.contains("10.0.0.1 > 10.0.0.2: ICMP host unreachable"),
        "{said}"
    );
}

pub fn loopback_is_seen_both_ways_and_with_whole_checksums(access: &Access) {
    let mut kernel = one_bridge(access, 1);
    done(
        &mut kernel,
        vec![listen("c2", udp(53)), listen("c2", tcp(80))],
    );
    for to in ["127.0.0.1", "10.0.0.2"] {
        // The answer to the datagram, too, is refused, and quoted by what refuses it; the larger
        // one not as a whole.
        for size in [None, Some(1000)] {
            let probe = Shot {
                size,
                ..shot("c2", to, Payload::Udp(53))
            };
            let trace = throw(&mut kernel, &probe);
            assert_eq!(trace.verdict, Verdict::Reply);
            assert_eq!(seen(&trace, "c2/lo", Out), seen(&trace, "c2/lo", In));
            let frames: Vec<_> = trace.captures.iter().map(|it| &it.frame).collect();
            assert_eq!(frames.len(), 6);
            let (answer, error) = (frames[2], frames[4]);
            // Behind Ethernet and IPv4; and in the error behind those, ICMP's header and IPv4 again.
            assert_eq!(answer[14 + 20..][..8], error[14 + 20 + 8 + 20..][..8]);
        }
        assert_eq!(
            verdict(&mut kernel, "c2", to, Payload::Tcp(80)),
            Verdict::Open
        );
    }
}

pub fn a_datagram_is_answered_from_where_it_was_sent(access: &Access) {
    let mut kernel = one_bridge(access, 2);
    done(
        &mut kernel,
        vec![
            address("c3/eth0", "10.0.0.77/24"),
            address("c3/eth0", "172.31.0.1/32"),
            add_route("c2", "172.31.0.1/32", "10.0.0.3"),
            listen("c3", udp(53)),
        ],
    );
    for to in ["10.0.0.3", "10.0.0.77", "172.31.0.1"] {
        assert_eq!(
            verdict(&mut kernel, "c2", to, Payload::Udp(53)),
            Verdict::Reply
        );
    }
}

pub fn what_is_too_large_is_fragmented_or_refused(access: &Access) {
    let mut kernel = Kernel::new(access).unwrap();
    let narrow = |end: VethEnd| VethEnd {
        mtu: Some(1000),
        ..end
    };
    let mut ops = bridge("br0", "10.0.0.1/24");
    ops.extend(endpoint(0, 2));
    ops.extend([
        forward(),
        Op::AddNetns(netns("far")),
        Op::AddVeth {
            near: narrow(end("host/far", 0x7001)),
            far: narrow(end("far/eth0", 0x7002)),
        },
        address("host/far", "10.9.0.1/24"),
        address("far/eth0", "10.9.0.2/24"),
        add_route("far", "0.0.0.0/0", "10.9.0.1"),
    ]);
    done(&mut kernel, ops);
    let large = |from, to, dont_fragment| Shot {
        size: Some(1400),
        dont_fragment,
        ..shot(from, to, Payload::Icmp)
    };
    let trace = throw(&mut kernel, &large("c2", "10.9.0.2", false));
    assert_eq!(trace.verdict, Verdict::Reply);
    assert_eq!(
        seen(&trace, "far/eth0", In)
            .iter()
            .filter(|line| line.contains("fragment"))
            .count(),
        2
    );
    let trace = throw(&mut kernel, &large("c2", "10.9.0.2", true));
    assert_eq!(trace.verdict, Verdict::Unreachable(Unreachable::FragNeeded));
    assert!(
        seen(&trace, "c2/eth0", In)
            .iter()
            .any(|line| line.contains("fragmentation needed, mtu 1000"))
    );
    // The sender's own link is too narrow: nothing leaves.
    let trace = throw(&mut kernel, &large("host", "10.9.0.2", true));
    assert_eq!(trace.verdict, Verdict::Unreachable(Unreachable::FragNeeded));
    assert!(trace.captures.is_empty());
}

/// The kernel writes new headers over those of fragments that it has put together and passes on.
pub fn fragments_are_seen_as_they_pass(access: &Access) {
    let mut kernel = one_bridge(access, 1);
    let track = Rule::new(Target::Accept).when(Field::Established);
    let track = RuleOp::Append(ChainRef::filter(ChainName::Forward), track);
    done(
        &mut kernel,
        vec![
            forward(),
            Op::Rules(track),
            Op::AddNetns(netns("far")),
            Op::AddVeth {
                near: end("host/far", 0x7001),
                far: end("far/eth0", 0x7002),
            },
            address("host/far", "10.9.0.1/24"),
            address("far/eth0", "10.9.0.2/24"),
            add_route("far", "0.0.0.0/0", "10.9.0.1"),
        ],
    );
    for size in [4000, 60_000] {
        let probe = Shot {
            size: Some(size),
            ..shot("c2", "10.9.0.2", Payload::Icmp)
        };
        let trace = throw(&mut kernel, &probe);
        assert_eq!(trace.verdict, Verdict::Reply);
        let fragments = |place, direction, from| {
            let lines = seen(&trace, place, direction).into_iter();
            let parts: Vec<_> = lines.filter(|line| line.contains("fragment")).collect();
            assert_eq!(
                parts.len(),
                usize::from(size - 20).div_ceil(1480),
                "{place}"
            );
            for part in parts {
                assert!(part.starts_with(from), "{place}: {part}");
            }
        };
        fragments("c2/eth0", Out, "c2/eth0 > host/br0: 10.0.0.2 > 10.9.0.2");
        fragments("far/eth0", In, "host/far > far/eth0: 10.0.0.2 > 10.9.0.2");
        fragments("far/eth0", Out, "far/eth0 > host/far: 10.9.0.2 > 10.0.0.2");
        fragments("host/far", In, "far/eth0 > host/far: 10.9.0.2 > 10.0.0.2");
        fragments("c2/eth0", In, "host/br0 > c2/eth0: 10.9.0.2 > 10.0.0.2");
        // Whole where it has been put together.
        let whole = format!("length {size}");
        let inside = seen(&trace, "host/br0", In);
        assert!(inside.iter().any(|line| line.contains(&whole)));
    }
}

pub fn time_to_live_runs_out(access: &Access) {
    let mut kernel = two_bridges(access);
    done(&mut kernel, vec![forward()]);
    let probe = Shot {
        ttl: 1,
        ..shot("c2", "10.0.1.3", Payload::Tcp(80))
    };
    assert_eq!(throw(&mut kernel, &probe).verdict, Verdict::TtlExceeded);
    // As often as it happens: there is no limit on how often the router says so.
    for _ in 0..50 {
        assert_eq!(throw(&mut kernel, &probe).verdict, Verdict::TtlExceeded);
    }
}

pub fn a_probe_without_a_route_is_not_sent(access: &Access) {
    let mut kernel = one_bridge(access, 1);
    done(&mut kernel, vec![Op::AddNetns(netns("lonely"))]);
    for payload in [
        Payload::Tcp(80),
        Payload::Udp(80),
        Payload::Icmp,
        Payload::Arp,
    ] {
        let trace = throw(&mut kernel, &shot("lonely", "10.0.0.2", payload));
        assert_eq!(trace.verdict, Verdict::NoRoute);
        assert!(trace.captures.is_empty());
    }
    done(&mut kernel, vec![set("c2/eth0", LinkChange::Up(false))]);
    assert_eq!(
        verdict(&mut kernel, "c2", "10.0.0.1", Payload::Icmp),
        Verdict::NoRoute
    );
}

pub fn the_same_probe_leaves_the_same_trace(access: &Access) {
    let decoded = |kernel: &mut Kernel| -> Vec<Vec<String>> {
        let kinds = [
            Payload::Tcp(80),
            Payload::Tcp(81),
            Payload::Udp(53),
            Payload::Udp(54),
            Payload::Icmp,
            Payload::Arp,
        ];
        let twice = kinds.iter().chain(&kinds);
        twice
            .map(|kind| parity::decoded(&throw(kernel, &shot("c2", "10.0.0.3", *kind))))
            .collect()
    };
    let servers = || vec![listen("c3", tcp(80)), listen("c3", udp(53))];
    let mut first = one_bridge(access, 5);
    done(&mut first, servers());
    let expected = decoded(&mut first);
    for _ in 0..20 {
        let mut kernel = one_bridge(access, 5);
        done(&mut kernel, servers());
        assert_eq!(decoded(&mut kernel), expected);
    }
}

pub fn nothing_but_the_probe_is_seen(access: &Access) {
    let mut kernel = one_bridge(access, 3);
    for _ in 0..500 {
        let trace = throw(&mut kernel, &shot("c2", "10.0.0.3", Payload::Icmp));
        for line in parity::decoded(&trace) {
            assert!(line.contains("ICMP echo") || line.contains("ARP"), "{line}");
        }
    }
}

pub fn masquerading_is_seen_on_both_sides(access: &Access) {
    let mut kernel = two_bridges(access);
    let rule = Rule::new(Target::Masquerade)
        .when(Field::Source("10.0.0.0/24".parse().unwrap()))
        .unless(Field::Out(link("br0")));
    let masquerade = RuleOp::Append(ChainRef::nat(ChainName::Postrouting), rule);
    done(
        &mut kernel,
        vec![forward(), Op::Rules(masquerade), listen("c3", tcp(80))],
    );
    let trace = throw(&mut kernel, &shot("c2", "10.0.1.3", Payload::Tcp(80)));
    assert_eq!(trace.verdict, Verdict::Open);
    let syn = |line: &String| line.contains("TCP SYN seq");
    let inside = seen(&trace, "c2/eth0", Out).into_iter().find(syn).unwrap();
    let outside = seen(&trace, "c3/eth0", In).into_iter().find(syn).unwrap();
    assert!(inside.contains("10.0.0.2:61000 > 10.0.1.3:80"), "{inside}");
    assert!(
        outside.contains("10.0.1.1:61000 > 10.0.1.3:80"),
        "{outside}"
    );
}

pub fn a_connection_is_forgotten_with_either_end(access: &Access) {
    let forward = ChainRef::filter(ChainName::Forward);
    let rule = |field| Rule::new(Target::Accept).when(field);
    let first = rule(Field::Protocol(Protocol::Udp));
    let append = |rule| Op::Rules(RuleOp::Append(forward, rule));
    for (address, forgets) in [("10.0.0.2", true), ("10.0.0.3", true), ("10.0.0.4", false)] {
        let mut kernel = one_bridge(access, 3);
        done(
            &mut kernel,
            vec![
                append(rule(Field::Established)),
                append(first.clone()),
                append(Rule::new(Target::Drop)),
                listen("c3", udp(53)),
            ],
        );
        let ask = |kernel: &mut Kernel| verdict(kernel, "c2", "10.0.0.3", Payload::Udp(53));
        assert_eq!(ask(&mut kernel), Verdict::Reply);
        let close = Op::Rules(RuleOp::Delete(forward, first.clone()));
        done(&mut kernel, vec![close]);
        assert_eq!(ask(&mut kernel), Verdict::Reply, "it goes on");
        let forget = Op::ForgetConnections(ip(address));
        refused(
            &mut kernel,
            vec![forget.clone(), Op::DeleteNetns(netns("nobody"))],
        );
        assert_eq!(ask(&mut kernel), Verdict::Reply, "a plan that was refused");
        done(&mut kernel, vec![forget]);
        let expected = if forgets {
            Verdict::Dropped
        } else {
            Verdict::Reply
        };
        assert_eq!(ask(&mut kernel), expected, "{address}");
    }
}
