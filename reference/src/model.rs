//! dockerd as a network model: it does what is for it to do, and kernel's eyes see what comes of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use netparity_core::{
    command::Command,
    engine::{Action, Decision, Engine, Refusal, refusal},
    model::{Dataplane, DataplaneError, ModelError, NetworkModel, Outcome},
    name::{Name, Netns},
    plan::{Op, Plan},
    port::Port,
    probe::Probe,
    shots::{Directory, Shots, resolve_name, unsent},
    snapshot::Snapshot,
    trace::Trace,
    verdict::Verdict,
};
use netparity_kernel::Kernel;

use crate::{
    Access, Unavailable,
    docker::{Docker, Options, Resident},
};

/// A real dockerd as a network model.
pub struct Reference {
    access: Access,
    kernel: netparity_kernel::Access,
    options: Options,
    docker: Docker,
    eyes: Kernel,
    register: Register,
    /// The containers that run.
    runs: BTreeMap<Name, Run>,
    /// The numbers of the containers' namespaces, by which one is told from another of its name.
    sandboxes: BTreeMap<Netns, u64>,
    shots: Shots,
    /// Core's engine, with nothing started: for the words of the host's tools.
    words: Engine,
}

/// A container's life from one start to its end.
struct Run {
    pid: i32,
    netns: Netns,
    /// Servers of this container, and of no other in its namespace.
    listeners: BTreeSet<Port>,
}

/// What dockerd knows of names.
#[derive(Default)]
struct Register {
    residents: BTreeMap<Name, Resident>,
    gateway: Option<Ipv4Addr>,
}

impl Reference {
    /// A private host without a dockerd on it.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] for the reasons of [`Docker::start`], and where the kernel does not let the
    /// host's network be looked at.
    pub fn new(
        access: &Access,
        kernel: &netparity_kernel::Access,
        options: &Options,
    ) -> Result<Self, Unavailable> {
        let docker = Docker::start(access, options)?;
        let host = docker
            .netns(&Netns::Host)
            .map_err(|error| Unavailable::new(error.to_string()))?;
        let eyes = Kernel::adopting(kernel, host)
            .map_err(|unavailable| Unavailable::new(unavailable.to_string()))?;
        Ok(Self {
            access: *access,
            kernel: kernel.clone(),
            options: options.clone(),
            docker,
            eyes,
            register: Register::default(),
            runs: BTreeMap::new(),
            sandboxes: BTreeMap::new(),
            shots: Shots::default(),
            words: Engine::default(),
        })
    }

    /// The dockerd, to look at and not to command.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Has the eyes follow what dockerd has done.
    fn follow(&mut self) -> Result<(), ModelError> {
        match self.docker.is_up() {
            true => self.register.residents = self.docker.residents()?,
            false => self.register.end_all(),
        }
        self.end_runs()?;
        let sandboxes = self.docker.sandboxes();
        let before = std::mem::take(&mut self.sandboxes);
        for (netns, number) in &before {
            if sandboxes.get(netns) != Some(number) {
                self.eyes.forget_namespace(netns)?;
            }
        }
        for (netns, number) in &sandboxes {
            if before.get(netns) != Some(number) {
                let descriptor = self.docker.netns(netns)?;
                self.eyes.adopt_namespace(netns.clone(), descriptor)?;
            }
        }
        self.sandboxes = sandboxes;
        Ok(self.eyes.refresh()?)
    }

    /// Takes note of the address that the default network has on the host.
    fn find_gateway(&mut self) -> Result<(), ModelError> {
        let mut host = self.eyes.snapshot()?.netns.remove(&Netns::Host);
        let bridge = self.docker.bridge().and_then(|bridge| {
            let links = &mut host.as_mut()?.links;
            links.remove(&bridge)
        });
        let address = bridge.and_then(|bridge| Some(bridge.addresses.first()?.addr()));
        self.register.gateway = address;
        Ok(())
    }

    /// Closes the servers of containers that have ended, where their namespaces live on.
    fn end_runs(&mut self) -> Result<(), ModelError> {
        let mut ended = std::mem::take(&mut self.runs);
        for (name, resident) in &self.register.residents {
            let Some(netns) = &resident.state.netns else {
                continue;
            };
            let run = match ended.remove(name) {
                Some(run) if run.pid == resident.pid => run,
                other => {
                    ended.extend(other.map(|run| (name.clone(), run)));
                    Run {
                        pid: resident.pid,
                        netns: netns.clone(),
                        listeners: BTreeSet::new(),
                    }
                }
            };
            self.runs.insert(name.clone(), run);
        }
        let close = |run: Run| {
            let netns = run.netns;
            run.listeners.into_iter().map(move |port| Op::Unlisten {
                netns: netns.clone(),
                port,
            })
        };
        let ops: Vec<Op> = ended.into_values().flat_map(close).collect();
        Ok(self.eyes.execute(&Plan::from(ops))?)
    }

