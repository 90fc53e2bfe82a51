//! What can be seen of the containers.

use std::{collections::BTreeMap, net::Ipv4Addr};

use super::{
    Engine,
    container::Container,
    refusal::{self, Refusal},
};
use crate::{
    name::{Name, Netns},
    shots::resolve_name,
    snapshot::{ContainerState, Status},
};

impl Engine {
    /// The address that `name` has for the program running in `from`: by its hosts file, or as a
    /// container's name, or as `host`, which is the bridge's address.
    pub fn resolve(&self, from: &Name, name: &Name) -> Option<Ipv4Addr> {
        let container = self.containers.get(from);
        let hosts = container.map_or("", |container| self.hosts(container));
        let gateway = self.network().map(|network| network.gateway);
        resolve_name(hosts, name, gateway, || self.address_of(name))
    }

    /// Whether `name` is a container's.
    pub fn knows(&self, name: &Name) -> bool {
        self.containers.contains_key(name)
    }

    /// The namespace that `name` is in: a running container's, or the one called so.
    ///
    /// # Errors
    ///
    /// Where it is a container that does not run.
    pub fn netns_of(&self, name: &Name) -> Result<Netns, Refusal> {
        match self.containers.get(name) {
            Some(Container {
                running: Some(running),
                ..
            }) => Ok(running.netns.clone()),
            Some(container) => Err(refusal::not_running(&container.id)),
            None if name.as_str() == Name::HOST => Ok(Netns::Host),
            None => Ok(Netns::Named(name.clone())),
        }
    }

    /// Every container, for a snapshot; none where no daemon tells.
    pub fn containers(&self) -> BTreeMap<Name, ContainerState> {
        let state = |container: &Container| ContainerState {
            id: container.id.clone(),
            status: match (&container.running, container.was_started) {
                (Some(_), _) => Status::Running,
                (None, true) => Status::Exited,
                (None, false) => Status::Created,
            },
            netns: container
                .running
                .as_ref()
                .map(|running| running.netns.clone()),
            hostname: container.hostname.clone(),
            env: container
                .running
                .as_ref()
                .map_or_else(Vec::new, |running| running.env.clone()),
            hosts: self.hosts(container).to_owned(),
        };
        let listed = self.daemon.iter().flat_map(|_| &self.containers);
        listed
            .map(|(name, container)| (name.clone(), state(container)))
            .collect()
    }

    fn hosts(&self, container: &Container) -> &str {
        let read = |owner| self.files.read(owner, container.running.is_some());
        container.hosts.map_or("", read)
    }
}
