//! The contained engine, told what to do and read back.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    net::Ipv4Addr,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::PathBuf,
};

use netparity_core::{
    command::{Command, ContainerSpec, DaemonConfig, NetMode},
    engine::{Refusal, refusal},
    model::{ModelError, Outcome},
    name::{LinkName, Name, Netns},
    snapshot::{ContainerState, Status},
};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::inotify::{AddWatchFlags, InitFlags, Inotify},
};

use crate::{
    Access, Unavailable,
    api::{Api, ApiError, Create, Empty, HostConfig, Inspect},
    contain::{Containment, Start},
    dockerd,
    ids::Ids,
    image,
    patience::PATIENCE,
    sandboxes::Sandboxes,
};

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The dockerd to use, and not the first one on `PATH`.
    pub dockerd: Option<PathBuf>,
}

/// A private host, and dockerd on it once [`Command::Daemon`] has started it.
pub struct Docker {
    containment: Containment,
    api: Api,
    dockerd: PathBuf,
    is_up: bool,
    has_image: bool,
    /// The number of the host's network namespace.
    host: u64,
    bridge: Option<LinkName>,
    ids: Ids,
    sandboxes: Sandboxes,
}

/// A container.
pub(crate) struct Resident {
    pub state: ContainerState,
    /// Its first process in the engine's PID namespace, another in each run; 0 while it does not run.
    pub pid: i32,
    /// Its address on the default network.
    pub address: Option<Ipv4Addr>,
    /// Whether it is removed when it ends.
    pub removes_itself: bool,
}

/// What every image of a scenario stands for.
const IMAGE: &str = "netparity";

/// How much of the log comes with an error.
const LAST_LINES: usize = 20;

impl Docker {
    /// Makes the private host. There is no dockerd on it yet, so that bridges can be made first.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] where there is no dockerd, it is older than 20.10, or the kernel does not
    /// let it have namespaces and mounts of its own.
    pub fn start(_: &Access, options: &Options) -> Result<Self, Unavailable> {
        let dockerd = dockerd::find(options.dockerd.as_deref())?;
        let containment = Containment::new()?;
        let unavailable = |error: io::Error| Unavailable::new(error.to_string());
        let api = Api::new(containment.socket()).map_err(unavailable)?;
        let host = number(&containment, INIT).map_err(unavailable)?;
        Ok(Self {
            containment,
            api,
            dockerd,
            is_up: false,
            has_image: false,
            host,
            bridge: None,
            ids: Ids::default(),
            sandboxes: Sandboxes::default(),
        })
    }

    /// Finds out whether dockerd can start a container here.
    ///
    /// # Errors
    ///
    /// [`Unavailable`], with dockerd's last words where it has any.
    pub fn check(access: &Access, options: &Options) -> Result<(), Unavailable> {
        let mut docker = Self::start(access, options)?;
        let commands = [
            Command::Daemon(DaemonConfig::default()),
            Command::Run(ContainerSpec::default()),
        ];
        for command in commands {
            docker.command(&command).map_err(|error| {
                Unavailable::new(format!(
                    "dockerd cannot work here: {error}; it needs containerd, runc and iptables \
                     beside it (Debian and Ubuntu: `apt-get install docker.io`)"
                ))
            })?;
        }
        Ok(())
    }

    /// Carries out what is for dockerd to do.
    ///
    /// # Errors
    ///
    /// [`ModelError::Refused`] in dockerd's words, less what is random in them;
    /// [`ModelError::Broken`] where dockerd is gone or hangs, with the end of its log, and for
    /// commands that are not for dockerd.
    pub fn command(&mut self, command: &Command) -> Result<Outcome, ModelError> {
        // These are the command line's words, which does not ask dockerd.
        if let Command::Remove { name, .. } = command
            && plain(name).as_str().is_empty()
        {
            return Err(refusal::empty_name().into());
        }
        if command.is_for_daemon() && !self.is_up {
            return Err(refusal::no_daemon().into());
        }
        match command {
            Command::Daemon(config) => self.daemon(config),
            Command::Create(spec) => self.create(spec).map(|(_, outcome)| outcome),
            Command::Run(spec) => {
                let (name, outcome) = self.create(spec)?;
                self.begin(&name, "start")?;
                Ok(outcome)
            }
            Command::Start(name) => self.begin(&plain(name), "start"),
            Command::Restart(name) => self.begin(&plain(name), "restart"),
            Command::Stop(name) => self.end(&plain(name), "stop"),
            Command::Kill(name) => self.end(&plain(name), "kill"),
            Command::Remove { name, force } => {
                let name = &plain(name);
                let removed = self.api.remove(name.as_str(), *force);
                removed.map_err(|error| self.error(error))?;
                self.sandboxes.ended(name);
                Ok(Outcome::default())
            }
            Command::Host(_) | Command::Listen { .. } | Command::Unlisten { .. } => Err(
                ModelError::Broken(format!("dockerd does not do this: {command:?}")),
            ),
        }
    }

