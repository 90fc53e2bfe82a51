//! Networks for tests, and what is done to them.

use std::net::Ipv4Addr;

use netparity_core::{
    MacAddr,
    errno::Errno,
    model::{Dataplane, DataplaneError},
    name::{LinkName, LinkRef, Name, Netns},
    parity,
    plan::{LinkChange, Op, Plan, Route, Sysctl, VethEnd},
    port::{Port, Protocol},
    probe::{Payload, Shot},
    trace::{Direction, Trace},
    verdict::Verdict,
};
use netparity_kernel::{Access, Kernel};

pub fn link(name: &str) -> LinkName {
    name.parse().unwrap()
}

pub fn host(name: &str) -> LinkRef {
    LinkRef::host(link(name))
}

pub fn netns(name: &str) -> Netns {
    match name {
        Name::HOST => Netns::Host,
        _ => Netns::Named(Name::new(name)),
    }
}

pub fn at(place: &str) -> LinkRef {
    let (name, link_name) = place.split_once('/').unwrap();
    LinkRef::new(netns(name), link(link_name))
}

pub fn mac(last: u16) -> MacAddr {
    let [high, low] = last.to_be_bytes();
    MacAddr::new(2, 0, 0, 0, high, low)
}

pub fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

pub fn tcp(number: u16) -> Port {
    Port::new(number, Protocol::Tcp).unwrap()
}

pub fn udp(number: u16) -> Port {
    Port::new(number, Protocol::Udp).unwrap()
}

pub fn end(place: &str, last: u16) -> VethEnd {
    VethEnd {
        link: at(place),
        mac: mac(last),
        mtu: None,
        master: None,
        up: true,
    }
}

pub fn port_of(bridge: &str, place: &str, last: u16) -> VethEnd {
    VethEnd {
        master: Some(link(bridge)),
        ..end(place, last)
    }
}

pub fn set(place: &str, change: LinkChange) -> Op {
    Op::SetLink {
        link: at(place),
        change,
    }
}

pub fn up(place: &str) -> Op {
    set(place, LinkChange::Up(true))
}

pub fn address(place: &str, net: &str) -> Op {
    Op::AddAddress {
        link: at(place),
        address: net.parse().unwrap(),
    }
}

pub fn route(to: &str, via: &str) -> Route {
    Route {
        to: to.parse().unwrap(),
        via: Some(ip(via)),
        link: None,
        source: None,
        kernel: false,
    }
}

pub fn add_route(name: &str, to: &str, via: &str) -> Op {
    Op::AddRoute {
        netns: netns(name),
        route: route(to, via),
    }
}

pub fn listen(name: &str, port: Port) -> Op {
    Op::Listen {
        netns: netns(name),
        port,
    }
}

pub fn forward() -> Op {
    Op::SetSysctl {
        netns: Netns::Host,
        sysctl: Sysctl::IpForward(true),
    }
}

pub fn bridge(name: &str, net: &str) -> Vec<Op> {
    let place = format!("host/{name}");
    vec![
        Op::AddBridge {
            link: host(name),
            mac: None,
        },
        address(&place, net),
        up(&place),
    ]
}

/// The namespace `NETWORK.LAST`'s name is `cLAST`: 10.0.NETWORK.LAST/24 on the host's `brNETWORK`,
/// whose own address, the default gateway, is 10.0.NETWORK.1.
pub fn endpoint(network: u8, last: u8) -> Vec<Op> {
    let name = format!("c{last}");
    let eth0 = format!("{name}/eth0");
    let number = u16::from_be_bytes([network, last]);
    vec![
        Op::AddNetns(netns(&name)),
        up(&format!("{name}/lo")),
        Op::AddVeth {
            near: port_of(
                &format!("br{network}"),
                &format!("host/v{last}"),
                number | 0x8000,
            ),
            far: end(&eth0, number),
        },
        address(&eth0, &format!("10.0.{network}.{last}/24")),
        add_route(&name, "0.0.0.0/0", &format!("10.0.{network}.1")),
    ]
}

/// One bridge with endpoints from 10.0.0.2 on.
pub fn one_bridge(access: &Access, endpoints: u8) -> Kernel {
    let mut kernel = Kernel::new(access).unwrap();
    let mut ops = bridge("br0", "10.0.0.1/24");
    ops.extend((0..endpoints).flat_map(|at| endpoint(0, at + 2)));
    done(&mut kernel, ops);
    kernel
}

/// Two bridges with an endpoint each: c2 is 10.0.0.2 and c3 is 10.0.1.3.
pub fn two_bridges(access: &Access) -> Kernel {
    let mut kernel = Kernel::new(access).unwrap();
    let mut ops = bridge("br0", "10.0.0.1/24");
    ops.extend(bridge("br1", "10.0.1.1/24"));
    ops.extend(endpoint(0, 2));
    ops.extend(endpoint(1, 3));
    done(&mut kernel, ops);
    kernel
}

pub fn done(kernel: &mut Kernel, ops: Vec<Op>) {
    kernel.execute(&Plan::from(ops)).unwrap();
}

pub fn refused(kernel: &mut Kernel, ops: Vec<Op>) -> (usize, Errno) {
    match kernel.execute(&Plan::from(ops)) {
        Err(DataplaneError::Refused { op, errno }) => (op, errno),
        other => panic!("not refused: {other:?}"),
    }
}

pub fn shot(from: &str, to: &str, payload: Payload) -> Shot {
    Shot {
        netns: netns(from),
        to: ip(to),
        payload,
        source_port: 61_000,
        ttl: 64,
        size: None,
        dont_fragment: false,
    }
}

pub fn throw(kernel: &mut Kernel, shot: &Shot) -> Trace {
    let trace = Trace::judge(shot, kernel.probe(shot).unwrap());
    assert!(!trace.timed_out, "the safety net fired");
    for line in parity::decoded(&trace) {
        // Of a packet that is quoted in part nobody can say whether its checksum is right.
        let own = line.split(" for [").next().unwrap();
        assert!(!own.contains("checksum"), "{line}");
        assert!(
            !line.contains("checksum") || line.contains("length 576"),
            "{line}"
        );
    }
    trace
}

pub fn verdict(kernel: &mut Kernel, from: &str, to: &str, payload: Payload) -> Verdict {
    throw(kernel, &shot(from, to, payload)).verdict
}

/// The frames seen at a tap, decoded.
pub fn seen(trace: &Trace, place: &str, direction: Direction) -> Vec<String> {
    let lines = parity::decoded(trace);
    let tap = |(seen, line): (_, &String)| {
        let seen: &netparity_core::trace::Capture = seen;
        let here = seen.tap.link == at(place) && seen.tap.direction == direction;
        here.then(|| line.split_once(": ").unwrap().1.to_owned())
    };
    trace.captures.iter().zip(&lines).filter_map(tap).collect()
}
