//! Containers: making, starting, stopping and removing them. Sources: moby 20.10's
//! `runconfig/hostconfig_unix.go`, `daemon/create.go`, `daemon/container_operations*.go`.

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::{
    Change, Decision, Engine, firewall, hosts, identity,
    links::{self, Link},
    refusal::{self, Refusal},
};
use crate::{
    allocator::Allocator,
    command::{ContainerSpec, NetMode},
    errno::Errno,
    name::{LinkName, LinkRef, Name, Netns},
    plan::{LinkChange, Op, Route, RuleOp, VethEnd},
    port::Port,
    rules::Rule,
};

/// A container, running or not.
#[derive(Clone, Debug)]
pub(super) struct Container {
    pub id: String,
    pub spec: ContainerSpec,
    /// As configured: `--hostname`, or the first twelve digits of the id.
    pub hostname: String,
    /// Sorted, without repetition.
    pub ports: Vec<Port>,
    pub links: Vec<Link>,
    /// Containers that have a link to this one.
    pub parents: BTreeSet<Name>,
    pub hosts: String,
    pub was_started: bool,
    pub running: Option<Running>,
}

/// What a container has while it runs.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub netns: Netns,
    /// On the daemon's bridge.
    pub endpoint: Option<Endpoint>,
    pub hostname: String,
    pub env: Vec<String>,
    pub link_rules: Vec<Rule>,
    pub listeners: BTreeSet<Port>,
}

#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub address: Ipv4Addr,
}

