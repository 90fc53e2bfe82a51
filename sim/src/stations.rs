//! Whose the hardware addresses are.

use crate::{hash::FastMap, slab::LinkId, wire::Mac};

/// The links that have an address; nearly always one.
#[derive(Clone, Debug)]
enum Holders {
    One(LinkId),
    Several(Vec<LinkId>),
}

/// Links by hardware address. `lo` is left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stations {
    by_mac: FastMap<Mac, Holders>,
}

impl Stations {
    pub fn add(&mut self, mac: Mac, link: LinkId) {
        match self.by_mac.get_mut(&mac) {
            None => {
                self.by_mac.insert(mac, Holders::One(link));
            }
            Some(Holders::Several(links)) => links.push(link),
            Some(holders @ Holders::One(_)) => {
                if let Holders::One(first) = *holders {
                    *holders = Holders::Several(vec![first, link]);
                }
            }
        }
    }

    pub fn remove(&mut self, mac: Mac, link: LinkId) {
        let empty = match self.by_mac.get_mut(&mac) {
            Some(Holders::Several(links)) => {
                links.retain(|other| *other != link);
                links.is_empty()
            }
            Some(Holders::One(only)) => *only == link,
            None => false,
        };
        if empty {
            self.by_mac.remove(&mac);
        }
    }

    pub fn holders(&self, mac: Mac) -> &[LinkId] {
        match self.by_mac.get(&mac) {
            Some(Holders::One(link)) => std::slice::from_ref(link),
            Some(Holders::Several(links)) => links,
            None => &[],
        }
    }
}
