//! Starting containers. Sources: moby 20.10's `daemon/start.go`, `container_operations.go`,
//! `container_operations_unix.go`.

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::{
    Decision, Engine,
    change::Change,
    container::{Container, Endpoint, Running},
    daemon::Network,
    endpoint, environment, hosts, identity,
    link_rules::Kin,
    links::{self, Link},
    refusal::{self, Refusal},
};
use crate::{
    allocator::Allocator,
    command::NetMode,
    name::{Name, Netns},
};

/// `__NEW_UTS_LEN`.
const LONGEST_HOSTNAME: usize = 64;
const HOSTS_OF_HOST: &str = "127.0.0.1\tlocalhost\n";

impl Engine {
    pub(super) fn start(&self, name: &Name) -> Result<Decision, Refusal> {
        let container = self.container(name)?;
        if container.running.is_some() {
            return Ok(Decision::default());
        }
        match &container.spec.net {
            NetMode::Bridge => match self.network() {
                Some(network) if !container.has_no_network => {
                    self.start_on_bridge(name, container, network)
                }
                _ => Ok(self.start_without_bridge(name, container)),
            },
            NetMode::None => Ok(self.start_alone(name, container, Vec::new())),
            NetMode::Host => {
                let hosts = HOSTS_OF_HOST.to_owned();
                let mut decision = Decision::from(Change::HostsWritten(name.clone(), hosts));
                match check_hostname(container) {
                    Ok(()) => decision.started(name, container, Netns::Host, Vec::new()),
                    Err(refusal) => decision.refusal = Some(refusal),
                }
                Ok(decision)
            }
            NetMode::Container(target) => self.start_joined(name, container, target),
            NetMode::Network(network) => Err(refusal::no_network(network)),
        }
    }

    fn start_joined(
        &self,
        name: &Name,
        container: &Container,
        word: &str,
    ) -> Result<Decision, Refusal> {
        let (_, target) = self
            .find(word)
            .ok_or_else(|| refusal::no_such_container(word))?;
        if target.serial == container.serial {
            return Err(refusal::join_self());
        }
        let (Some(shared), Some(hosts)) = (&target.running, target.hosts) else {
            return Err(refusal::join_stopped(word));
        };
        let mut decision = Decision::from(Change::Joined {
            name: name.clone(),
            hosts,
            hostname: target.hostname.clone(),
        });
        let env = environment::of_program(&target.hostname, Vec::new(), &container.spec.env);
        let running = Running::new(shared.netns.clone(), env);
        decision
            .changes
            .push(Change::Started(name.clone(), Box::new(running)));
        Ok(decision)
    }

    /// With `-b none` there is no network to be had, but links are looked at.
    fn start_without_bridge(&self, name: &Name, container: &Container) -> Decision {
        let mut decision = match self.link_environment(container) {
            Ok(env) => self.start_alone(name, container, env),
            Err(refusal) => {
                let hosts = hosts::DEFAULTS.to_owned();
                let mut decision = Decision::from(Change::HostsWritten(name.clone(), hosts));
                decision.refusal = Some(refusal);
                decision
            }
        };
        decision.changes.push(Change::CutOff(name.clone()));
        decision
    }

    fn start_alone(&self, name: &Name, container: &Container, link_env: Vec<String>) -> Decision {
        let hosts = hosts::DEFAULTS.to_owned();
        let mut decision = Decision::from(Change::HostsWritten(name.clone(), hosts));
        match check_hostname(container) {
            Ok(()) => {
                let netns = self.sandbox(name);
                decision.plan.ops.extend(endpoint::new_sandbox(&netns));
                decision.started(name, container, netns, link_env);
            }
            Err(refusal) => decision.refusal = Some(refusal),
        }
        decision
    }

