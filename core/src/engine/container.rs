//! Containers, and what they have while they run. Ending and removing them. Sources: moby 20.10's
//! `daemon/container.go`, `stop.go`, `delete.go`, libnetwork's `drivers/bridge`.

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::{
    Decision, Engine,
    change::Change,
    link_rules::Kin,
    links::Link,
    refusal::{self, Refusal},
};
use crate::{
    command::ContainerSpec,
    name::{LinkName, LinkRef, Name, Netns},
    plan::Op,
    port::Port,
};

/// A container, running or not.
#[derive(Clone, Debug)]
pub(super) struct Container {
    /// How many were made before it: unlike its name nobody else's, ever.
    pub serial: u64,
    pub id: String,
    /// As typed, but for the network: that is the one meant, and `container:` has the id of one
    /// that there was.
    pub spec: ContainerSpec,
    /// As configured, or the first twelve digits of the id, or taken from whom it has joined.
    pub hostname: String,
    /// Sorted, without repetition.
    pub ports: Vec<Port>,
    pub links: Vec<Link>,
    /// Containers that have a link to this one.
    pub parents: BTreeSet<Name>,
    /// Whose hosts file it has, by serial number, once it was started.
    pub hosts: Option<u64>,
    /// Where its endpoint was when it could not be started for the first time, and Docker forgot to
    /// forget it: that comes with the sandbox, and there was none yet (`releaseNetwork`).
    pub stale_address: Option<Ipv4Addr>,
    /// It was started where there was no default network, and will not have one again
    /// (`NetworkDisabled`).
    pub has_no_network: bool,
    pub was_started: bool,
    pub running: Option<Running>,
}

/// What a container has while it runs.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub netns: Netns,
    /// On the daemon's bridge.
    pub endpoint: Option<Endpoint>,
    pub env: Vec<String>,
    pub listeners: BTreeSet<Port>,
}

#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// Nobody else's, ever.
    pub id: u64,
    pub address: Ipv4Addr,
    /// With icc off.
    pub kin: Kin,
}

impl Container {
    /// Whose hosts file it has, where that is not its own.
    pub fn others_hosts(&self) -> Option<u64> {
        self.hosts.filter(|owner| *owner != self.serial)
    }

    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.running.as_ref()?.endpoint.as_ref()
    }
}

impl Engine {
    pub(super) fn stop(&self, name: &Name, restarts: bool) -> Result<Decision, Refusal> {
        let container = self.container(name)?;
        let Some(running) = &container.running else {
            return Ok(Decision::default());
        };
        let mut ops = Vec::new();
        let users = self.sandboxes.get(&running.netns).copied();
        if users == Some(1) {
            ops.push(Op::DeleteNetns(running.netns.clone()));
        } else {
            // Others still live there: only what was this container's own goes.
            let netns = running.netns.clone();
            ops.extend(running.listeners.iter().map(|port| Op::Unlisten {
                netns: netns.clone(),
                port: *port,
            }));
            if running.endpoint.is_some() {
                ops.push(Op::DeleteLink(LinkRef::new(netns, LinkName::ETH0)));
            }
        }
        let mut decision = Decision::from(ops);
        if let (Some(network), Some(endpoint)) = (self.network(), &running.endpoint) {
            let rules = self.link_rules(network, container, endpoint.address, &endpoint.kin);
            self.delete_rules(rules, &mut decision);
            // `clearEndpointConnections`.
            let forget = Op::ForgetConnections(endpoint.address);
            decision.plan.ops.push(forget);
        }
        let removes_itself = container.spec.auto_remove && !restarts;
        decision.changes.push(Change::Stopped(name.clone()));
        decision
            .changes
            .extend(removes_itself.then(|| Change::Removed(name.clone())));
        Ok(decision)
    }

    pub(super) fn remove(&self, name: &Name) -> Result<Decision, Refusal> {
        let container = self.container(name)?;
        if container.running.is_some() {
            return Err(refusal::running(&container.id));
        }
        Ok(Decision {
            changes: vec![Change::Removed(name.clone())],
            ..Decision::default()
        })
    }

    pub(super) fn address_of(&self, name: &Name) -> Option<Ipv4Addr> {
        let container = self.containers.get(name)?;
        let running = container.running.as_ref()?;
        if running.netns == Netns::Host {
            return Some(self.network()?.gateway);
        }
        if let Some(endpoint) = &running.endpoint {
            return Some(endpoint.address);
        }
        // Whoever made the namespace may be gone, or be another of the same name by now.
        let mut others = self.containers.values();
        others.find_map(|other| match &other.running {
            Some(other) if other.netns == running.netns => Some(other.endpoint.as_ref()?.address),
            _ => None,
        })
    }

    /// The container that `word` names: by name, or by its id or the beginning of it.
    pub(super) fn find(&self, word: &str) -> Option<(&Name, &Container)> {
        let by_id = || {
            let is_id = word.len() >= 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            let mut containers = self.containers.iter().filter(|_| is_id);
            containers.find(|(_, it)| it.id.starts_with(word))
        };
        let name = word.strip_prefix('/').unwrap_or(word);
        self.containers
            .get_key_value(&Name::new(name))
            .or_else(by_id)
    }

    /// The namespace for a start of `name`: called like it, unless one of that name lives on
    /// because another container has joined it.
    pub(super) fn sandbox(&self, name: &Name) -> Netns {
        let plain = Netns::Named(name.clone());
        if !self.sandboxes.contains_key(&plain) {
            return plain;
        }
        let again = (2_u32..).map(|number| Netns::Named(Name::new(&format!("{name}#{number}"))));
        let mut free = again.filter(|netns| !self.sandboxes.contains_key(netns));
        free.next().unwrap_or(plain)
    }
}
