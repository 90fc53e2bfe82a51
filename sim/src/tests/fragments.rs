use netparity_core::{
    plan::LinkChange,
    probe::Payload,
    rules::{Field, Rule, Target},
};

use super::{
    net::{Net, append, listen, name, set, shot},
    rules::FORWARD,
};

#[test]
fn a_long_echo_comes_and_goes_in_fragments() {
    let mut net = Net::home();
    let mut probe = shot("a", "10.0.0.3", Payload::Icmp);
    probe.size = Some(4000);
    let out = net.at("a/eth0 out", &probe);
    let lengths: Vec<bool> = ["length 1500", "length 1500", "length 1040"]
        .iter()
        .zip(&out[1..])
        .map(|(length, line)| line.contains(length))
        .collect();
    assert_eq!(lengths, [true; 3], "{out:?}");
    assert_eq!(net.verdict(&probe), "reply");
}

#[test]
fn without_tracking_a_bridge_passes_fragments_as_they_are() {
    let mut net = Net::home();
    net.run(vec![listen("b", "53/udp")]);
    let mut probe = shot("a", "10.0.0.3", Payload::Udp(53));
    probe.size = Some(3000);
    let (before, after) = (net.at("host/va in", &probe), net.at("host/vb out", &probe));
    assert_eq!(before[before.len() - 4..], after[after.len() - 4..]);
    assert_eq!(net.verdict(&probe), "reply");
}

#[test]
fn with_tracking_rules_see_the_whole_and_the_port_sees_the_fragments_again() {
    let mut net = Net::home();
    let on_port = Rule::new(Target::Drop)
        .when(Field::Protocol(netparity_core::port::Protocol::Udp))
        .when(Field::DestinationPort(9));
    let tracked = Rule::new(Target::Accept)
        .when(Field::In(name("br0")))
        .when(Field::Established);
    net.run(vec![
        listen("b", "53/udp"),
        append(FORWARD, tracked),
        append(FORWARD, on_port),
    ]);
    let mut probe = shot("a", "10.0.0.3", Payload::Udp(53));
    probe.size = Some(3000);
    let out = net.at("host/vb out", &probe);
    assert!(out[1].contains("length 1500, fragment 1@0+"), "{out:?}");
    assert!(out[3].contains("length 40, fragment 1@2960"), "{out:?}");
    assert_eq!(net.verdict(&probe), "reply");
    // A rule on a port takes all fragments of what it takes.
    probe.payload = Payload::Udp(9);
    let trace = net.throw(&probe);
    assert!(trace.drops[0].to_string().contains("--dport 9 -j DROP"));
    let arrived = net.at("b/eth0 in", &probe);
    assert_eq!(arrived, [""; 0]);
}

#[test]
fn what_came_in_fragments_leaves_in_fragments_no_longer_than_those() {
    let mut net = Net::home();
    let tracked = Rule::new(Target::Accept).when(Field::Established);
    net.run(vec![
        append(FORWARD, tracked),
        set("c/eth0", LinkChange::Mtu(1000)),
    ]);
    let mut probe = shot("c", "10.0.0.3", Payload::Icmp);
    probe.size = Some(1200);
    let out = net.at("host/br0 out", &probe);
    assert!(
        out.iter()
            .any(|it| it.contains("length 996, fragment 1@0+")),
        "{out:?}"
    );
}
