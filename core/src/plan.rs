//! What an engine or a person at the host's prompt wants done, in the kernel's terms.

use std::{fmt, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde::Serialize;

use crate::{
    MacAddr,
    name::{LinkName, LinkRef, Netns},
    port::Port,
    rules::{ChainRef, Policy, Rule},
};

/// Operations to be carried out in order: all of them or, rolled back, none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The operations.
    pub ops: Vec<Op>,
}

impl From<Vec<Op>> for Plan {
    fn from(ops: Vec<Op>) -> Self {
        Self { ops }
    }
}

/// One operation. Those that name something missing, or make something that is there, fail with
/// the kernel's errno.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Makes a namespace, with a loopback interface that is down.
    AddNetns(Netns),
    /// Removes a namespace with all that is in it; a veth takes its peer along.
    DeleteNetns(Netns),
    /// Makes a bridge (no spanning tree, down). With `mac` absent it takes a random address
    /// and later the lowest of its ports', as Linux does.
    AddBridge {
        /// Where and what.
        link: LinkRef,
        /// Its hardware address.
        mac: Option<MacAddr>,
    },
    /// Removes a bridge as `brctl delbr` does: `EBUSY` while it is up, `EPERM` if it is no
    /// bridge, `ENXIO` if it is not there.
    DeleteBridge(LinkRef),
    /// Makes both ends of a veth pair, each in its own namespace.
    AddVeth {
        /// The end made first: the host's, where there is one.
        near: VethEnd,
        /// Its peer.
        far: VethEnd,
    },
    /// Removes a link; a veth takes its peer along.
    DeleteLink(LinkRef),
    /// Changes a link.
    SetLink {
        /// Which.
        link: LinkRef,
        /// What about it.
        change: LinkChange,
    },
    /// Puts an address on a link, with its connected route. The broadcast address is left unset.
    AddAddress {
        /// Which link.
        link: LinkRef,
        /// Address and prefix: `172.17.42.1/16`.
        address: Ipv4Net,
    },
    /// Takes an address off a link.
    DeleteAddress {
        /// Which link.
        link: LinkRef,
        /// Address and prefix as they were added.
        address: Ipv4Net,
    },
    /// Adds a route to the main table.
    AddRoute {
        /// Where.
        netns: Netns,
        /// Which.
        route: Route,
    },
    /// Removes a route from the main table: the first that has this destination and, where they
    /// are given, this gateway and link.
    DeleteRoute {
        /// Where.
        netns: Netns,
        /// Which.
        route: Route,
    },
    /// Sets a kernel parameter of a namespace.
    SetSysctl {
        /// Where.
        netns: Netns,
        /// Which, and to what.
        sysctl: Sysctl,
    },
    /// Changes the host's packet rules. Neighbouring operations of this kind are one transaction.
    Rules(RuleOp),
    /// Has the host forget the connections it tracks whose answers come from this address or go to
    /// it (`conntrack -D`). Done when nothing of the plan can be refused any more.
    ForgetConnections(Ipv4Addr),
    /// Opens a server on `0.0.0.0`: tcp accepts, udp echoes what it gets from the address it was sent to.
    Listen {
        /// Where.
        netns: Netns,
        /// `EADDRINUSE` if it is taken.
        port: Port,
    },
    /// Closes a server.
    Unlisten {
        /// Where.
        netns: Netns,
        /// `ENOENT` if nothing listens there.
        port: Port,
    },
}

/// One end of a veth pair, as it is born.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VethEnd {
    /// Where and what.
    pub link: LinkRef,
    /// Its hardware address.
    pub mac: MacAddr,
    /// Its MTU in bytes; the kernel's 1500 if absent.
    pub mtu: Option<u32>,
    /// The bridge in the same namespace that it becomes a port of.
    pub master: Option<LinkName>,
    /// Whether it is up.
    pub up: bool,
}

/// A change to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkChange {
    /// Up (`true`) or down.
    Up(bool),
    /// MTU in bytes; `EINVAL` outside of what the link can do (68 to 65535).
    Mtu(u32),
    /// Hardware address.
    Mac(MacAddr),
    /// Port of this bridge, or of none.
    Master(Option<LinkName>),
}

/// An IPv4 route. Displayed as `ip route` does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Route {
    /// Destination; `0.0.0.0/0` is the default route.
    pub to: Ipv4Net,
    /// The next hop, or none if the destination is on the link.
    pub via: Option<Ipv4Addr>,
    /// The link; on adding it may be left to the kernel, which finds it from `via`.
    pub link: Option<LinkName>,
    /// The source address it prefers.
    pub source: Option<Ipv4Addr>,
    /// Whether the kernel made it (with an address), and not a person.
    pub kernel: bool,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to.prefix_len() {
            0 => f.write_str("default")?,
            32 => write!(f, "{}", self.to.addr())?,
            _ => write!(f, "{}", self.to)?,
        }
        if let Some(via) = self.via {
            write!(f, " via {via}")?;
        }
        if let Some(link) = self.link {
            write!(f, " dev {link}")?;
        }
        if self.kernel {
            f.write_str(" proto kernel")?;
        }
        if self.via.is_none() {
            f.write_str(" scope link")?;
        }
        if let Some(source) = self.source {
            write!(f, " src {source}")?;
        }
        Ok(())
    }
}

/// A kernel parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sysctl {
    /// `net.ipv4.ip_forward`; off in a new namespace.
    IpForward(bool),
    /// `net.bridge.bridge-nf-call-iptables`: bridged IPv4 passes the IPv4 hooks; on in a new namespace.
    BridgeNfCallIptables(bool),
    /// `net.ipv4.conf.all.rp_filter`; off in a new namespace.
    ReversePathFilter(ReversePathFilter),
}

/// What is asked of the source address of a packet that comes in (RFC 3704).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReversePathFilter {
    /// Nothing.
    #[default]
    Off,
    /// That the route back to it leaves by the link it came in on.
    Strict,
    /// That there is a route back to it, by whatever link.
    Loose,
}

/// A change to the host's packet rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleOp {
    /// Makes a user chain.
    NewChain(ChainRef),
    /// Removes an empty user chain that nothing jumps to.
    DeleteChain(ChainRef),
    /// Empties a chain.
    Flush(ChainRef),
    /// Sets the policy of a built-in chain.
    Policy(ChainRef, Policy),
    /// Puts a rule at a chain's head (`iptables -I`).
    Insert(ChainRef, Rule),
    /// Puts a rule at a chain's end (`iptables -A`).
    Append(ChainRef, Rule),
    /// Removes the first rule of the chain that equals this one (`iptables -D`).
    Delete(ChainRef, Rule),
}
