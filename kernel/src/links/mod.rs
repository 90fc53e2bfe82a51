//! The links of a namespace, by what plans have made of them.

mod request;
mod state;

use std::collections::BTreeMap;

use netparity_core::{name::LinkName, snapshot::LinkKind};

pub(crate) use self::{
    request::{
        ask, ask_all, bridge, change, delete, delete_leaving, is_aside, keep_bridge,
        keep_neighbours, leave, put_back, rename, reuse_bridge, set_aside, veth,
    },
    state::{Link, mac_of},
};
use crate::{error::Failure, namespaces::Slot};

/// A link, wherever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub slot: Slot,
    pub index: u32,
}

/// The links that plans have made in a namespace, and its loopback interface.
pub(crate) struct Links {
    by_name: BTreeMap<LinkName, u32>,
    by_index: BTreeMap<u32, Known>,
    next: u32,
    first: First,
}

/// The first link, which may be a bridge that can become another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    /// It waits to be used.
    KeptBridge,
    /// It is used, or was, and can be kept for the next network.
    BridgeToKeep,
    Other,
}

/// What a link was made with and cannot change by itself.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub name: LinkName,
    pub kind: LinkKind,
    /// The other end of a veth.
    pub peer: Option<Place>,
    pub master: Option<u32>,
}

impl Default for Links {
    fn default() -> Self {
        let mut links = Self {
            by_name: BTreeMap::new(),
            by_index: BTreeMap::new(),
            next: Self::FIRST,
            first: First::Other,
        };
        let loopback = Known {
            name: LinkName::LOOPBACK,
            kind: LinkKind::Loopback,
            peer: None,
            master: None,
        };
        links.insert(Self::LOOPBACK, loopback);
        links
    }
}

impl Links {
    /// The kernel's `LOOPBACK_IFINDEX`.
    pub(crate) const LOOPBACK: u32 = 1;
    /// Indexes from here on are free for us: those before go to the tunnels that some kernels put
    /// into every namespace.
    pub(crate) const FIRST: u32 = 64;

    /// Those of a namespace where the first is a bridge that is [kept](keep_bridge).
    pub(crate) fn with_kept_bridge() -> Self {
        Self {
            next: Self::FIRST + 1,
            first: First::KeptBridge,
            ..Self::default()
        }
    }

    /// The kept bridge, if it can be what a new one would be: there was no other link before it.
    pub(crate) fn kept_bridge(&self) -> Option<u32> {
        let is_first = self.first == First::KeptBridge && self.next == Self::FIRST + 1;
        is_first.then_some(Self::FIRST)
    }

    /// Whether there is a bridge to keep for the next use.
    pub(crate) fn keeps_bridge(&self) -> bool {
        self.first != First::Other
    }

    /// Whether this link is the bridge to keep.
    pub(crate) fn is_kept(&self, index: u32) -> bool {
        self.keeps_bridge() && index == Self::FIRST
    }

    /// This bridge has got a hardware address, and so can get another: one whose address the kernel
    /// chooses cannot be told to choose again.
    pub(crate) fn keep_bridge(&mut self, index: u32) {
        if index == Self::FIRST {
            self.first = First::BridgeToKeep;
        }
    }

    /// This link is not what it was made as, and cannot be made so again.
    pub(crate) fn spoil(&mut self, index: u32) {
        if index == Self::FIRST {
            self.first = First::Other;
        }
    }

    /// An index that no link here has had.
    pub(crate) fn reserve(&mut self) -> u32 {
        self.next += 1;
        // Only links of others can have it.
        while self.by_index.contains_key(&(self.next - 1)) {
            self.next += 1;
        }
        self.next - 1
    }

    pub(crate) fn insert(&mut self, index: u32, known: Known) {
        self.by_name.insert(known.name, index);
        self.by_index.insert(index, known);
    }

    pub(crate) fn find(&self, name: LinkName) -> Result<u32, Failure> {
        self.by_name.get(&name).copied().ok_or(Failure::NO_LINK)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Known> {
        self.by_index.get(&index)
    }

    /// Its name is free for another.
    pub(crate) fn unname(&mut self, index: u32) {
        if let Some(known) = self.by_index.get(&index) {
            self.by_name.remove(&known.name);
        }
    }

    /// It has its name again.
    pub(crate) fn rename(&mut self, index: u32) {
        if let Some(known) = self.by_index.get(&index) {
            self.by_name.insert(known.name, index);
        }
    }

    pub(crate) fn remove(&mut self, index: u32) {
        self.spoil(index);
        self.forget(index);
    }

    /// It is there no more for anybody but us.
    pub(crate) fn forget(&mut self, index: u32) {
        if let Some(known) = self.by_index.remove(&index)
            && self.by_name.get(&known.name) == Some(&index)
        {
            self.by_name.remove(&known.name);
        }
    }

    pub(crate) fn set_master(&mut self, index: u32, master: Option<u32>) {
        if let Some(known) = self.by_index.get_mut(&index) {
            known.master = master;
        }
    }

    /// Notes what is at the other end of a veth.
    pub(crate) fn set_peer(&mut self, index: u32, peer: Place) {
        if let Some(known) = self.by_index.get_mut(&index) {
            known.peer = Some(peer);
        }
    }

    /// Every link's index.
    pub(crate) fn indexes(&self) -> Vec<u32> {
        self.by_index.keys().copied().collect()
    }

    /// The ports of a bridge.
    pub(crate) fn ports(&self, bridge: u32) -> Vec<u32> {
        let port =
            |(index, known): (&u32, &Known)| (known.master == Some(bridge)).then_some(*index);
        self.by_index.iter().filter_map(port).collect()
    }

    /// Every veth's index and other end.
    pub(crate) fn peers(&self) -> Vec<(u32, Place)> {
        let peer = |(index, known): (&u32, &Known)| Some((*index, known.peer?));
        self.by_index.iter().filter_map(peer).collect()
    }
}