    fn daemon(&mut self, config: &DaemonConfig) -> Result<Outcome, ModelError> {
        self.is_up = false;
        self.bridge = None;
        self.sandboxes = Sandboxes::default();
        let started = self
            .containment
            .start(&self.dockerd, &dockerd::flags(config));
        match started {
            Ok(Start::Up) => {}
            Ok(Start::Ended(last_words)) => {
                return Err(Refusal::new(self.ids.tell(&last_words)).into());
            }
            Err(why) => return Err(self.broken(&why)),
        }
        self.is_up = true;
        self.learn().map_err(|error| self.error(error))?;
        Ok(Outcome::default())
    }

    /// What has to be known of a dockerd that was just started, and what it has to know.
    fn learn(&mut self) -> Result<(), ApiError> {
        if !self.has_image {
            self.api.check_version()?;
            self.api.import(IMAGE, image::tar(), image::PROGRAM)?;
            self.has_image = true;
        }
        if let Some(network) = self.api.network("bridge")? {
            self.ids.network(&network.id);
            self.bridge = network.options.bridge.and_then(|name| name.parse().ok());
        }
        Ok(())
    }

    fn create(&mut self, spec: &ContainerSpec) -> Result<(Name, Outcome), ModelError> {
        let unnamed = || Name::new(&format!("container_{}", self.ids.containers() + 1));
        let name = spec.name.clone().unwrap_or_else(unnamed);
        // A slash before it is dockerd's to take away, or to refuse.
        let asked = name.as_str();
        check_links(&spec.links)?;
        let links: Vec<String> = spec.links.iter().map(|it| self.ids.untell(it)).collect();
        let body = Create {
            image: IMAGE,
            hostname: spec.hostname.as_deref(),
            env: &spec.env,
            exposed_ports: spec
                .expose
                .iter()
                .map(|port| (port.to_string(), Empty {}))
                .collect(),
            mac_address: spec.mac.map(|mac| mac.to_string()),
            host_config: HostConfig {
                network_mode: match &spec.net {
                    // What the command line says where nothing was said to it.
                    NetMode::Bridge => "default".into(),
                    NetMode::Host => "host".into(),
                    NetMode::None => "none".into(),
                    NetMode::Container(target) => format!("container:{}", self.ids.untell(target)),
                    NetMode::Network(network) => network.clone(),
                },
                links: &links,
                auto_remove: spec.auto_remove,
            },
        };
        let created = self.api.create(asked, &body);
        let created = created.map_err(|error| self.error(error))?;
        self.ids.made(&created.id);
        let warnings = created.warnings.unwrap_or_default();
        Ok((plain(&name), Outcome { warnings }))
    }

    /// Does what makes a container run.
    fn begin(&mut self, name: &Name, verb: &str) -> Result<Outcome, ModelError> {
        let done = self.api.act(name.as_str(), verb);
        // A restart that is refused has stopped it.
        self.look_where(name)?;
        done.map_err(|error| self.error(error))?;
        Ok(Outcome::default())
    }

    /// Does what makes a container end, and waits until all that Docker does then is done.
    fn end(&mut self, name: &Name, verb: &str) -> Result<Outcome, ModelError> {
        let end = || {
            let before = self.api.inspect(name.as_str())?;
            self.api.act(name.as_str(), verb)?;
            let removes_itself =
                before.is_some_and(|it| it.host_config.auto_remove && it.state.status == "running");
            if removes_itself {
                self.api.wait(name.as_str(), "removed")?;
            }
            Ok(())
        };
        end().map_err(|error| self.error(error))?;
        self.look_where(name)?;
        Ok(Outcome::default())
    }

