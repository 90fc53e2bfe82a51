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
            let descriptor = own()?;
            Ok(Self {
                name,
                descriptor,
                netlink: Netlink::open(runtime)?,
                links: Links::default(),
                tap: Tap::open()?,
                senders: Senders::default(),
                sockets: SocketList::default(),
                listeners: BTreeMap::new(),
                suspects: Suspects::default(),
                addresses: None,
                forwards: false,
                filters_reverse_path: false,
            })
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

/// A namespace's place among those of a network. It stays the same while the namespace lives.
pub(crate) type Slot = usize;

/// The namespaces of a network.
#[derive(Default)]
pub(crate) struct Namespaces {
    slots: Vec<Option<Namespace>>,
    free: Vec<Slot>,
    names: BTreeMap<Netns, Slot>,
}

impl Namespaces {
    /// The host is the first.
    pub(crate) const HOST: Slot = 0;

    /// Where the next one will be.
    pub(crate) fn next(&self) -> Slot {
        self.free.last().copied().unwrap_or(self.slots.len())
    }

    pub(crate) fn add(&mut self, namespace: Namespace) -> Slot {
        let slot = self.free.pop().unwrap_or(self.slots.len());
        self.names.insert(namespace.name.clone(), slot);
        match self.slots.get_mut(slot) {
            Some(place) => *place = Some(namespace),
            None => self.slots.push(Some(namespace)),
        }
        slot
    }

    /// The one of this name.
    pub(crate) fn find(&self, netns: &Netns) -> Result<Slot, Failure> {
        self.names.get(netns).copied().ok_or(Failure::NO_NAMESPACE)
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&Namespace> {
        self.slots.get(slot)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Result<&mut Namespace, Failure> {
        let namespace = self.slots.get_mut(slot).and_then(Option::as_mut);
        namespace.ok_or(Failure::NO_NAMESPACE)
    }

    /// Takes its name from it; it lives on until it is [removed](Self::remove).
    pub(crate) fn unname(&mut self, slot: Slot) {
        if let Some(namespace) = self.get(slot) {
            let name = namespace.name.clone();
            self.names.remove(&name);
        }
    }

    /// Gives it its name back.
    pub(crate) fn rename(&mut self, slot: Slot) {
        if let Some(namespace) = self.get(slot) {
            let name = namespace.name.clone();
            self.names.insert(name, slot);
        }
    }

    /// Whether it is one that can be found.
    pub(crate) fn is_named(&self, slot: Slot) -> bool {
        self.get(slot)
            .is_some_and(|namespace| self.names.get(&namespace.name) == Some(&slot))
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Option<Namespace> {
        if self.is_named(slot) {
            self.unname(slot);
        }
        let namespace = self.slots.get_mut(slot)?.take()?;
        self.free.push(slot);
        Some(namespace)
    }

    /// Every tap.
    pub(crate) fn taps(&mut self) -> impl Iterator<Item = (Slot, &mut Tap)> {
        let taps = self.slots.iter_mut().enumerate();
        taps.filter_map(|(slot, namespace)| Some((slot, &mut namespace.as_mut()?.tap)))
    }

    /// All that can be found, in the order of their names.
    pub(crate) fn named(&self) -> impl Iterator<Item = Slot> + use<> {
        self.names.values().copied().collect::<Vec<_>>().into_iter()
    }

    /// Every namespace, with those that are only kept aside.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Namespace> {
        self.names.clear();
        self.free.clear();
        self.slots.drain(..).flatten()
    }
}
