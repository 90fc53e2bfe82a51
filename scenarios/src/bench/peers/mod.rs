//! Other programs that set up endpoints.

pub mod host_local;
pub mod programs;

use std::{
    env,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use netparity_core::command::{Command, DaemonConfig};
use netparity_reference::Docker;

use super::{cell, topology::run};
use crate::run::Dockerd;

/// Another program that sets up endpoints on a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Peer {
    /// iproute2, a command at a time.
    Ip,
    /// iproute2, commands from a file: one for all links, one for each namespace.
    IpBatch,
    /// The CNI plugins bridge and host-local.
    Cni,
    /// Podman's.
    Netavark,
    /// Mininet, with Linux bridges.
    Mininet,
    /// Docker's, containers and all.
    Dockerd,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Ip,
        Self::IpBatch,
        Self::Cni,
        Self::Netavark,
        Self::Mininet,
        Self::Dockerd,
    ];

    /// What it is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::IpBatch => "ip-batch",
            Self::Cni => "cni",
            Self::Netavark => "netavark",
            Self::Mininet => "mininet",
            Self::Dockerd => "dockerd",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.as_str() == name)
    }

    /// The program that has to be there, and the Debian package that it is in.
    const fn program(self) -> (&'static str, &'static str) {
        match self {
            Self::Ip | Self::IpBatch => ("ip", "iproute2"),
            Self::Cni => ("bridge", "containernetworking-plugins"),
            Self::Netavark => ("netavark", "netavark"),
            Self::Mininet => ("mn", "mininet"),
            Self::Dockerd => ("dockerd", "docker.io"),
        }
    }

    /// Why it cannot be measured here, if it cannot.
    pub fn missing(self, dockerd: &Dockerd) -> Option<String> {
        if self == Self::Dockerd {
            let check = Docker::check(&dockerd.access, &dockerd.options);
            return check.err().map(|why| why.to_string());
        }
        let (program, package) = self.program();
        match self.path() {
            Some(_) => None,
            None => Some(format!(
                "there is no {program} here (Debian and Ubuntu: `apt-get install {package}`)"
            )),
        }
    }

    /// Where its program is.
    fn path(self) -> Option<PathBuf> {
        let (program, _) = self.program();
        let plugins = ["/usr/lib/cni", "/opt/cni/bin"];
        let folders: Vec<_> = match self {
            // iproute2 has a program of the same name.
            Self::Cni => plugins.into_iter().map(PathBuf::from).collect(),
            _ => {
                let path = env::var_os("PATH").unwrap_or_default();
                let more = [
                    "/usr/sbin",
                    "/sbin",
                    "/usr/lib/podman",
                    "/usr/libexec/podman",
                ];
                env::split_paths(&path)
                    .chain(more.into_iter().map(PathBuf::from))
                    .collect()
            }
        };
        let mut files = folders.iter().map(|folder: &PathBuf| folder.join(program));
        files.find(|file: &PathBuf| Path::is_file(file))
    }

    /// How long it takes for `count` endpoints, on a bridge that is there.
    ///
    /// # Errors
    ///
    /// What it had to say.
    pub fn endpoints(self, count: usize, dockerd: &Dockerd) -> Result<Duration, String> {
        match self {
            Self::Dockerd => containers(count, dockerd),
            _ => cell::endpoints(self, count),
        }
    }
}

/// Docker is asked over its socket, not by its command line, which takes longer.
fn containers(count: usize, dockerd: &Dockerd) -> Result<Duration, String> {
    let docker = Docker::start(&dockerd.access, &dockerd.options);
    let mut docker = docker.map_err(|why| why.to_string())?;
    let daemon = Command::Daemon(DaemonConfig {
        icc: false,
        ..DaemonConfig::default()
    });
    docker.command(&daemon).map_err(|why| why.to_string())?;
    let start = Instant::now();
    for number in 0..count {
        let done = docker.command(&run(number));
        done.map_err(|why| why.to_string())?;
    }
    Ok(start.elapsed())
}
