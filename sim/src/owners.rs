//! Which namespace has an address, for those who must not ask all of them.

use crate::{
    hash::FastMap,
    link::is_loopback,
    route::{Entry, To},
    slab::NsId,
};

/// The addresses of all namespaces. Loopback addresses, which all have and nobody asks others
/// for, are left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners {
    /// With how many namespaces have it, and the last of them to get it.
    by_address: FastMap<u32, (u32, NsId)>,
    /// Whole networks that are local somewhere.
    networks: usize,
}

impl Owners {
    pub fn add(&mut self, ns: NsId, entry: &Entry) {
        match entry.kind {
            To::Local if is_loopback(entry.to) => {}
            To::Local if entry.prefix < 32 => self.networks += 1,
            To::Local => {
                let owner = self.by_address.entry(entry.to).or_insert((0, ns));
                *owner = (owner.0 + 1, ns);
            }
            _ => {}
        }
    }

    pub fn remove(&mut self, entry: &Entry) {
        match entry.kind {
            To::Local if is_loopback(entry.to) => {}
            To::Local if entry.prefix < 32 => self.networks -= 1,
            To::Local => match self.by_address.get_mut(&entry.to) {
                Some((count @ 2.., _)) => *count -= 1,
                _ => {
                    self.by_address.remove(&entry.to);
                }
            },
            _ => {}
        }
    }

    /// The only namespace that can have `address`, or that none has it; nothing where there may
    /// be several.
    pub fn only(&self, address: u32) -> Option<Option<NsId>> {
        match self.by_address.get(&address) {
            _ if self.networks > 0 => None,
            Some((1, owner)) => Some(Some(*owner)),
            Some(_) => None,
            None => Some(None),
        }
    }
}
