use netparity_core::{
    plan::{LinkChange, Op},
    probe::Payload,
    snapshot::Neighbour,
};

use super::net::{Net, address, link, name, net, netns, set, shot};

fn knows(net: &mut Net, place: &str, at: &str, address: &str) -> bool {
    let state = net.look().netns.remove(&netns(place)).unwrap();
    state.neighbours.contains_key(&Neighbour {
        link: name(at),
        address: super::net::ip(address),
    })
}

#[test]
fn both_sides_of_an_exchange_know_each_other_and_nobody_else_does() {
    let mut net = Net::home();
    net.throw(&shot("a", "10.0.0.3", Payload::Icmp));
    assert!(knows(&mut net, "a", "eth0", "10.0.0.3"));
    assert!(knows(&mut net, "b", "eth0", "10.0.0.2"));
    assert!(!knows(&mut net, "host", "br0", "10.0.0.2"));
}

#[test]
fn a_request_that_nobody_sent_a_packet_for_teaches_the_one_it_asks() {
    let mut net = Net::home();
    net.throw(&shot("a", "10.0.0.3", Payload::Arp));
    assert!(!knows(&mut net, "a", "eth0", "10.0.0.3"));
    assert!(knows(&mut net, "b", "eth0", "10.0.0.2"));
}

#[test]
fn one_is_asked_once_for_as_long_as_it_is_known() {
    let mut net = Net::home();
    let probe = shot("a", "10.0.0.3", Payload::Icmp);
    let requests = |net: &mut Net| {
        let frames = net.at("a/eth0 out", &probe);
        frames
            .iter()
            .filter(|it| it.contains("ARP who has"))
            .count()
    };
    assert_eq!(requests(&mut net), 1);
    assert_eq!(requests(&mut net), 0);
    net.run(vec![
        set("a/eth0", LinkChange::Up(false)),
        set("a/eth0", LinkChange::Up(true)),
    ]);
    assert_eq!(requests(&mut net), 1);
}

#[test]
fn an_address_on_whatever_link_is_answered_for() {
    let mut net = Net::home();
    assert_eq!(net.verdict(&shot("a", "10.0.0.1", Payload::Arp)), "reply");
    net.run(vec![address("b/lo", "10.0.0.77/32")]);
    assert_eq!(net.verdict(&shot("a", "10.0.0.77", Payload::Arp)), "reply");
}

#[test]
fn one_who_cannot_be_answered_is_not() {
    // c asks for an address of the host from one that the host itself has.
    let mut net = Net::home();
    net.run(vec![
        address("c/eth0", "10.0.0.1/24"),
        Op::DeleteAddress {
            link: link("c/eth0"),
            address: super::net::net("10.1.0.2/24"),
        },
        address("host/vc", "10.0.0.9/24"),
    ]);
    assert_eq!(net.verdict(&shot("c", "10.0.0.9", Payload::Arp)), "dropped");
}

#[test]
fn a_packet_for_nobody_comes_back_as_host_unreachable() {
    let mut net = Net::home();
    let probe = shot("a", "10.0.0.99", Payload::Tcp(80));
    let frames = net.frames(&probe);
    let last = frames.last().unwrap();
    assert!(last.starts_with("a/lo in: "), "{last}");
    assert!(last.contains("ICMP host unreachable"), "{last}");
    // The gateway says it for those behind it.
    let probe = shot("c", "10.0.0.99", Payload::Tcp(80));
    assert_eq!(net.verdict(&probe), "unreachable:host");
}

#[test]
fn the_source_of_a_request_is_the_packets_if_that_is_the_senders() {
    let mut with_two = Net::home();
    with_two.run(vec![address("a/eth0", "10.7.0.1/24")]);
    let probe = shot("a", "10.7.0.2", Payload::Icmp);
    let asked = &with_two.at("a/eth0 out", &probe)[0];
    assert!(
        asked.contains("who has 10.7.0.2 (nobody), tell 10.7.0.1"),
        "{asked}"
    );
    // For a packet of somebody else it is one in the target's network.
    let forwarded = shot("c", "10.0.0.3", Payload::Icmp);
    let asked = &with_two.at("host/br0 out", &forwarded)[0];
    assert!(
        asked.contains("who has 10.0.0.3 (nobody), tell 10.0.0.1"),
        "{asked}"
    );
    assert_eq!(net("10.7.0.0/24").prefix_len(), 24);
}
