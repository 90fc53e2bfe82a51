//! Views of links.

use netparity_core::{
    name::LinkName,
    snapshot::{LinkKind, LinkState, NetnsState},
};

/// The links, loopback first.
fn ordered(state: &NetnsState) -> impl Iterator<Item = (&LinkName, &LinkState)> {
    let is_loopback = |link: &LinkState| link.kind == LinkKind::Loopback;
    let loopback = state
        .links
        .iter()
        .filter(move |(_, link)| is_loopback(link));
    let others = state
        .links
        .iter()
        .filter(move |(_, link)| !is_loopback(link));
    loopback.chain(others)
}

/// `<BROADCAST,MULTICAST,UP,LOWER_UP>`.
fn flags(link: &LinkState) -> String {
    let kind = match link.kind {
        LinkKind::Loopback => "LOOPBACK",
        _ => "BROADCAST,MULTICAST",
    };
    let state = match (link.up, link.carrier) {
        (true, true) => ",UP,LOWER_UP",
        (true, false) => ",UP",
        (false, _) => "",
    };
    let lack = match (link.up, link.carrier) {
        (true, false) => "NO-CARRIER,",
        _ => "",
    };
    format!("<{lack}{kind}{state}>")
}

/// The operational state, as `ip` calls it.
fn state(link: &LinkState) -> &'static str {
    match (link.kind, link.up && link.carrier) {
        (_, false) => "DOWN",
        (LinkKind::Loopback, true) => "UNKNOWN",
        (_, true) => "UP",
    }
}

fn master(link: &LinkState) -> String {
    link.master
        .map_or_else(String::new, |bridge| format!(" master {bridge}"))
}

/// `ip addr`, less the links' numbers.
pub(super) fn ip_addr(netns: &NetnsState) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, link) in ordered(netns) {
        lines.push(format!(
            "{name}: {} mtu {}{} state {}",
            flags(link),
            link.mtu,
            master(link),
            state(link)
        ));
        let (kind, scope) = match link.kind {
            LinkKind::Loopback => ("loopback", "host"),
            _ => ("ether", "global"),
        };
        lines.push(format!("    link/{kind} {}", link.mac));
        for address in &link.addresses {
            lines.push(format!("    inet {address} scope {scope} {name}"));
        }
    }
    lines
}

/// `eth0 UP 02:42:ac:11:00:02 <…> mtu 1500`: `ip -br link`, and what it leaves out.
pub(super) fn brief(netns: &NetnsState) -> Vec<String> {
    let line = |(name, link): (&LinkName, &LinkState)| {
        format!(
            "{name} {} {} {} mtu {}{}",
            state(link),
            link.mac,
            flags(link),
            link.mtu,
            master(link)
        )
    };
    ordered(netns).map(line).collect()
}

/// `eth0 02:42:ac:11:00:02`.
pub(super) fn macs(netns: &NetnsState) -> Vec<String> {
    ordered(netns)
        .map(|(name, link)| format!("{name} {}", link.mac))
        .collect()
}

/// `eth0 1500`.
pub(super) fn mtus(netns: &NetnsState) -> Vec<String> {
    ordered(netns)
        .map(|(name, link)| format!("{name} {}", link.mtu))
        .collect()
}

/// `bridge0 ports=1 id=8000.0242ac110002 veth2a8e302`.
pub(super) fn bridges(netns: &NetnsState) -> Vec<String> {
    let bridges = netns
        .links
        .iter()
        .filter(|(_, link)| link.kind == LinkKind::Bridge);
    let line = |(name, bridge): (&LinkName, &LinkState)| {
        let ports: Vec<_> = netns
            .links
            .iter()
            .filter(|(_, port)| port.master == Some(*name))
            .map(|(port, _)| port.as_str())
            .collect();
        let id = bridge.mac.to_string().replace(':', "");
        let line = format!("{name} ports={} id=8000.{id}", ports.len());
        [&[line.as_str()], &ports[..]].concat().join(" ")
    };
    bridges.map(line).collect()
}

/// `ifconfig -a`, less its counters.
pub(super) fn ifconfig(netns: &NetnsState) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, link) in ordered(netns) {
        // IFF_UP, IFF_BROADCAST, IFF_LOOPBACK, IFF_RUNNING, IFF_MULTICAST.
        let is_loopback = link.kind == LinkKind::Loopback;
        let words = [
            (1, "UP", link.up),
            (2, "BROADCAST", !is_loopback),
            (8, "LOOPBACK", is_loopback),
            (64, "RUNNING", link.carrier),
            (4096, "MULTICAST", !is_loopback),
        ];
        let set = || words.into_iter().filter(|(.., holds)| *holds);
        let number: u32 = set().map(|(bit, ..)| bit).sum();
        let names: Vec<_> = set().map(|(_, name, _)| name).collect();
        lines.push(format!(
            "{name}: flags={number}<{}>  mtu {}",
            names.join(","),
            link.mtu
        ));
        if let Some(address) = link.addresses.first() {
            lines.push(format!(
                "        inet {}  netmask {}",
                address.addr(),
                address.netmask()
            ));
        }
        lines.push(match is_loopback {
            true => "        loop  (Local Loopback)".to_owned(),
            false => format!("        ether {}  (Ethernet)", link.mac),
        });
    }
    lines
}
