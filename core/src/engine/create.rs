//! Making containers. Sources: moby 20.10's `runconfig/hostconfig_unix.go`, `daemon/create.go`,
//! `daemon/daemon_unix.go` (`registerLinks`).

use std::collections::BTreeSet;

use super::{
    Decision, Engine,
    change::Change,
    container::Container,
    identity,
    links::{self, Link, Typed},
    refusal::{self, Refusal},
};
use crate::{
    command::{ContainerSpec, NetMode},
    name::Name,
};

/// The hostname of the private host, which host mode shares.
const HOST_HOSTNAME: &str = "host";
const NO_FORWARDING: &str = "IPv4 forwarding is disabled. Networking will not work.";

impl Engine {
    pub(super) fn create(&self, name: &Name, spec: &ContainerSpec) -> Result<Decision, Refusal> {
        for link in &spec.links {
            Typed::parse(link)?;
        }
        let net = network_mode(&spec.net);
        check_net_mode(&net, spec)?;
        if let Some(setting) = spec.env.iter().find(|setting| has_no_name(setting)) {
            return Err(refusal::invalid_variable(setting));
        }
        check_name(name, spec.name.as_ref().unwrap_or(name))?;
        if let Some(other) = self.containers.get(name) {
            return Err(refusal::name_in_use(name, &other.id));
        }
        let net = match net {
            NetMode::Container(word) => NetMode::Container(match self.find(&word) {
                Some((_, target)) => target.id.clone(),
                None => word,
            }),
            net => net,
        };
        let (links, unregistered) = self.register_links(name, &net, &spec.links);
        if let Some(refusal) = unregistered {
            return Err(refusal);
        }
        let id = identity::container_id(self.created);
        let mut ports = spec.expose.clone();
        ports.sort_unstable();
        ports.dedup();
        let mut decision = Decision::default();
        if !self.ip_forward && !matches!(net, NetMode::Host | NetMode::None) {
            decision.outcome.warnings.push(NO_FORWARDING.to_owned());
        }
        let hostname = match (&spec.hostname, &net) {
            (Some(hostname), _) if !hostname.is_empty() => hostname.clone(),
            (_, NetMode::Host) => HOST_HOSTNAME.to_owned(),
            _ => id[..12].to_owned(),
        };
        let container = Container {
            serial: self.created,
            id,
            spec: ContainerSpec {
                net,
                ..spec.clone()
            },
            hostname,
            ports,
            links,
            parents: BTreeSet::new(),
            hosts: None,
            stale_address: None,
            has_no_network: false,
            was_started: false,
            running: None,
        };
        decision
            .changes
            .push(Change::Created(name.clone(), Box::new(container)));
        Ok(decision)
    }

    /// Finds the children of links until one cannot be had. A path that is taken holds; the link
    /// is ignored.
    pub(super) fn register_links(
        &self,
        parent: &Name,
        net: &NetMode,
        texts: &[String],
    ) -> (Vec<Link>, Option<Refusal>) {
        let mut registered: Vec<Link> = Vec::new();
        if matches!(net, NetMode::Network(_)) {
            return (registered, None);
        }
        let own_path = links::path(parent, "");
        for text in texts {
            match self.resolve_link(parent, text) {
                Ok(link) => {
                    let is_taken = |other: &Link| other.path == link.path;
                    if link.path != own_path && !registered.iter().any(is_taken) {
                        registered.push(link);
                    }
                }
                Err(refusal) => return (registered, Some(refusal)),
            }
        }
        (registered, None)
    }

    fn resolve_link(&self, parent: &Name, text: &str) -> Result<Link, Refusal> {
        let typed = Typed::parse(text)?;
        let found = self.find(typed.child);
        let (mut name, mut child) = found.ok_or_else(|| {
            let why = refusal::no_such_container(typed.child);
            refusal::no_child(typed.child, &why).passing_on(&why)
        })?;
        let mut passed = BTreeSet::from([child.serial]);
        while let NetMode::Container(target) = &child.spec.net {
            let found = self.find(target);
            (name, child) = found.ok_or_else(|| {
                let why = refusal::no_such_container(target);
                refusal::no_owner_of_child(target, &why).passing_on(&why)
            })?;
            if !passed.insert(child.serial) {
                return Err(refusal::endless_link(name));
            }
        }
        if child.spec.net == NetMode::Host {
            return Err(refusal::host_and_links());
        }
        Ok(Link {
            child: name.clone(),
            serial: child.serial,
            path: links::path(parent, typed.alias),
            is_on_bridge: child.spec.net == NetMode::Bridge,
        })
    }
}

/// Docker's own networks, however they were named.
fn network_mode(net: &NetMode) -> NetMode {
    match net {
        NetMode::Network(name) => match name.as_str() {
            "" | "default" | "bridge" => NetMode::Bridge,
            "host" => NetMode::Host,
            "none" => NetMode::None,
            "container" => NetMode::Container(String::new()),
            _ => net.clone(),
        },
        _ => net.clone(),
    }
}

fn check_net_mode(net: &NetMode, spec: &ContainerSpec) -> Result<(), Refusal> {
    let joins = match net {
        NetMode::Container(target) if target.is_empty() => return Err(refusal::container_format()),
        NetMode::Container(_) => true,
        _ => false,
    };
    if joins && spec.hostname.as_ref().is_some_and(|it| !it.is_empty()) {
        return Err(refusal::hostname_and_network());
    }
    if joins && !spec.links.is_empty() {
        return Err(refusal::container_and_links());
    }
    if (joins || *net == NetMode::Host) && spec.mac.is_some() {
        return Err(refusal::mac_and_network());
    }
    if joins && !spec.expose.is_empty() {
        return Err(refusal::expose_and_container());
    }
    if *net == NetMode::Host && !spec.links.is_empty() {
        return Err(refusal::host_and_links());
    }
    Ok(())
}

/// moby's `opts.ValidateEnv`.
fn has_no_name(setting: &str) -> bool {
    setting.is_empty() || setting.starts_with('=')
}

/// moby's `names.RestrictedNamePattern`.
fn check_name(name: &Name, typed: &Name) -> Result<(), Refusal> {
    let text = name.as_str();
    let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if text.len() >= 2
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(rest)
    {
        return Ok(());
    }
    Err(refusal::invalid_name(typed))
}