/// The hostname of the private host, which host mode shares.
const HOST_HOSTNAME: &str = "host";
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Engine {
    pub(super) fn create(&self, name: &Name, spec: &ContainerSpec) -> Result<Decision, Refusal> {
        let links = spec
            .links
            .iter()
            .map(|text| Link::parse(text))
            .collect::<Result<Vec<_>, _>>()?;
        check_net_mode(spec)?;
        check_name(name)?;
        if let Some(other) = self.containers.get(name) {
            return Err(Refusal::new(format!(
                "Conflict. The container name \"/{name}\" is already in use by container \"{}\". \
                 You have to remove (or rename) that container to be able to reuse that name.",
                other.id
            )));
        }
        let links = self.register_links(links)?;
        let id = identity::container_id(self.created);
        let mut ports = spec.expose.clone();
        ports.sort_unstable();
        ports.dedup();
        let container = Container {
            hostname: spec.hostname.clone().unwrap_or_else(|| id[..12].to_owned()),
            id,
            spec: spec.clone(),
            ports,
            links,
            parents: BTreeSet::new(),
            hosts: String::new(),
            was_started: false,
            running: None,
        };
        let changes = vec![Change::Created(name.clone(), Box::new(container))];
        Ok(Decision {
            changes,
            ..Decision::default()
        })
    }

    /// Finds the children; of two links with the same alias the first holds.
    fn register_links(&self, links: Vec<Link>) -> Result<Vec<Link>, Refusal> {
        let mut registered: Vec<Link> = Vec::new();
        for link in links {
            let unknown = |name: &str| {
                Refusal::new(format!(
                    "could not get container for {name}: {}",
                    refusal::no_such_container(name)
                ))
            };
            let mut child = link.child.clone();
            let mut found = self
                .containers
                .get(&child)
                .ok_or_else(|| unknown(child.as_str()))?;
            while let NetMode::Container(target) = &found.spec.net {
                child = self.find(target).ok_or_else(|| unknown(target))?.clone();
                found = self.container(&child)?;
            }
            if found.spec.net == NetMode::Host {
                return Err(refusal::host_and_links());
            }
            if registered.iter().all(|other| other.alias != link.alias) {
                registered.push(Link {
                    child,
                    alias: link.alias,
                });
            }
        }
        Ok(registered)
    }

    pub(super) fn start(&self, name: &Name) -> Result<Decision, Refusal> {
        let container = self.container(name)?;
        if container.running.is_some() {
            return Ok(Decision::default());
        }
        match &container.spec.net {
            NetMode::Bridge if self.network().is_some() => self.start_on_bridge(name, container),
            // With `-b none` there is nothing else to be had.
            NetMode::Bridge | NetMode::None => {
                let netns = self.sandbox(name);
                let running = Running::plain(netns.clone(), container, Vec::new());
                let mut decision = started(name, running, hosts::DEFAULTS.to_owned());
                decision.plan.ops.extend(new_sandbox(&netns));
                Ok(decision)
            }
            NetMode::Host => {
                let mut running = Running::plain(Netns::Host, container, Vec::new());
                if container.spec.hostname.is_none() {
                    running.take_hostname(HOST_HOSTNAME, container);
                }
                Ok(started(name, running, "127.0.0.1\tlocalhost\n".to_owned()))
            }
            NetMode::Container(target) => {
                let target = self
                    .find(target)
                    .ok_or_else(|| refusal::no_such_container(target))?;
                if target == name {
                    return Err(refusal::join_self());
                }
                let target = self.container(target)?;
                let Some(shared) = &target.running else {
                    return Err(Refusal::new(format!(
                        "cannot join network of a non running container: {}",
                        target.id
                    )));
                };
                let mut running = Running::plain(shared.netns.clone(), container, Vec::new());
                running.take_hostname(&shared.hostname, container);
                Ok(started(name, running, target.hosts.clone()))
            }
            NetMode::Network(network) => Err(Refusal::new(format!("network {network} not found"))),
        }
    }

    fn start_on_bridge(&self, name: &Name, container: &Container) -> Result<Decision, Refusal> {
        let Some(network) = self.network() else {
            return Err(Refusal::new("network bridge not found"));
        };
        let iptables = self
            .daemon
            .as_ref()
            .is_some_and(|daemon| daemon.config.iptables);
        let icc = self.daemon.as_ref().is_some_and(|daemon| daemon.config.icc);
        let address = network.pool.next().ok_or_else(|| {
            Refusal::new(format!(
                "no available IPv4 addresses on this network's address pools: bridge ({})",
                network.id
            ))
        })?;

        let mut file = hosts::DEFAULTS.to_owned();
        for link in &container.links {
            let child = self.container(&link.child)?;
            if child.spec.net != NetMode::Bridge {
                return Err(Refusal::new(format!(
                    "Cannot link to /{}, as it does not belong to the default network",
                    link.child
                )));
            }
        }
        let mut env = Vec::new();
        let mut link_rules = Vec::new();
        for link in &container.links {
            let child = self.container(&link.child)?;
            let Some(endpoint) = child
                .running
                .as_ref()
                .and_then(|running| running.endpoint.as_ref())
            else {
                return Err(Refusal::new(format!(
                    "Cannot link to a non running container: /{} AS /{name}/{}",
                    link.child, link.alias
                )));
            };
            file.push_str(&hosts::link_line(
                endpoint.address,
                &link.alias,
                &child.hostname,
                link.child.as_str(),
            ));
            let told = links::Child {
                address: endpoint.address,
                ports: &child.ports,
                env: &child.spec.env,
            };
            env.extend(links::environment(name, &link.alias, &told));
            if iptables && !icc {
                for port in &child.ports {
                    link_rules.extend(firewall::link(
                        network.bridge,
                        address,
                        endpoint.address,
                        *port,
                    ));
                }
            }
        }
        file.push_str(&hosts::own_line(address, &container.hostname));

        let netns = self.sandbox(name);
        let eth0 = LinkRef::new(netns.clone(), LinkName::ETH0);
        let mut running = Running::plain(netns.clone(), container, env);
        running.endpoint = Some(Endpoint { address });
        running.link_rules = link_rules;

        let mut ops: Vec<Op> = new_sandbox(&netns).into();
        ops.push(Op::AddVeth {
            near: VethEnd {
                link: LinkRef::host(identity::veth_name(address)),
                mac: identity::veth_mac(address),
                mtu: Some(network.mtu),
                master: Some(network.bridge),
                up: true,
            },
            far: VethEnd {
                link: eth0.clone(),
                mac: container
                    .spec
                    .mac
                    .unwrap_or_else(|| identity::mac_of(address)),
                mtu: Some(network.mtu),
                master: None,
                up: true,
            },
        });
        let with_prefix = ipnet::Ipv4Net::new_assert(address, network.subnet.prefix_len());
        ops.push(Op::AddAddress {
            link: eth0,
            address: with_prefix,
        });
        ops.push(Op::AddRoute {
            netns,
            route: Route {
                to: ipnet::Ipv4Net::default(),
                via: Some(network.gateway),
                link: Some(LinkName::ETH0),
                source: None,
                kernel: false,
            },
        });
        let mut added = BTreeSet::new();
        for rule in &running.link_rules {
            // Docker asks whether the rule is there before it adds it.
            if !network.link_rules.contains(rule) && added.insert(rule) {
                ops.push(Op::Rules(RuleOp::Append(
                    firewall::FILTER_DOCKER,
                    rule.clone(),
                )));
            }
        }
        let mut decision = started(name, running, file);
        decision.plan.ops = ops;
        self.tell_parents(name, container, address, &mut decision);
        Ok(decision)
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
            let mut file = parent.hosts.clone();
            for link in parent.links.iter().filter(|link| link.child == *name) {
                file = hosts::update(&file, &link.alias, address);
            }
            decision
                .changes
                .push(Change::HostsWritten(parent_name.clone(), file));
        }
    }

    pub(super) fn stop(&self, name: &Name) -> Result<Decision, Refusal> {
        let Some(running) = &self.container(name)?.running else {
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
        if let Some(network) = self.network() {
            let mut deleted = BTreeSet::new();
            for rule in &running.link_rules {
                if network.link_rules.contains(rule) && deleted.insert(rule) {
                    ops.push(Op::Rules(RuleOp::Delete(
                        firewall::FILTER_DOCKER,
                        rule.clone(),
                    )));
                }
            }
        }
        Ok(Decision {
            plan: ops.into(),
            changes: vec![Change::Stopped(name.clone())],
            ..Decision::default()
        })
    }

    pub(super) fn remove(&self, name: &Name) -> Result<Decision, Refusal> {
        let container = self.container(name)?;
        if container.running.is_some() {
            return Err(Refusal::new(format!(
                "You cannot remove a running container {}. \
                 Stop the container before attempting removal or force remove",
                container.id
            )));
        }
        Ok(Decision {
            changes: vec![Change::Removed(name.clone())],
            ..Decision::default()
        })
    }

    pub(super) fn address_of(&self, name: &Name) -> Option<Ipv4Addr> {
        let container = self.containers.get(name)?;
        let running = container.running.as_ref()?;
        match &container.spec.net {
            NetMode::Bridge => Some(running.endpoint.as_ref()?.address),
            NetMode::Host => Some(self.network()?.gateway),
            NetMode::Container(target) => self.address_of(self.find(target)?),
            NetMode::None | NetMode::Network(_) => None,
        }
    }

    /// The container that `word` names: by name, or by the beginning of its id.
    fn find(&self, word: &str) -> Option<&Name> {
        let by_id = || {
            self.containers
                .iter()
                .find(|(_, it)| word.len() >= 12 && it.id.starts_with(word))
        };
        self.containers
            .get_key_value(&Name::new(word))
            .or_else(by_id)
            .map(|(name, _)| name)
    }

    /// The namespace for a start of `name`: called like it, unless one of that name lives on
    /// because another container has joined it.
    fn sandbox(&self, name: &Name) -> Netns {
        let plain = Netns::Named(name.clone());
        if !self.sandboxes.contains_key(&plain) {
            return plain;
        }
        let again = (2_u32..).map(|number| Netns::Named(Name::new(&format!("{name}#{number}"))));
        let mut free = again.filter(|netns| !self.sandboxes.contains_key(netns));
        free.next().unwrap_or(plain)
    }
}

