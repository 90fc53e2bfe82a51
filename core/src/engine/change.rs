//! What changes once a decision's plan has been carried out.

use std::net::Ipv4Addr;

use super::{
    Engine,
    container::{Container, Running},
    daemon::{Daemon, Store},
    firewall::Tables,
    links::Link,
};
use crate::{
    allocator::Allocator,
    name::{Name, Netns},
    port::Port,
    rules::Rule,
};

#[derive(Clone, Debug)]
pub(super) enum Change {
    DaemonStopped,
    DaemonStarted(Box<Daemon>),
    Tables(Box<Tables>),
    Store(Box<Store>),
    Forwarding(bool),
    Created(Name, Box<Container>),
    /// It has a container's namespace, hosts file and hostname.
    Joined {
        name: Name,
        hosts: u64,
        hostname: String,
    },
    /// It was started without a default network.
    CutOff(Name),
    Started(Name, Box<Running>),
    HostsWritten(Name, String),
    /// It could not be started, and keeps the address that it was given.
    AddressKept(Name, Ipv4Addr),
    LinkRulesAdded(Vec<Rule>),
    LinkRulesDeleted(Vec<Rule>),
    Stopped(Name),
    Removed(Name),
    Listening(Name, Port),
    NotListening(Name, Port),
}

impl Engine {
    pub(super) fn make(&mut self, change: Change) {
        match change {
            Change::DaemonStopped => self.daemon = None,
            Change::DaemonStarted(daemon) => {
                self.daemon = Some(*daemon);
                self.restore();
            }
            Change::Tables(tables) => self.tables = *tables,
            Change::Store(store) => self.store = *store,
            Change::Forwarding(is_on) => self.ip_forward = is_on,
            Change::Created(name, mut container) => {
                self.created += 1;
                let links = std::mem::take(&mut container.links);
                self.containers.insert(name.clone(), *container);
                self.link(&name, links);
            }
            Change::Joined {
                name,
                hosts,
                hostname,
            } => {
                if let Some(container) = self.containers.get_mut(&name) {
                    container.hosts = Some(hosts);
                    container.hostname = hostname;
                }
            }
            Change::CutOff(name) => {
                if let Some(container) = self.containers.get_mut(&name) {
                    container.has_no_network = true;
                }
            }
            Change::Started(name, running) => self.make_started(&name, *running),
            Change::HostsWritten(name, text) => {
                if let Some(container) = self.containers.get_mut(&name) {
                    container.hosts = Some(container.serial);
                    container.stale_address = None;
                    self.files.write(container.serial, text);
                }
            }
            Change::AddressKept(name, address) => {
                if let Some(container) = self.containers.get_mut(&name) {
                    container.stale_address = Some(address);
                }
            }
            Change::LinkRulesAdded(rules) => self.tables.links.extend(rules),
            Change::LinkRulesDeleted(rules) => {
                for rule in &rules {
                    self.tables.links.remove(rule);
                }
            }
            Change::Stopped(name) => self.make_stopped(&name),
            Change::Removed(name) => self.make_removed(&name),
            Change::Listening(name, port) => {
                if let Some(running) = self.running_mut(&name) {
                    running.listeners.insert(port);
                }
            }
            Change::NotListening(name, port) => {
                if let Some(running) = self.running_mut(&name) {
                    running.listeners.remove(&port);
                }
            }
        }
    }

    pub(super) fn link(&mut self, parent: &Name, links: Vec<Link>) {
        for link in &links {
            if let Some(child) = self.containers.get_mut(&link.child) {
                child.parents.insert(parent.clone());
            }
        }
        if let Some(container) = self.containers.get_mut(parent) {
            container.links = links;
        }
    }

    fn make_started(&mut self, name: &Name, running: Running) {
        if let Some(endpoint) = &running.endpoint {
            self.endpoints += 1;
            if let Some(network) = self.network_mut() {
                network.pool.reserve(endpoint.address);
            }
        }
        if running.netns != Netns::Host {
            *self.sandboxes.entry(running.netns.clone()).or_default() += 1;
        }
        if let Some(container) = self.containers.get_mut(name) {
            container.running = Some(running);
            container.was_started = true;
            if let Some(owner) = container.others_hosts() {
                self.files.join(owner);
            }
        }
    }

    fn make_stopped(&mut self, name: &Name) {
        let Some(container) = self.containers.get_mut(name) else {
            return;
        };
        let Some(running) = container.running.take() else {
            return;
        };
        if let Some(owner) = container.others_hosts() {
            self.files.leave(owner);
        }
        if let Some(users) = self.sandboxes.get_mut(&running.netns) {
            *users -= 1;
            if *users == 0 {
                self.sandboxes.remove(&running.netns);
            }
        }
        if let (Some(network), Some(endpoint)) = (self.network_mut(), running.endpoint) {
            network.pool.release(endpoint.address);
        }
    }

    fn make_removed(&mut self, name: &Name) {
        let Some(container) = self.containers.remove(name) else {
            return;
        };
        if container.others_hosts().is_none() {
            self.files.remove(container.serial);
        }
        for link in &container.links {
            let child = self.containers.get_mut(&link.child);
            if let Some(child) = child.filter(|child| child.serial == link.serial) {
                child.parents.remove(name);
            }
        }
    }

    fn running_mut(&mut self, name: &Name) -> Option<&mut Running> {
        self.containers.get_mut(name)?.running.as_mut()
    }
}
