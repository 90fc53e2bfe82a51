//! Networks that somebody else makes, looked into and acted in by the same means as ours.
//!
//! A namespace is adopted by its descriptor. From then on frames are seen, probes sent and plans
//! carried out in it as in one of our own; only its links may come and go between plans, of which
//! [`Kernel::refresh`] takes note. What keeps a network of ours quiet, and so comparable, is done to
//! theirs too, as far as nobody in it can tell: neighbours do not expire, checksums are completed
//! where packets are sent, ICMP errors are not limited, bridges do not report their own groups.

use std::os::fd::{AsFd, OwnedFd};

use netparity_core::{
    engine::identity,
    model::DataplaneError,
    name::{LinkName, Netns},
    plan::LinkChange,
    snapshot::LinkKind,
};
use nix::libc;

use crate::{
    Access, Kernel, Unavailable, addresses,
    error::{Doing, Failure},
    links::{self, Known, Link, Links, Place},
    namespace::Namespace,
    namespaces::{Namespaces, Slot},
    nftables::Firewall,
    snapshot::list_links,
    start_runtime, sys,
};

impl Kernel {
    /// The network of a host that somebody else has made, and whose packet rules are iptables-nft's.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] where `host` is no network namespace, or one that cannot be entered.
    pub fn adopting(access: &Access, host: OwnedFd) -> Result<Self, Unavailable> {
        let adopt = || {
            let runtime = start_runtime()?;
            let host = Namespace::adopt(Netns::Host, host.as_fd(), &runtime, access.settings())?;
            let firewall = host.inside(Firewall::open_foreign)?;
            let mut kernel = Self::around(access, runtime, host, firewall)?;
            kernel.take_note()?;
            Ok(kernel)
        };
        adopt().map_err(|failure: Failure| Unavailable::new(failure.to_string()))
    }

    /// Takes a namespace into this network under a name that is free.
    ///
    /// # Errors
    ///
    /// [`DataplaneError::Broken`] where it cannot be entered.
    pub fn adopt_namespace(
        &mut self,
        netns: Netns,
        descriptor: OwnedFd,
    ) -> Result<(), DataplaneError> {
        let settings = self.access.settings();
        Namespace::adopt(netns, descriptor.as_fd(), &self.runtime, settings)
            .and_then(|namespace| self.adopt(namespace))
            .map(drop)
            .map_err(Failure::broken)
    }

    /// Lets go of a namespace that was [adopted](Self::adopt_namespace), with the servers in it.
    ///
    /// # Errors
    ///
    /// [`DataplaneError::Refused`] where there is none of that name.
    pub fn forget_namespace(&mut self, netns: &Netns) -> Result<(), DataplaneError> {
        let slot = self.namespaces.find(netns).map_err(|it| it.at(0))?;
        self.catch_up_with_unwatched()
            .and_then(|()| self.remove_namespace(slot))
            .map_err(Failure::broken)
    }

    /// Takes note of what others have changed in the namespaces of theirs, and waits until packets
    /// pass all links there that carry any.
    ///
    /// The host's end of a veth pair is given the name and the hardware address that core's engine
    /// would give it ([`identity::veth_name`], [`identity::veth_mac`]). Docker draws both at random
    /// and keeps no note of them.
    ///
    /// # Errors
    ///
    /// [`DataplaneError::Broken`] where the kernel does not answer.
    pub fn refresh(&mut self) -> Result<(), DataplaneError> {
        self.take_note().map_err(Failure::broken)
    }

    fn take_note(&mut self) -> Result<(), Failure> {
        self.rule_counts.forget();
        let mut found = Vec::new();
        for slot in self.namespaces.named() {
            if !self.namespaces.get_mut(slot)?.is_adopted {
                continue;
            }
            self.note_sysctls(slot)?;
            let links = list_links(&mut self.namespaces.get_mut(slot)?.netlink)?;
            self.note_links(slot, &links)?;
            found.extend(links.into_iter().map(|link| (slot, link)));
        }
        for (slot, link) in &found {
            if *slot != Namespaces::HOST && link.kind == LinkKind::Veth {
                self.note_pair(*slot, link, &found)?;
            }
        }
        for (slot, link) in found {
            let index = link.index;
            self.catch_up(Place { slot, index })?;
        }
        Ok(())
    }

