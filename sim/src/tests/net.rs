//! Networks to test with, in few words.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use netparity_core::{
    MacAddr,
    errno::Errno,
    model::{Dataplane, DataplaneError},
    name::{LinkName, LinkRef, Name, Netns},
    parity,
    plan::{LinkChange, Op, Route, RuleOp, Sysctl, VethEnd},
    probe::{Payload, Shot},
    rules::{ChainRef, Rule},
    snapshot::Snapshot,
    trace::Trace,
};

use crate::Sim;

pub(super) fn netns(name: &str) -> Netns {
    match name {
        Name::HOST => Netns::Host,
        name => Netns::Named(Name::new(name)),
    }
}

/// `host/br0`.
pub(super) fn link(text: &str) -> LinkRef {
    let (place, name) = text.split_once('/').unwrap();
    LinkRef::new(netns(place), name.parse().unwrap())
}

pub(super) fn name(text: &str) -> LinkName {
    text.parse().unwrap()
}

pub(super) fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

pub(super) fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

/// `10.0.0.0/8 via 10.0.0.1 dev eth0`, each but the first left out at will.
pub(super) fn route(text: &str) -> Route {
    let words: Vec<&str> = text.split(' ').collect();
    let after = |word: &str| {
        let at = words.iter().position(|other| *other == word)?;
        words.get(at + 1).copied()
    };
    Route {
        to: net(words[0]),
        via: after("via").map(ip),
        link: after("dev").map(name),
        source: after("src").map(ip),
        kernel: false,
    }
}

pub(super) fn end(at: &str, mac: u8) -> VethEnd {
    VethEnd {
        link: link(at),
        mac: MacAddr::new(2, 0, 0, 0, 0, mac),
        mtu: None,
        master: None,
        up: true,
    }
}

pub(super) fn port_of(master: &str, end: VethEnd) -> VethEnd {
    VethEnd {
        master: Some(name(master)),
        ..end
    }
}

pub(super) fn up(at: &str) -> Op {
    set(at, LinkChange::Up(true))
}

pub(super) fn set(at: &str, change: LinkChange) -> Op {
    Op::SetLink {
        link: link(at),
        change,
    }
}

pub(super) fn address(at: &str, address: &str) -> Op {
    Op::AddAddress {
        link: link(at),
        address: net(address),
    }
}

pub(super) fn add_route(place: &str, text: &str) -> Op {
    Op::AddRoute {
        netns: netns(place),
        route: route(text),
    }
}

pub(super) fn sysctl(place: &str, sysctl: Sysctl) -> Op {
    Op::SetSysctl {
        netns: netns(place),
        sysctl,
    }
}

pub(super) fn listen(place: &str, port: &str) -> Op {
    Op::Listen {
        netns: netns(place),
        port: port.parse().unwrap(),
    }
}

pub(super) fn append(chain: ChainRef, rule: Rule) -> Op {
    Op::Rules(RuleOp::Append(chain, rule))
}

pub(super) fn bridge(at: &str) -> Op {
    Op::AddBridge {
        link: link(at),
        mac: None,
    }
}

/// A packet of the usual size from `place`.
pub(super) fn shot(place: &str, to: &str, payload: Payload) -> Shot {
    Shot {
        netns: netns(place),
        to: ip(to),
        payload,
        source_port: 61_000,
        ttl: 64,
        size: None,
        dont_fragment: false,
    }
}

/// A simulator that expects to be obeyed.
#[derive(Clone, Debug)]
pub(super) struct Net(pub Sim);

impl Net {
    pub fn new() -> Self {
        Self(Sim::new())
    }

    pub fn run(&mut self, ops: Vec<Op>) -> &mut Self {
        self.0.execute(&ops.into()).unwrap();
        self
    }

    /// What the kernel says to the last of these operations, which it refuses.
    pub fn refused(&mut self, ops: Vec<Op>) -> Errno {
        let last = ops.len() - 1;
        match self.0.execute(&ops.into()) {
            Err(DataplaneError::Refused { op, errno }) if op == last => errno,
            other => panic!("{other:?}"),
        }
    }

    pub fn throw(&mut self, shot: &Shot) -> Trace {
        let sighting = self.0.probe(shot).unwrap();
        Trace::judge(shot, sighting)
    }

    pub fn verdict(&mut self, shot: &Shot) -> &'static str {
        self.throw(shot).verdict.as_str()
    }

    /// Every frame of a packet's way, decoded.
    pub fn frames(&mut self, shot: &Shot) -> Vec<String> {
        parity::decoded(&self.throw(shot))
    }

    /// The frames that pass one tap: `b/eth0 in`.
    pub fn at(&mut self, tap: &str, shot: &Shot) -> Vec<String> {
        let prefix = format!("{tap}: ");
        let frames = self.frames(shot);
        frames
            .iter()
            .filter_map(|line| Some(line.strip_prefix(&prefix)?.to_owned()))
            .collect()
    }

    pub fn look(&mut self) -> Snapshot {
        self.0.snapshot().unwrap()
    }

    /// `ip route` in a namespace.
    pub fn routes(&mut self, place: &str) -> Vec<String> {
        let state = self.look().netns.remove(&netns(place)).unwrap();
        state.routes.iter().map(ToString::to_string).collect()
    }

    /// `br0` at 10.0.0.1/24 on the host, with `a` at .2 and `b` at .3 behind it; and `c` at
    /// 10.1.0.2/24, next to the host's `vc` at .1.
    pub fn home() -> Self {
        let mut net = Self::new();
        net.run(home());
        net
    }
}

/// What [`Net::home`] is made by.
pub(super) fn home() -> Vec<Op> {
    let mut ops = vec![
        bridge("host/br0"),
        up("host/br0"),
        address("host/br0", "10.0.0.1/24"),
    ];
    for (at, place) in ["a", "b", "c"].into_iter().enumerate() {
        let number = at as u8;
        ops.extend([Op::AddNetns(netns(place)), up(&format!("{place}/lo"))]);
        let near = end(&format!("host/v{place}"), 0x10 + number);
        let far = end(&format!("{place}/eth0"), 0x20 + number);
        let near = match place {
            "c" => near,
            _ => port_of("br0", near),
        };
        ops.push(Op::AddVeth { near, far });
    }
    ops.extend([
        address("a/eth0", "10.0.0.2/24"),
        address("b/eth0", "10.0.0.3/24"),
        address("host/vc", "10.1.0.1/24"),
        address("c/eth0", "10.1.0.2/24"),
        add_route("a", "0.0.0.0/0 via 10.0.0.1"),
        add_route("b", "0.0.0.0/0 via 10.0.0.1"),
        add_route("c", "0.0.0.0/0 via 10.1.0.1"),
        sysctl("host", Sysctl::IpForward(true)),
    ]);
    ops
}
