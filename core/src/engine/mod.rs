//! What dockerd 20.10 decides: a pure state machine.
//!
//! A [`Command`] becomes [`Action`]s, in order; [`Engine::decide`] turns one into a [`Decision`]
//! or a [`Refusal`] without changing anything; once the decision's plan has been carried out,
//! [`Engine::commit`] makes it so.

mod container;
mod daemon;
mod firewall;
mod host_tools;
mod hosts;
pub mod identity;
mod links;
mod refusal;

use std::{collections::BTreeMap, net::Ipv4Addr};

pub use self::refusal::Refusal;
use self::{
    container::{Container, Running},
    daemon::Daemon,
};
use crate::{
    allocator::Allocator,
    command::{Command, ContainerSpec, DaemonConfig, HostCommand},
    errno::Errno,
    model::Outcome,
    name::{Name, Netns},
    plan::{Op, Plan},
    port::Port,
    snapshot::{ContainerState, NetnsState, Status},
};

/// The daemon and its containers.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    daemon: Option<Daemon>,
    containers: BTreeMap<Name, Container>,
    /// How many running containers are in each namespace of Docker's making.
    sandboxes: BTreeMap<Netns, usize>,
    /// Containers ever made, for their ids.
    created: u64,
    /// Whether Docker's chains have been made, by this daemon or one before it.
    has_chains: bool,
}

/// One step that is carried out wholly or not at all. `docker run` is two: where the second is
/// refused the container stays, created, as with Docker.
#[derive(Clone, Debug)]
pub enum Action {
    /// Starts the daemon, and ends the containers of one before it.
    StartDaemon(DaemonConfig),
    /// Makes a container.
    Create(Name, ContainerSpec),
    /// Starts one.
    Start(Name),
    /// Stops one.
    Stop(Name),
    /// Removes one that does not run.
    Remove(Name),
    /// Does what a person asked of the kernel.
    Host(HostCommand),
    /// Opens a server.
    Listen(Name, Port),
    /// Closes a server.
    Unlisten(Name, Port),
}

impl Action {
    /// Whether the decision depends on what the host looks like.
    pub const fn needs_host(&self) -> bool {
        matches!(self, Self::StartDaemon(_))
    }
}

/// A plan, and what holds once it has been carried out.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// What has to be done.
    pub plan: Plan,
    changes: Vec<Change>,
    outcome: Outcome,
}

#[derive(Clone, Debug)]
enum Change {
    DaemonStarted(Box<Daemon>),
    Created(Name, Box<Container>),
    Started(Name, Box<Running>),
    HostsWritten(Name, String),
    Stopped(Name),
    Removed(Name),
    Listening(Name, Port),
    NotListening(Name, Port),
}

impl Engine {
    /// The actions a command consists of.
    ///
    /// # Errors
    ///
    /// Where it can be said at once that the command is refused.
    pub fn actions(&self, command: &Command) -> Result<Vec<Action>, Refusal> {
        if command.is_for_daemon() && self.daemon.is_none() {
            return Err(refusal::no_daemon());
        }
        Ok(match command {
            Command::Daemon(config) => vec![Action::StartDaemon(config.clone())],
            Command::Create(spec) => vec![Action::Create(self.name_for(spec), spec.clone())],
            Command::Run(spec) => {
                let name = self.name_for(spec);
                vec![
                    Action::Create(name.clone(), spec.clone()),
                    Action::Start(name),
                ]
            }
            Command::Start(name) => vec![Action::Start(name.clone())],
            Command::Stop(name) => vec![Action::Stop(name.clone())],
            Command::Kill(name) => {
                let container = self.container(name)?;
                if container.running.is_none() {
                    let id = &container.id;
                    return Err(Refusal::new(format!(
                        "Cannot kill container: {name}: Container {id} is not running"
                    )));
                }
                vec![Action::Stop(name.clone())]
            }
            Command::Restart(name) => vec![Action::Stop(name.clone()), Action::Start(name.clone())],
            Command::Remove { name, force: true } if self.container(name)?.running.is_some() => {
                let removes_itself = self.container(name)?.spec.auto_remove;
                let mut actions = vec![Action::Stop(name.clone())];
                actions.extend((!removes_itself).then(|| Action::Remove(name.clone())));
                actions
            }
            Command::Remove { name, .. } => vec![Action::Remove(name.clone())],
            Command::Host(command) => vec![Action::Host(command.clone())],
            Command::Listen { name, port } => vec![Action::Listen(name.clone(), *port)],
            Command::Unlisten { name, port } => vec![Action::Unlisten(name.clone(), *port)],
        })
    }

