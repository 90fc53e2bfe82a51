//! Namespaces that were used and are as new ones, for whoever needs a new one.
//!
//! To make and to end a namespace takes a millisecond or two of a processor, and its bridge, when
//! that goes, has everybody who changes a network wait some 15 ms: it is removed under the lock of
//! all of them (`br_multicast_dev_del` in `net/bridge/br_multicast.c` waits for an RCU barrier).

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::{drops::Suspects, sender::Senders, sockets::SocketList, tap::Tap};

/// A namespace and what stays open of it between two uses.
pub(crate) struct Spare {
    pub descriptor: OwnedFd,
    pub tap: Tap,
    pub senders: Senders,
    pub sockets: SocketList,
    pub suspects: Suspects,
    /// Whether there is a bridge in it that is [kept](crate::links::Links::kept_bridge).
    pub has_bridge: bool,
    /// From when on it is as new, if that is not yet so: the kernel has something to forget.
    pub rests_until: Option<Instant>,
}

/// How many are kept at the most.
const ROOM: usize = 128;

static SPARES: Mutex<Vec<Spare>> = Mutex::new(Vec::new());

fn spares() -> MutexGuard<'static, Vec<Spare>> {
    SPARES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes one, with a bridge or without.
pub(crate) fn take(with_bridge: bool) -> Option<Spare> {
    let mut spares = spares();
    let now = Instant::now();
    let has_rested = |spare: &Spare| spare.rests_until.is_none_or(|until| until <= now);
    let fits = |spare: &Spare| spare.has_bridge == with_bridge && has_rested(spare);
    let at = spares.iter().rposition(fits)?;
    Some(spares.swap_remove(at))
}

/// Keeps one, or closes it if there is no room.
pub(crate) fn put(spare: Spare) {
    let mut spares = spares();
    if spares.len() < ROOM {
        spares.push(spare);
    }
}

/// Takes all.
pub(crate) fn take_all() -> Vec<Spare> {
    std::mem::take(&mut *spares())
}

impl Spare {
    /// All that is open of it, the namespace last.
    pub(crate) fn into_descriptors(self) -> Vec<OwnedFd> {
        let mut descriptors = vec![self.tap.into()];
        descriptors.extend(self.senders.into_descriptors());
        descriptors.extend(self.suspects.into_descriptors());
        descriptors.push(self.descriptor);
        descriptors
    }
}

impl AsFd for Spare {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
