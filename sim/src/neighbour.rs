//! Neighbours: the hardware addresses of those next door, and packets that wait for them.

use crate::{
    Sim,
    fault::Fault,
    hash::FastMap,
    icmp::Error,
    link::Kind,
    route::To,
    skb::Skb,
    slab::{LinkId, WaitId},
    wire::{BROADCAST, ETHERTYPE_IPV4, Mac},
};

/// What is known of a neighbour. There are no timers, so one that was ever known stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Neighbour {
    Known(Known),
    /// Asked for (`NUD_INCOMPLETE`).
    Asked(WaitId),
    /// Asked for in vain (`NUD_FAILED`).
    Failed,
}

/// A neighbour whose hardware address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub mac: Mac,
    /// By an answer to a question (`NUD_REACHABLE`), and not by the way (`NUD_STALE`).
    pub confirmed: bool,
    /// Something was sent there (`hh_len`).
    pub used: bool,
}

/// The neighbours on a link, by address.
pub(crate) type Neighbours = FastMap<u32, Neighbour>;

impl Sim {
    /// Sends an IPv4 packet to `next` on `link`, once its hardware address is known
    /// (`ip_finish_output2`). False if the link did not take it.
    pub(crate) fn send_to_neighbour(&mut self, link: LinkId, next: u32, skb: Skb) -> bool {
        let out = &mut self.links[link];
        let (ns, own) = (out.ns, out.mac);
        if out.kind == Kind::Loopback {
            return self.send_framed(link, own, skb);
        }
        match out.neighbours.get_mut(&next) {
            Some(Neighbour::Known(known)) => {
                known.used = true;
                let mac = known.mac;
                return self.send_framed(link, mac, skb);
            }
            Some(Neighbour::Asked(wait)) => {
                let wait = *wait;
                self.waiting[wait].push(skb);
                return true;
            }
            Some(Neighbour::Failed) | None => {}
        }
        match self.namespaces[ns].routes.kind(next) {
            To::Broadcast => self.send_framed(link, BROADCAST, skb),
            To::Multicast => {
                let [_, b, c, d] = next.to_be_bytes();
                self.send_framed(link, [0x01, 0x00, 0x5e, b & 0x7f, c, d], skb)
            }
            To::Local | To::Unicast => {
                let about = skb.ipv4().map_or(0, |header| header.source);
                let wait = self.waiting.insert(vec![skb]);
                let neighbours = &mut self.links[link].neighbours;
                neighbours.insert(next, Neighbour::Asked(wait));
                self.unresolved.push((link, next));
                self.ask(link, next, about);
                true
            }
        }
    }

    fn send_framed(&mut self, link: LinkId, to: Mac, mut skb: Skb) -> bool {
        if skb.port.is_some() {
            self.bridge_translated(link, to, skb);
            return true;
        }
        skb.address(to, self.links[link].mac, ETHERTYPE_IPV4);
        self.transmit(link, skb)
    }

    /// Takes `mac` as the neighbour's address and sends what waited for it (`neigh_update`).
    /// `confirmed` says that it is an answer, and not only heard of.
    pub(crate) fn resolved(&mut self, link: LinkId, address: u32, mac: Mac, confirmed: bool) {
        let neighbours = &mut self.links[link].neighbours;
        let old = neighbours.get(&address).copied();
        let mut known = Known {
            mac,
            confirmed,
            used: false,
        };
        match old {
            Some(Neighbour::Known(old)) => {
                known.used = old.used;
                known.confirmed |= old.confirmed && old.mac == mac;
            }
            Some(Neighbour::Asked(wait)) => known.used = !self.waiting[wait].is_empty(),
            Some(Neighbour::Failed) | None => {}
        }
        neighbours.insert(address, Neighbour::Known(known));
        if let Some(Neighbour::Asked(wait)) = old {
            self.unresolved.retain(|other| *other != (link, address));
            for skb in self.waiting.remove(wait) {
                self.send_framed(link, mac, skb);
            }
        }
    }

    /// The hardware address of a neighbour that a frame can be sent to without further ado
    /// (`NUD_CONNECTED`, with a cached header).
    pub(crate) fn cached(&self, link: LinkId, next: u32) -> Option<Mac> {
        match self.links[link].neighbours.get(&next) {
            Some(Neighbour::Known(known)) if known.confirmed && known.used => Some(known.mac),
            _ => None,
        }
    }

    /// Gives up on the neighbours that did not answer, when nothing moves any more; whether
    /// there were any. What waited for them is reported to its senders (`neigh_invalidate`).
    pub(crate) fn fail_unresolved(&mut self) -> bool {
        let failed = std::mem::take(&mut self.unresolved);
        for (link, address) in &failed {
            let ns = self.links[*link].ns;
            let Some(entry) = self.links[*link].neighbours.get_mut(address) else {
                continue;
            };
            let Neighbour::Asked(wait) = *entry else {
                continue;
            };
            *entry = Neighbour::Failed;
            self.failed.insert(*address, ());
            for skb in self.waiting.remove(wait) {
                if !self.has(Fault::HostUnreachableMissing) {
                    self.send_error(ns, &skb, Error::HostUnreachable);
                }
                self.recycle(skb);
            }
        }
        !failed.is_empty()
    }
}
