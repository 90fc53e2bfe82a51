//! What parity takes for equal, and what not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::{collections::BTreeMap, net::Ipv4Addr};

use netparity_core::{
    MacAddr,
    engine::Refusal,
    name::{LinkName, LinkRef, Netns},
    parity::{self, Difference, Facts},
    probe::{Payload, Shot, arp_reply, arp_request},
    snapshot::{ContainerState, Neighbour, NetnsState, Snapshot, Status},
    trace::{Capture, Direction, Sighting, Station, Tap, Trace},
    verdict::{Unreachable, Verdict},
};
use pnet::packet::{
    icmp, ipv4,
    tcp::{self, MutableTcpPacket, TcpFlags},
    udp::{self, MutableUdpPacket},
};

const WEB: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 2);
const DB: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 1);

fn tap(direction: Direction) -> Tap {
    Tap {
        link: LinkRef::new(Netns::Named("web".into()), LinkName::ETH0),
        direction,
    }
}

fn shot(payload: Payload) -> Shot {
    Shot {
        netns: Netns::Named("web".into()),
        to: DB,
        payload,
        source_port: 61_000,
        ttl: 64,
        size: None,
        dont_fragment: false,
    }
}

fn ipv4(source: Ipv4Addr, to: Ipv4Addr, protocol: u8, id: u16, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0];
    packet[2..4].copy_from_slice(&(20 + body.len() as u16).to_be_bytes());
    packet[4..6].copy_from_slice(&id.to_be_bytes());
    packet.extend(source.octets());
    packet.extend(to.octets());
    let sum = ipv4::checksum(&ipv4::Ipv4Packet::new(&packet).unwrap());
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(body);
    packet
}

fn frame(mac: u8, packet: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, mac, 2, 0, 0, 0, 0, mac ^ 1, 8, 0], packet].concat()
}

fn syn_ack(sequence: u32, flags: u8) -> Vec<u8> {
    let mut bytes = vec![0; 20];
    let mut segment = MutableTcpPacket::new(&mut bytes).unwrap();
    segment.set_source(6379);
    segment.set_destination(61_000);
    segment.set_sequence(sequence);
    segment.set_acknowledgement(netparity_core::probe::PROBE_SEQUENCE + 1);
    segment.set_data_offset(5);
    segment.set_flags(flags);
    segment.set_window(sequence as u16);
    segment.set_checksum(tcp::ipv4_checksum(&segment.to_immutable(), &DB, &WEB));
    bytes
}

/// A SYN and its answer; what differs between models is derived from `seed`.
fn handshake(seed: u8, flags: u8) -> Trace {
    let shot = shot(Payload::Tcp(6379));
    let question = ipv4(WEB, DB, 6, u16::from(seed), &shot.segment(WEB));
    let answer = ipv4(
        DB,
        WEB,
        6,
        u16::from(seed) * 7,
        &syn_ack(u32::from(seed) * 1000, flags),
    );
    let captures = vec![
        Capture {
            tap: tap(Direction::Out),
            frame: frame(seed, &question),
        },
        Capture {
            tap: tap(Direction::In),
            frame: frame(seed ^ 1, &answer),
        },
    ];
    let link = |name: &str| LinkRef::new(Netns::Named(name.into()), LinkName::ETH0);
    let station = |last: u8| Station(MacAddr::new(2, 0, 0, 0, 0, last));
    let stations = BTreeMap::from([
        (station(seed), link("db")),
        (station(seed ^ 1), link("web")),
    ]);
    Trace::judge(
        &shot,
        Sighting {
            captures,
            stations,
            ..Sighting::default()
        },
    )
}

const ANSWER: u8 = TcpFlags::SYN | TcpFlags::ACK;

#[test]
fn what_is_free_is_equal() {
    let (one, other) = (handshake(2, ANSWER), handshake(8, ANSWER));
    assert_ne!(one.captures, other.captures);
    assert_eq!(parity::traces(&one, &other), None);
    assert_eq!(
        parity::decoded(&one),
        [
            "web/eth0 out: web/eth0 > db/eth0: 172.17.0.2:61000 > 172.17.0.1:6379: TCP SYN seq 0, ttl 64, length 40",
            "web/eth0 in: db/eth0 > web/eth0: 172.17.0.1:6379 > 172.17.0.2:61000: TCP SYN,ACK seq 0 ack 1, ttl 64, length 40",
        ]
    );
}