impl Running {
    fn plain(netns: Netns, container: &Container, link_env: Vec<String>) -> Self {
        let mut env = vec![PATH.to_owned(), format!("HOSTNAME={}", container.hostname)];
        env.extend(link_env);
        for setting in &container.spec.env {
            replace_or_append(&mut env, setting);
        }
        Self {
            netns,
            endpoint: None,
            hostname: container.hostname.clone(),
            env,
            link_rules: Vec::new(),
            listeners: BTreeSet::new(),
        }
    }

    fn take_hostname(&mut self, hostname: &str, container: &Container) {
        hostname.clone_into(&mut self.hostname);
        if !container
            .spec
            .env
            .iter()
            .any(|setting| setting.starts_with("HOSTNAME="))
        {
            replace_or_append(&mut self.env, &format!("HOSTNAME={hostname}"));
        }
    }
}

/// moby's `ReplaceOrAppendEnvValues`.
fn replace_or_append(env: &mut Vec<String>, setting: &str) {
    let key = |text: &str| text.split('=').next().unwrap_or_default().to_owned();
    match env.iter_mut().find(|old| key(old) == key(setting)) {
        Some(old) => setting.clone_into(old),
        None => env.push(setting.to_owned()),
    }
}

fn new_sandbox(netns: &Netns) -> [Op; 2] {
    let lo = LinkRef::new(netns.clone(), LinkName::LOOPBACK);
    [
        Op::AddNetns(netns.clone()),
        Op::SetLink {
            link: lo,
            change: LinkChange::Up(true),
        },
    ]
}

fn started(name: &Name, running: Running, hosts: String) -> Decision {
    let changes = vec![
        Change::Started(name.clone(), Box::new(running)),
        Change::HostsWritten(name.clone(), hosts),
    ];
    Decision {
        changes,
        ..Decision::default()
    }
}

fn check_net_mode(spec: &ContainerSpec) -> Result<(), Refusal> {
    let joins = match &spec.net {
        NetMode::Container(target) if target.is_empty() => return Err(refusal::container_format()),
        NetMode::Container(_) => true,
        _ => false,
    };
    if joins && spec.hostname.is_some() {
        return Err(refusal::hostname_and_network());
    }
    if joins && !spec.links.is_empty() {
        return Err(refusal::container_and_links());
    }
    if (joins || spec.net == NetMode::Host) && spec.mac.is_some() {
        return Err(refusal::mac_and_network());
    }
    if joins && !spec.expose.is_empty() {
        return Err(refusal::expose_and_container());
    }
    if spec.net == NetMode::Host && !spec.links.is_empty() {
        return Err(refusal::host_and_links());
    }
    Ok(())
}

/// moby's `names.RestrictedNamePattern`.
fn check_name(name: &Name) -> Result<(), Refusal> {
    let text = name.as_str();
    let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if text.len() >= 2
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(rest)
    {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "Invalid container name ({text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    )))
}

pub(super) fn veth_refusal(name: &Name, near: &VethEnd, errno: Errno) -> Refusal {
    let why = match (near.master, errno) {
        (Some(bridge), Errno::ENODEV | Errno::ENXIO) => format!(
            "adding interface {} to bridge {bridge} failed: could not find bridge {bridge}: \
             route ip+net: no such network interface",
            near.link.name
        ),
        _ => errno.text().to_lowercase(),
    };
    Refusal::new(format!(
        "failed to create endpoint {name} on network bridge: {why}"
    ))
}