    /// Takes note of the namespace that a container is in, if any. Docker answers a question
    /// about a container only when it is done with what it was doing to it.
    fn look_where(&mut self, name: &Name) -> Result<(), ModelError> {
        let inspected = self.api.inspect(name.as_str());
        let pid = match inspected.map_err(|error| self.error(error))? {
            Some(container) if container.state.pid != 0 => container.state.pid,
            _ => {
                self.sandboxes.ended(name);
                return Ok(());
            }
        };
        let broken = |error: io::Error| self.broken(&format!("container {name}: {error}"));
        wait_for_program(&self.containment, pid).map_err(broken)?;
        match number(&self.containment, pid).map_err(broken)? {
            number if number == self.host => self.sandboxes.ended(name),
            number => self.sandboxes.started(name, number),
        }
        Ok(())
    }

    /// Every container.
    ///
    /// # Errors
    ///
    /// [`ModelError::Broken`] where dockerd does not answer.
    pub fn containers(&self) -> Result<BTreeMap<Name, ContainerState>, ModelError> {
        let residents = self.residents()?;
        let state = |(name, resident): (Name, Resident)| (name, resident.state);
        Ok(residents.into_iter().map(state).collect())
    }

    /// Every container, with what only dockerd knows of it.
    pub(crate) fn residents(&self) -> Result<BTreeMap<Name, Resident>, ModelError> {
        if !self.is_up {
            return Ok(BTreeMap::new());
        }
        let listed = self.api.list().map_err(|error| self.error(error))?;
        let mut containers = BTreeMap::new();
        for listed in listed {
            let inspected = self.api.inspect(&listed.id);
            // One that removes itself may be gone by now.
            if let Some(container) = inspected.map_err(|error| self.error(error))? {
                let name = Name::new(container.name.trim_start_matches('/'));
                let resident = Resident {
                    state: self.state(&container)?,
                    pid: container.state.pid,
                    // There is an empty one where it has none.
                    address: container.network_settings.ip_address.parse().ok(),
                    removes_itself: container.host_config.auto_remove,
                };
                containers.insert(name, resident);
            }
        }
        Ok(containers)
    }

    fn state(&self, container: &Inspect) -> Result<ContainerState, ModelError> {
        let status = match container.state.status.as_str() {
            "created" => Status::Created,
            "running" => Status::Running,
            "exited" => Status::Exited,
            other => {
                let name = &container.name;
                return Err(self.broken(&format!("container {name} is {other}")));
            }
        };
        let pid = container.state.pid;
        let unreadable = |what: &str, error: io::Error| {
            self.broken(&format!("{what} of container {}: {error}", container.name))
        };
        let (netns, env) = match status {
            Status::Running => {
                let number = number(&self.containment, pid)
                    .map_err(|error| unreadable("namespace", error))?;
                let env = fs::read(self.containment.path(&format!("proc/{pid}/environ")))
                    .map_err(|error| unreadable("environment", error))?;
                (self.name_of(number), self.tell_environment(&env))
            }
            Status::Created | Status::Exited => (None, Vec::new()),
        };
        let hosts = match (status, container.hosts_path.as_str()) {
            (Status::Running, _) => {
                fs::read_to_string(self.containment.path(&format!("proc/{pid}/root/etc/hosts")))
            }
            (_, "") => Ok(String::new()),
            (_, path) => match fs::read_to_string(self.containment.path(path)) {
                // It was that of a container it had joined, and went with that.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
                read => read,
            },
        };
        let hosts = hosts.map_err(|error| unreadable("hosts file", error))?;
        Ok(ContainerState {
            id: self.ids.tell(&container.id),
            status,
            netns,
            hostname: self.ids.tell(&container.config.hostname),
            env,
            hosts: self.ids.tell(&hosts),
        })
    }

    /// Whether a dockerd runs.
    pub(crate) fn is_up(&self) -> bool {
        self.is_up
    }

    /// The namespaces that containers are in, and their numbers.
    pub(crate) fn sandboxes(&self) -> BTreeMap<Netns, u64> {
        self.sandboxes.numbers()
    }

