//! The words in which the host's tools pass on the kernel's refusals. Sources: bridge-utils'
//! `brctl_cmd.c`, net-tools' `ifconfig.c`, iproute2's `libnetlink.c`.

use super::Refusal;
use crate::{
    command::Tool,
    errno::Errno,
    plan::{LinkChange, Op},
    port::Port,
};

pub(super) fn refusal(tool: Tool, op: &Op, errno: Errno) -> Refusal {
    Refusal::new(match tool {
        Tool::Ip => ip(op, errno),
        Tool::Brctl => brctl(op, errno),
        Tool::Ifconfig => ifconfig(op, errno),
        Tool::Sysctl => format!("sysctl: setting key: {errno}"),
    })
}

/// As a program in Go says it.
pub(super) fn listen_refusal(port: Port, errno: Errno) -> Refusal {
    let (protocol, number) = (port.protocol, port.number);
    Refusal::new(format!(
        "listen {protocol} 0.0.0.0:{number}: bind: {}",
        errno.text().to_lowercase()
    ))
}

fn ip(op: &Op, errno: Errno) -> String {
    match (op, errno) {
        (Op::AddNetns(netns), Errno::EEXIST) => {
            format!("Cannot create namespace file \"/var/run/netns/{netns}\": {errno}")
        }
        (Op::DeleteNetns(netns), Errno::ENOENT) => {
            format!("Cannot remove namespace file \"/var/run/netns/{netns}\": {errno}")
        }
        (
            Op::DeleteLink(link)
            | Op::SetLink { link, .. }
            | Op::AddAddress { link, .. }
            | Op::DeleteAddress { link, .. },
            Errno::ENODEV,
        ) => format!("Cannot find device \"{}\"", link.name),
        _ => format!("RTNETLINK answers: {errno}"),
    }
}

fn brctl(op: &Op, errno: Errno) -> String {
    match op {
        Op::AddBridge { link, .. } if errno == Errno::EEXIST => {
            format!(
                "device {} already exists; can't create bridge with the same name",
                link.name
            )
        }
        Op::AddBridge { .. } => format!("add bridge failed: {errno}"),
        Op::DeleteBridge(link) => match errno {
            Errno::ENXIO => format!("bridge {} doesn't exist; can't delete it", link.name),
            Errno::EBUSY => format!("bridge {} is still up; can't delete it", link.name),
            _ => format!("can't delete bridge {}: {errno}", link.name),
        },
        Op::SetLink {
            link,
            change: LinkChange::Master(Some(bridge)),
        } => match errno {
            Errno::ENODEV => format!("interface {} does not exist!", link.name),
            Errno::ENXIO => format!("bridge {bridge} does not exist!"),
            Errno::EBUSY => format!(
                "device {} is already a member of a bridge; can't enslave it to bridge {bridge}.",
                link.name
            ),
            Errno::ELOOP => format!(
                "device {} is a bridge device itself; can't enslave a bridge device to a bridge device.",
                link.name
            ),
            _ => format!("can't add {} to bridge {bridge}: {errno}", link.name),
        },
        Op::SetLink { link, .. } => match errno {
            Errno::ENODEV => format!("interface {} does not exist!", link.name),
            _ => format!("can't delete {} from its bridge: {errno}", link.name),
        },
        _ => errno.text().to_owned(),
    }
}

fn ifconfig(op: &Op, errno: Errno) -> String {
    match op {
        Op::AddAddress { link, .. } => format!("{}: SIOCSIFADDR: {errno}", link.name),
        Op::SetLink { link, change } => match (change, errno) {
            (LinkChange::Up(_), Errno::ENODEV) => {
                format!(
                    "{}: ERROR while getting interface flags: {errno}",
                    link.name
                )
            }
            (LinkChange::Up(_), _) => format!("SIOCSIFFLAGS: {errno}"),
            (LinkChange::Mtu(_), _) => format!("SIOCSIFMTU: {errno}"),
            (LinkChange::Mac(_), _) => format!("SIOCSIFHWADDR: {errno}"),
            (LinkChange::Master(_), _) => errno.text().to_owned(),
        },
        Op::AddRoute { .. } => format!("SIOCADDRT: {errno}"),
        Op::DeleteRoute { .. } => format!("SIOCDELRT: {errno}"),
        _ => errno.text().to_owned(),
    }
}
