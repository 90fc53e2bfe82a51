//! A container's namespace and its interface on the bridge. Source: libnetwork 20.10's
//! `drivers/bridge/bridge.go` (`CreateEndpoint`).

use std::{net::Ipv4Addr, ops::RangeInclusive};

use super::{
    container::Container,
    daemon::Network,
    identity,
    refusal::{self, Refusal},
};
use crate::{
    MacAddr,
    errno::Errno,
    name::{LinkName, LinkRef, Name, Netns},
    plan::{LinkChange, Op, Route, VethEnd},
};

/// What a veth can have (`ETH_MIN_MTU`, `ETH_MAX_MTU`).
const MTUS: RangeInclusive<u32> = 68..=65535;
/// As the kernel does it (`dev_set_mtu`).
pub(super) fn check_mtu(name: &Name, network: &Network, address: Ipv4Addr) -> Result<(), Refusal> {
    if MTUS.contains(&network.mtu) {
        return Ok(());
    }
    let why = refusal::veth_mtu(identity::veth_name(address));
    Err(refusal::endpoint(name, &why).passing_on(&why))
}

/// As the kernel does it (`is_valid_ether_addr`).
pub(super) fn check_mac(container: &Container, address: Ipv4Addr) -> Result<(), Refusal> {
    match container.spec.mac {
        Some(mac) if mac.is_zero() || mac.is_multicast() => {
            Err(refusal::mac_address(identity::veth_name(address), mac))
        }
        _ => Ok(()),
    }
}

pub(super) fn new_sandbox(netns: &Netns) -> [Op; 2] {
    let lo = LinkRef::new(netns.clone(), LinkName::LOOPBACK);
    [
        Op::AddNetns(netns.clone()),
        Op::SetLink {
            link: lo,
            change: LinkChange::Up(true),
        },
    ]
}

/// A namespace with an interface on the bridge.
pub(super) fn attach(
    netns: &Netns,
    container: &Container,
    network: &Network,
    address: Ipv4Addr,
) -> Vec<Op> {
    let eth0 = LinkRef::new(netns.clone(), LinkName::ETH0);
    let mac = container.spec.mac;
    let mac = mac.unwrap_or_else(|| identity::mac_of(address));
    let mut ops: Vec<Op> = new_sandbox(netns).into();
    ops.push(veth(&eth0, mac, true, network, address));
    ops.push(Op::AddAddress {
        link: eth0,
        address: ipnet::Ipv4Net::new_assert(address, network.subnet.prefix_len()),
    });
    ops.push(Op::AddRoute {
        netns: netns.clone(),
        route: Route {
            to: ipnet::Ipv4Net::default(),
            via: Some(network.gateway),
            link: Some(LinkName::ETH0),
            source: None,
            kernel: false,
        },
    });
    ops
}

/// What Docker has done when a start is refused that late: an interface was on the bridge, which
/// knows from then on that it has no carrier without one.
pub(super) fn attach_in_vain(netns: &Netns, network: &Network, address: Ipv4Addr) -> Vec<Op> {
    let eth0 = LinkRef::new(netns.clone(), LinkName::ETH0);
    let mac = identity::mac_of(address);
    vec![
        Op::AddNetns(netns.clone()),
        veth(&eth0, mac, false, network, address),
        Op::DeleteNetns(netns.clone()),
    ]
}

fn veth(eth0: &LinkRef, mac: MacAddr, up: bool, network: &Network, address: Ipv4Addr) -> Op {
    Op::AddVeth {
        near: VethEnd {
            link: LinkRef::host(identity::veth_name(address)),
            mac: identity::veth_mac(address),
            mtu: Some(network.mtu),
            master: Some(network.bridge),
            up: true,
        },
        far: VethEnd {
            link: eth0.clone(),
            mac,
            mtu: Some(network.mtu),
            master: None,
            up,
        },
    }
}

pub(super) fn veth_refusal(name: &Name, near: &VethEnd, errno: Errno) -> Refusal {
    let why = match (near.master, errno) {
        (Some(bridge), Errno::ENODEV | Errno::ENXIO) => refusal::no_bridge(near.link.name, bridge),
        _ => refusal::errno(errno.text().to_lowercase()),
    };
    refusal::endpoint(name, &why).passing_on(&why)
}
