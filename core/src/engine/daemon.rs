//! Starting dockerd: its flags, its bridge, its rules. Sources: moby 20.10's
//! `daemon/daemon_unix.go` (`verifyDaemonSettings`, `initBridgeDriver`) and libnetwork's
//! `drivers/bridge` and `netutils`.

use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;

use super::{
    Change, Decision, Engine, firewall, identity,
    refusal::{self, Refusal},
};
use crate::{
    allocator::{Allocator, LowestFree},
    command::{BridgeChoice, DaemonConfig},
    name::{LinkName, LinkRef, Netns},
    plan::{LinkChange, Op, RuleOp, Sysctl},
    rules::{Policy, Rule},
    snapshot::{LinkKind, NetnsState},
};

/// A running daemon.
#[derive(Clone, Debug)]
pub(super) struct Daemon {
    pub config: DaemonConfig,
    /// The default network, unless `-b none`.
    pub network: Option<Network>,
}

/// The default network, `bridge`.
#[derive(Clone, Debug)]
pub(super) struct Network {
    pub id: String,
    pub bridge: LinkName,
    pub subnet: Ipv4Net,
    pub gateway: Ipv4Addr,
    /// Of every endpoint, in bytes.
    pub mtu: u32,
    pub pool: LowestFree,
    /// The rules that links have put into filter's DOCKER chain.
    pub link_rules: BTreeSet<Rule>,
}

const DEFAULT_MTU: u32 = 1500;

/// Where docker0 goes by default: the first of these whose network the host has no route to
/// (libnetwork's `ipamutils`, predefined local pools).
fn default_pools() -> impl Iterator<Item = Ipv4Net> {
    let large = (17..32).map(|second| Ipv4Net::new_assert(Ipv4Addr::new(172, second, 0, 0), 16));
    let small = (0..16).map(|part| Ipv4Net::new_assert(Ipv4Addr::new(192, 168, part * 16, 0), 20));
    large.chain(small)
}

impl Engine {
    pub(super) fn start_daemon(
        &self,
        config: &DaemonConfig,
        host: &NetnsState,
    ) -> Result<Decision, Refusal> {
        if config.bridge != BridgeChoice::Docker0 && config.bip.is_some() {
            return Err(refusal::bridge_and_bip());
        }
        if !config.icc && !config.iptables {
            return Err(refusal::icc_without_iptables());
        }
        let mut decision = self.end_containers();
        let ops = &mut decision.plan.ops;
        if config.ip_forward && !host.ip_forward {
            ops.push(Op::SetSysctl {
                netns: Netns::Host,
                sysctl: Sysctl::IpForward(true),
            });
        }
        let network = match config.bridge {
            BridgeChoice::None => {
                if host.links.contains_key(&LinkName::DOCKER0) {
                    ops.push(Op::DeleteLink(LinkRef::host(LinkName::DOCKER0)));
                }
                None
            }
            BridgeChoice::Docker0 => Some(set_up_bridge(LinkName::DOCKER0, config, host, ops)?),
            BridgeChoice::Existing(name) => Some(set_up_bridge(name, config, host, ops)?),
        };
        if network.is_some() && !config.icc {
            ops.push(Op::SetSysctl {
                netns: Netns::Host,
                sysctl: Sysctl::BridgeNfCallIptables(true),
            });
        }
        if config.iptables {
            match self.has_chains {
                true => ops.extend(firewall::flush()),
                false => ops.extend(firewall::new_chains()),
            }
            if config.ip_forward && !host.ip_forward {
                ops.push(Op::Rules(RuleOp::Policy(firewall::FORWARD, Policy::Drop)));
            }
            match &network {
                Some(network) => ops.extend(firewall::rules(&firewall::Bridge {
                    link: network.bridge,
                    subnet: network.subnet,
                    icc: config.icc,
                    masquerade: config.ip_masq,
                })),
                None => ops.extend(firewall::rules_without_bridge(self.has_chains)),
            }
        }
        let daemon = Daemon {
            config: config.clone(),
            network,
        };
        decision
            .changes
            .push(Change::DaemonStarted(Box::new(daemon)));
        Ok(decision)
    }