    fn start_on_bridge(
        &self,
        name: &Name,
        container: &Container,
        network: &Network,
    ) -> Result<Decision, Refusal> {
        let free = network.pool.next();
        let address = free.ok_or_else(|| refusal::no_free_address(&network.id))?;
        endpoint::check_mtu(name, network, address)?;
        if let Some(link) = container.links.iter().find(|link| !link.is_on_bridge) {
            let is_first = container.hosts.is_none();
            let netns = self.sandbox(name);
            let mut decision = Decision::from(endpoint::attach_in_vain(&netns, network, address));
            let kept = is_first.then(|| Change::AddressKept(name.clone(), address));
            decision.changes.extend(kept);
            decision.refusal = Some(refusal::link_off_bridge(&link.child));
            return Ok(decision);
        }
        // From here on Docker has written files, and rules that it takes back, before it finds
        // a reason to refuse.
        let text = self.hosts_of(container, address);
        let mut decision = Decision::from(Change::HostsWritten(name.clone(), text));
        self.tell_parents(name, container, address, &mut decision);
        let kin = match network.icc {
            true => Kin::default(),
            false => self.kin(container),
        };
        let rules = self.link_rules(network, container, address, &kin);
        let link_env = self
            .check_children(name, container, network)
            .and_then(|()| self.link_environment(container))
            .and_then(|env| {
                endpoint::check_mac(container, address)?;
                check_hostname(container)?;
                Ok(env)
            });
        let link_env = match link_env {
            Ok(env) => env,
            Err(refusal) => {
                let netns = self.sandbox(name);
                decision.plan.ops = endpoint::attach_in_vain(&netns, network, address);
                self.delete_rules(rules, &mut decision);
                decision.refusal = Some(refusal);
                return Ok(decision);
            }
        };
        let netns = self.sandbox(name);
        decision.plan.ops = endpoint::attach(&netns, container, network, address);
        self.add_rules(rules, &mut decision);
        let env = environment::of_program(&container.hostname, link_env, &container.spec.env);
        let mut running = Running::new(netns, env);
        running.endpoint = Some(Endpoint {
            id: self.endpoints,
            address,
            kin,
        });
        decision
            .changes
            .push(Change::Started(name.clone(), Box::new(running)));
        Ok(decision)
    }

    /// The child of a link, unless it was removed.
    pub(super) fn child(&self, link: &Link) -> Option<&Container> {
        let child = self.containers.get(&link.child)?;
        (child.serial == link.serial).then_some(child)
    }

    /// With icc off, the rules of links are written for endpoints that have to be there
    /// (`driver.link`).
    fn check_children(
        &self,
        name: &Name,
        container: &Container,
        network: &Network,
    ) -> Result<(), Refusal> {
        let mut children = container.links.iter().filter_map(|link| self.child(link));
        match children.any(|child| child.stale_address.is_some()) && !network.icc {
            true => Err(refusal::stale_endpoint(name, identity::endpoint_id())),
            false => Ok(()),
        }
    }

    /// The variables of a container's links (`setupLinkedContainers`).
    fn link_environment(&self, container: &Container) -> Result<Vec<String>, Refusal> {
        let mut env = Vec::new();
        for link in &container.links {
            let running = self.child(link).filter(|child| child.running.is_some());
            let child = running.ok_or_else(|| refusal::link_to_stopped(&link.child, &link.path))?;
            if !link.is_on_bridge {
                return Err(refusal::child_off_bridge(&child.id));
            }
            let told = links::Child {
                address: child.endpoint().map(|endpoint| endpoint.address),
                ports: &child.ports,
                env: &child.spec.env,
            };
            env.extend(links::environment(link, &told));
        }
        Ok(env)
    }

    fn hosts_of(&self, container: &Container, address: Ipv4Addr) -> String {
        let mut text = hosts::DEFAULTS.to_owned();
        for link in &container.links {
            let Some(child) = self.child(link) else {
                continue;
            };
            let address = child.endpoint().map(|endpoint| endpoint.address);
            if let Some(address) = address.or(child.stale_address) {
                text.push_str(&hosts::link_line(
                    address,
                    link.alias(),
                    &child.hostname,
                    link.child.as_str(),
                ));
            }
        }
        text.push_str(&hosts::own_line(address, &container.hostname));
        text
    }

    /// Running parents get a child's new address in their hosts files, and nowhere else.
    fn tell_parents(
        &self,
        name: &Name,
        container: &Container,
        address: Ipv4Addr,
        decision: &mut Decision,
    ) {
        for parent_name in &container.parents {
            let Some(parent) = self
                .containers
                .get(parent_name)
                .filter(|parent| parent.running.is_some())
            else {
                continue;
            };
            let mut text = self.files.read(parent.serial, true).to_owned();
            for link in &parent.links {
                if link.child == *name && link.serial == container.serial {
                    text = hosts::update(&text, link.alias(), address);
                }
            }
            decision
                .changes
                .push(Change::HostsWritten(parent_name.clone(), text));
        }
    }
}

impl Decision {
    /// Adds that a container runs, without an endpoint.
    fn started(&mut self, name: &Name, container: &Container, netns: Netns, link_env: Vec<String>) {
        let env = environment::of_program(&container.hostname, link_env, &container.spec.env);
        let running = Box::new(Running::new(netns, env));
        self.changes.push(Change::Started(name.clone(), running));
    }
}

impl Running {
    fn new(netns: Netns, env: Vec<String>) -> Self {
        Self {
            netns,
            endpoint: None,
            env,
            listeners: BTreeSet::new(),
        }
    }
}

fn check_hostname(container: &Container) -> Result<(), Refusal> {
    match container.hostname.len() > LONGEST_HOSTNAME {
        true => Err(refusal::sethostname()),
        false => Ok(()),
    }
}