/// A datagram from `port` that is masqueraded to be from `drawn`, and an error about it.
fn masqueraded(port: u16, drawn: u16) -> Trace {
    const HOST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
    let datagram = |source: Ipv4Addr, port: u16| {
        let mut bytes = vec![0; 8];
        let mut datagram = MutableUdpPacket::new(&mut bytes).unwrap();
        datagram.set_source(port);
        datagram.set_destination(53);
        datagram.set_length(8);
        datagram.set_checksum(udp::ipv4_checksum(&datagram.to_immutable(), &source, &DB));
        ipv4(source, DB, 17, 7, &bytes)
    };
    let (before, after) = (datagram(WEB, port), datagram(HOST, drawn));
    let frames = [
        frame(9, &before),
        frame(9, &after),
        icmp_error(3, 3, &after),
    ];
    let captures = frames.map(|frame| Capture {
        tap: tap(Direction::Out),
        frame,
    });
    let sighting = Sighting {
        captures: captures.into(),
        ..Sighting::default()
    };
    Trace::judge(&shot(Payload::Udp(53)), sighting)
}

#[test]
fn a_port_that_masquerading_draws_is_free_among_those_it_is_drawn_from() {
    let drawn = masqueraded(61_000, 2000);
    assert_eq!(parity::traces(&drawn, &masqueraded(61_000, 40_000)), None);
    let [_, out, error] = &parity::decoded(&drawn)[..] else {
        panic!("three frames");
    };
    assert!(out.contains("198.51.100.1:1024 > 172.17.0.1:53"), "{out}");
    assert!(error.contains("for [198.51.100.1:1024 >"), "{error}");
    assert!(!out.contains("wrong") && !error.contains("wrong"));
    // Not a client's, and none at all.
    assert!(parity::traces(&drawn, &masqueraded(61_000, 700)).is_some());
    assert!(parity::traces(&drawn, &masqueraded(61_000, 61_000)).is_some());
}

#[test]
fn every_other_byte_counts() {
    let one = handshake(2, ANSWER);
    let free = |at: usize| {
        // Hardware addresses that the stations explain, IPv4 identification and checksum; TCP
        // sequence, window and checksum.
        matches!(at, 18..20)
    };
    for at in 14..54 {
        let mut other = one.clone();
        other.captures[1].frame[at] ^= 0x10;
        let same = parity::traces(&one, &other).is_none();
        assert!(!same || free(at), "a change of byte {at} is not seen");
    }
}

#[test]
fn the_first_frame_that_differs_is_named() {
    let (one, mut other) = (handshake(2, ANSWER), handshake(8, ANSWER));
    other.captures.pop();
    let Some(Difference::Frames(found)) = parity::traces(&one, &other) else {
        panic!("no difference in frames")
    };
    assert_eq!((found.tap, found.index), (tap(Direction::In), 0));
    assert!(found.left.is_some() && found.right.is_none());

    let refused = handshake(8, TcpFlags::RST | TcpFlags::ACK);
    let Some(Difference::Verdict {
        left,
        right,
        frames,
        ..
    }) = parity::traces(&one, &refused)
    else {
        panic!("no difference in verdict")
    };
    assert_eq!((left, right), (Verdict::Open, Verdict::Refused));
    assert_eq!(frames.unwrap().tap, tap(Direction::In));
}

#[test]
fn the_names_of_veths_in_a_refusal_are_free() {
    let refusal = |text: &str| Err(Refusal::new(text).into());
    let differ = |one, other| parity::outcomes(&refusal(one), &refusal(other)).is_some();
    assert!(!differ(
        "adding vethc110002 to x",
        "adding veth0123abc to x"
    ));
    assert!(!differ(
        "vethc110002: vethc110002",
        "veth0123abc: veth0123abc"
    ));
    assert!(differ("adding vethc110002 to x", "adding veth0123abc to y"));
    assert!(differ("adding vethc110002 to x", "adding vethone to x"));
    assert!(differ("adding vethé110002", "adding veth1"));
}

