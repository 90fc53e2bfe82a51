//! Docker 20.10's words for what it does not do.

use std::fmt;

use ipnet::Ipv4Net;
use serde::Serialize;

use crate::{
    MacAddr,
    name::{LinkName, Name},
};

/// A refusal, in the words of whoever refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Refusal(pub(super) String);

impl Refusal {
    /// A refusal in these words.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

macro_rules! texts {
    ($($name:ident = $text:literal;)*) => {
        $(pub(super) fn $name() -> Refusal { Refusal::new($text) })*
    };
}

// runconfig/errors.go, daemon/daemon_unix.go and client/errors.go of moby 20.10.
texts! {
    no_daemon = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?";
    bridge_and_bip = "failed to start daemon: You specified -b & --bip, mutually exclusive options. Please specify only one";
    icc_without_iptables = "failed to start daemon: You specified --iptables=false with --icc=false. ICC=false uses iptables to function. Please set --icc or --iptables to true";
    container_format = "Invalid network mode: invalid container format container:<name|id>";
    hostname_and_network = "conflicting options: hostname and the network mode";
    container_and_links = "conflicting options: container type network can't be used with links. This would result in undefined behavior";
    host_and_links = "conflicting options: host type networking can't be used with links. This would result in undefined behavior";
    mac_and_network = "conflicting options: mac-address and the network mode";
    expose_and_container = "conflicting options: port exposing and the container type network mode";
    join_self = "cannot join own network";
    empty_link = "empty string specified for links";
    sethostname = "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: sethostname: invalid argument: unknown";
}

pub(super) fn default_network(why: impl fmt::Display) -> Refusal {
    Refusal(format!(
        "failed to start daemon: Error initializing network controller: Error creating default \"bridge\" network: {why}"
    ))
}

pub(super) fn no_free_pool(pools: impl Iterator<Item = Ipv4Net>) -> Refusal {
    let pools: Vec<String> = pools.map(|pool| pool.to_string()).collect();
    Refusal(format!(
        "failed to start daemon: Error initializing network controller: list bridge addresses failed: PredefinedLocalScopeDefaultNetworks List: [{}]: no available network",
        pools.join(" ")
    ))
}

pub(super) fn no_such_container(word: &str) -> Refusal {
    match word {
        "" => Refusal::new("invalid name or ID supplied: \"\""),
        word => Refusal(format!("No such container: {word}")),
    }
}

/// runc's words, with the program that it starts to join the network; that one says when, which
/// is the beginning of time here.
pub(super) fn mac_address(veth: LinkName, mac: MacAddr) -> Refusal {
    Refusal(format!(
        "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: error running hook #0: error running hook: exit status 1, stdout: , stderr: time=\"1970-01-01T00:00:00Z\" level=fatal msg=\"failed to add interface {veth} to sandbox: error setting interface \\\"{veth}\\\" MAC to \\\"{mac}\\\": cannot assign requested address\": unknown"
    ))
}

/// A link to containers that join each other's networks in a circle. dockerd 20.10 follows it
/// (`registerLinks`) and never answers; a person gives up.
pub(super) fn endless_link(name: &Name) -> Refusal {
    Refusal(format!(
        "dockerd never answers: the network of {name} leads back to itself"
    ))
}
