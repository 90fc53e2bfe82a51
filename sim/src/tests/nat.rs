use netparity_core::{
    plan::LinkChange,
    probe::{Payload, Shot},
    rules::{ChainName, ChainRef, Field, Rule, Target},
};

use super::net::{Net, append, listen, name, net, set, shot};

const POSTROUTING: ChainRef = ChainRef::nat(ChainName::Postrouting);

/// What leaves br0's network for elsewhere is masqueraded, as Docker does it.
fn masqueraded() -> Net {
    let mut home = Net::home();
    let rule = Rule::new(Target::Masquerade)
        .when(Field::Source(net("10.0.0.0/24")))
        .unless(Field::Out(name("br0")));
    home.run(vec![
        listen("c", "80/tcp"),
        listen("c", "53/udp"),
        append(POSTROUTING, rule),
    ]);
    home
}

fn arriving(home: &mut Net, probe: &Shot) -> String {
    let frames = home.at("c/eth0 in", probe);
    let packet = frames.iter().find(|it| !it.contains("ARP"));
    packet.cloned().unwrap_or_default()
}

#[test]
fn a_connection_goes_out_as_the_hosts_and_its_answers_come_back() {
    let mut home = masqueraded();
    for (payload, verdict) in [
        (Payload::Tcp(80), "open"),
        (Payload::Tcp(81), "refused"),
        (Payload::Udp(53), "reply"),
        (Payload::Icmp, "reply"),
    ] {
        let probe = shot("a", "10.1.0.2", payload);
        let packet = arriving(&mut home, &probe);
        assert!(packet.contains("10.1.0.1"), "{packet}");
        assert!(!packet.contains("wrong"), "{packet}");
        assert_eq!(home.verdict(&probe), verdict);
    }
}

#[test]
fn the_port_stays_what_it_is_unless_it_is_taken() {
    let mut home = masqueraded();
    let first = arriving(&mut home, &shot("a", "10.1.0.2", Payload::Udp(53)));
    let second = arriving(&mut home, &shot("b", "10.1.0.2", Payload::Udp(53)));
    assert!(first.contains("10.1.0.1:61000 >"), "{first}");
    assert!(
        second.contains("10.1.0.1:") && !second.contains(":61000 >"),
        "{second}"
    );
    let verdict = home.verdict(&shot("b", "10.1.0.2", Payload::Udp(53)));
    assert_eq!(verdict, "reply");
}

#[test]
fn a_port_that_is_taken_makes_way_for_one_of_its_kind() {
    let mut home = masqueraded();
    for (port, other) in [(53, "1"), (700, "600"), (61_000, "1024")] {
        let mut taken = |from| {
            let mut probe = shot(from, "10.1.0.2", Payload::Udp(53));
            probe.source_port = port;
            arriving(&mut home, &probe)
        };
        let (first, second) = (taken("a"), taken("b"));
        assert!(first.contains(&format!("10.1.0.1:{port} >")), "{first}");
        assert!(second.contains(&format!("10.1.0.1:{other} >")), "{second}");
    }
}

#[test]
fn an_error_about_it_is_translated_with_what_it_quotes() {
    let mut home = masqueraded();
    let probe = shot("a", "10.1.0.2", Payload::Udp(9));
    let told = home.at("a/eth0 in", &probe);
    let expected =
        "10.1.0.2 > 10.0.0.2: ICMP port unreachable for [10.0.0.2:61000 > 10.1.0.2:9: UDP";
    let last = told.last().unwrap();
    assert!(last.contains(expected) && !last.contains("wrong"), "{last}");
}

#[test]
fn an_error_of_the_hosts_own_finds_its_way_back_too() {
    let mut home = masqueraded();
    let probe = shot("a", "10.1.0.99", Payload::Tcp(80));
    let told = home.at("a/eth0 in", &probe);
    let last = told.last().unwrap();
    let expected = "10.1.0.1 > 10.0.0.2: ICMP host unreachable for [10.0.0.2:61000 > 10.1.0.99:80";
    assert!(last.contains(expected), "{last}");
}

#[test]
fn what_stays_on_the_bridge_keeps_its_source() {
    let mut home = masqueraded();
    let frames = home.at("b/eth0 in", &shot("a", "10.0.0.3", Payload::Icmp));
    assert!(
        frames.last().unwrap().contains("10.0.0.2 > 10.0.0.3"),
        "{frames:?}"
    );
}

#[test]
fn a_link_without_an_address_takes_one_from_another() {
    let mut home = masqueraded();
    let delete = netparity_core::plan::Op::DeleteAddress {
        link: super::net::link("host/vc"),
        address: net("10.1.0.1/24"),
    };
    home.run(vec![
        delete,
        super::net::add_route("host", "10.1.0.0/24 dev vc"),
    ]);
    let packet = arriving(&mut home, &shot("a", "10.1.0.2", Payload::Icmp));
    assert!(packet.contains("10.0.0.1 > 10.1.0.2"), "{packet}");
}

#[test]
fn fragments_are_translated_as_one_packet() {
    let mut home = masqueraded();
    home.run(vec![
        set("host/vc", LinkChange::Mtu(1200)),
        set("c/eth0", LinkChange::Mtu(1200)),
    ]);
    let mut probe = shot("a", "10.1.0.2", Payload::Udp(53));
    probe.size = Some(3000);
    let frames = home.at("c/eth0 in", &probe);
    let sources = frames.iter().filter(|it| it.contains("10.1.0.1"));
    assert!(sources.count() >= 3, "{frames:?}");
    assert_eq!(home.verdict(&probe), "reply");
}
