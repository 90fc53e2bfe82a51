//! Network namespaces: all that is a namespace's own.

use netparity_core::{name::Netns, plan::ReversePathFilter, port::Port, probe::Payload};

use crate::{
    fragment::Reassembly,
    hash::FastMap,
    route::Routes,
    slab::LinkId,
    tcp::HalfOpen,
    wire::{TCP, UDP},
};

#[derive(Clone, Debug)]
pub(crate) struct Namespace {
    pub name: Netns,
    /// In the order in which they were made; `lo` is the first.
    pub links: Vec<LinkId>,
    pub routes: Routes,
    /// Sorted.
    pub listeners: Vec<Port>,
    pub forwards: bool,
    /// Bridged IPv4 passes the IPv4 hooks.
    pub bridge_calls_iptables: bool,
    pub reverse_path: ReversePathFilter,
    /// Packets of which not all fragments have come.
    pub reassemblies: Vec<Reassembly>,
    /// Connections of which the SYN-ACK is out.
    pub half_open: FastMap<HalfOpen, Answered>,
    /// The raw sockets that probes were sent from.
    pub senders: Senders,
    /// What it owes to whom it sent errors and redirects (`inet_peer`).
    pub peers: FastMap<u32, Peer>,
}

/// Which protocols raw sockets are open for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Senders {
    tcp: bool,
    udp: bool,
}

impl Senders {
    pub fn open(&mut self, payload: Payload) {
        match payload {
            Payload::Tcp(_) => self.tcp = true,
            Payload::Udp(_) => self.udp = true,
            Payload::Icmp | Payload::Arp => {}
        }
    }

    pub fn has(self, protocol: u8) -> bool {
        match protocol {
            TCP => self.tcp,
            UDP => self.udp,
            _ => false,
        }
    }
}

/// A SYN that was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    /// The sequence number of the SYN-ACK.
    pub sequence: u32,
    /// Whether the SYN-ACK was sent a second time.
    pub again: bool,
}

/// What one peer may still be told about routes; in the time a scenario takes nothing is added.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peer {
    /// Errors it was sent.
    errors: u8,
    redirected: bool,
}

impl Peer {
    /// How many errors it gets in a burst (`ip_rt_error_burst` in units of `ip_rt_error_cost`).
    const BURST: u8 = 5;

    /// Whether it may be sent an error, which then counts (`ip_error`).
    pub fn take_error(&mut self) -> bool {
        let may = self.errors < Self::BURST;
        self.errors += u8::from(may);
        may
    }

    /// Whether it may be sent a redirect, which then counts. One that comes first leaves nothing
    /// for errors (`ip_rt_send_redirect`).
    pub fn take_redirect(&mut self) -> bool {
        let may = !self.redirected;
        self.redirected = true;
        if may && self.errors == 0 {
            self.errors = Self::BURST;
        }
        may
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new(Netns::Host)
    }
}

impl Namespace {
    pub fn new(name: Netns) -> Self {
        Self {
            name,
            links: Vec::new(),
            routes: Routes::default(),
            listeners: Vec::new(),
            forwards: false,
            bridge_calls_iptables: true,
            reverse_path: ReversePathFilter::Off,
            reassemblies: Vec::new(),
            half_open: FastMap::default(),
            senders: Senders::default(),
            peers: FastMap::default(),
        }
    }

    pub fn listens(&self, port: Port) -> bool {
        self.listeners.binary_search(&port).is_ok()
    }
}
