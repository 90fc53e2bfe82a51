use netparity_core::{
    MacAddr,
    errno::Errno,
    model::Dataplane,
    parity,
    plan::{LinkChange, Op, ReversePathFilter, Route, RuleOp, Sysctl, VethEnd},
    port::{Port, Protocol},
    probe::{Payload, Shot},
    rules::{ChainName, ChainRef, Field, Policy, Rule, Target},
};
use proptest::{collection::vec, prelude::*, sample::select};

use super::net::{Net, address, bridge, end, link, name, net, netns, set, up};

fn place() -> impl Strategy<Value = &'static str> {
    select(vec!["host", "a", "b", "c", "d"])
}

fn place_link() -> impl Strategy<Value = netparity_core::name::LinkRef> {
    let names = vec!["lo", "br0", "br1", "va", "vb", "vc", "eth0", "eth1"];
    (place(), select(names)).prop_map(|(place, name)| link(&format!("{place}/{name}")))
}

fn mac() -> impl Strategy<Value = MacAddr> {
    any::<u8>().prop_map(|last| MacAddr::new(2, 0, 0, 0, 9, last))
}

fn network() -> impl Strategy<Value = ipnet::Ipv4Net> {
    let texts = vec![
        "10.0.0.2/24",
        "10.0.0.9/24",
        "10.1.0.1/24",
        "10.1.0.7/16",
        "10.5.0.1/32",
    ];
    select(texts).prop_map(net)
}

fn route() -> impl Strategy<Value = Route> {
    let via = prop::option::of(select(vec!["10.0.0.1", "10.1.0.2", "8.8.8.8"]));
    let to = select(vec!["0.0.0.0/0", "10.3.0.0/24", "10.0.0.0/24"]);
    (to, via, prop::option::of(select(vec!["br0", "eth0", "vc"]))).prop_map(|(to, via, at)| Route {
        to: net(to),
        via: via.map(super::net::ip),
        link: at.map(name),
        source: None,
        kernel: false,
    })
}

fn end_of_veth() -> impl Strategy<Value = VethEnd> {
    let master = prop::option::of(select(vec!["br0", "br1"]));
    (place_link(), mac(), master, any::<bool>()).prop_map(|(link, mac, master, up)| VethEnd {
        link,
        mac,
        mtu: None,
        master: master.map(name),
        up,
    })
}

fn change() -> impl Strategy<Value = LinkChange> {
    prop_oneof![
        any::<bool>().prop_map(LinkChange::Up),
        select(vec![60, 600, 1400, 1500]).prop_map(LinkChange::Mtu),
        mac().prop_map(LinkChange::Mac),
        prop::option::of(select(vec!["br0", "br1", "va"]))
            .prop_map(|master| LinkChange::Master(master.map(name))),
    ]
}

fn rule_op() -> impl Strategy<Value = RuleOp> {
    let chain = select(vec![
        ChainRef::filter(ChainName::Forward),
        ChainRef::filter(ChainName::Docker),
        ChainRef::nat(ChainName::Postrouting),
    ]);
    let rule = select(vec![
        Rule::new(Target::Drop).when(Field::Established),
        Rule::new(Target::Jump(ChainName::Docker)),
        Rule::new(Target::Masquerade).when(Field::Source(net("10.0.0.0/24"))),
    ]);
    (chain, rule, 0..7).prop_map(|(chain, rule, kind)| match kind {
        0 => RuleOp::NewChain(ChainRef::filter(ChainName::Docker)),
        1 => RuleOp::DeleteChain(ChainRef::filter(ChainName::Docker)),
        2 => RuleOp::Flush(chain),
        3 => RuleOp::Policy(chain, Policy::Drop),
        4 => RuleOp::Insert(chain, rule),
        5 => RuleOp::Append(chain, rule),
        _ => RuleOp::Delete(chain, rule),
    })
}

