//! dockerd's start and end. Sources: moby 20.10's `daemon/daemon_unix.go` (`verifyDaemonSettings`,
//! `initNetworkController`), `daemon/daemon.go` (`restore`) and libnetwork's `drivers/bridge`.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{
    Decision, Engine, Variant,
    bridge::{Site, Stored},
    change::Change,
    container::Container,
    firewall::{self, Tables},
    refusal::{self, Refusal},
};
use crate::{
    allocator::LowestFree,
    command::{BridgeChoice, DaemonConfig},
    name::{LinkName, LinkRef, Netns},
    plan::{Op, Sysctl},
    snapshot::NetnsState,
};

/// A running daemon.
#[derive(Clone, Debug)]
pub(super) struct Daemon {
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
    pub icc: bool,
    pub pool: LowestFree,
}

impl Network {
    /// The bridge's.
    pub fn address(&self) -> Ipv4Net {
        Ipv4Net::new_assert(self.gateway, self.subnet.prefix_len())
    }
}

/// What daemons leave to those after them.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    /// Whether one has come to its network controller, and made the networks `none` and `host`.
    pub is_made: bool,
    pub default: Option<Stored>,
    /// Default networks that could not be restored and deleted because their bridges were gone.
    pub stale: Vec<Stored>,
}

/// The start of a daemon, as far as it has got.
struct Start<'a> {
    config: &'a DaemonConfig,
    site: Site<'a>,
    tables: Tables,
    store: Store,
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
        let mut start = Start {
            config,
            site: Site::new(host),
            tables: self.tables.clone(),
            store: self.store.clone(),
        };
        let turns_forwarding_on = config.ip_forward && !host.ip_forward;
        if turns_forwarding_on {
            start.site.ops.push(Op::SetSysctl {
                netns: Netns::Host,
                sysctl: Sysctl::IpForward(true),
            });
        }
        start.restore();
        let network = match config.bridge {
            BridgeChoice::None => Ok(None),
            BridgeChoice::Docker0 => start.network(LinkName::DOCKER0).map(Some),
            BridgeChoice::Existing(name) => start.network(name).map(Some),
        };
        if config.bridge == BridgeChoice::None && start.site.has(LinkName::DOCKER0) {
            let docker0 = LinkRef::host(LinkName::DOCKER0);
            start.site.ops.push(Op::DeleteLink(docker0));
        }
        let mut decision = Decision::from(start.site.ops);
        decision.plan.ops.extend(start.tables.since(&self.tables));
        if turns_forwarding_on && config.iptables {
            decision.plan.ops.push(Op::Rules(firewall::NO_FORWARDING));
        }
        decision.changes = vec![
            Change::Forwarding(config.ip_forward || host.ip_forward),
            Change::Tables(Box::new(start.tables)),
            Change::Store(Box::new(start.store)),
        ];
        match network {
            Ok(network) => {
                let daemon = Box::new(Daemon { network });
                decision.changes.push(Change::DaemonStarted(daemon));
            }
            Err(refusal) => decision.refusal = Some(refusal),
        }
        Ok(decision)
    }

    /// A daemon takes its containers along when it ends, with all they had.
    pub(super) fn stop_daemon(&self) -> Decision {
        let mut decision = Decision::default();
        let mut rules = Vec::new();
        for (name, container) in &self.containers {
            let Some(running) = &container.running else {
                continue;
            };
            if running.netns == Netns::Host {
                let close = |port: &_| Op::Unlisten {
                    netns: Netns::Host,
                    port: *port,
                };
                let ops = &mut decision.plan.ops;
                ops.extend(running.listeners.iter().map(close));
            }
            if let (Some(network), Some(endpoint)) = (self.network(), &running.endpoint) {
                let address = endpoint.address;
                rules.extend(self.link_rules(network, container, address, &endpoint.kin));
                decision.plan.ops.push(Op::ForgetConnections(address));
            }
            decision.changes.push(Change::Stopped(name.clone()));
            if container.spec.auto_remove {
                decision.changes.push(Change::Removed(name.clone()));
            }
        }
        let sandboxes = self.sandboxes.keys().cloned();
        decision.plan.ops.extend(sandboxes.map(Op::DeleteNetns));
        self.delete_rules(rules, &mut decision);
        decision.changes.push(Change::DaemonStopped);
        decision
    }

    /// Goes through the containers there are when a daemon starts: those that remove themselves
    /// are removed.
    pub(super) fn restore(&mut self) {
        if self.variant == Variant::Docker20_10 {
            self.register_again();
        }
        let removes_itself = |(name, container): (&_, &Container)| {
            container.spec.auto_remove.then(|| Clone::clone(name))
        };
        let gone: Vec<_> = self.containers.iter().filter_map(removes_itself).collect();
        for name in gone {
            self.make(Change::Removed(name));
        }
    }

    /// Has links lead to who is called so now, or nowhere.
    fn register_again(&mut self) {
        let again: Vec<_> = self
            .containers
            .iter()
            .filter(|(_, container)| !container.spec.links.is_empty())
            .map(|(name, container)| {
                let spec = &container.spec;
                let (links, _) = self.register_links(name, &spec.net, &spec.links);
                (name.clone(), links)
            })
            .collect();
        for container in self.containers.values_mut() {
            container.parents.clear();
        }
        for (name, links) in again {
            self.link(&name, links);
        }
    }
}