    /// Decides about an action. `host` is what the host looks like, for those that
    /// [need it](Action::needs_host).
    ///
    /// # Errors
    ///
    /// The refusal, in Docker's words.
    pub fn decide(&self, action: &Action, host: &NetnsState) -> Result<Decision, Refusal> {
        match action {
            Action::StartDaemon(config) => self.start_daemon(config, host),
            Action::Create(name, spec) => self.create(name, spec),
            Action::Start(name) => self.start(name),
            Action::Stop(name) => self.stop(name),
            Action::Remove(name) => self.remove(name),
            Action::Host(command) => Ok(Decision {
                plan: command.ops.clone().into(),
                ..Decision::default()
            }),
            Action::Listen(name, port) => {
                let op = Op::Listen {
                    netns: self.netns_of(name)?,
                    port: *port,
                };
                Ok(Decision {
                    plan: vec![op].into(),
                    changes: vec![Change::Listening(name.clone(), *port)],
                    ..Decision::default()
                })
            }
            Action::Unlisten(name, port) => {
                let op = Op::Unlisten {
                    netns: self.netns_of(name)?,
                    port: *port,
                };
                Ok(Decision {
                    plan: vec![op].into(),
                    changes: vec![Change::NotListening(name.clone(), *port)],
                    ..Decision::default()
                })
            }
        }
    }

    /// Makes a decision so, once its plan has been carried out.
    pub fn commit(&mut self, decision: Decision) -> Outcome {
        for change in decision.changes {
            self.make(change);
        }
        decision.outcome
    }

    /// What has to be cleared away where `action` was refused: a container that removes itself
    /// does so when its start fails.
    pub fn give_up(&mut self, action: &Action) {
        if let Action::Start(name) = action
            && self
                .containers
                .get(name)
                .is_some_and(|it| it.spec.auto_remove && it.running.is_none())
        {
            self.make(Change::Removed(name.clone()));
        }
    }

    /// The words in which it is said that the kernel refused operation `op` of a decision's plan.
    pub fn kernel_refusal(
        &self,
        action: &Action,
        decision: &Decision,
        op: usize,
        errno: Errno,
    ) -> Refusal {
        match (action, decision.plan.ops.get(op)) {
            (Action::Host(command), Some(op)) => host_tools::refusal(command.tool, op, errno),
            (Action::Listen(_, port), _) => host_tools::listen_refusal(*port, errno),
            (Action::Unlisten(name, port), _) => {
                Refusal::new(format!("{name} does not listen on {port}"))
            }
            (Action::Start(name), Some(Op::AddVeth { near, .. })) => {
                container::veth_refusal(name, near, errno)
            }
            (Action::StartDaemon(_), _) => refusal::default_network(errno),
            _ => Refusal::new(errno.text()),
        }
    }

