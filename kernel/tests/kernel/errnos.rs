//! The kernel's own refusals.

use netparity_core::{
    errno::Errno,
    name::Netns,
    plan::{LinkChange, Op, RuleOp, VethEnd},
    port::{Port, Protocol},
    rules::{ChainName, ChainRef, Rule, Target},
};
use netparity_kernel::{Access, Kernel};

use crate::network::*;

pub fn every_operation_is_refused_as_the_kernel_refuses_it(access: &Access) {
    let mut kernel = one_bridge(access, 2);
    done(
        &mut kernel,
        vec![
            Op::AddBridge {
                link: host("br1"),
                mac: None,
            },
            listen("c2", tcp(80)),
            listen("c2", udp(53)),
        ],
    );
    let veth = |near, far| Op::AddVeth { near, far };
    let new = |place: &str| VethEnd {
        up: false,
        ..end(place, 0x7777)
    };
    let with_mtu = |mtu| VethEnd {
        mtu: Some(mtu),
        ..new("host/n")
    };
    let delete_route = |to: &str, via: &str| Op::DeleteRoute {
        netns: Netns::Host,
        route: route(to, via),
    };
    let mut on_link = route("10.77.0.0/16", "10.0.0.2");
    on_link.via = None;
    on_link.link = Some(link("br1"));
    let on_down_link = Op::AddRoute {
        netns: Netns::Host,
        route: on_link.clone(),
    };
    on_link.link = Some(link("nix"));
    let on_no_link = Op::AddRoute {
        netns: Netns::Host,
        route: on_link,
    };
    let master = |place: &str, bridge: &str| set(place, LinkChange::Master(Some(link(bridge))));
    let unlisten = |port| Op::Unlisten {
        netns: netns("c2"),
        port,
    };
    let sctp = Port::new(80, Protocol::Sctp).unwrap();
    let user = ChainRef::filter(ChainName::Docker);
    let refusals = [
        (Op::AddNetns(netns("c2")), Errno::EEXIST),
        (Op::AddNetns(Netns::Host), Errno::EEXIST),
        (Op::DeleteNetns(netns("nix")), Errno::ENOENT),
        (Op::DeleteNetns(Netns::Host), Errno::ENOENT),
        (
            Op::AddBridge {
                link: host("br0"),
                mac: None,
            },
            Errno::EEXIST,
        ),
        (
            Op::AddBridge {
                link: host("lo"),
                mac: None,
            },
            Errno::EEXIST,
        ),
        (
            Op::AddBridge {
                link: at("nix/br0"),
                mac: None,
            },
            Errno::ENOENT,
        ),
        (Op::DeleteBridge(host("br0")), Errno::EBUSY),
        (Op::DeleteBridge(host("nix")), Errno::ENXIO),
        (Op::DeleteBridge(host("v2")), Errno::EPERM),
        (Op::DeleteBridge(host("lo")), Errno::EPERM),
        (veth(new("host/v2"), new("c2/n")), Errno::EEXIST),
        (veth(new("host/n"), new("c2/eth0")), Errno::EEXIST),
        (veth(new("host/n"), new("nix/n")), Errno::ENOENT),
        (
            veth(port_of("nix", "host/n", 1), new("c2/n")),
            Errno::ENODEV,
        ),
        (
            veth(port_of("v2", "host/n", 1), new("c2/n")),
            Errno::EOPNOTSUPP,
        ),
        (veth(with_mtu(67), new("c2/n")), Errno::EINVAL),
        (veth(with_mtu(65_536), new("c2/n")), Errno::EINVAL),
        (Op::DeleteLink(host("nix")), Errno::ENODEV),
        (Op::DeleteLink(at("nix/eth0")), Errno::ENOENT),
        (Op::DeleteLink(host("lo")), Errno::EOPNOTSUPP),
        (up("host/nix"), Errno::ENODEV),
        (set("host/v2", LinkChange::Mtu(67)), Errno::EINVAL),
        (set("host/v2", LinkChange::Mtu(65_536)), Errno::EINVAL),
        (
            set(
                "host/v2",
                LinkChange::Mac(netparity_core::MacAddr::broadcast()),
            ),
            Errno::EADDRNOTAVAIL,
        ),
        (master("host/nix", "br0"), Errno::ENODEV),
        (master("host/v2", "nix"), Errno::ENXIO),
        (master("host/v2", "v3"), Errno::EOPNOTSUPP),
        (master("host/br1", "br0"), Errno::ELOOP),
        (master("host/lo", "br0"), Errno::EINVAL),
        (address("host/br0", "10.0.0.1/24"), Errno::EEXIST),
        (address("host/nix", "10.0.0.1/24"), Errno::ENODEV),
        (
            Op::DeleteAddress {
                link: host("br0"),
                address: "10.0.0.9/24".parse().unwrap(),
            },
            Errno::EADDRNOTAVAIL,
        ),
        (add_route("c2", "0.0.0.0/0", "10.0.0.1"), Errno::EEXIST),
        (
            add_route("host", "10.77.0.0/16", "10.200.0.1"),
            Errno::ENETUNREACH,
        ),
        (add_route("host", "10.77.0.1/16", "10.0.0.2"), Errno::EINVAL),
        (on_down_link, Errno::ENETDOWN),
        (on_no_link, Errno::ENODEV),
        (delete_route("10.77.0.0/16", "10.0.0.2"), Errno::ESRCH),
        (listen("c2", tcp(80)), Errno::EADDRINUSE),
        (listen("c2", udp(53)), Errno::EADDRINUSE),
        (listen("c2", sctp), Errno::EOPNOTSUPP),
        (listen("nix", tcp(80)), Errno::ENOENT),
        (unlisten(udp(80)), Errno::ENOENT),
        (
            Op::Rules(RuleOp::Delete(user, Rule::new(Target::Drop))),
            Errno::ENOENT,
        ),
        (
            Op::Rules(RuleOp::NewChain(ChainRef::filter(ChainName::Forward))),
            Errno::EEXIST,
        ),
    ];
    for (op, errno) in refusals {
        let said = format!("{op:?}");
        assert_eq!(refused(&mut kernel, vec![op]), (0, errno), "{said}");
    }
}

pub fn a_bridge_has_room_for_1023_ports(access: &Access) {
    let mut kernel = Kernel::new(access).unwrap();
    let pair = |at: u16| Op::AddVeth {
        near: port_of("br0", &format!("host/n{at}"), at | 0x4000),
        far: VethEnd {
            up: false,
            ..end(&format!("host/f{at}"), at | 0x2000)
        },
    };
    let mut ops = bridge("br0", "10.0.0.1/16");
    ops.extend((0..1023).map(pair));
    done(&mut kernel, ops);
    assert_eq!(refused(&mut kernel, vec![pair(1023)]), (0, Errno::EXFULL));
}
