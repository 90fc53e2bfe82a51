use netparity_core::{
    MacAddr,
    errno::Errno,
    plan::{LinkChange, Op, Sysctl},
    probe::Payload,
    snapshot::LinkState,
};

use super::net::{Net, address, bridge, end, link, name, netns, port_of, set, shot, sysctl, up};

fn host_link(net: &mut Net, at: &str) -> LinkState {
    let host = net.look().netns.remove(&netns("host")).unwrap();
    host.links[&name(at)].clone()
}

fn learned(net: &mut Net) -> Vec<String> {
    let state = host_link(net, "br0");
    let behind = |(station, port): (&netparity_core::trace::Station, &_)| {
        format!("{} behind {port}", station.0)
    };
    state.learned.iter().map(behind).collect()
}

#[test]
fn a_request_is_flooded_and_its_answer_is_not() {
    let mut net = Net::home();
    let probe = shot("a", "10.0.0.3", Payload::Arp);
    let trace = net.throw(&probe);
    let taps: Vec<String> = trace.captures.iter().map(|it| it.tap.to_string()).collect();
    let expected = [
        "a/eth0 out",
        "host/va in",
        "host/vb out",
        "host/br0 in",
        "b/eth0 in",
        "b/eth0 out",
        "host/vb in",
        "host/va out",
        "a/eth0 in",
    ];
    assert_eq!(taps, expected);
}

#[test]
fn it_learns_who_is_behind_which_port() {
    let mut net = Net::home();
    net.throw(&shot("a", "10.0.0.3", Payload::Icmp));
    let expected = ["02:00:00:00:00:20 behind va", "02:00:00:00:00:21 behind vb"];
    assert_eq!(learned(&mut net), expected);
}

#[test]
fn it_forgets_those_behind_a_port_that_goes_down() {
    let mut net = Net::home();
    net.throw(&shot("a", "10.0.0.3", Payload::Icmp));
    net.run(vec![set("b/eth0", LinkChange::Up(false))]);
    assert_eq!(learned(&mut net), ["02:00:00:00:00:20 behind va"]);
}

#[test]
fn without_an_address_of_its_own_it_has_its_ports_lowest() {
    let mut net = Net::home();
    let lowest = MacAddr::new(2, 0, 0, 0, 0, 0x10);
    assert_eq!(host_link(&mut net, "br0").mac, lowest);
    net.run(vec![set("host/va", LinkChange::Master(None))]);
    let next = MacAddr::new(2, 0, 0, 0, 0, 0x11);
    assert_eq!(host_link(&mut net, "br0").mac, next);
    net.run(vec![set("host/vb", LinkChange::Master(None))]);
    assert_eq!(host_link(&mut net, "br0").mac, MacAddr::zero());
}

#[test]
fn its_mtu_is_its_ports_least_until_it_is_set_by_hand() {
    let mut net = Net::home();
    let mtu = |net: &mut Net| host_link(net, "br0").mtu;
    net.run(vec![set("host/vb", LinkChange::Mtu(1400))]);
    assert_eq!(mtu(&mut net), 1400);
    // One that it has already is not set.
    net.run(vec![set("host/br0", LinkChange::Mtu(1400))]);
    net.run(vec![set("host/vb", LinkChange::Mtu(1350))]);
    assert_eq!(mtu(&mut net), 1350);
    net.run(vec![set("host/br0", LinkChange::Mtu(1450))]);
    net.run(vec![set("host/vb", LinkChange::Mtu(1300))]);
    assert_eq!(mtu(&mut net), 1450);
}

#[test]
fn a_port_that_is_born_up_makes_it_forget_whom_it_asked_in_vain() {
    let joins = |born_up| {
        let mut net = Net::new();
        let made = Op::AddBridge {
            link: link("host/br0"),
            mac: Some(MacAddr::new(2, 0, 0, 0, 0, 0x20)),
        };
        net.run(vec![
            made,
            address("host/br0", "10.0.0.1/24"),
            up("host/br0"),
        ]);
        assert_eq!(
            net.verdict(&shot("host", "10.0.0.2", Payload::Icmp)),
            "unreachable:host"
        );
        let mut near = port_of("br0", end("host/va", 1));
        near.up = born_up;
        let mut far = end("host/vz", 2);
        far.up = false;
        net.run(vec![
            Op::AddVeth { near, far },
            up("host/va"),
            up("host/vz"),
        ]);
        net
    };
    let asked_in_vain = |Net(sim): Net| {
        let bridge = sim.find_in(sim.host, name("br0")).unwrap();
        !sim.links[bridge].neighbours.is_empty()
    };
    assert!(asked_in_vain(joins(false)));
    assert!(!asked_in_vain(joins(true)));
}

