//! Network namespaces that only their descriptors keep alive.

use std::{
    collections::BTreeMap,
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use ipnet::Ipv4Net;
use netparity_core::{name::Netns, port::Port};
use nix::sched::{CloneFlags, setns, unshare};
use tokio::runtime::Runtime;

use crate::{
    addresses,
    counters::Counter,
    drops::Suspects,
    error::{Doing, Failure},
    links::Links,
    listener::Listener,
    netlink::Netlink,
    sender::Senders,
    settle,
    sockets::SocketList,
    sysctl::{self, Setting},
    tap::Tap,
};

/// A namespace, and all that is open in it.
pub(crate) struct Namespace {
    pub name: Netns,
    descriptor: OwnedFd,
    pub netlink: Netlink,
    pub links: Links,
    pub tap: Tap,
    pub senders: Senders,
    pub sockets: SocketList,
    pub listeners: BTreeMap<Port, Listener>,
    suspects: Suspects,
    addresses: Option<Vec<Ipv4Net>>,
    /// Whether its links may come and go without a plan.
    pub is_adopted: bool,
    /// Whether it forwards packets, and whether it looks at where they come from.
    pub forwards: bool,
    pub filters_reverse_path: bool,
}

impl Namespace {
    /// A new namespace with a loopback interface that is down, and the kernel's own defaults.
    pub(crate) fn new(
        name: Netns,
        runtime: &Arc<Runtime>,
        settings: &[Setting],
    ) -> Result<Self, Failure> {
        make(|| {
            sysctl::prepare(settings)?;
            Self::open(name, runtime)
        })
    }

    /// One that somebody else has made, and changes.
    pub(crate) fn adopt(
        name: Netns,
        descriptor: BorrowedFd<'_>,
        runtime: &Arc<Runtime>,
        settings: &[Setting],
    ) -> Result<Self, Failure> {
        visit(descriptor, || {
            sysctl::prepare_adopted(settings)?;
            let adopted = Self::open(name, runtime)?;
            Ok(Self {
                is_adopted: true,
                ..adopted
            })
        })
    }

    /// The one that the calling thread is in.
    fn open(name: Netns, runtime: &Arc<Runtime>) -> Result<Self, Failure> {
        Ok(Self {
            name,
            descriptor: own()?,
            netlink: Netlink::open(runtime)?,
            links: Links::default(),
            tap: Tap::open()?,
            senders: Senders::default(),
            sockets: SocketList::default(),
            listeners: BTreeMap::new(),
            suspects: Suspects::default(),
            addresses: None,
            is_adopted: false,
            forwards: false,
            filters_reverse_path: false,
        })
    }

    /// Does something on this thread inside the namespace.
    pub(crate) fn inside<T>(
        &self,
        work: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        visit(self.descriptor.as_fd(), work)
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Namespace {
    /// The addresses of its links.
    pub(crate) fn own_addresses(&mut self) -> Result<&[Ipv4Net], Failure> {
        let addresses = match self.addresses.take() {
            Some(addresses) => addresses,
            None => {
                let answers = self.netlink.dump(addresses::ask(None), "list addresses")?;
                answers
                    .iter()
                    .filter_map(addresses::read)
                    .map(|(_, net)| net)
                    .collect()
            }
        };
        Ok(self.addresses.insert(addresses))
    }

    /// Its addresses may have changed.
    pub(crate) fn forget_addresses(&mut self) {
        self.addresses = None;
    }

    /// By how much a counter has grown since it was last asked for.
    pub(crate) fn growth(
        &mut self,
        which: (&'static str, &'static str),
        of: impl Fn(&mut Suspects) -> &mut Option<Counter>,
    ) -> Result<u64, Failure> {
        let counter = match of(&mut self.suspects).take() {
            Some(counter) => counter,
            None => self.inside(|| Counter::open(which))?,
        };
        of(&mut self.suspects).insert(counter).growth()
    }

    /// Leaves the closing of its sockets, which takes long, to the background; the namespace ends
    /// with the last of them.
    pub(crate) fn close(self) {
        let mut descriptors = vec![self.tap.into()];
        descriptors.extend(self.senders.into_descriptors());
        descriptors.extend(self.listeners.into_values().map(OwnedFd::from));
        descriptors.extend(self.suspects.into_descriptors());
        descriptors.push(self.descriptor);
        settle::hand_over(descriptors);
    }
}

/// The calling thread's way back to the namespace it came from.
struct Home(File);

impl Home {
    fn leave(go: impl FnOnce() -> nix::Result<()>) -> Result<Self, Failure> {
        let home = Self(File::open(OWN).doing("open own network namespace")?);
        go().doing("enter network namespace")?;
        Ok(home)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // It cannot fail where the way out did not: the same right, and a namespace that is there.
        let _ = setns(&self.0, CloneFlags::CLONE_NEWNET);
    }
}

const OWN: &str = "/proc/thread-self/ns/net";

/// The namespace that the calling thread is in.
pub(crate) fn own() -> Result<OwnedFd, Failure> {
    Ok(File::open(OWN).doing("open own network namespace")?.into())
}

/// Does something in a new namespace.
pub(crate) fn make<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let _home = Home::leave(|| unshare(CloneFlags::CLONE_NEWNET))?;
    work()
}

/// Does something in this namespace.
pub(crate) fn visit<T>(
    namespace: BorrowedFd<'_>,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let _home = Home::leave(|| setns(namespace, CloneFlags::CLONE_NEWNET))?;
    work()
}
