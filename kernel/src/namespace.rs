//! Network namespaces that only their descriptors keep alive.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fs::File,
    net::Ipv4Addr,
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
    last_look::LastLook,
    links::Links,
    listener::Listener,
    netlink::Netlink,
    routes,
    scrub::Used,
    sender::{self, Protocol, Sender, Senders},
    sockets::SocketList,
    spares::{self, Spare},
    sysctl::{self, Policy, Setting},
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
    pub last_look: LastLook,
    /// Whether its links may come and go without a plan.
    pub is_adopted: bool,
    /// Whether others were told where it is.
    is_lent: Cell<bool>,
    /// Parameters that plans have set, and what they were before.
    settings: Vec<Setting>,
    pub policy: Policy,
}

impl Namespace {
    /// A new namespace with a loopback interface that is down, and the kernel's own defaults; or one
    /// that is as new.
    pub(crate) fn new(
        name: Netns,
        runtime: &Arc<Runtime>,
        settings: &[Setting],
    ) -> Result<Self, Failure> {
        match spares::take(name == Netns::Host) {
            Some(spare) => Self::of_spare(name, spare, runtime),
            None => make(|| {
                sysctl::prepare(settings)?;
                Self::open(name, runtime)
            }),
        }
    }

    fn of_spare(name: Netns, spare: Spare, runtime: &Arc<Runtime>) -> Result<Self, Failure> {
        let netlink = visit(spare.as_fd(), || Netlink::open(runtime))?;
        let links = match spare.has_bridge {
            true => Links::with_kept_bridge(),
            false => Links::default(),
        };
        Ok(Self {
            name,
            descriptor: spare.descriptor,
            netlink,
            links,
            tap: spare.tap,
            senders: spare.senders,
            sockets: spare.sockets,
            listeners: BTreeMap::new(),
            suspects: spare.suspects,
            addresses: None,
            last_look: LastLook::default(),
            is_adopted: false,
            is_lent: Cell::new(false),
            settings: Vec::new(),
            policy: Policy::default(),
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
            last_look: LastLook::default(),
            is_adopted: false,
            is_lent: Cell::new(false),
            settings: Vec::new(),
            policy: Policy::default(),
        })
    }

    /// Its descriptor for others, who may do anything to it.
    pub(crate) fn lend(&self) -> BorrowedFd<'_> {
        self.is_lent.set(true);
        self.descriptor.as_fd()
    }

    /// Whether nobody else can do anything to it.
    pub(crate) fn is_private(&self) -> bool {
        !self.is_adopted && !self.is_lent.get()
    }

    /// A parameter was changed from this.
    pub(crate) fn changed(&mut self, before: Setting) {
        let is_same = |known: &Setting| known.is_of_same(&before);
        if !self.settings.iter().any(is_same) {
            self.settings.push(before);
        }
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
        let ask = || {
            let answers = self.netlink.dump(addresses::ask(None), "list addresses")?;
            let own = answers.iter().filter_map(addresses::read);
            Ok(own.map(|(_, net)| net).collect())
        };
        get_or_try_insert(&mut self.addresses, ask).map(|own: &mut Vec<_>| own.as_slice())
    }

    /// Its addresses may have changed.
    pub(crate) fn forget_addresses(&mut self) {
        self.addresses = None;
    }

    /// The raw socket for this protocol.
    pub(crate) fn sender(&mut self, protocol: Protocol) -> Result<&mut Sender, Failure> {
        let place = self.senders.raw(protocol);
        let open = || visit(self.descriptor.as_fd(), || Sender::open(protocol));
        get_or_try_insert(place, open)
    }

    /// The address that the kernel sends from.
    pub(crate) fn source(&mut self, to: Ipv4Addr) -> Result<Ipv4Addr, Failure> {
        if to.is_multicast() || to.is_broadcast() || to.is_unspecified() {
            return routes::look_up(&mut self.netlink, to).map(|lookup| lookup.source);
        }
        let open = || visit(self.descriptor.as_fd(), sender::open_for_lookups);
        let socket = get_or_try_insert(&mut self.senders.lookups, open)?;
        sender::source(socket, to).doing("look up route")
    }

    /// The socket for whole frames.
    pub(crate) fn frame_sender(&mut self) -> Result<&OwnedFd, Failure> {
        let open = || visit(self.descriptor.as_fd(), sender::open_for_frames);
        get_or_try_insert(&mut self.senders.frames, open).map(|socket| &*socket)
    }

    /// By how much a counter has grown since it was last asked for.
    pub(crate) fn growth(
        &mut self,
        which: (&'static str, &'static str),
        of: impl Fn(&mut Suspects) -> &mut Option<Counter>,
    ) -> Result<u64, Failure> {
        let open = || visit(self.descriptor.as_fd(), || Counter::open(which));
        get_or_try_insert(of(&mut self.suspects), open)?.growth()
    }

    /// What is left of it.
    pub(crate) fn into_used(self) -> Used {
        Used {
            is_ours: self.is_private(),
            servers: self.listeners.into_values().map(OwnedFd::from).collect(),
            settings: self.settings,
            has_rules: false,
            spare: Spare {
                descriptor: self.descriptor,
                tap: self.tap,
                senders: self.senders,
                sockets: self.sockets,
                suspects: self.suspects,
                has_bridge: self.links.keeps_bridge(),
                rests_until: None,
            },
        }
    }
}

/// What is in this place, put there if there is nothing yet.
pub(crate) fn get_or_try_insert<T>(
    place: &mut Option<T>,
    make: impl FnOnce() -> Result<T, Failure>,
) -> Result<&mut T, Failure> {
    let it = match place.take() {
        Some(it) => it,
        None => make()?,
    };
    Ok(place.insert(it))
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