    /// The bridge of the default network.
    pub(crate) fn bridge(&self) -> Option<LinkName> {
        self.bridge
    }

    fn name_of(&self, number: u64) -> Option<Netns> {
        match number == self.host {
            true => Some(Netns::Host),
            false => self.sandboxes.name_of(number).cloned(),
        }
    }

    fn tell_environment(&self, environ: &[u8]) -> Vec<String> {
        let settings = environ.split(|byte| *byte == 0);
        settings
            .filter(|setting| !setting.is_empty())
            .map(|setting| self.ids.tell(&String::from_utf8_lossy(setting)))
            .collect()
    }

    /// Opens a network namespace: the host's, or one that a running container is in.
    ///
    /// # Errors
    ///
    /// [`ModelError::Broken`] where there is none of that name.
    pub fn netns(&self, netns: &Netns) -> Result<OwnedFd, ModelError> {
        let pid = match netns {
            Netns::Host => INIT,
            Netns::Named(_) => {
                let container = match self.sandboxes.user_of(netns) {
                    Some(name) => self.api.inspect(name.as_str()),
                    None => Ok(None),
                };
                container
                    .map_err(|error| self.error(error))?
                    .map(|container| container.state.pid)
                    .filter(|pid| *pid != 0)
                    .ok_or_else(|| self.broken(&format!("there is no namespace {netns}")))?
            }
        };
        File::open(self.containment.path(&netns_of(pid)))
            .map(OwnedFd::from)
            .map_err(|error| self.broken(&format!("open namespace {netns}: {error}")))
    }

    /// The end of what dockerd has logged since it was last started.
    pub fn log(&self) -> String {
        self.containment.log()
    }

    fn error(&self, error: ApiError) -> ModelError {
        match error {
            ApiError::Refused(_, words) => Refusal::new(self.ids.tell(&words)).into(),
            ApiError::Lost(why) => self.broken(&why),
        }
    }

    fn broken(&self, why: &str) -> ModelError {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
        ModelError::Broken(match end.as_str() {
            "" => why.to_owned(),
            end => format!("{why}\ndockerd's log ends with:\n{end}"),
        })
    }
}

/// A container's name as dockerd keeps it: without the slash that it may be given with.
fn plain(name: &Name) -> Name {
    let text = name.as_str();
    text.strip_prefix('/')
        .map_or_else(|| name.clone(), Name::new)
}

/// What the command line says of links before it asks dockerd (`opts.ParseLink` of docker/cli).
fn check_links(links: &[String]) -> Result<(), Refusal> {
    for link in links {
        if link.is_empty() {
            return Err(Refusal::new("empty string specified for links"));
        }
        if link.split(':').count() > 2 {
            return Err(Refusal::new(format!("bad format for links: {link}")));
        }
    }
    Ok(())
}

/// Process 1 in there, which is in the host's namespaces.
const INIT: i32 = 1;

fn netns_of(pid: i32) -> String {
    format!("proc/{pid}/ns/net")
}

/// Waits until a container's first process is its program: Docker calls it started while it is
/// still what has set it up, with that one's environment.
fn wait_for_program(containment: &Containment, pid: i32) -> io::Result<()> {
    let program = containment.path(&format!("proc/{pid}/root{}", image::PROGRAM));
    let events = Inotify::init(InitFlags::IN_CLOEXEC)?;
    // The program opens its own file once it runs.
    events.add_watch(&program, AddWatchFlags::IN_OPEN)?;
    let executable = containment.path(&format!("proc/{pid}/exe"));
    let patience = PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::MAX);
    let environment = containment.path(&format!("proc/{pid}/environ"));
    let runs = || -> io::Result<bool> {
        // Its environment is the last that the kernel gives it, and never empty.
        let is_it = fs::read_link(&executable)?.as_os_str() == image::PROGRAM;
        Ok(is_it && !fs::read(&environment)?.is_empty())
    };
    while !runs()? {
        let mut fds = [PollFd::new(events.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, patience)? == 0 {
            return Err(io::Error::other("it does not get to its program"));
        }
        events.read_events()?;
    }
    Ok(())
}

/// The inode number of a process's network namespace.
fn number(containment: &Containment, pid: i32) -> io::Result<u64> {
    Ok(fs::metadata(containment.path(&netns_of(pid)))?.ino())
}
