//! The bridge of the default network. Sources: moby 20.10's `daemon/daemon_unix.go`
//! (`initBridgeDriver`) and libnetwork's `drivers/bridge` and `netutils`.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{
    daemon::Network,
    firewall, identity,
    refusal::{self, Refusal, no_default_network},
};
use crate::{
    allocator::{Allocator, LowestFree},
    command::DaemonConfig,
    name::{LinkName, LinkRef},
    plan::{LinkChange, Op},
    snapshot::{LinkKind, NetnsState},
};

const DEFAULT_MTU: u32 = 1500;

/// Where a bridge goes by default: the first of these whose network the host has no route to
/// (libnetwork's `ipamutils`, predefined local pools).
fn default_pools() -> impl Iterator<Item = Ipv4Net> {
    let large = (17..32).map(|second| Ipv4Net::new_assert(Ipv4Addr::new(172, second, 0, 0), 16));
    let small = (0..16).map(|part| Ipv4Net::new_assert(Ipv4Addr::new(192, 168, part * 16, 0), 20));
    large.chain(small)
}

/// A network as libnetwork has it in its store, from where it is restored when the next daemon
/// starts, before that one looks at its flags.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub rules: firewall::Bridge,
    pub address: Ipv4Net,
}

impl Stored {
    /// Whether it and another cannot be (`networkConfiguration.Conflicts`).
    pub fn conflicts_with(&self, other: &Self) -> bool {
        self.rules.link == other.rules.link || overlap(self.address, other.address)
    }
}

/// The host as it becomes while a daemon starts.
pub(super) struct Site<'a> {
    host: &'a NetnsState,
    /// Bridges that were restored, with the addresses they have then.
    restored: Vec<(LinkName, Vec<Ipv4Net>)>,
    pub ops: Vec<Op>,
}

impl<'a> Site<'a> {
    pub fn new(host: &'a NetnsState) -> Self {
        Self {
            host,
            restored: Vec::new(),
            ops: Vec::new(),
        }
    }

    pub fn has(&self, bridge: LinkName) -> bool {
        self.host.links.contains_key(&bridge) || self.restored(bridge).is_some()
    }

    fn restored(&self, bridge: LinkName) -> Option<&[Ipv4Net]> {
        let found = self.restored.iter().find(|(link, _)| *link == bridge);
        found.map(|(_, addresses)| addresses.as_slice())
    }

    fn addresses(&self, bridge: LinkName) -> &[Ipv4Net] {
        let had = || self.host.links.get(&bridge).map(|state| &*state.addresses);
        self.restored(bridge).or_else(had).unwrap_or_default()
    }

    /// Sets a stored network up again; `false` where it has no bridge any more.
    pub fn restore(&mut self, network: &Stored) -> bool {
        let bridge = network.rules.link;
        if self.ready(bridge).is_err() {
            return false;
        }
        let addresses = self.set_address(bridge, network.address);
        self.restored.retain(|(link, _)| *link != bridge);
        self.restored.push((bridge, addresses));
        true
    }

    /// Makes the bridge if it is Docker's to make (`newInterface`, `setupDevice`).
    fn ready(&mut self, bridge: LinkName) -> Result<(), Refusal> {
        match self.host.links.get(&bridge) {
            Some(state) if state.kind != LinkKind::Bridge => {
                Err(no_default_network(&refusal::not_a_bridge(bridge)))
            }
            Some(_) => Ok(()),
            None if self.restored(bridge).is_some() => Ok(()),
            None if bridge != LinkName::DOCKER0 => {
                Err(no_default_network(&refusal::foreign_bridge_missing(bridge)))
            }
            None => {
                self.ops.push(Op::AddBridge {
                    link: LinkRef::host(bridge),
                    mac: Some(identity::DOCKER0_MAC),
                });
                Ok(())
            }
        }
    }

