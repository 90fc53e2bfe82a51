use netparity_core::{errno::Errno, probe::Payload};

use super::net::{Net, listen, shot};

/// What answers, without its addresses.
fn answers(net: &mut Net, probe: &netparity_core::probe::Shot) -> Vec<String> {
    let frames = net.at("b/eth0 out", probe);
    let packets = frames.iter().filter(|it| !it.contains("ARP"));
    packets
        .map(|it| it.split_once(": ").unwrap().1.to_owned())
        .collect()
}

#[test]
fn a_syn_to_a_listener_is_acknowledged_with_the_links_segment_size() {
    let mut net = Net::home();
    net.run(vec![listen("b", "80/tcp")]);
    let probe = shot("a", "10.0.0.3", Payload::Tcp(80));
    assert_eq!(
        answers(&mut net, &probe),
        ["10.0.0.3:80 > 10.0.0.2:61000: TCP SYN,ACK seq 0 ack 1 mss 1460, ttl 64, length 44, DF"]
    );
    assert_eq!(net.verdict(&probe), "open");
}

#[test]
fn the_sender_resets_what_its_stack_knows_nothing_of() {
    let mut net = Net::home();
    net.run(vec![listen("b", "80/tcp")]);
    let sent = net.at("a/eth0 out", &shot("a", "10.0.0.3", Payload::Tcp(80)));
    let last = sent.last().unwrap();
    assert!(
        last.ends_with("TCP RST seq 1, ttl 64, length 40, DF"),
        "{last}"
    );
}

#[test]
fn a_reset_acknowledges_what_the_syn_carried() {
    let mut net = Net::home();
    let mut probe = shot("a", "10.0.0.3", Payload::Tcp(81));
    probe.size = Some(140);
    assert_eq!(
        answers(&mut net, &probe),
        ["10.0.0.3:81 > 10.0.0.2:61000: TCP RST,ACK seq 0 ack 101, ttl 64, length 40, DF"]
    );
    assert_eq!(net.verdict(&probe), "refused");
}

#[test]
fn a_datagram_comes_back_from_a_listener_and_its_answer_is_refused() {
    let mut net = Net::home();
    net.run(vec![listen("b", "53/udp")]);
    let probe = shot("a", "10.0.0.3", Payload::Udp(53));
    let expected = ["10.0.0.3:53 > 10.0.0.2:61000: UDP, 8 bytes, ttl 64, length 28, DF"];
    assert_eq!(answers(&mut net, &probe), expected);
    let sent = net.at("a/eth0 out", &probe);
    assert!(
        sent.last().unwrap().contains("ICMP port unreachable for"),
        "{sent:?}"
    );
    assert_eq!(net.verdict(&probe), "reply");
}

#[test]
fn an_error_quotes_as_much_as_fits_in_576_bytes() {
    let mut net = Net::home();
    let mut probe = shot("a", "10.0.0.3", Payload::Udp(54));
    assert_eq!(net.verdict(&probe), "unreachable:port");
    for (size, error) in [(28, 56), (548, 576), (1000, 576)] {
        probe.size = Some(size);
        let answer = answers(&mut net, &probe).remove(0);
        let expected = format!("ttl 64, length {error}, tos 0xc0");
        assert!(answer.ends_with(&expected), "{answer}");
    }
}

#[test]
fn an_echo_brings_back_what_was_sent() {
    let mut net = Net::home();
    let mut probe = shot("a", "10.0.0.3", Payload::Icmp);
    probe.size = Some(777);
    let seen = net.throw(&probe);
    let frames = seen.captures.iter().filter(|it| it.frame.len() == 777 + 14);
    let bodies: Vec<&[u8]> = frames.map(|it| &it.frame[14 + 20 + 4..]).collect();
    assert!(bodies.len() > 2 && bodies.windows(2).all(|two| two[0] == two[1]));
}

#[test]
fn a_syn_sent_again_is_answered_again_once() {
    let mut net = Net::home();
    net.run(vec![listen("b", "80/tcp")]);
    let mut probe = shot("a", "10.0.0.3", Payload::Tcp(80));
    probe.ttl = 1;
    // Nothing resets the connection, because the SYN-ACK does not get through.
    let drop = netparity_core::rules::Rule::new(netparity_core::rules::Target::Drop).when(
        netparity_core::rules::Field::Source(super::net::net("10.0.0.3/32")),
    );
    net.run(vec![super::net::append(super::rules::FORWARD, drop)]);
    let counts = [(); 3].map(|()| answers(&mut net, &probe).len());
    assert_eq!(counts, [1, 1, 0]);
}

#[test]
fn servers_of_one_port_exclude_each_other_by_protocol() {
    let mut net = Net::home();
    net.run(vec![
        listen("b", "80/tcp"),
        listen("b", "80/udp"),
        listen("a", "80/tcp"),
    ]);
    assert_eq!(net.refused(vec![listen("b", "80/tcp")]), Errno::EADDRINUSE);
    assert_eq!(net.refused(vec![listen("b", "80/sctp")]), Errno::EOPNOTSUPP);
    let close = |port: &str| netparity_core::plan::Op::Unlisten {
        netns: super::net::netns("b"),
        port: port.parse().unwrap(),
    };
    assert_eq!(net.refused(vec![close("81/tcp")]), Errno::ENOENT);
    net.run(vec![close("80/tcp"), listen("b", "80/tcp")]);
}

#[test]
fn a_broadcast_reaches_every_server_and_no_echo_or_error_comes_back() {
    let mut net = Net::home();
    net.run(vec![listen("b", "53/udp"), listen("host", "53/udp")]);
    let received = net.at("a/eth0 in", &shot("a", "10.0.0.255", Payload::Udp(53)));
    let from = |source: &str| {
        received
            .iter()
            .any(|it| it.contains(&format!("{source}:53 >")))
    };
    assert!(from("10.0.0.1") && from("10.0.0.3"), "{received:?}");
    assert_eq!(
        net.verdict(&shot("a", "10.0.0.255", Payload::Icmp)),
        "dropped"
    );
    assert_eq!(
        net.verdict(&shot("a", "10.0.0.255", Payload::Udp(9))),
        "dropped"
    );
}

#[test]
fn what_is_sent_to_oneself_goes_over_lo() {
    let mut net = Net::home();
    for to in ["127.0.0.1", "127.0.0.9", "10.0.0.2"] {
        let frames = net.frames(&shot("a", to, Payload::Icmp));
        assert_eq!(frames.len(), 4);
        assert!(
            frames.iter().all(|it| it.starts_with("a/lo ")),
            "{frames:?}"
        );
    }
}