    /// A daemon takes its containers along when it ends, with all they had.
    fn end_containers(&self) -> Decision {
        let mut decision = Decision::default();
        for (name, container) in &self.containers {
            let Some(running) = &container.running else {
                continue;
            };
            if running.netns == Netns::Host {
                let close = |port: &_| Op::Unlisten {
                    netns: Netns::Host,
                    port: *port,
                };
                decision
                    .plan
                    .ops
                    .extend(running.listeners.iter().map(close));
            }
            decision.changes.push(Change::Stopped(name.clone()));
        }
        decision
            .plan
            .ops
            .extend(self.sandboxes.keys().cloned().map(Op::DeleteNetns));
        if let Some(network) = self.network() {
            let delete =
                |rule: &Rule| Op::Rules(RuleOp::Delete(firewall::FILTER_DOCKER, rule.clone()));
            decision
                .plan
                .ops
                .extend(network.link_rules.iter().map(delete));
        }
        decision
    }
}

fn set_up_bridge(
    bridge: LinkName,
    config: &DaemonConfig,
    host: &NetnsState,
    ops: &mut Vec<Op>,
) -> Result<Network, Refusal> {
    let link = LinkRef::host(bridge);
    let existing = host.links.get(&bridge);
    match existing {
        Some(state) if state.kind != LinkKind::Bridge => {
            return Err(refusal::default_network(format_args!(
                "existing interface {bridge} is not a bridge"
            )));
        }
        None if bridge != LinkName::DOCKER0 => {
            return Err(refusal::default_network(format_args!(
                "bridge device with non default name {bridge} must be created manually"
            )));
        }
        Some(_) => {}
        None => ops.push(Op::AddBridge {
            link: link.clone(),
            mac: Some(identity::DOCKER0_MAC),
        }),
    }
    let had: &[Ipv4Net] = existing.map_or(&[], |state| &state.addresses);
    let address = bridge_address(config, had, host)?;
    let mtu = match config.mtu {
        None | Some(0) => DEFAULT_MTU,
        Some(mtu) => u32::try_from(mtu)
            .map_err(|_| refusal::default_network(format_args!("invalid MTU number: {mtu}")))?,
    };
    let mut pool = match config.fixed_cidr {
        Some(range) => LowestFree::within(address, range),
        None => LowestFree::new(address),
    };
    if !pool.reserve(address.addr()) {
        let why = if address.prefix_len() > 30 {
            "No available addresses on this pool"
        } else {
            "Address already in use"
        };
        let gateway = address.addr();
        return Err(refusal::default_network(format_args!(
            "failed to allocate gateway ({gateway}): {why}"
        )));
    }
    if !had.contains(&address) {
        if let Some(other) = had.first() {
            ops.push(Op::DeleteAddress {
                link: link.clone(),
                address: *other,
            });
        }
        ops.push(Op::AddAddress {
            link: link.clone(),
            address,
        });
    }
    ops.push(Op::SetLink {
        link,
        change: LinkChange::Up(true),
    });
    Ok(Network {
        id: identity::network_id(),
        bridge,
        subnet: address.trunc(),
        gateway: address.addr(),
        mtu,
        pool,
        link_rules: BTreeSet::new(),
    })
}

/// `--bip`, or what the bridge has (by preference the address whose network holds
/// `--fixed-cidr`), or the first free one of the default pools.
fn bridge_address(
    config: &DaemonConfig,
    had: &[Ipv4Net],
    host: &NetnsState,
) -> Result<Ipv4Net, Refusal> {
    if let Some(bip) = config.bip {
        return Ok(bip);
    }
    let holds_range = |net: &&Ipv4Net| {
        config
            .fixed_cidr
            .is_some_and(|range| net.contains(&range.addr()))
    };
    if let Some(net) = had.iter().find(holds_range).or_else(|| had.first()) {
        return Ok(*net);
    }
    let overlaps = |one: &Ipv4Net, other: &Ipv4Net| {
        one.contains(&other.network()) || other.contains(&one.network())
    };
    let in_use = |pool: &Ipv4Net| {
        host.routes
            .iter()
            .any(|route| route.to.prefix_len() > 0 && overlaps(pool, &route.to))
    };
    let pool = default_pools()
        .find(|pool| !in_use(pool))
        .ok_or_else(refusal::no_free_pool)?;
    Ok(Ipv4Net::new_assert(
        Ipv4Addr::from_bits(pool.network().to_bits() + 1),
        pool.prefix_len(),
    ))
}