    /// Gives the bridge an address, in place of the first that it has in the same network or at
    /// all (`setupBridgeIPv4`), and puts it up. Returns what it has then.
    fn set_address(&mut self, bridge: LinkName, address: Ipv4Net) -> Vec<Ipv4Net> {
        let link = LinkRef::host(bridge);
        let mut addresses = self.addresses(bridge).to_vec();
        let in_network = |other: &&Ipv4Net| address.contains(&other.addr());
        let old = addresses.iter().find(in_network).or(addresses.first());
        let old = old.copied();
        if old != Some(address) {
            if let Some(old) = old {
                addresses.retain(|other| *other != old);
                self.ops.push(Op::DeleteAddress {
                    link: link.clone(),
                    address: old,
                });
            }
            addresses.push(address);
            self.ops.push(Op::AddAddress {
                link: link.clone(),
                address,
            });
        }
        self.ops.push(Op::SetLink {
            link,
            change: LinkChange::Up(true),
        });
        addresses
    }

    /// What the default network is to be, if it can be (`ipamAllocate` and what the driver checks
    /// before it touches anything).
    pub fn plan(&self, bridge: LinkName, config: &DaemonConfig) -> Result<Network, Refusal> {
        let wanted = self.address(bridge, config)?;
        let subnet = wanted.trunc();
        // Every address there is: Docker does not take such a pool, and here it is not made.
        if subnet.prefix_len() == 0 {
            let is_edge = wanted.addr() == subnet.network() || wanted.addr() == subnet.broadcast();
            return Err(match is_edge {
                true => no_default_network(&refusal::gateway_in_use(wanted.addr())),
                false => no_default_network(&refusal::pool_is_empty()),
            });
        }
        let mut pool = match config.fixed_cidr {
            Some(range) => LowestFree::within(subnet, range),
            None => LowestFree::new(subnet),
        };
        let has_host_part = wanted.addr() != subnet.network() || config.bip.is_some();
        let gateway = match has_host_part {
            true => wanted.addr(),
            // The address manager takes the first that is free.
            false => {
                let free = pool.next();
                free.ok_or_else(|| no_default_network(&refusal::gateway_not_free("")))?
            }
        };
        if !pool.reserve(gateway) {
            let is_large = subnet.prefix_len() <= 30;
            return Err(no_default_network(&match is_large {
                true => refusal::gateway_in_use(gateway),
                false => refusal::gateway_not_free(gateway),
            }));
        }
        let mtu = match config.mtu {
            None | Some(0) => DEFAULT_MTU,
            Some(mtu) if mtu < 0 => {
                return Err(no_default_network(&refusal::invalid_mtu(mtu)));
            }
            Some(mtu) => u32::try_from(mtu).unwrap_or(u32::MAX),
        };
        Ok(Network {
            id: identity::network_id(),
            bridge,
            subnet,
            gateway,
            mtu,
            icc: config.icc,
            pool,
        })
    }

    /// Makes the bridge what a network wants it to be.
    pub fn set_up(&mut self, network: &Network) -> Result<(), Refusal> {
        self.ready(network.bridge)?;
        self.set_address(network.bridge, network.address());
        Ok(())
    }

    /// `--bip`, or what the bridge has (by preference the address that `--fixed-cidr` holds), or
    /// the first free one of the default pools, which is a network and no address.
    fn address(&self, bridge: LinkName, config: &DaemonConfig) -> Result<Ipv4Net, Refusal> {
        let had = self.addresses(bridge);
        let is_in_range = |net: &&Ipv4Net| {
            let range = config.fixed_cidr;
            range.is_some_and(|range| range.contains(&net.addr()))
        };
        let found = had.iter().find(is_in_range).or(had.first()).copied();
        let elected = match found {
            Some(address) => address,
            None => default_pools()
                .find(|pool| !self.is_routed(*pool))
                .ok_or_else(|| {
                    let pools: Vec<String> = default_pools().map(|it| it.to_string()).collect();
                    refusal::no_free_pool(pools.join(" "))
                })?,
        };
        Ok(config.bip.unwrap_or(elected))
    }

    /// Whether a part of the network is on one of the host's links.
    fn is_routed(&self, net: Ipv4Net) -> bool {
        let mut routes = self.host.routes.iter().filter(|route| {
            let restored = route.link.and_then(|link| self.restored(link));
            route.via.is_none() && route.to.prefix_len() > 0 && restored.is_none()
        });
        let mut restored = self.restored.iter().flat_map(|(_, addresses)| addresses);
        routes.any(|route| overlap(net, route.to))
            || restored.any(|address| overlap(net, address.trunc()))
    }
}

/// `netutils.NetworkOverlaps`.
fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other.addr()) || other.contains(&one.addr())
}
