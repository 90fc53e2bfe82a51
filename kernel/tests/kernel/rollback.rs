//! All or nothing.

use netparity_core::{
    errno::Errno,
    model::Dataplane,
    name::Netns,
    plan::{LinkChange, Op, Plan, ReversePathFilter, RuleOp, Sysctl},
    probe::Payload,
    rules::{ChainName, ChainRef, Policy, Rule, Target},
    snapshot::Snapshot,
    verdict::Verdict,
};
use netparity_kernel::{Access, Kernel};

use crate::{network::*, nothing_starts};

const FORWARD: ChainRef = ChainRef::filter(ChainName::Forward);

/// Of everything something.
fn rich(access: &Access) -> Kernel {
    let mut kernel = two_bridges(access);
    done(
        &mut kernel,
        vec![
            address("host/br0", "10.0.0.254/24"),
            address("host/br0", "10.0.7.1/24"),
            add_route("host", "10.50.0.0/16", "10.0.0.2"),
            add_route("host", "10.51.0.0/16", "10.0.7.9"),
            add_route("c2", "10.60.0.0/16", "10.0.0.1"),
            Op::AddBridge {
                link: host("idle"),
                mac: None,
            },
            listen("c2", tcp(80)),
            listen("host", udp(53)),
            Op::Rules(RuleOp::Append(FORWARD, Rule::new(Target::Accept))),
            Op::AddVeth {
                near: end("c2/to3", 0x6001),
                far: end("c3/to2", 0x6002),
            },
            address("c2/to3", "10.8.0.1/24"),
            address("c3/to2", "10.8.0.2/24"),
            Op::AddVeth {
                near: end("host/a", 0x6003),
                far: end("host/b", 0x6004),
            },
            address("host/a", "10.9.0.1/24"),
        ],
    );
    kernel
}

/// What a plan may lose by the attempt: what was learned.
fn settled(kernel: &mut Kernel) -> Snapshot {
    let mut snapshot = kernel.snapshot().unwrap();
    for state in snapshot.netns.values_mut() {
        state.neighbours.clear();
        for link in state.links.values_mut() {
            link.learned.clear();
        }
    }
    snapshot
}

fn changes() -> Vec<Vec<Op>> {
    let sysctl = |sysctl| Op::SetSysctl {
        netns: Netns::Host,
        sysctl,
    };
    let delete_address = |place, net: &str| Op::DeleteAddress {
        link: at(place),
        address: net.parse().unwrap(),
    };
    let delete_route = |name, to, via| Op::DeleteRoute {
        netns: netns(name),
        route: route(to, via),
    };
    let down = |place| set(place, LinkChange::Up(false));
    vec![
        vec![Op::AddNetns(netns("new")), up("new/lo")],
        endpoint(0, 9),
        vec![Op::DeleteNetns(netns("c2"))],
        vec![Op::DeleteNetns(netns("c2")), Op::DeleteNetns(netns("c3"))],
        vec![Op::DeleteNetns(netns("c2")), Op::AddNetns(netns("c2"))],
        [vec![Op::DeleteNetns(netns("c2"))], endpoint(0, 2)].concat(),
        bridge("br7", "10.7.0.1/16"),
        vec![Op::DeleteBridge(host("idle"))],
        vec![down("host/br0"), Op::DeleteBridge(host("br0"))],
        vec![Op::DeleteLink(host("br0"))],
        [
            vec![Op::DeleteLink(host("br0"))],
            bridge("br0", "10.0.0.1/24"),
        ]
        .concat(),
        vec![Op::DeleteLink(host("v2"))],
        vec![Op::DeleteLink(at("c3/to2"))],
        vec![Op::DeleteLink(host("a"))],
        vec![Op::AddVeth {
            near: end("host/x", 0x6005),
            far: end("c3/y", 0x6006),
        }],
        vec![down("host/br0")],
        vec![down("c2/eth0")],
        vec![down("c2/lo")],
        vec![down("host/a"), up("host/a"), down("host/a")],
        vec![up("host/idle")],
        vec![
            set("host/v2", LinkChange::Mtu(900)),
            set("c2/eth0", LinkChange::Mtu(800)),
        ],
        vec![set("host/v2", LinkChange::Mac(mac(1)))],
        vec![set("host/v2", LinkChange::Master(None))],
        vec![
            set("host/v2", LinkChange::Master(None)),
            set("host/v2", LinkChange::Master(Some(link("br1")))),
        ],
        vec![set("host/a", LinkChange::Master(Some(link("br0"))))],
        vec![address("c2/eth0", "10.77.0.1/16")],
        vec![delete_address("host/br0", "10.0.0.1/24")],
        vec![delete_address("host/br0", "10.0.0.254/24")],
        vec![delete_address("c2/eth0", "10.0.0.2/24")],
        vec![add_route("host", "10.52.0.0/16", "10.0.0.2")],
        vec![delete_route("host", "10.50.0.0/16", "10.0.0.2")],
        vec![delete_route("c2", "0.0.0.0/0", "10.0.0.1")],
        vec![
            sysctl(Sysctl::IpForward(true)),
            sysctl(Sysctl::BridgeNfCallIptables(false)),
        ],
        vec![sysctl(Sysctl::ReversePathFilter(ReversePathFilter::Strict))],
        vec![listen("c2", udp(99)), listen("c3", tcp(99))],
        vec![Op::Unlisten {
            netns: netns("c2"),
            port: tcp(80),
        }],
        vec![
            Op::Unlisten {
                netns: netns("c2"),
                port: tcp(80),
            },
            listen("c2", tcp(80)),
        ],
        vec![
            Op::Rules(RuleOp::Policy(FORWARD, Policy::Drop)),
            Op::Rules(RuleOp::Flush(FORWARD)),
            Op::Rules(RuleOp::NewChain(ChainRef::nat(ChainName::Docker))),
        ],
    ]
}

