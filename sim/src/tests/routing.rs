use netparity_core::{
    errno::Errno,
    plan::{LinkChange, Op, ReversePathFilter, Sysctl},
    probe::Payload,
};

use super::net::{Net, add_route, address, end, link, net, netns, route, set, shot, sysctl, up};

#[test]
fn an_address_brings_its_network_and_takes_it_along() {
    let mut home = Net::home();
    let connected = "10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2";
    let default = "default via 10.0.0.1 dev eth0";
    assert_eq!(home.routes("a"), [default, connected]);
    home.run(vec![address("a/eth0", "10.0.0.9/24")]);
    assert_eq!(home.routes("a"), [default, connected]);
    let delete = |address: &str| Op::DeleteAddress {
        link: link("a/eth0"),
        address: net(address),
    };
    // The second address of the network goes with the first, and with the last of all every route.
    home.run(vec![delete("10.0.0.2/24")]);
    assert_eq!(home.routes("a"), [""; 0]);
    assert_eq!(
        home.refused(vec![delete("10.0.0.9/24")]),
        Errno::EADDRNOTAVAIL
    );
}

#[test]
fn a_link_that_goes_down_takes_its_routes_along_and_brings_back_its_network() {
    let mut home = Net::home();
    home.run(vec![set("a/eth0", LinkChange::Up(false))]);
    assert_eq!(home.routes("a"), [""; 0]);
    home.run(vec![up("a/eth0")]);
    let connected = "10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2";
    assert_eq!(home.routes("a"), [connected]);
}

#[test]
fn routes_are_refused_as_the_kernel_refuses_them() {
    let mut home = Net::home();
    home.run(vec![set("a/eth0", LinkChange::Up(false)), up("a/eth0")]);
    let add = |text: &str| vec![add_route("a", text)];
    assert_eq!(
        home.refused(add("0.0.0.0/0 via 8.8.8.8")),
        Errno::ENETUNREACH
    );
    assert_eq!(home.refused(add("0.0.0.0/0 via 10.0.0.255")), Errno::EINVAL);
    assert_eq!(home.refused(add("10.9.0.1/24 via 10.0.0.1")), Errno::EINVAL);
    assert_eq!(home.refused(add("10.9.0.0/24")), Errno::ENODEV);
    assert_eq!(home.refused(add("10.9.0.0/24 dev eth7")), Errno::ENODEV);
    assert_eq!(home.refused(add("10.0.0.0/24 dev eth0")), Errno::EEXIST);
    let foreign = "10.9.0.0/24 via 10.0.0.1 src 10.0.0.3";
    assert_eq!(home.refused(add(foreign)), Errno::EINVAL);
    home.run(vec![set("host/vc", LinkChange::Up(false))]);
    let over_down = vec![add_route("host", "10.9.0.0/24 dev vc")];
    assert_eq!(home.refused(over_down), Errno::ENETDOWN);
    let delete = |text: &str| Op::DeleteRoute {
        netns: netns("a"),
        route: route(text),
    };
    assert_eq!(home.refused(vec![delete("10.9.0.0/24")]), Errno::ESRCH);
    let other = "10.0.0.0/24 via 10.0.0.1";
    assert_eq!(home.refused(vec![delete(other)]), Errno::ESRCH);
    home.run(vec![delete("10.0.0.0/24 dev eth0")]);
}

#[test]
fn a_sender_without_a_route_hears_so_itself() {
    let mut home = Net::home();
    let delete = Op::DeleteRoute {
        netns: netns("a"),
        route: route("0.0.0.0/0"),
    };
    home.run(vec![delete]);
    let trace = home.throw(&shot("a", "10.1.0.2", Payload::Icmp));
    assert_eq!(trace.verdict.as_str(), "no-route");
    assert!(trace.captures.is_empty());
}

#[test]
fn a_router_counts_down_and_says_when_it_is_over() {
    let mut home = Net::home();
    let mut probe = shot("a", "10.1.0.2", Payload::Icmp);
    let arrived = home.at("c/eth0 in", &probe);
    assert!(arrived.last().unwrap().contains("ttl 63"), "{arrived:?}");
    probe.ttl = 1;
    let told = home.at("a/eth0 in", &probe);
    let last = told.last().unwrap();
    assert!(
        last.contains("10.0.0.1 > 10.0.0.2: ICMP time exceeded"),
        "{last}"
    );
}

#[test]
fn a_router_says_where_it_knows_no_way() {
    let mut home = Net::home();
    let probe = shot("a", "192.0.2.1", Payload::Icmp);
    let verdicts: Vec<&str> = (0..6).map(|_| home.verdict(&probe)).collect();
    // And to one sender not without end.
    assert_eq!(verdicts[..5], ["unreachable:net"; 5]);
    assert_eq!(verdicts[5], "dropped");
}

