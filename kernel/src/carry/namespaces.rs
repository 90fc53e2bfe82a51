//! Making and removing namespaces.

use netparity_core::{name::Netns, port::Protocol};
use nix::{
    libc,
    sys::epoll::{EpollEvent, EpollFlags},
};

use crate::{
    Kernel,
    error::{Doing, Failure},
    namespace::Namespace,
    namespaces::Slot,
    rollback::{Journal, Undo},
    watch::Source,
};

impl Kernel {
    pub(super) fn add_netns(
        &mut self,
        netns: &Netns,
        journal: &mut Journal,
    ) -> Result<(), Failure> {
        if self.namespaces.find(netns).is_ok() {
            return Err(Failure::Errno(libc::EEXIST, "add namespace"));
        }
        let namespace = Namespace::new(netns.clone(), &self.runtime, self.access.settings())?;
        let slot = self.adopt(namespace)?;
        journal.made(slot);
        Ok(())
    }

    /// Puts a new namespace in its place and watches it.
    pub(crate) fn adopt(&mut self, namespace: Namespace) -> Result<Slot, Failure> {
        let slot = self.namespaces.next();
        let event = EpollEvent::new(EpollFlags::EPOLLIN, Source::Tap(slot).token());
        self.watch
            .add(&namespace.tap, event)
            .doing("watch packet socket")?;
        Ok(self.namespaces.add(namespace))
    }

    /// Watches a namespace no longer.
    pub(crate) fn unwatch(&self, namespace: &Namespace) -> Result<(), Failure> {
        const UNWATCH: &str = "watch no longer";
        self.watch.delete(&namespace.tap).doing(UNWATCH)?;
        let servers = namespace.listeners.iter();
        for (_, server) in servers.filter(|(port, _)| port.protocol == Protocol::Udp) {
            self.watch.delete(server).doing(UNWATCH)?;
        }
        Ok(())
    }

    pub(super) fn delete_netns(
        &mut self,
        netns: &Netns,
        journal: &mut Journal,
    ) -> Result<(), Failure> {
        if *netns == Netns::Host {
            return Err(Failure::NO_NAMESPACE);
        }
        let slot = self.namespaces.find(netns)?;
        let peers = self.namespaces.get_mut(slot)?.links.peers();
        for (_, peer) in peers {
            if peer.slot != slot && self.namespaces.is_named(peer.slot) {
                self.set_aside(peer, journal)?;
            }
        }
        self.namespaces.unname(slot);
        journal.push(Undo::Name(slot));
        Ok(())
    }
}