impl Start<'_> {
    /// What is done before the flags of the default network are looked at: the networks of the
    /// daemon before are made again, and the default one deleted.
    fn restore(&mut self) {
        if self.config.iptables {
            self.tables.renew();
        }
        let mut stale = std::mem::take(&mut self.store.stale);
        for network in &stale {
            self.bring_back(network);
        }
        if !self.store.is_made && self.config.iptables {
            self.tables.jump_to_user();
        }
        self.store.is_made = true;
        if let Some(network) = self.store.default.take() {
            match self.bring_back(&network) {
                true => self.drop_rules(&network),
                false => stale.push(network),
            }
        }
        self.store.stale = stale;
    }

    fn bring_back(&mut self, network: &Stored) -> bool {
        let is_back = self.site.restore(network);
        if is_back && self.config.iptables {
            self.tables.add(&network.rules);
            self.filter_bridged(network.rules.icc);
        }
        is_back
    }

    fn drop_rules(&mut self, network: &Stored) {
        if self.config.iptables {
            self.tables.remove(&network.rules);
        }
    }

    fn network(&mut self, bridge: LinkName) -> Result<Network, Refusal> {
        let config = self.config;
        let network = self.site.plan(bridge, config)?;
        let stored = Stored {
            rules: firewall::Bridge {
                link: bridge,
                subnet: network.subnet,
                icc: config.icc,
                // Without rules there is no masquerading (`verifyDaemonSettings`).
                masquerade: config.ip_masq && config.iptables,
            },
            address: network.address(),
        };
        let has_bridge = |it: &Stored, site: &Site<'_>| site.has(it.rules.link);
        let stale = self.store.stale.iter();
        let conflicting = stale
            .clone()
            .position(|it| has_bridge(it, &self.site) && it.conflicts_with(&stored));
        if let Some(place) = conflicting {
            let network = self.store.stale.remove(place);
            self.drop_rules(&network);
        }
        self.site.set_up(&network)?;
        if config.iptables {
            self.tables.add(&stored.rules);
            self.tables.jump_to_user();
            self.filter_bridged(config.icc);
        }
        self.store.default = Some(stored);
        Ok(network)
    }

    /// `setupBridgeNetFiltering`.
    fn filter_bridged(&mut self, icc: bool) {
        if !icc {
            self.site.ops.push(Op::SetSysctl {
                netns: Netns::Host,
                sysctl: Sysctl::BridgeNfCallIptables(true),
            });
        }
    }
}