pub fn a_refused_plan_leaves_nothing_behind(access: &Access) {
    let _closed_is_closed = nothing_starts();
    let mut kernel = rich(access);
    let before = settled(&mut kernel);
    let refusals = [
        (Op::DeleteNetns(netns("nix")), Errno::ENOENT),
        (Op::Rules(RuleOp::NewChain(FORWARD)), Errno::EEXIST),
    ];
    for change in changes() {
        for (refusal, errno) in &refusals {
            let said = format!("{change:?}");
            let mut ops = change.clone();
            ops.push(refusal.clone());
            assert_eq!(refused(&mut kernel, ops), (change.len(), *errno), "{said}");
            let after = settled(&mut kernel);
            assert_eq!(after, before, "{said}");
        }
    }
    // All of them at once, as far as they go together.
    let together: Vec<Op> = changes().into_iter().skip(17).flatten().collect();
    let ops = together
        .into_iter()
        .chain([refusals[0].0.clone()])
        .collect();
    refused(&mut kernel, ops);
    assert_eq!(settled(&mut kernel), before);
}

pub fn a_refused_plan_leaves_what_it_changed_working(access: &Access) {
    let _closed_is_closed = nothing_starts();
    let mut kernel = rich(access);
    done(&mut kernel, vec![forward()]);
    for change in changes() {
        let said = format!("{change:?}");
        let mut ops = change;
        ops.push(Op::DeleteNetns(netns("nix")));
        refused(&mut kernel, ops);
        assert_eq!(
            verdict(&mut kernel, "c3", "10.0.0.2", Payload::Tcp(80)),
            Verdict::Open,
            "{said}"
        );
        assert_eq!(
            verdict(&mut kernel, "c3", "10.8.0.1", Payload::Icmp),
            Verdict::Reply,
            "{said}"
        );
        assert_eq!(
            verdict(&mut kernel, "c2", "10.0.0.1", Payload::Udp(53)),
            Verdict::Reply,
            "{said}"
        );
    }
}

pub fn the_first_refusal_is_the_one_reported(access: &Access) {
    let _closed_is_closed = nothing_starts();
    let mut kernel = rich(access);
    let new_chain = |chain| Op::Rules(RuleOp::NewChain(chain));
    let fine = new_chain(ChainRef::filter(ChainName::Docker));
    let bad_rule = new_chain(FORWARD);
    let bad_op = Op::DeleteNetns(netns("nix"));
    let before = settled(&mut kernel);
    let first = refused(
        &mut kernel,
        vec![fine.clone(), bad_rule.clone(), bad_op.clone()],
    );
    assert_eq!(first, (1, Errno::EEXIST));
    let first = refused(&mut kernel, vec![fine.clone(), bad_op, bad_rule]);
    assert_eq!(first, (1, Errno::ENOENT));
    assert_eq!(settled(&mut kernel), before);
    done(&mut kernel, vec![fine]);
}

pub fn what_is_removed_in_a_plan_is_gone_for_the_rest_of_it(access: &Access) {
    let mut kernel = rich(access);
    let gone = refused(
        &mut kernel,
        vec![Op::DeleteNetns(netns("c2")), Op::DeleteLink(host("v2"))],
    );
    assert_eq!(gone, (1, Errno::ENODEV));
    let gone = refused(
        &mut kernel,
        vec![Op::DeleteNetns(netns("c2")), Op::DeleteLink(at("c3/to2"))],
    );
    assert_eq!(gone, (1, Errno::ENODEV));
    let gone = refused(
        &mut kernel,
        vec![Op::DeleteLink(host("br0")), up("host/br0")],
    );
    assert_eq!(gone, (1, Errno::ENODEV));
    // The same again, in one plan.
    let mut ops = vec![Op::DeleteNetns(netns("c2")), Op::DeleteLink(host("br0"))];
    ops.extend(bridge("br0", "10.0.0.1/24"));
    ops.extend(endpoint(0, 2));
    kernel.execute(&Plan::from(ops)).unwrap();
    assert_eq!(
        verdict(&mut kernel, "c2", "10.0.0.1", Payload::Icmp),
        Verdict::Reply
    );
    let snapshot = kernel.snapshot().unwrap();
    let names: Vec<_> = snapshot.netns[&Netns::Host]
        .links
        .keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["a", "b", "br0", "br1", "idle", "lo", "v2", "v3"]);
}
