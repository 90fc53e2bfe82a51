//! Linux as a data plane: private namespaces, netlink, nf_tables and packet sockets.
//!
//! Call [`enter`] first thing in `main`; what it returns opens a [`Kernel`] on any thread. Every
//! `Kernel` is a network of its own, made of namespaces that only its file descriptors keep
//! alive: the machine's own network is never touched, and nothing outlives the process.

mod access;
mod addresses;
mod adopted;
mod carry;
mod checksum;
mod counters;
mod drops;
mod error;
mod fence;
mod last_look;
mod likeness;
mod links;
mod listener;
mod namespace;
mod namespaces;
mod neighbours;
mod netlink;
mod nftables;
mod order;
mod probe;
#[doc(hidden)]
pub mod read_back;
mod rollback;
mod routes;
mod scrub;
mod sender;
mod settle;
mod snapshot;
mod sockets;
mod spares;
mod stations;
mod sys;
mod sysctl;
mod tap;
mod verdict;
mod watch;

pub use access::{Access, Unavailable, enter};
pub use settle::settle;

use std::{mem, os::fd::BorrowedFd, sync::Arc};

use netparity_core::{
    model::{Dataplane, DataplaneError},
    name::Netns,
    plan::{LinkChange, Plan},
    probe::Shot,
    snapshot::Snapshot,
    trace::Sighting,
    verdict::Verdict,
};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use tokio::runtime::{Builder, Runtime};

use crate::{
    counters::Counter,
    drops::RuleCounts,
    error::{Doing, Failure},
    fence::Fence,
    links::Links,
    namespace::Namespace,
    namespaces::Namespaces,
    neighbours::Table,
    netlink::Netlink,
    nftables::Firewall,
    scrub::{Used, retire},
    stations::Stations,
    verdict::Unwatched,
    watch::{Room, Source},
};

/// A private network of Linux namespaces: one that is the host, and those that plans make.
///
/// It drives a tokio runtime of its own, and so cannot be used from within another.
pub struct Kernel {
    access: Access,
    runtime: Arc<Runtime>,
    namespaces: Namespaces,
    firewall: Firewall,
    /// Waits for taps, servers and the fence.
    watch: Epoll,
    fence: Fence,
    room: Room,
    stations: Stations,
    rule_counts: RuleCounts,
    martians: Counter,
    neighbour_table: Table,
    unwatched: Unwatched,
}

impl Kernel {
    /// A host with nothing but its loopback interface, which is up.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] where the kernel refuses another namespace.
    pub fn new(access: &Access) -> Result<Self, Unavailable> {
        Self::open(access).map_err(|failure| Unavailable::new(failure.to_string()))
    }

    /// The descriptor of a namespace, if there is one of that name: for entering it with other tools,
    /// as in `nsenter --net=/proc/PID/fd/N`.
    pub fn descriptor(&self, netns: &Netns) -> Option<BorrowedFd<'_>> {
        let slot = self.namespaces.find(netns).ok()?;
        Some(self.namespaces.get(slot)?.lend())
    }

    fn open(access: &Access) -> Result<Self, Failure> {
        let runtime = start_runtime()?;
        let (host, firewall) = open_host(access, &runtime)?;
        Self::around(access, runtime, host, firewall)
    }

    /// Another host, and all else as if nothing had been.
    fn start_anew(&mut self) -> Result<(), Failure> {
        let (host, firewall) = open_host(&self.access, &self.runtime)?;
        for slot in self.namespaces.all() {
            self.unwatch(self.namespaces.get(slot).ok_or(Failure::NO_NAMESPACE)?)?;
        }
        let used = self.leave();
        let firewall = mem::replace(&mut self.firewall, firewall);
        settle::later(move || drop(firewall));
        retire(used, &self.access);
        self.stations = Stations::default();
        self.rule_counts = RuleCounts::default();
        self.unwatched = Unwatched::default();
        self.adopt(host)?;
        self.martians.growth()?;
        Ok(())
    }

    /// Takes all namespaces out, the host first.
    fn leave(&mut self) -> Vec<Used> {
        let used = self.namespaces.drain().map(Namespace::into_used);
        let mut used: Vec<_> = used.collect();
        if let Some(host) = used.first_mut() {
            host.has_rules = !self.firewall.is_blank();
        }
        used
    }

    /// Whether nobody else can change anything.
    fn is_private(&self) -> bool {
        let mut namespaces = self
            .namespaces
            .all()
            .filter_map(|slot| self.namespaces.get(slot));
        namespaces.all(Namespace::is_private)
    }

    /// The network of this host.
    fn around(
        access: &Access,
        runtime: Arc<Runtime>,
        host: Namespace,
        firewall: Firewall,
    ) -> Result<Self, Failure> {
        // It counts for the whole machine.
        let mut martians =
            namespace::visit(access.quiet_netns(), || Counter::open(counters::MARTIAN))?;
        martians.growth()?;
        let watch = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).doing("open epoll")?;
        let fence = Fence::open(access.quiet_netns())?;
        let quiet = namespace::visit(access.quiet_netns(), || Netlink::open(&runtime))?;
        let neighbour_table = Table::new(quiet)?;
        let mut kernel = Self {
            access: access.clone(),
            runtime,
            namespaces: Namespaces::default(),
            firewall,
            watch,
            fence,
            room: Room::new(),
            stations: Stations::default(),
            rule_counts: RuleCounts::default(),
            martians,
            neighbour_table,
            unwatched: Unwatched::default(),
        };
        let event = EpollEvent::new(EpollFlags::EPOLLIN, Source::Fence.token());
        kernel
            .watch
            .add(&kernel.fence, event)
            .doing("watch fence")?;
        kernel.adopt(host)?;
        Ok(kernel)
    }
}

/// A host with nothing but its loopback interface, which is up.
fn open_host(access: &Access, runtime: &Arc<Runtime>) -> Result<(Namespace, Firewall), Failure> {
    let mut host = Namespace::new(Netns::Host, runtime, access.settings())?;
    let up = links::change(Links::LOOPBACK, LinkChange::Up(true), None);
    host.netlink.one(up)?;
    let firewall = host.inside(Firewall::open)?;
    Ok((host, firewall))
}

fn start_runtime() -> Result<Arc<Runtime>, Failure> {
    let runtime = Builder::new_current_thread().enable_io().build();
    runtime.map(Arc::new).doing("start runtime")
}

impl Dataplane for Kernel {
    fn name(&self) -> &str {
        "kernel"
    }

    fn execute(&mut self, plan: &Plan) -> Result<(), DataplaneError> {
        self.catch_up_with_unwatched().map_err(Failure::broken)?;
        self.expect_changes(plan);
        self.carry_out(plan)
    }

    fn probe(&mut self, shot: &Shot) -> Result<Sighting, DataplaneError> {
        let sender = self.namespaces.find(&shot.netns);
        let sender = sender.map_err(|failure| failure.at(0))?;
        self.sight(sender, shot).map_err(Failure::broken)
    }

    fn verdict(&mut self, shot: &Shot) -> Result<Verdict, DataplaneError> {
        let sender = self.namespaces.find(&shot.netns);
        let sender = sender.map_err(|failure| failure.at(0))?;
        self.end_of(sender, shot).map_err(Failure::broken)
    }

    fn snapshot(&mut self) -> Result<Snapshot, DataplaneError> {
        self.look().map_err(Failure::broken)
    }

    fn reset(&mut self) -> Result<(), DataplaneError> {
        self.start_anew().map_err(Failure::broken)
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        let used = self.leave();
        retire(used, &self.access);
    }
}