    fn note_links(&mut self, slot: Slot, links: &[Link]) -> Result<(), Failure> {
        let namespace = self.namespaces.get_mut(slot)?;
        namespace.forget_addresses();
        for index in namespace.links.indexes() {
            if links.iter().all(|link| link.index != index) {
                namespace.links.remove(index);
                self.stations.forget(Place { slot, index });
            }
        }
        for link in links {
            match namespace.links.get(link.index) {
                Some(known) if known.name == link.name => {
                    namespace.links.set_master(link.index, link.master);
                }
                _ => namespace.take_link(link)?,
            }
            let index = link.index;
            self.stations.touch(Place { slot, index });
        }
        Ok(())
    }

    /// Takes note of what is at the other end of a container's veth: a link of the host.
    fn note_pair(
        &mut self,
        slot: Slot,
        link: &Link,
        found: &[(Slot, Link)],
    ) -> Result<(), Failure> {
        let known = |kernel: &Self, place: Place| {
            let namespace = kernel.namespaces.get(place.slot)?;
            namespace.links.get(place.index)?.peer
        };
        let far = Place {
            slot,
            index: link.index,
        };
        let is_other_end = |(slot, other): &&(Slot, Link)| {
            *slot == Namespaces::HOST
                && other.kind == LinkKind::Veth
                && Some(other.index) == link.peer
                && other.peer == Some(link.index)
        };
        let Some((_, other)) = found.iter().find(is_other_end) else {
            return Ok(());
        };
        let near = Place {
            slot: Namespaces::HOST,
            index: other.index,
        };
        // A pair that a plan has made is known, and has its name.
        if known(self, near).is_some() || known(self, far).is_some() {
            return Ok(());
        }
        let namespace = self.namespaces.get_mut(slot)?;
        namespace.links.set_peer(far.index, near);
        let address = addresses::of_link(&mut namespace.netlink, far.index)?;
        let host = self.namespaces.get_mut(Namespaces::HOST)?;
        host.links.set_peer(near.index, far);
        if let Some(address) = address.first() {
            let name = identity::veth_name(address.addr());
            host.rename_link(near.index, name)?;
            let mac = LinkChange::Mac(identity::veth_mac(address.addr()));
            host.netlink.one(links::change(near.index, mac, None))?;
            host.links.unname(near.index);
            host.links.insert(
                near.index,
                Known {
                    name,
                    kind: LinkKind::Veth,
                    peer: Some(far),
                    master: other.master,
                },
            );
        }
        Ok(())
    }
}

impl Namespace {
    fn rename_link(&mut self, index: u32, name: LinkName) -> Result<(), Failure> {
        match self.netlink.one(links::rename(index, name)) {
            // Before Linux 6.2 a link has to be down for it (`dev_change_name`).
            Err(failure) if failure.errno() == Some(libc::EBUSY) => {
                let set = |up| links::change(index, LinkChange::Up(up), None);
                let requests = vec![set(false), links::rename(index, name), set(true)];
                self.netlink
                    .change(requests)
                    .map_err(|(_, failure)| failure)
            }
            renamed => renamed,
        }
    }

    /// Takes note of a link that somebody else has made.
    fn take_link(&mut self, link: &Link) -> Result<(), Failure> {
        if link.index != Links::LOOPBACK {
            self.netlink.one(links::keep_neighbours(link.index))?;
        }
        if link.kind == LinkKind::Veth {
            let socket = self.netlink.descriptor();
            sys::complete_checksums(socket, link.name).doing("set up link")?;
        }
        self.links.unname(link.index);
        let known = Known {
            name: link.name,
            kind: link.kind,
            peer: None,
            master: link.master,
        };
        self.links.insert(link.index, known);
        Ok(())
    }
}
