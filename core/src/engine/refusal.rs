//! Docker 20.10's words for what it does not do.

use std::fmt;

use serde::Serialize;

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
    no_free_pool = "failed to start daemon: Error initializing network controller: list bridge addresses failed: could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network";
}

pub(super) fn default_network(why: impl fmt::Display) -> Refusal {
    Refusal(format!(
        "failed to start daemon: Error initializing network controller: Error creating default \"bridge\" network: {why}"
    ))
}

pub(super) fn no_such_container(name: &str) -> Refusal {
    Refusal(format!("No such container: {name}"))
}