    /// Whether what listens on a port is not this one's: it shares the namespace with who does.
    fn is_of_another(&self, netns: &Netns, name: &Name, port: Port) -> bool {
        match self.runs.get(name) {
            Some(own) => !own.listeners.contains(&port),
            None => {
                let mut others = self.runs.values();
                others.any(|it| it.netns == *netns && it.listeners.contains(&port))
            }
        }
    }

    /// Does what is not for dockerd to do.
    fn at_prompt(&mut self, action: &Action, ops: Vec<Op>) -> Result<Outcome, ModelError> {
        let mut decision = Decision::default();
        decision.plan = ops.into();
        match self.eyes.execute(&decision.plan) {
            Ok(()) => Ok(Outcome::default()),
            Err(DataplaneError::Refused { op, errno }) => Err(self
                .words
                .kernel_refusal(action, &decision, op, errno)
                .into()),
            Err(broken) => Err(broken.into()),
        }
    }
}

impl NetworkModel for Reference {
    fn name(&self) -> &str {
        "docker"
    }

    fn apply(&mut self, command: &Command) -> Result<Outcome, ModelError> {
        match command {
            Command::Host(host) => self.at_prompt(&Action::Host(host.clone()), host.ops.clone()),
            Command::Listen { name, port } => {
                let netns = self.register.netns_of(name)?;
                let action = Action::Listen(name.clone(), *port);
                let op = Op::Listen { netns, port: *port };
                let outcome = self.at_prompt(&action, vec![op])?;
                if let Some(run) = self.runs.get_mut(name) {
                    run.listeners.insert(*port);
                }
                Ok(outcome)
            }
            Command::Unlisten { name, port } => {
                let netns = self.register.netns_of(name)?;
                if self.is_of_another(&netns, name, *port) {
                    return Err(refusal::not_listening(name, port).into());
                }
                let action = Action::Unlisten(name.clone(), *port);
                let op = Op::Unlisten { netns, port: *port };
                let outcome = self.at_prompt(&action, vec![op])?;
                if let Some(run) = self.runs.get_mut(name) {
                    run.listeners.remove(port);
                }
                Ok(outcome)
            }
            _ => {
                let outcome = self.docker.command(command);
                if !matches!(outcome, Err(ModelError::Broken(_))) {
                    // What is refused may have been done in part.
                    self.follow()?;
                }
                if let Command::Daemon(_) = command {
                    self.find_gateway()?;
                }
                outcome
            }
        }
    }

    fn probe(&mut self, probe: &Probe) -> Result<Trace, ModelError> {
        let eyes = &mut self.eyes;
        let shot = self.shots.make(probe, &self.register, || eyes.snapshot())?;
        let Some(shot) = shot else {
            return Ok(Trace::unsent(Verdict::NoName));
        };
        let sighting = self.eyes.probe(&shot);
        let sighting = sighting.map_err(|error| unsent(probe, error))?;
        Ok(Trace::judge(&shot, sighting))
    }

    fn snapshot(&mut self) -> Result<Snapshot, ModelError> {
        let mut snapshot = self.eyes.snapshot()?;
        snapshot.containers = self.docker.containers()?;
        Ok(snapshot)
    }

    fn reset(&mut self) -> Result<(), ModelError> {
        let fresh = Self::new(&self.access, &self.kernel, &self.options);
        *self = fresh.map_err(|why| ModelError::Broken(why.to_string()))?;
        Ok(())
    }
}

impl Register {
    /// Takes note that dockerd has ended, and so its containers.
    fn end_all(&mut self) {
        self.residents.retain(|_, it| !it.removes_itself);
        for resident in self.residents.values_mut() {
            resident.pid = 0;
            resident.state.netns = None;
        }
    }

    fn address_of(&self, name: &Name) -> Option<Ipv4Addr> {
        let resident = self.residents.get(name)?;
        match (&resident.state.netns, resident.address) {
            (None, _) => None,
            (Some(Netns::Host), _) => self.gateway,
            (Some(_), Some(address)) => Some(address),
            // It has joined another's.
            (netns, None) => {
                let shares = |other: &&Resident| other.state.netns == *netns;
                let mut others = self.residents.values().filter(shares);
                others.find_map(|other| other.address)
            }
        }
    }
}

impl Directory for Register {
    fn netns_of(&self, name: &Name) -> Result<Netns, Refusal> {
        match self.residents.get(name) {
            Some(resident) => resident.state.netns.clone().ok_or_else(|| {
                Refusal::new(format!("Container {} is not running", resident.state.id))
            }),
            None if name.as_str() == Name::HOST => Ok(Netns::Host),
            None => Ok(Netns::Named(name.clone())),
        }
    }

    fn resolve(&self, from: &Name, name: &Name) -> Option<Ipv4Addr> {
        let resident = self.residents.get(from);
        let hosts = resident.map_or("", |it| it.state.hosts.as_str());
        resolve_name(hosts, name, self.gateway, || self.address_of(name))
    }

    fn knows(&self, name: &Name) -> bool {
        self.residents.contains_key(name)
    }
}
