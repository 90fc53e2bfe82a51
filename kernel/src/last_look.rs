//! What was seen of a namespace last, and what of it can have changed since.
//!
//! Nothing changes in a namespace of ours but by a plan, which says where, or by packets, which pass
//! a link and so are seen there.

use netparity_core::{
    name::{LinkRef, Netns},
    plan::{Op, Plan},
};

use crate::{
    Kernel,
    error::Failure,
    namespaces::{Namespaces, Slot},
    snapshot::Look,
    watch::Watching,
};

/// What was seen of a namespace last.
#[derive(Default)]
pub(crate) struct LastLook {
    look: Option<Look>,
    had_traffic: bool,
}

/// Whether a namespace is what was seen last.
pub(crate) enum Fresh {
    Yes(Look),
    /// Packets have been on its links since.
    ButForTraffic(Look),
    No,
}

impl LastLook {
    /// Anything may have changed.
    pub(crate) fn forget(&mut self) {
        self.look = None;
    }

    /// Packets have been on its links.
    pub(crate) fn note_traffic(&mut self) {
        self.had_traffic = true;
    }

    pub(crate) fn take(&mut self) -> Fresh {
        match (self.look.take(), self.had_traffic) {
            (Some(look), false) => Fresh::Yes(look),
            (Some(look), true) => Fresh::ButForTraffic(look),
            (None, _) => Fresh::No,
        }
    }

    pub(crate) fn keep(&mut self, look: Look) -> &Look {
        self.had_traffic = false;
        self.look.insert(look)
    }
}

impl Kernel {
    /// What these operations name is about to change, and the other ends of links that they name.
    pub(crate) fn expect_changes(&mut self, plan: &Plan) {
        for op in &plan.ops {
            match op {
                Op::AddNetns(netns)
                | Op::AddRoute { netns, .. }
                | Op::DeleteRoute { netns, .. }
                | Op::SetSysctl { netns, .. }
                | Op::Listen { netns, .. }
                | Op::Unlisten { netns, .. } => self.expect_change(netns),
                Op::DeleteNetns(netns) => self.expect_end(netns),
                Op::AddBridge { link, .. }
                | Op::DeleteBridge(link)
                | Op::DeleteLink(link)
                | Op::SetLink { link, .. }
                | Op::AddAddress { link, .. }
                | Op::DeleteAddress { link, .. } => self.expect_change_of(link),
                Op::AddVeth { near, far } => {
                    self.expect_change_of(&near.link);
                    self.expect_change_of(&far.link);
                }
                // The firewall knows when rules change; connections nobody looks at.
                Op::Rules(_) | Op::ForgetConnections(_) => {}
            }
        }
    }

    fn expect_change(&mut self, netns: &Netns) {
        if let Ok(slot) = self.namespaces.find(netns) {
            self.forget_look(slot);
        }
    }

    fn expect_change_of(&mut self, link: &LinkRef) {
        self.expect_change(&link.netns);
        let peer = self.place(link).ok().and_then(|place| {
            let namespace = self.namespaces.get(place.slot)?;
            namespace.links.get(place.index)?.peer
        });
        if let Some(peer) = peer {
            self.forget_look(peer.slot);
        }
    }

    fn expect_end(&mut self, netns: &Netns) {
        let slot = self.namespaces.find(netns).ok();
        let namespace = slot.and_then(|slot| self.namespaces.get(slot));
        let peers = namespace.map(|namespace| namespace.links.peers());
        for (_, peer) in peers.into_iter().flatten() {
            self.forget_look(peer.slot);
        }
        self.expect_change(netns);
    }

    fn forget_look(&mut self, slot: Slot) {
        if let Ok(namespace) = self.namespaces.get_mut(slot) {
            namespace.last_look.forget();
        }
    }

    /// Takes note of packets that came of something else than a probe.
    pub(crate) fn note_stray_traffic(&mut self) -> Result<(), Failure> {
        self.catch_up_with_unwatched()?;
        self.read_all(&mut Watching::new(Namespaces::HOST))
            .map(drop)
    }
}
