//! Commands whose tools look at the network before they ask for anything.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use netparity_core::{
    MacAddr,
    command::{Command, HostCommand, Tool},
    engine::refusal::{self, Refusal},
    errno::Errno,
    name::{LinkName, LinkRef, Netns},
    plan::{LinkChange, Op},
    snapshot::{LinkState, NetnsState},
};

/// A command whose tool looks at a namespace before it asks for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observant {
    /// `ifconfig IF …`.
    Configure(Configure),
    /// `brctl addif BRIDGE PORT`.
    Enslave(Enslave),
    /// `brctl delif BRIDGE PORT`.
    Release(Release),
}

/// `ifconfig IF …`: an address replaces the first that the link has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configure {
    /// Which link.
    pub link: LinkRef,
    /// What about it, in the order it was said.
    pub settings: Vec<Setting>,
}

/// What `ifconfig` can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The first address, and its prefix where one was given; `0.0.0.0` takes it off.
    Address(Ipv4Addr, Option<u8>),
    /// The first address's prefix.
    Netmask(u8),
    /// Anything else.
    Link(LinkChange),
}

/// `brctl addif BRIDGE PORT`: unlike `ip link set master` it takes no port from another bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enslave {
    /// The port.
    pub port: LinkRef,
    /// The bridge it becomes a port of.
    pub bridge: LinkName,
}

/// `brctl delif BRIDGE PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The port.
    pub port: LinkRef,
    /// The bridge it has to be a port of.
    pub bridge: LinkName,
}

impl Observant {
    /// The namespace that is looked at.
    pub fn netns(&self) -> &Netns {
        match self {
            Self::Configure(it) => &it.link.netns,
            Self::Enslave(it) => &it.port.netns,
            Self::Release(it) => &it.port.netns,
        }
    }

    /// What it asks for where the namespace looks like this.
    ///
    /// # Errors
    ///
    /// Where the tool itself refuses.
    pub fn command(&self, state: &NetnsState) -> Result<Command, Refusal> {
        let (tool, ops) = match self {
            Self::Configure(it) => (Tool::Ifconfig, it.ops(state)?),
            Self::Enslave(it) => (Tool::Brctl, it.ops(state)?),
            Self::Release(it) => (Tool::Brctl, it.ops(state)?),
        };
        Ok(Command::Host(HostCommand { tool, ops }))
    }
}

impl Configure {
    fn ops(&self, state: &NetnsState) -> Result<Vec<Op>, Refusal> {
        let mut first = state
            .links
            .get(&self.link.name)
            .and_then(|link| link.addresses.first().copied());
        let mut ops = Vec::new();
        for setting in &self.settings {
            let wanted = match *setting {
                Setting::Link(change) => {
                    ops.push(Op::SetLink {
                        link: self.link.clone(),
                        change,
                    });
                    continue;
                }
                Setting::Address(address, prefix) => {
                    let kept = first.filter(|old| old.addr() == address);
                    let prefix = prefix
                        .or(kept.map(|old| old.prefix_len()))
                        .unwrap_or_else(|| classful_prefix(address));
                    (!address.is_unspecified()).then(|| Ipv4Net::new_assert(address, prefix))
                }
                Setting::Netmask(prefix) => {
                    let Some(old) = first else {
                        let why = match state.links.contains_key(&self.link.name) {
                            true => Errno::EADDRNOTAVAIL,
                            false => Errno::ENODEV,
                        };
                        return Err(refusal::set_netmask(why));
                    };
                    Some(Ipv4Net::new_assert(old.addr(), prefix))
                }
            };
            if wanted != first {
                let link = &self.link;
                let delete = |address| Op::DeleteAddress {
                    link: link.clone(),
                    address,
                };
                let add = |address| Op::AddAddress {
                    link: link.clone(),
                    address,
                };
                ops.extend(first.map(delete));
                ops.extend(wanted.map(add));
                first = wanted;
            }
            if matches!(setting, Setting::Address(..)) {
                ops.push(Op::SetLink {
                    link: self.link.clone(),
                    change: LinkChange::Up(true),
                });
            }
        }
        Ok(ops)
    }
}

/// The prefix of an address's class (the kernel's `inet_abc_len`).
fn classful_prefix(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        0..128 => 8,
        128..192 => 16,
        192..224 => 24,
        _ => 32,
    }
}

impl Enslave {
    fn ops(&self, state: &NetnsState) -> Result<Vec<Op>, Refusal> {
        let (port, bridge) = (self.port.name, self.bridge);
        let has_master = |link: &LinkState| link.master.is_some();
        // The kernel's br_add_if, in bridge-utils' words.
        if state.links.get(&port).is_some_and(has_master) && state.links.contains_key(&bridge) {
            return Err(refusal::enslaved(port, bridge));
        }
        Ok(vec![Op::SetLink {
            link: self.port.clone(),
            change: LinkChange::Master(Some(bridge)),
        }])
    }
}

impl Release {
    fn ops(&self, state: &NetnsState) -> Result<Vec<Op>, Refusal> {
        let master = |link: &LinkState| link.master == Some(self.bridge);
        let (port, bridge) = (self.port.name, self.bridge);
        // bridge-utils' br_cmd_delif.
        match state.links.get(&port) {
            None => Err(refusal::no_port(port)),
            Some(_) if !state.links.contains_key(&bridge) => {
                Err(refusal::no_bridge_for_port(bridge))
            }
            Some(link) if !master(link) => Err(refusal::not_enslaved(port, bridge)),
            Some(_) => Ok(vec![Op::SetLink {
                link: self.port.clone(),
                change: LinkChange::Master(None),
            }]),
        }
    }
}

/// The hardware address of the `serial`th veth end that a scenario makes, from 1: locally
/// administered, and none that the engine hands out.
pub(crate) fn veth_mac(serial: u32) -> MacAddr {
    let [a, b, c, d] = serial.to_be_bytes();
    MacAddr::new(0x0a, 0x6e, a, b, c, d)
}
