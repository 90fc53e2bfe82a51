//! The words in which the host's tools pass on the kernel's refusals. Sources: bridge-utils'
//! `brctl_cmd.c`, net-tools' `ifconfig.c`, iproute2's `libnetlink.c`.

use super::refusal::{self, Refusal};
use crate::{
    command::Tool,
    errno::Errno,
    plan::{LinkChange, Op},
    port::Port,
};

pub(super) fn refusal(tool: Tool, op: &Op, errno: Errno) -> Refusal {
    match tool {
        Tool::Ip => ip(op, errno),
        Tool::Brctl => brctl(op, errno),
        Tool::Ifconfig => ifconfig(op, errno),
        Tool::Sysctl => refusal::sysctl(errno),
    }
}

/// As a program in Go says it.
pub(super) fn listen_refusal(port: Port, errno: Errno) -> Refusal {
    refusal::listen(port.protocol, port.number, errno.text().to_lowercase())
}

fn ip(op: &Op, errno: Errno) -> Refusal {
    match (op, errno) {
        (Op::AddNetns(netns), Errno::EEXIST) => refusal::netns_exists(netns, errno),
        (Op::DeleteNetns(netns), Errno::ENOENT) => refusal::netns_missing(netns, errno),
        (
            Op::DeleteLink(link)
            | Op::SetLink { link, .. }
            | Op::AddAddress { link, .. }
            | Op::DeleteAddress { link, .. },
            Errno::ENODEV,
        ) => refusal::no_device(link.name),
        _ => refusal::rtnetlink(errno),
    }
}

fn brctl(op: &Op, errno: Errno) -> Refusal {
    match op {
        Op::AddBridge { link, .. } if errno == Errno::EEXIST => refusal::bridge_exists(link.name),
        Op::AddBridge { .. } => refusal::add_bridge(errno),
        Op::DeleteBridge(link) => match errno {
            Errno::ENXIO => refusal::bridge_missing(link.name),
            Errno::EBUSY => refusal::bridge_up(link.name),
            _ => refusal::delete_bridge(link.name, errno),
        },
        Op::SetLink {
            link,
            change: LinkChange::Master(Some(bridge)),
        } => match errno {
            Errno::ENODEV => refusal::no_port(link.name),
            Errno::ENXIO => refusal::no_bridge_for_port(bridge),
            Errno::EBUSY => refusal::enslaved(link.name, bridge),
            Errno::ELOOP => refusal::port_is_bridge(link.name),
            _ => refusal::enslave(link.name, bridge, errno),
        },
        Op::SetLink { link, .. } => match errno {
            Errno::ENODEV => refusal::no_port(link.name),
            _ => refusal::release(link.name, errno),
        },
        _ => refusal::errno(errno),
    }
}

fn ifconfig(op: &Op, errno: Errno) -> Refusal {
    match op {
        Op::AddAddress { link, .. } => refusal::set_address(link.name, errno),
        Op::SetLink { link, change } => match (change, errno) {
            (LinkChange::Up(_), Errno::ENODEV) => refusal::get_flags(link.name, errno),
            (LinkChange::Up(_), _) => refusal::set_flags(errno),
            (LinkChange::Mtu(_), _) => refusal::set_mtu(errno),
            (LinkChange::Mac(_), _) => refusal::set_mac(errno),
            (LinkChange::Master(_), _) => refusal::errno(errno),
        },
        Op::AddRoute { .. } => refusal::add_route(errno),
        Op::DeleteRoute { .. } => refusal::delete_route(errno),
        _ => refusal::errno(errno),
    }
}
