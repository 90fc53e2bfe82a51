//! What a network looks like.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;
use serde::Serialize;

use crate::{
    MacAddr,
    name::{LinkName, Name, Netns},
    plan::Route,
    port::Port,
    rules::RuleSet,
};
use std::net::Ipv4Addr;

/// Every namespace and every container of a model, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// What the data plane has.
    pub netns: BTreeMap<Netns, NetnsState>,
    /// What the engine has.
    pub containers: BTreeMap<Name, ContainerState>,
}

/// A network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NetnsState {
    /// Its links.
    pub links: BTreeMap<LinkName, LinkState>,
    /// The main table, in the order `ip route` lists it; the local table is left out.
    pub routes: Vec<Route>,
    /// Neighbours whose hardware address is known, however sure the kernel is of it.
    pub neighbours: BTreeMap<Neighbour, MacAddr>,
    /// The packet rules.
    pub rules: RuleSet,
    /// Whether it forwards IPv4.
    pub ip_forward: bool,
    /// Where servers listen.
    pub listeners: BTreeSet<Port>,
}

/// A neighbour's address, on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Neighbour {
    /// The link.
    pub link: LinkName,
    /// The address.
    pub address: Ipv4Addr,
}

impl Serialize for Neighbour {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{} dev {}", self.address, self.link))
    }
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkState {
    /// What it is.
    pub kind: LinkKind,
    /// Its hardware address.
    pub mac: MacAddr,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Whether it was set up (`IFF_UP`).
    pub up: bool,
    /// Whether it can carry frames (`IFF_LOWER_UP`): it is up, and so is what is behind it.
    pub carrier: bool,
    /// The bridge it is a port of.
    pub master: Option<LinkName>,
    /// Its addresses, in the order they were added.
    pub addresses: Vec<Ipv4Net>,
    /// For a bridge: behind which port each hardware address was learned.
    pub learned: BTreeMap<LearnedMac, LinkName>,
}

/// A hardware address a bridge has learned.
pub type LearnedMac = crate::trace::Station;

/// What a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// `lo`.
    Loopback,
    /// A bridge.
    Bridge,
    /// One end of a veth pair.
    Veth,
}

/// A container, as its engine has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContainerState {
    /// Its id: 64 hexadecimal digits.
    pub id: String,
    /// Whether it was ever started, and is still running.
    pub status: Status,
    /// The namespace it is in while it runs.
    pub netns: Option<Netns>,
    /// Its hostname while it runs, or as configured.
    pub hostname: String,
    /// Its environment, each `KEY=VALUE`, in Docker's order; empty while it does not run.
    pub env: Vec<String>,
    /// Its `/etc/hosts`; empty before its first start.
    pub hosts: String,
}

/// Where a container is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Never started.
    Created,
    /// Running.
    Running,
    /// Stopped.
    Exited,
}
