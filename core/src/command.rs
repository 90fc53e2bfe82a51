//! What a person tells a network to do.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::{
    MacAddr,
    name::{LinkName, Name},
    plan::Op,
    port::Port,
};

/// One command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `dockerd FLAGS`: starts the daemon; where one runs, stops it and its containers first.
    Daemon(DaemonConfig),
    /// `docker create`.
    Create(ContainerSpec),
    /// `docker run -d`: create and start.
    Run(ContainerSpec),
    /// `docker start`.
    Start(Name),
    /// `docker stop`.
    Stop(Name),
    /// `docker kill`, which unlike stop wants a container that runs.
    Kill(Name),
    /// `docker restart`.
    Restart(Name),
    /// `docker rm`.
    Remove {
        /// Which container.
        name: Name,
        /// `-f`: stops it first if it runs.
        force: bool,
    },
    /// A command at the host's prompt.
    Host(HostCommand),
    /// `listen NAME PORT`: a server that lives as long as the container runs.
    Listen {
        /// A container, a namespace or `host`.
        name: Name,
        /// Where it listens, on all addresses.
        port: Port,
    },
    /// `unlisten NAME PORT`.
    Unlisten {
        /// Who listens.
        name: Name,
        /// Where.
        port: Port,
    },
}

/// The flags of `dockerd`, with Docker 20.10's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonConfig {
    /// `-b`, `--bridge`.
    pub bridge: BridgeChoice,
    /// `--bip`: address and prefix of docker0, host bits kept.
    pub bip: Option<Ipv4Net>,
    /// `--fixed-cidr`: containers get addresses from here.
    pub fixed_cidr: Option<Ipv4Net>,
    /// `--mtu`, in bytes; none is Docker's 1500.
    pub mtu: Option<i64>,
    /// `--icc`: containers on the bridge may talk to each other.
    pub icc: bool,
    /// `--iptables`: write rules.
    pub iptables: bool,
    /// `--ip-masq`: masquerade what leaves the bridge's network.
    pub ip_masq: bool,
    /// `--ip-forward`: turn on forwarding.
    pub ip_forward: bool,
}

impl Default for DaemonConfig {
    fn default() -> Self {
        Self {
            bridge: BridgeChoice::Docker0,
            bip: None,
            fixed_cidr: None,
            mtu: None,
            icc: true,
            iptables: true,
            ip_masq: true,
            ip_forward: true,
        }
    }
}

/// The bridge that containers are attached to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BridgeChoice {
    /// docker0, which Docker makes.
    #[default]
    Docker0,
    /// A bridge somebody else made.
    Existing(LinkName),
    /// `-b none`: there is no default network.
    None,
}

/// What `docker run` and `docker create` are given, as far as it touches networking.
///
/// Links are kept as they were typed, because Docker has its own words for those it cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSpec {
    /// `--name`; Docker makes one up if it is absent.
    pub name: Option<Name>,
    /// `--net`.
    pub net: NetMode,
    /// `--expose` and the image's EXPOSE, ranges written out.
    pub expose: Vec<Port>,
    /// `--link`, each as typed: `redis:db`.
    pub links: Vec<String>,
    /// `-e`, each `KEY=VALUE`.
    pub env: Vec<String>,
    /// `-h`, `--hostname`.
    pub hostname: Option<String>,
    /// `--mac-address`.
    pub mac: Option<MacAddr>,
    /// `--rm`: removed when it stops.
    pub auto_remove: bool,
}

impl Default for ContainerSpec {
    fn default() -> Self {
        Self {
            name: None,
            net: NetMode::Bridge,
            expose: Vec::new(),
            links: Vec::new(),
            env: Vec::new(),
            hostname: None,
            mac: None,
            auto_remove: false,
        }
    }
}

/// `--net`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NetMode {
    /// A namespace of its own, on the daemon's bridge.
    #[default]
    Bridge,
    /// The host's namespace.
    Host,
    /// Another container's namespace, by whatever was typed behind `container:`.
    Container(String),
    /// A namespace of its own with nothing but loopback.
    None,
    /// A network of one's own, by name.
    Network(String),
}

/// A command at the host's prompt: operations that the kernel takes or refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCommand {
    /// Whose words a refusal is given in.
    pub tool: Tool,
    /// What the tool asks of the kernel.
    pub ops: Vec<Op>,
}

/// The tools a person sets up a network with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// `brctl` of bridge-utils.
    Brctl,
    /// `ifconfig` and `route` of net-tools.
    Ifconfig,
    /// `ip` of iproute2.
    Ip,
    /// `sysctl` of procps.
    Sysctl,
}

/// Where a probe goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A name in the sender's hosts file, a container, a namespace, or `host`.
    Name(Name),
    /// An address.
    Address(Ipv4Addr),
}

impl Command {
    /// Whether it is for dockerd, so that one has to run.
    pub const fn is_for_daemon(&self) -> bool {
        matches!(
            self,
            Self::Create(_)
                | Self::Run(_)
                | Self::Start(_)
                | Self::Stop(_)
                | Self::Kill(_)
                | Self::Restart(_)
                | Self::Remove { .. }
        )
    }

    /// The container that dockerd is to do something to.
    pub const fn container(&self) -> Option<&Name> {
        match self {
            Self::Start(name)
            | Self::Stop(name)
            | Self::Kill(name)
            | Self::Restart(name)
            | Self::Remove { name, .. } => Some(name),
            _ => None,
        }
    }
}
