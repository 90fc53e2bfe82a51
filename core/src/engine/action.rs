//! What a command consists of.

use super::{
    Engine,
    refusal::{self, Refusal},
};
use crate::{
    command::{Command, ContainerSpec, DaemonConfig, HostCommand},
    name::Name,
    port::Port,
};

/// One step that is carried out wholly or not at all. `docker run` is two: where the second is
/// refused the container stays, created, as with Docker.
#[derive(Clone, Debug)]
pub enum Action {
    /// Ends the daemon, and its containers.
    StopDaemon,
    /// Starts one.
    StartDaemon(DaemonConfig),
    /// Makes a container.
    Create(Name, ContainerSpec),
    /// Starts one.
    Start {
        /// Which.
        name: Name,
        /// Whether it is half of a restart.
        restarts: bool,
    },
    /// Stops one.
    Stop {
        /// Which.
        name: Name,
        /// Whether it is half of a restart, after which a container that removes itself is kept.
        restarts: bool,
    },
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

    /// A refusal, told as that of what was asked for.
    pub(super) fn tell(&self, refusal: Refusal) -> Refusal {
        match self {
            Self::Start {
                name,
                restarts: true,
            }
            | Self::Stop {
                name,
                restarts: true,
            } => refusal::cannot_restart(name, &refusal).passing_on(&refusal),
            _ => refusal,
        }
    }
}

impl Engine {
    /// The actions a command consists of.
    ///
    /// # Errors
    ///
    /// Where it can be said at once that the command is refused.
    pub fn actions(&self, command: &Command) -> Result<Vec<Action>, Refusal> {
        let is_nameless = command.container().is_some_and(|it| it.as_str().is_empty());
        match command {
            // The command line does not even ask.
            Command::Remove { .. } if is_nameless => return Err(refusal::empty_name()),
            _ if command.is_for_daemon() && self.daemon.is_none() => {
                return Err(refusal::no_daemon());
            }
            // It asks for `/containers/start`.
            _ if is_nameless => return Err(refusal::no_page()),
            _ => {}
        }
        let start = |name: &Name, restarts| Action::Start {
            name: name.clone(),
            restarts,
        };
        let stop = |name: &Name, restarts| Action::Stop {
            name: name.clone(),
            restarts,
        };
        Ok(match command {
            Command::Daemon(config) => {
                let old = self.daemon.as_ref().map(|_| Action::StopDaemon);
                let new = Action::StartDaemon(config.clone());
                old.into_iter().chain([new]).collect()
            }
            Command::Create(spec) => vec![Action::Create(self.name_for(spec), spec.clone())],
            Command::Run(spec) => {
                let name = self.name_for(spec);
                vec![
                    Action::Create(name.clone(), spec.clone()),
                    start(&name, false),
                ]
            }
            Command::Start(name) => vec![start(name, false)],
            Command::Stop(name) => vec![stop(name, false)],
            Command::Kill(name) => {
                let container = self
                    .container(name)
                    .map_err(|unknown| refusal::cannot_kill(name, &unknown).passing_on(&unknown))?;
                if container.running.is_none() {
                    let why = refusal::not_running(&container.id);
                    return Err(refusal::cannot_kill(name, &why).passing_on(&why));
                }
                vec![stop(name, false)]
            }
            Command::Restart(name) => {
                self.container(name)?;
                vec![stop(name, true), start(name, true)]
            }
            Command::Remove { name, force: true } if self.container(name)?.running.is_some() => {
                let removes_itself = self.container(name)?.spec.auto_remove;
                let mut actions = vec![stop(name, false)];
                actions.extend((!removes_itself).then(|| Action::Remove(name.clone())));
                actions
            }
            Command::Remove { name, .. } => vec![Action::Remove(name.clone())],
            Command::Host(command) => vec![Action::Host(command.clone())],
            Command::Listen { name, port } => vec![Action::Listen(name.clone(), *port)],
            Command::Unlisten { name, port } => vec![Action::Unlisten(name.clone(), *port)],
        })
    }

    fn name_for(&self, spec: &ContainerSpec) -> Name {
        match spec.name.as_ref().map_or("", Name::as_str) {
            "" => Name::new(&format!("container_{}", self.created + 1)),
            name => Name::new(name.strip_prefix('/').unwrap_or(name)),
        }
    }
}