fn op() -> impl Strategy<Value = Op> {
    let port = (select(vec![53_u16, 80]), any::<bool>()).prop_map(|(number, tcp)| {
        let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
        Port::new(number, protocol).unwrap()
    });
    let sysctls = select(vec![
        Sysctl::IpForward(false),
        Sysctl::BridgeNfCallIptables(false),
        Sysctl::ReversePathFilter(ReversePathFilter::Strict),
    ]);
    prop_oneof![
        1 => place().prop_map(|place| Op::AddNetns(netns(place))),
        1 => place().prop_map(|place| Op::DeleteNetns(netns(place))),
        1 => (place_link(), prop::option::of(mac())).prop_map(|(link, mac)| Op::AddBridge { link, mac }),
        1 => place_link().prop_map(Op::DeleteBridge),
        2 => (end_of_veth(), end_of_veth()).prop_map(|(near, far)| Op::AddVeth { near, far }),
        2 => place_link().prop_map(Op::DeleteLink),
        4 => (place_link(), change()).prop_map(|(link, change)| Op::SetLink { link, change }),
        3 => (place_link(), network()).prop_map(|(link, address)| Op::AddAddress { link, address }),
        2 => (place_link(), network()).prop_map(|(link, address)| Op::DeleteAddress { link, address }),
        3 => (place(), route()).prop_map(|(place, route)| Op::AddRoute { netns: netns(place), route }),
        2 => (place(), route()).prop_map(|(place, route)| Op::DeleteRoute { netns: netns(place), route }),
        1 => (place(), sysctls).prop_map(|(place, sysctl)| Op::SetSysctl { netns: netns(place), sysctl }),
        3 => rule_op().prop_map(Op::Rules),
        1 => (place(), port.clone()).prop_map(|(place, port)| Op::Listen { netns: netns(place), port }),
        1 => (place(), port).prop_map(|(place, port)| Op::Unlisten { netns: netns(place), port }),
    ]
}

fn shot() -> impl Strategy<Value = Shot> {
    let to = select(vec![
        "10.0.0.1",
        "10.0.0.3",
        "10.0.0.99",
        "10.1.0.2",
        "127.0.0.1",
    ]);
    let payload = select(vec![
        Payload::Tcp(80),
        Payload::Udp(53),
        Payload::Icmp,
        Payload::Arp,
    ]);
    (to, payload, 1_u16..9).prop_map(|(to, payload, source_port)| Shot {
        source_port,
        ..super::net::shot("a", to, payload)
    })
}

/// Carries out what can be carried out.
fn stir(home: &mut Net, ops: &[Op]) {
    for op in ops {
        let _ = home.0.execute(&vec![op.clone()].into());
    }
}

