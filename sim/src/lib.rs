//! An in-memory, packet-level model of the Linux data path.
//!
//! [`Sim`] carries out plans and throws packets as a Linux host does: namespaces, veth pairs and
//! learning bridges; ARP, routing, forwarding and fragmentation; netfilter's hooks with connection
//! tracking and masquerading; and what answers at the ends. Packets are real bytes throughout.
//! Time is virtual: a queue of frames in flight, and no clock, so that every run is the same.
//!
//! Where a module copies the kernel, it names the kernel's source file or function.
//!
//! - links and frames: `link`, `bridge`, `bridging`, `skb`, `wire`;
//! - IPv4: `route`, `path`, `neighbour`, `arp`, `input`, `output`, `fragment`, `icmp`, `tcp`, `udp`;
//! - netfilter: `netfilter`, `firewall`, `conntrack`, `tcp_state`, `nat`;
//! - operations: `execute`, `undo`, `devices`, `ports`, `addresses`, `rules`;
//! - looking: `probe`, `tape`, `snapshot`, `form`.

mod addresses;
mod arp;
mod bridge;
mod bridging;
mod conntrack;
mod devices;
mod execute;
mod fault;
mod firewall;
mod form;
mod fragment;
mod hash;
mod icmp;
mod input;
mod link;
mod namespace;
mod nat;
mod neighbour;
mod netfilter;
mod output;
mod owners;
mod path;
mod ports;
mod probe;
mod route;
mod rules;
mod skb;
mod slab;
mod snapshot;
mod stations;
mod tape;
mod tcp;
mod tcp_state;
mod udp;
mod undo;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use netparity_core::{
    model::{Dataplane, DataplaneError},
    name::{LinkName, Netns},
    plan::Plan,
    probe::Shot,
    rules::{ChainRef, Rule},
    snapshot::Snapshot,
    trace::Sighting,
    verdict::Verdict,
};

pub use fault::Fault;

use bridge::Bridge;
use conntrack::Conntrack;
use firewall::{Firewall, Taken};
use hash::FastMap;
use link::Link;
use namespace::Namespace;
use owners::Owners;
use skb::Skb;
use slab::{BridgeId, LinkId, NsId, Slab, WaitId};
use stations::Stations;
use tape::Tape;
use udp::{Asked, Echo};
use undo::Undo;

/// A simulated Linux host with its namespaces.
///
/// A clone is a state of its own: what is done to one is not seen in the other, and both answer
/// the same probe with the same trace.
#[derive(Clone, Debug)]
pub struct Sim {
    fault: Option<Fault>,
    namespaces: Slab<NsId, Namespace>,
    links: Slab<LinkId, Link>,
    bridges: Slab<BridgeId, Bridge>,
    by_netns: FastMap<Netns, NsId>,
    by_name: FastMap<(NsId, LinkName), LinkId>,
    stations: Stations,
    owners: Owners,
    host: NsId,
    firewall: Firewall,
    /// Absent where nobody wants to know.
    taken: Option<Taken>,
    conntrack: Conntrack,
    /// Frames in flight, in the order in which they arrive.
    arrivals: VecDeque<Skb>,
    /// How many frames have arrived because of the probe under way.
    arrived: usize,
    /// Whether a program sends, and not the kernel in the wake of a frame.
    in_program: bool,
    /// What servers send when nothing is in flight: they are programs, and slow.
    echoes: VecDeque<Echo>,
    /// Whom which servers have answered because of the probe under way.
    answered: FastMap<Asked, ()>,
    /// Packets that wait for a neighbour's hardware address.
    waiting: Slab<WaitId, Vec<Skb>>,
    /// Neighbours that were asked for and have not answered.
    unresolved: Vec<(LinkId, u32)>,
    /// Addresses that were ever asked for in vain.
    failed: FastMap<u32, ()>,
    tape: Tape,
    /// Of frames that are done with.
    buffers: Vec<Vec<u8>>,
    /// The last IPv4 identification that was given out.
    identification: u16,
    /// The last initial sequence number that was given out.
    sequence: u32,
    /// How many hardware addresses were drawn.
    macs: u32,
    /// How to undo what has been carried out of a plan.
    undo: Vec<Undo>,
}

impl Default for Sim {
    fn default() -> Self {
        Self::new()
    }
}

impl Sim {
    /// A host with nothing but a loopback interface, which is up.
    pub fn new() -> Self {
        let mut sim = Self {
            fault: None,
            namespaces: Slab::default(),
            links: Slab::default(),
            bridges: Slab::default(),
            by_netns: FastMap::default(),
            by_name: FastMap::default(),
            stations: Stations::default(),
            owners: Owners::default(),
            host: NsId::default(),
            firewall: Firewall::default(),
            taken: None,
            conntrack: Conntrack::default(),
            arrivals: VecDeque::new(),
            arrived: 0,
            in_program: false,
            echoes: VecDeque::new(),
            answered: FastMap::default(),
            waiting: Slab::default(),
            unresolved: Vec::new(),
            failed: FastMap::default(),
            tape: Tape::default(),
            buffers: Vec::new(),
            identification: 0,
            sequence: 0,
            macs: 0,
            undo: Vec::new(),
        };
        sim.host = sim.add_netns(Netns::Host);
        let lo = sim.loopback(sim.host);
        sim.set_up(lo);
        sim.undo.clear();
        sim
    }

    /// A host that does one thing wrongly.
    pub fn with_fault(fault: Fault) -> Self {
        Self {
            fault: Some(fault),
            ..Self::new()
        }
    }

    /// A host that counts the packets that each of its rules takes.
    pub fn counting() -> Self {
        Self {
            taken: Some(Taken::default()),
            ..Self::new()
        }
    }

    /// How many packets each rule has taken so far, if they are [counted](Self::counting): all that
    /// its matches held for, whatever its target then did with them.
    pub fn taken(&self) -> impl Iterator<Item = (ChainRef, &Rule, u64)> {
        let taken = self.taken.iter().flatten();
        taken.map(|((at, rule), packets)| (*at, rule, *packets))
    }

    /// Whether this is a host with that fault.
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}

impl Dataplane for Sim {
    fn name(&self) -> &str {
        "sim"
    }

    fn execute(&mut self, plan: &Plan) -> Result<(), DataplaneError> {
        self.carry_out(plan)
    }

    fn probe(&mut self, shot: &Shot) -> Result<Sighting, DataplaneError> {
        self.throw(shot)
    }

    fn verdict(&mut self, shot: &Shot) -> Result<Verdict, DataplaneError> {
        self.end_of(shot)
    }

    fn snapshot(&mut self) -> Result<Snapshot, DataplaneError> {
        Ok(self.look())
    }

    fn reset(&mut self) -> Result<(), DataplaneError> {
        let (fault, taken) = (self.fault, self.taken.take());
        *self = Self {
            fault,
            taken,
            ..Self::new()
        };
        Ok(())
    }
}