#[test]
fn it_has_a_carrier_until_it_is_asked_what_its_ports_have() {
    let mut net = Net::new();
    net.run(vec![bridge("host/br0"), up("host/br0")]);
    assert!(host_link(&mut net, "br0").carrier);
    let mut near = port_of("br0", end("host/va", 1));
    near.up = false;
    let far = end("host/vz", 2);
    net.run(vec![Op::AddVeth { near, far }]);
    assert!(!host_link(&mut net, "br0").carrier);
    net.run(vec![up("host/va")]);
    assert!(host_link(&mut net, "br0").carrier);
}

#[test]
fn a_port_passes_4_bytes_more_than_its_mtu_where_no_rules_are_called() {
    let mut net = Net::home();
    net.run(vec![
        sysctl("host", Sysctl::BridgeNfCallIptables(false)),
        set("host/vb", LinkChange::Mtu(1400)),
        set("host/br0", LinkChange::Mtu(1500)),
    ]);
    let mut probe = shot("a", "10.0.0.3", Payload::Icmp);
    probe.size = Some(1404);
    assert_eq!(net.verdict(&probe), "reply");
    probe.size = Some(1405);
    let trace = net.throw(&probe);
    assert_eq!(trace.verdict.as_str(), "dropped");
    assert_eq!(trace.drops[0].to_string(), "host: longer than vb takes");
}

#[test]
fn where_rules_are_called_it_cuts_what_is_too_long_for_a_port() {
    let mut net = Net::home();
    net.run(vec![set("host/vb", LinkChange::Mtu(1400))]);
    let mut probe = shot("a", "10.0.0.3", Payload::Icmp);
    probe.size = Some(1500);
    let seen = net.at("b/eth0 in", &probe);
    let packets: Vec<&String> = seen.iter().filter(|it| !it.contains("ARP")).collect();
    assert_eq!(packets.len(), 2, "{packets:?}");
    assert!(
        packets[0].contains("length 1396, fragment 1@0+"),
        "{packets:?}"
    );
    probe.dont_fragment = true;
    let trace = net.throw(&probe);
    assert_eq!(trace.drops[0].to_string(), "host: longer than vb takes");
}

#[test]
fn it_has_at_most_1023_ports() {
    let mut net = Net::new();
    net.run(vec![bridge("host/br0")]);
    let pair = |at: u32| {
        let mac = |kind: u8| MacAddr::new(2, kind, 0, 0, (at >> 8) as u8, at as u8);
        let mut near = port_of("br0", end(&format!("host/v{at}"), 0));
        let mut far = end(&format!("host/w{at}"), 0);
        (near.mac, far.mac) = (mac(1), mac(2));
        Op::AddVeth { near, far }
    };
    net.run((0..1023).map(pair).collect());
    assert_eq!(net.refused(vec![pair(1023)]), Errno::EXFULL);
}

#[test]
fn not_everything_can_be_a_port() {
    let mut net = Net::home();
    net.run(vec![bridge("host/br1")]);
    let to = |at: &str, master: &str| set(at, LinkChange::Master(Some(name(master))));
    assert_eq!(net.refused(vec![to("host/lo", "br0")]), Errno::EINVAL);
    assert_eq!(net.refused(vec![to("host/br1", "br0")]), Errno::ELOOP);
    assert_eq!(net.refused(vec![to("host/va", "vb")]), Errno::EOPNOTSUPP);
    assert_eq!(net.refused(vec![to("host/va", "br7")]), Errno::ENXIO);
}

#[test]
fn a_loop_of_bridges_is_told_from_an_end() {
    let mut net = Net::home();
    let pair = |near: &str, far: &str, mac: u8| Op::AddVeth {
        near: port_of("br0", end(near, mac)),
        far: port_of("br1", end(far, mac + 1)),
    };
    net.run(vec![
        bridge("host/br1"),
        up("host/br1"),
        pair("host/one", "host/eno", 0x50),
        pair("host/two", "host/owt", 0x52),
    ]);
    assert!(net.throw(&shot("a", "10.0.0.99", Payload::Arp)).timed_out);
    net.run(vec![set("host/two", LinkChange::Up(false))]);
    assert!(!net.throw(&shot("a", "10.0.0.3", Payload::Arp)).timed_out);
}

#[test]
fn brctl_removes_only_a_bridge_that_is_down() {
    let mut net = Net::home();
    let delete = |at: &str| Op::DeleteBridge(link(at));
    assert_eq!(net.refused(vec![delete("host/br0")]), Errno::EBUSY);
    assert_eq!(net.refused(vec![delete("host/va")]), Errno::EPERM);
    assert_eq!(net.refused(vec![delete("host/br7")]), Errno::ENXIO);
    net.run(vec![
        set("host/br0", LinkChange::Up(false)),
        delete("host/br0"),
    ]);
    assert_eq!(host_link(&mut net, "va").master, None);
}
