//! What dockerd 20.10 decides, or one that is like it but for its rules (see [`Variant`]): a pure
//! state machine.
//!
//! A [`Command`] becomes [`Action`]s, in order; [`Engine::decide`] turns one into a [`Decision`]
//! or a [`Refusal`] without changing anything; once the decision's plan has been carried out,
//! [`Engine::commit`] makes it so.

mod action;
mod bridge;
mod change;
mod container;
mod create;
mod daemon;
mod endpoint;
mod environment;
mod firewall;
mod form;
mod host_tools;
mod hosts;
pub mod identity;
mod link_rules;
mod links;
pub mod refusal;
mod start;
mod strict;
mod variant;
mod view;

use std::collections::BTreeMap;

pub(crate) use self::hosts::look_up;
pub use self::{
    action::Action,
    refusal::Refusal,
    variant::{UnknownVariant, Variant},
};
use self::{
    change::Change,
    container::Container,
    daemon::{Daemon, Store},
    firewall::Tables,
};
use crate::{
    command::HostCommand,
    errno::Errno,
    model::Outcome,
    name::{Name, Netns},
    plan::{Op, Plan, RuleOp, Sysctl},
    port::Port,
    snapshot::NetnsState,
};

/// The daemon and its containers.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    variant: Variant,
    daemon: Option<Daemon>,
    containers: BTreeMap<Name, Container>,
    /// How many running containers are in each namespace of Docker's making.
    sandboxes: BTreeMap<Netns, usize>,
    files: hosts::Files,
    tables: Tables,
    store: Store,
    /// Whether the host forwards IPv4.
    ip_forward: bool,
    /// Containers ever made, for their ids.
    created: u64,
    /// Endpoints ever made.
    endpoints: u64,
}

/// A plan, and what holds once it has been carried out.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// What has to be done.
    pub plan: Plan,
    changes: Vec<Change>,
    outcome: Outcome,
    /// Docker found a reason to refuse when it had done this much.
    refusal: Option<Refusal>,
}

impl From<Vec<Op>> for Decision {
    fn from(ops: Vec<Op>) -> Self {
        Self {
            plan: ops.into(),
            ..Self::default()
        }
    }
}

impl From<Change> for Decision {
    fn from(change: Change) -> Self {
        Self {
            changes: vec![change],
            ..Self::default()
        }
    }
}

impl Engine {
    /// The engine with nothing started, in which these rules hold.
    pub fn new(variant: Variant) -> Self {
        Self {
            variant,
            ..Self::default()
        }
    }

    /// Whose rules hold.
    pub const fn variant(&self) -> Variant {
        self.variant
    }

    /// Decides about an action. `host` is what the host looks like, for those that
    /// [need it](Action::needs_host).
    ///
    /// # Errors
    ///
    /// The refusal, in Docker's words, where nothing has to be done before it is said.
    pub fn decide(&self, action: &Action, host: &NetnsState) -> Result<Decision, Refusal> {
        match action {
            Action::StopDaemon => Ok(self.stop_daemon()),
            Action::StartDaemon(config) => self.start_daemon(config, host),
            Action::Create(name, spec) => self.create(name, spec),
            Action::Start { name, .. } => {
                let mut decision = self.start(name).map_err(|it| action.tell(it))?;
                decision.refusal = decision.refusal.map(|refusal| action.tell(refusal));
                Ok(decision)
            }
            Action::Stop { name, restarts } => {
                self.stop(name, *restarts).map_err(|it| action.tell(it))
            }
            Action::Remove(name) => self.remove(name),
            Action::Host(command) => Ok(by_hand(command)),
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
                let netns = self.netns_of(name)?;
                if self.is_of_another(&netns, name, *port) {
                    return Err(refusal::not_listening(name, port));
                }
                let op = Op::Unlisten { netns, port: *port };
                Ok(Decision {
                    plan: vec![op].into(),
                    changes: vec![Change::NotListening(name.clone(), *port)],
                    ..Decision::default()
                })
            }
        }
    }

    /// Makes a decision so, once its plan has been carried out.
    ///
    /// # Errors
    ///
    /// Where what was decided is to do this much, and then to refuse.
    pub fn commit(&mut self, decision: Decision) -> Result<Outcome, Refusal> {
        for change in decision.changes {
            self.make(change);
        }
        match decision.refusal {
            Some(refusal) => Err(refusal),
            None => Ok(decision.outcome),
        }
    }

    /// What has to be cleared away where `action` was refused: a container that removes itself
    /// does so when its start fails.
    pub fn give_up(&mut self, action: &Action) {
        if let Action::Start { name, .. } = action
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
            (Action::Unlisten(name, port), _) => refusal::not_listening(name, port),
            (Action::Start { name, .. }, Some(Op::AddVeth { near, .. })) => {
                action.tell(endpoint::veth_refusal(name, near, errno))
            }
            (Action::StartDaemon(_), _) => refusal::no_default_network(&refusal::errno(errno)),
            _ => action.tell(refusal::errno(errno)),
        }
    }

    /// Whether what listens on a port is not this one's: it shares the namespace with who does.
    fn is_of_another(&self, netns: &Netns, name: &Name, port: Port) -> bool {
        let listens = |container: &Container| {
            let running = container.running.as_ref();
            running.is_some_and(|it| it.netns == *netns && it.listeners.contains(&port))
        };
        match self.containers.get(name) {
            Some(own) => !listens(own),
            None => self.containers.values().any(listens),
        }
    }

    fn container(&self, name: &Name) -> Result<&Container, Refusal> {
        self.containers
            .get(name)
            .ok_or_else(|| refusal::no_such_container(name.as_str()))
    }

    fn network(&self) -> Option<&daemon::Network> {
        self.daemon.as_ref()?.network.as_ref()
    }

    fn network_mut(&mut self) -> Option<&mut daemon::Network> {
        self.daemon.as_mut()?.network.as_mut()
    }
}

/// An operation for every kind of rule and policy that the engine ever writes, on some bridge and
/// between some containers.
pub fn rule_repertoire() -> Vec<RuleOp> {
    firewall::repertoire()
}

/// What a person asked of the kernel, as far as Docker notices it.
fn by_hand(command: &HostCommand) -> Decision {
    let forwarding = command.ops.iter().rev().find_map(|op| match op {
        Op::SetSysctl {
            netns: Netns::Host,
            sysctl: Sysctl::IpForward(is_on),
        } => Some(Change::Forwarding(*is_on)),
        _ => None,
    });
    Decision {
        plan: command.ops.clone().into(),
        changes: forwarding.into_iter().collect(),
        ..Decision::default()
    }
}