    fn make(&mut self, change: Change) {
        match change {
            Change::DaemonStarted(daemon) => {
                self.has_chains |= daemon.config.iptables;
                self.daemon = Some(*daemon);
            }
            Change::Created(name, container) => {
                self.created += 1;
                for link in &container.links {
                    if let Some(child) = self.containers.get_mut(&link.child) {
                        child.parents.insert(name.clone());
                    }
                }
                self.containers.insert(name, *container);
            }
            Change::Started(name, running) => {
                if let (Some(network), Some(endpoint)) = (self.network_mut(), &running.endpoint) {
                    network.pool.reserve(endpoint.address);
                    network
                        .link_rules
                        .extend(running.link_rules.iter().cloned());
                }
                if running.netns != Netns::Host {
                    *self.sandboxes.entry(running.netns.clone()).or_default() += 1;
                }
                if let Some(container) = self.containers.get_mut(&name) {
                    container.running = Some(*running);
                    container.was_started = true;
                }
            }
            Change::HostsWritten(name, text) => {
                if let Some(container) = self.containers.get_mut(&name) {
                    container.hosts = text;
                }
            }
            Change::Stopped(name) => self.make_stopped(&name),
            Change::Removed(name) => {
                self.containers.remove(&name);
                for other in self.containers.values_mut() {
                    other.links.retain(|link| link.child != name);
                    other.parents.remove(&name);
                }
            }
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

    fn make_stopped(&mut self, name: &Name) {
        let Some(container) = self.containers.get_mut(name) else {
            return;
        };
        let auto_remove = container.spec.auto_remove;
        let Some(running) = container.running.take() else {
            return;
        };
        if let Some(users) = self.sandboxes.get_mut(&running.netns) {
            *users -= 1;
            if *users == 0 {
                self.sandboxes.remove(&running.netns);
            }
        }
        if let (Some(network), Some(endpoint)) = (self.network_mut(), running.endpoint) {
            network.pool.release(endpoint.address);
            for rule in &running.link_rules {
                network.link_rules.remove(rule);
            }
        }
        if auto_remove {
            self.make(Change::Removed(name.clone()));
        }
    }

    /// The address that `name` has for the program running in `from`: by its hosts file, or as a
    /// container's name, or as `host`, which is the bridge's address.
    pub fn resolve(&self, from: &Name, name: &Name) -> Option<Ipv4Addr> {
        let in_hosts = |container: &Container| hosts::look_up(&container.hosts, name.as_str());
        match self.containers.get(from).and_then(in_hosts) {
            Some(address) => Some(address),
            None if name.as_str() == "localhost" => Some(Ipv4Addr::LOCALHOST),
            None if name.as_str() == Name::HOST => Some(self.network()?.gateway),
            None => self.address_of(name),
        }
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
            Some(container) => Err(Refusal::new(format!(
                "Container {} is not running",
                container.id
            ))),
            None if name.as_str() == Name::HOST => Ok(Netns::Host),
            None => Ok(Netns::Named(name.clone())),
        }
    }

    /// Every container, for a snapshot.
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
            hostname: match &container.running {
                Some(running) => running.hostname.clone(),
                None => container.hostname.clone(),
            },
            env: container
                .running
                .as_ref()
                .map_or_else(Vec::new, |running| running.env.clone()),
            hosts: container.hosts.clone(),
        };
        self.containers
            .iter()
            .map(|(name, container)| (name.clone(), state(container)))
            .collect()
    }

    fn container(&self, name: &Name) -> Result<&Container, Refusal> {
        self.containers
            .get(name)
            .ok_or_else(|| refusal::no_such_container(name.as_str()))
    }

    fn running_mut(&mut self, name: &Name) -> Option<&mut Running> {
        self.containers.get_mut(name)?.running.as_mut()
    }

    fn network(&self) -> Option<&daemon::Network> {
        self.daemon.as_ref()?.network.as_ref()
    }

    fn network_mut(&mut self) -> Option<&mut daemon::Network> {
        self.daemon.as_mut()?.network.as_mut()
    }

    fn name_for(&self, spec: &ContainerSpec) -> Name {
        let unnamed = || Name::new(&format!("container_{}", self.created + 1));
        spec.name.clone().unwrap_or_else(unnamed)
    }
}
