//! Learning bridges: their ports and what they have learned (`net/bridge/br_fdb.c`).

use crate::{
    hash::FastMap,
    slab::{LinkId, NsId},
    wire::Mac,
};

/// The most ports a bridge has: `BR_MAX_PORTS` less number 0.
pub(crate) const MOST_PORTS: usize = 1023;

/// A port of a bridge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port {
    pub link: LinkId,
    /// Forwards; otherwise it is disabled.
    pub enabled: bool,
    /// The namespace at the other end, if that end is a port of no bridge.
    pub station: Option<NsId>,
}

/// Behind what a bridge has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    /// Its own, or that many of its ports'.
    Own(u32),
    Port(LinkId),
}

/// What a bridge has beside what every link has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bridge {
    /// The link that it is.
    pub link: LinkId,
    /// In the order in which they were added.
    pub ports: Vec<Port>,
    pub fdb: FastMap<Mac, Behind>,
    /// Its MTU was set by hand, and follows its ports' no more.
    pub mtu_set: bool,
    /// Its hardware address was set by hand, likewise.
    pub mac_set: bool,
}

impl Bridge {
    pub fn port(&self, link: LinkId) -> Option<usize> {
        self.ports.iter().position(|port| port.link == link)
    }

    /// Makes an address of its own known; what was learned about it goes.
    pub fn own(&mut self, mac: Mac) {
        let entry = self.fdb.entry(mac).or_insert(Behind::Own(0));
        *entry = match entry {
            Behind::Own(count) => Behind::Own(*count + 1),
            Behind::Port(_) => Behind::Own(1),
        };
    }

    pub fn disown(&mut self, mac: Mac) {
        match self.fdb.get_mut(&mac) {
            Some(Behind::Own(count @ 2..)) => *count -= 1,
            Some(Behind::Own(_)) => {
                self.fdb.remove(&mac);
            }
            _ => {}
        }
    }

    /// Forgets what was learned behind a port.
    pub fn forget(&mut self, link: LinkId) {
        self.fdb.retain(|_, behind| *behind != Behind::Port(link));
    }
}
