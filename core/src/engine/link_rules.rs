//! The packet rules of links, with icc off. Sources: moby 20.10's `daemon/container_operations.go`
//! (`buildSandboxOptions`), libnetwork's `drivers/bridge/bridge.go` (`link`).

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::{
    Decision, Engine, Variant, change::Change, container::Container, daemon::Network, firewall,
    links::Link,
};
use crate::{
    name::Name,
    plan::{Op, RuleOp},
    port::Port,
    rules::Rule,
};

/// The endpoints that the rules of links lead to, as they were when the container started.
#[derive(Clone, Debug, Default)]
pub(super) struct Kin {
    /// Whom Docker takes for the parent of a container that has parents: its own last child.
    pub parent: Option<Peer>,
    pub children: Vec<Peer>,
}

/// A container's endpoint.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub name: Name,
    pub endpoint: u64,
}

impl Engine {
    /// The rules that come and go with a container's endpoint, at this address.
    pub(super) fn link_rules(
        &self,
        network: &Network,
        container: &Container,
        address: Ipv4Addr,
        kin: &Kin,
    ) -> Vec<Rule> {
        match self.variant {
            _ if network.icc => Vec::new(),
            Variant::Docker20_10 => self.rules_of(network, address, &container.ports, kin),
            Variant::Strict => self.rules_that_hold(network, container, address),
        }
    }

    /// Whom the rules of a container's links lead to (`buildSandboxOptions`).
    pub(super) fn kin(&self, container: &Container) -> Kin {
        let peer = |link: &Link| {
            Some(Peer {
                name: link.child.clone(),
                endpoint: self.child(link)?.endpoint()?.id,
            })
        };
        let last = container.links.last().and_then(peer);
        Kin {
            parent: last.filter(|_| !container.parents.is_empty()),
            children: container.links.iter().filter_map(peer).collect(),
        }
    }

    /// The rules of a container's links, until an endpoint is gone: there Docker gives up
    /// (`driver.link`).
    fn rules_of(
        &self,
        network: &Network,
        address: Ipv4Addr,
        ports: &[Port],
        kin: &Kin,
    ) -> Vec<Rule> {
        let mut rules = Vec::new();
        let parent = kin.parent.as_ref().filter(|_| !ports.is_empty());
        if let Some(parent) = parent {
            let Some((_, at)) = self.peer(parent) else {
                return rules;
            };
            rules.extend(firewall::link(network.bridge, at, address, ports));
        }
        for child in &kin.children {
            let Some((child, at)) = self.peer(child) else {
                return rules;
            };
            rules.extend(firewall::link(network.bridge, address, at, &child.ports));
        }
        rules
    }

    pub(super) fn peer(&self, peer: &Peer) -> Option<(&Container, Ipv4Addr)> {
        let container = self.containers.get(&peer.name)?;
        let endpoint = container.endpoint()?;
        (endpoint.id == peer.endpoint).then_some((container, endpoint.address))
    }

    /// Deletes those of the rules that are there.
    pub(super) fn delete_rules(&self, mut rules: Vec<Rule>, decision: &mut Decision) {
        let mut seen = BTreeSet::new();
        rules.retain(|rule| self.tables.links.contains(rule) && seen.insert(rule.clone()));
        if rules.is_empty() {
            return;
        }
        let delete = |rule: &Rule| Op::Rules(RuleOp::Delete(firewall::FILTER_DOCKER, rule.clone()));
        decision.plan.ops.extend(rules.iter().map(delete));
        decision.changes.push(Change::LinkRulesDeleted(rules));
    }

    /// Adds those of the rules that are not there.
    pub(super) fn add_rules(&self, mut rules: Vec<Rule>, decision: &mut Decision) {
        let mut added = BTreeSet::new();
        rules.retain(|rule| !self.tables.links.contains(rule) && added.insert(rule.clone()));
        if rules.is_empty() {
            return;
        }
        let append = |rule: &Rule| {
            let rule = rule.clone();
            Op::Rules(RuleOp::Append(firewall::FILTER_DOCKER, rule))
        };
        decision.plan.ops.extend(rules.iter().map(append));
        decision.changes.push(Change::LinkRulesAdded(rules));
    }
}