/// A network with a past: neighbours, learned addresses, rules.
fn lived_in() -> Net {
    let mut home = Net::home();
    home.run(vec![
        Op::Rules(RuleOp::Append(
            ChainRef::filter(ChainName::Forward),
            Rule::new(Target::Accept).when(Field::Established),
        )),
        super::net::listen("b", "80/tcp"),
    ]);
    for to in ["10.0.0.3", "10.1.0.2", "10.0.0.99"] {
        home.throw(&super::net::shot("a", to, Payload::Tcp(80)));
    }
    home
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_refused_plan_leaves_everything_as_it_was(
        before in vec(op(), 0..12),
        plan in vec(op(), 1..10),
        shots in vec(shot(), 1..4),
    ) {
        let mut home = lived_in();
        stir(&mut home, &before);
        let mut untouched = home.clone();
        let refused = Op::DeleteNetns(netns("nobody"));
        let plan: Vec<Op> = plan.into_iter().chain([refused]).collect();
        prop_assert!(home.0.execute(&plan.into()).is_err());
        let (left, right) = (home.look(), untouched.look());
        prop_assert_eq!(&left, &right, "{:?}", parity::snapshots(&left, &right));
        for shot in &shots {
            let traces = [home.0.probe(shot), untouched.0.probe(shot)];
            let [Ok(left), Ok(right)] = traces else { continue };
            prop_assert_eq!(left.drops, right.drops);
            prop_assert_eq!(left.captures.len(), right.captures.len());
        }
        // And later plans find their way as if it had not been.
        for op in &before {
            let plan = vec![op.clone()].into();
            prop_assert_eq!(home.0.execute(&plan), untouched.0.execute(&plan));
            prop_assert_eq!(home.look(), untouched.look());
        }
    }

    #[test]
    fn a_clone_answers_with_the_same_frames(
        ops in vec(op(), 0..20),
        shots in vec(shot(), 1..6),
    ) {
        let mut home = lived_in();
        stir(&mut home, &ops);
        let mut clone = home.clone();
        for shot in &shots {
            prop_assert_eq!(home.0.probe(shot), clone.0.probe(shot));
        }
        prop_assert_eq!(home.look(), clone.look());
    }

    #[test]
    fn a_verdict_alone_leaves_the_same_network_behind_as_a_trace(
        ops in vec(op(), 0..20),
        shots in vec(shot(), 1..6),
    ) {
        let mut traced = lived_in();
        stir(&mut traced, &ops);
        let mut judged = traced.clone();
        for shot in &shots {
            let whole = traced.0.probe(shot);
            // Where frames go round for ever, it is given up somewhere on the way.
            if whole.as_ref().is_ok_and(|seen| seen.timed_out) {
                break;
            }
            let verdict = whole.map(|seen| netparity_core::trace::Trace::judge(shot, seen).verdict);
            prop_assert_eq!(judged.0.verdict(shot), verdict);
            prop_assert_eq!(judged.look(), traced.look());
        }
    }
}

#[test]
fn names_that_are_missing_or_taken_are_refused() {
    let mut home = Net::home();
    let pair = |near: &str, far: &str| Op::AddVeth {
        near: end(near, 0x50),
        far: end(far, 0x51),
    };
    assert_eq!(home.refused(vec![Op::AddNetns(netns("a"))]), Errno::EEXIST);
    assert_eq!(
        home.refused(vec![Op::DeleteNetns(netns("z"))]),
        Errno::ENOENT
    );
    assert_eq!(home.refused(vec![bridge("host/br0")]), Errno::EEXIST);
    assert_eq!(home.refused(vec![bridge("z/br0")]), Errno::ENOENT);
    assert_eq!(home.refused(vec![pair("host/va", "a/eth1")]), Errno::EEXIST);
    assert_eq!(home.refused(vec![pair("host/vx", "a/eth0")]), Errno::EEXIST);
    assert_eq!(home.refused(vec![up("a/eth7")]), Errno::ENODEV);
    assert_eq!(
        home.refused(vec![address("a/eth0", "10.0.0.2/24")]),
        Errno::EEXIST
    );
    let lo = Op::DeleteLink(link("a/lo"));
    assert_eq!(home.refused(vec![lo]), Errno::EOPNOTSUPP);
    let group = MacAddr::new(1, 0, 0, 0, 0, 0);
    let to_group = set("a/eth0", LinkChange::Mac(group));
    assert_eq!(home.refused(vec![to_group]), Errno::EADDRNOTAVAIL);
    for mtu in [67, 65_536] {
        let change = set("a/eth0", LinkChange::Mtu(mtu));
        assert_eq!(home.refused(vec![change]), Errno::EINVAL);
    }
}

#[test]
fn a_namespace_takes_the_other_ends_of_its_links_along() {
    let mut home = Net::home();
    home.run(vec![Op::DeleteNetns(netns("a"))]);
    let host = home.look().netns.remove(&netns("host")).unwrap();
    assert!(!host.links.contains_key(&name("va")));
    home.run(vec![Op::AddNetns(netns("a"))]);
}