#[test]
fn who_does_not_forward_drops_what_is_for_others() {
    let mut home = Net::home();
    home.run(vec![sysctl("host", Sysctl::IpForward(false))]);
    let trace = home.throw(&shot("a", "10.1.0.2", Payload::Icmp));
    assert_eq!(trace.verdict.as_str(), "dropped");
    assert_eq!(trace.drops[0].to_string(), "host: does not forward");
}

#[test]
fn a_packet_too_long_for_the_next_link_is_cut_or_refused() {
    let mut home = Net::home();
    home.run(vec![set("host/vc", LinkChange::Mtu(1300))]);
    let mut probe = shot("a", "10.1.0.2", Payload::Icmp);
    probe.size = Some(1400);
    let sent = home.at("host/vc out", &probe);
    assert!(
        sent.iter()
            .any(|it| it.contains("length 1300, fragment 1@0+")),
        "{sent:?}"
    );
    probe.dont_fragment = true;
    let told = home.at("a/eth0 in", &probe);
    assert!(
        told.last()
            .unwrap()
            .contains("fragmentation needed, mtu 1300"),
        "{told:?}"
    );
    // From then on the sender knows.
    let trace = home.throw(&probe);
    assert_eq!(trace.verdict.as_str(), "unreachable:frag-needed");
    assert!(trace.captures.is_empty());
    probe.dont_fragment = false;
    let sent = home.at("a/eth0 out", &probe);
    assert!(sent[0].contains("length 1300, fragment"), "{sent:?}");
}

#[test]
fn a_source_that_lives_elsewhere_is_refused_where_the_reverse_path_is_asked_for() {
    let mut home = Net::home();
    home.run(vec![
        address("a/eth0", "10.1.0.77/32"),
        Op::DeleteRoute {
            netns: netns("a"),
            route: route("0.0.0.0/0"),
        },
        add_route("a", "0.0.0.0/0 via 10.0.0.1 src 10.1.0.77"),
    ]);
    let probe = shot("a", "10.1.0.1", Payload::Icmp);
    let arrives = |home: &mut Net| home.throw(&probe).drops.is_empty();
    assert!(arrives(&mut home));
    let filter = |filter| vec![sysctl("host", Sysctl::ReversePathFilter(filter))];
    home.run(filter(ReversePathFilter::Loose));
    assert!(arrives(&mut home));
    home.run(filter(ReversePathFilter::Strict));
    let refused = |home: &mut Net, probe| {
        let drops = home.throw(probe).drops;
        assert_eq!(
            drops[0].to_string(),
            "host: source address not acceptable on this link"
        );
    };
    refused(&mut home, &probe);
    let to_all = shot("a", "224.0.0.1", Payload::Icmp);
    refused(&mut home, &to_all);
    home.run(filter(ReversePathFilter::Off));
    assert!(home.throw(&to_all).drops.is_empty());
}

#[test]
fn nobody_may_come_with_an_address_of_ones_own() {
    let mut home = Net::home();
    home.run(vec![
        address("a/eth0", "10.1.0.1/32"),
        add_route("a", "10.0.0.1/32 dev eth0 src 10.1.0.1"),
    ]);
    let trace = home.throw(&shot("a", "10.0.0.1", Payload::Icmp));
    // The question who has 10.0.0.1 is not answered to such a one either.
    assert_eq!(trace.verdict.as_str(), "unreachable:host");
}

#[test]
fn a_gateway_tells_once_of_a_shorter_way_and_is_believed() {
    let mut home = Net::home();
    home.run(vec![
        Op::AddNetns(netns("d")),
        Op::AddVeth {
            near: end("b/eth1", 0x30),
            far: end("d/eth0", 0x31),
        },
        address("b/eth1", "10.9.0.1/24"),
        address("d/eth0", "10.9.0.2/24"),
        add_route("d", "0.0.0.0/0 via 10.9.0.1"),
        add_route("host", "10.9.0.0/24 via 10.0.0.3"),
        sysctl("b", Sysctl::IpForward(true)),
    ]);
    let probe = shot("a", "10.9.0.2", Payload::Icmp);
    let redirects = |home: &mut Net| {
        let received = home.at("a/eth0 in", &probe);
        received
            .iter()
            .filter(|it| it.contains("ICMP type 5"))
            .count()
    };
    assert_eq!(redirects(&mut home), 1);
    let sent = home.at("a/eth0 out", &probe);
    assert_eq!(redirects(&mut home), 0);
    assert_eq!(home.verdict(&probe), "reply");
    assert!(
        sent.iter()
            .any(|it| it.contains("> b/eth0: ") || it.contains("> host/br0: "))
    );
}