#[test]
fn which_of_several_links_a_start_stumbles_over_is_free_and_whose_is_not() {
    let differ = |left: &str, right: &str| {
        let refused = |link: &str| {
            let text = format!("Cannot link to a non running container: {link}");
            Err(Refusal::new(text).into())
        };
        parity::outcomes(&refused(left), &refused(right)).is_some()
    };
    assert!(!differ("/db AS /web/db", "/db AS /web/redis"));
    assert!(!differ("/db AS /web/db", "/cache AS /web/cache"));
    assert!(differ("/db AS /web/db", "/db AS /site/db"));
    assert!(differ("/db AS /web/db", "/db"));
}

fn container(env: &[&str], hosts: &str) -> Snapshot {
    let container = ContainerState {
        id: String::new(),
        status: Status::Running,
        netns: None,
        hostname: "web".into(),
        env: env.iter().map(|it| (*it).to_owned()).collect(),
        hosts: hosts.into(),
    };
    Snapshot {
        netns: BTreeMap::from([(Netns::Host, NetnsState::default())]),
        containers: BTreeMap::from([("web".into(), container)]),
    }
}

#[test]
fn every_variable_and_every_byte_of_hosts_is_a_fact() {
    let one = container(&["A=1", "B=2"], "127.0.0.1\tlocalhost\n");
    let differs = |other: &Snapshot| parity::snapshots(&one, other).map(|it| it.to_string());
    let swapped = container(&["B=2", "A=1"], "127.0.0.1\tlocalhost\n");
    assert_eq!(differs(&swapped), None, "the order of variables is free");
    for (env, hosts, said) in [
        (
            &["A=1", "B=3"][..],
            "127.0.0.1\tlocalhost\n",
            "env: B: 2 | 3",
        ),
        (&["A=1"], "127.0.0.1\tlocalhost\n", "env: B: 2 | absent"),
        (
            &["A=1", "B=2", "B=2"],
            "127.0.0.1\tlocalhost\n",
            "env: B: 2 | 2, 2",
        ),
        (
            &["A=1", "B=2"],
            "127.0.0.1\tlocalhost",
            "hosts: line 002:  | absent",
        ),
        (
            &["A=1", "B=2"],
            "127.0.0.1 localhost\n",
            "hosts: line 001: 127.0.0.1\tlocalhost | 127.0.0.1 localhost",
        ),
        (
            &["A=1", "B=2"],
            "",
            "hosts: line 001: 127.0.0.1\tlocalhost | absent",
        ),
    ] {
        let found = differs(&container(env, hosts));
        assert_eq!(found, Some(format!("container web: {said}")));
    }
}

#[test]
fn the_order_of_links_in_hosts_is_free_and_no_other() {
    let hosts = |lines: &str| container(&[], lines);
    let (own, a, b) = (
        "10.0.0.9\tme\n",
        "10.0.0.2\ta id db\n",
        "10.0.0.1\tb id db\n",
    );
    let one = hosts(&[a, b, own].concat());
    let same = |lines: &[&str]| parity::snapshots(&one, &hosts(&lines.concat())).is_none();
    assert!(same(&[b, a, own]));
    assert!(!same(&[a, own, b]));
    assert!(!same(&[own, a, b]));
    assert!(!same(&[a, a, own]));

    // By its own name a link has no name behind the hostname.
    let (own, short) = ("10.0.0.9\tme.example me\n", "10.0.0.2\tdb id\n");
    let one = hosts(&[short, b, own].concat());
    let same = |lines: &[&str]| parity::snapshots(&one, &hosts(&lines.concat())).is_none();
    assert!(same(&[b, short, own]));
    assert!(!same(&[short, own, b]));
}

#[test]
fn what_docker_drew_for_a_bridge_that_is_gone_is_free_and_no_other_address() {
    let remembers = |mac: [u8; 6]| {
        let gateway = Neighbour {
            link: LinkName::ETH0,
            address: DB,
        };
        let state = NetnsState {
            neighbours: BTreeMap::from([(gateway, MacAddr::from(mac))]),
            ..NetnsState::default()
        };
        Snapshot {
            netns: BTreeMap::from([(Netns::Named("web".into()), state)]),
            ..Snapshot::default()
        }
    };
    let drawn = remembers([2, 0x42, 0xfd, 0x90, 5, 0x77]);
    let again = remembers([2, 0x42, 0x6e, 0x70, 0, 1]);
    assert_eq!(parity::snapshots(&drawn, &again), None);
    for other in [[2, 0x42, 172, 17, 0, 1], [2, 0, 0xfd, 0x90, 5, 0x77]] {
        assert!(parity::snapshots(&drawn, &remembers(other)).is_some());
    }
}

#[test]
fn facts_follow_from_those_before_and_what_has_changed() {
    let before = Facts::of(&container(&["A=1", "B=2"], "one\ntwo\n"));
    let after = Facts::of(&container(&["A=1", "C=2"], "one\nthree\nfour\n"));
    let mut facts = before.clone();
    let changes: Vec<_> = before.changes(&after).collect();
    assert_eq!(changes.len(), 5, "{changes:?}");
    for (place, value) in changes {
        facts.set(place.to_owned(), value.map(str::to_owned));
    }
    assert_eq!(facts, after);
    assert_eq!(facts.difference(&after), None);
}

fn verdict(payload: Payload, answer: Vec<u8>) -> Verdict {
    let captures = vec![Capture {
        tap: tap(Direction::In),
        frame: answer,
    }];
    Trace::judge(
        &shot(payload),
        Sighting {
            captures,
            ..Sighting::default()
        },
    )
    .verdict
}

fn icmp_error(kind: u8, code: u8, about: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
    message.extend(&about[..28]);
    let sum = icmp::checksum(&icmp::IcmpPacket::new(&message).unwrap());
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    frame(2, &ipv4(Ipv4Addr::new(172, 17, 42, 1), WEB, 1, 9, &message))
}

#[test]
fn icmp_errors_are_verdicts_about_the_packet_they_quote() {
    let ours = ipv4(WEB, DB, 17, 1, &shot(Payload::Udp(53)).segment(WEB));
    for (kind, code, expected) in [
        (3, 0, Verdict::Unreachable(Unreachable::Net)),
        (3, 1, Verdict::Unreachable(Unreachable::Host)),
        (3, 3, Verdict::Unreachable(Unreachable::Port)),
        (3, 4, Verdict::Unreachable(Unreachable::FragNeeded)),
        (3, 13, Verdict::Unreachable(Unreachable::Prohibited)),
        (11, 0, Verdict::TtlExceeded),
    ] {
        assert_eq!(
            verdict(Payload::Udp(53), icmp_error(kind, code, &ours)),
            expected
        );
        assert_eq!(
            verdict(Payload::Udp(54), icmp_error(kind, code, &ours)),
            Verdict::Dropped,
            "another port"
        );
        assert_eq!(
            verdict(Payload::Tcp(53), icmp_error(kind, code, &ours)),
            Verdict::Dropped,
            "another protocol"
        );
    }
}

#[test]
fn only_the_right_answer_counts() {
    let echo = |id: u16, kind: u8| {
        let mut message = shot(Payload::Icmp).segment(WEB);
        message[0] = kind;
        message[4..6].copy_from_slice(&id.to_be_bytes());
        frame(2, &ipv4(DB, WEB, 1, 1, &message))
    };
    assert_eq!(verdict(Payload::Icmp, echo(61_000, 0)), Verdict::Reply);
    assert_eq!(verdict(Payload::Icmp, echo(61_001, 0)), Verdict::Dropped);
    assert_eq!(
        verdict(Payload::Icmp, echo(61_000, 8)),
        Verdict::Dropped,
        "a request is no reply"
    );
    let (here, there) = (
        MacAddr::new(2, 0, 0, 0, 0, 2),
        MacAddr::new(2, 0, 0, 0, 0, 3),
    );
    assert_eq!(
        verdict(Payload::Arp, arp_reply((there, DB), (here, WEB))),
        Verdict::Reply
    );
    assert_eq!(
        verdict(Payload::Arp, arp_reply((there, WEB), (here, DB))),
        Verdict::Dropped
    );
    assert_eq!(
        verdict(Payload::Arp, arp_request(there, DB, WEB)),
        Verdict::Dropped
    );
}
