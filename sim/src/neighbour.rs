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

/// What is known of a neighbour. There are no timers, so one that was ever reached stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Neighbour {
    Known(Mac),
    /// Asked for (`NUD_INCOMPLETE`).
    Asked(WaitId),
    /// Asked for in vain (`NUD_FAILED`).
    Failed,
}

/// The neighbours on a link, by address.
pub(crate) type Neighbours = FastMap<u32, Neighbour>;

impl Sim {
    /// Sends an IPv4 packet to `next` on `link`, once its hardware address is known
    /// (`ip_finish_output2`).
    pub(crate) fn send_to_neighbour(&mut self, link: LinkId, next: u32, skb: Skb) {
        let out = &self.links[link];
        let (ns, own) = (out.ns, out.mac);
        if out.kind == Kind::Loopback {
            return self.send_framed(link, own, skb);
        }
        match out.neighbours.get(&next) {
            Some(Neighbour::Known(mac)) => {
                let mac = *mac;
                return self.send_framed(link, mac, skb);
            }
            Some(Neighbour::Asked(wait)) => {
                let wait = *wait;
                return self.waiting[wait].push(skb);
            }
            Some(Neighbour::Failed) | None => {}
        }
        match self.namespaces[ns].routes.kind(next) {
            To::Broadcast => self.send_framed(link, BROADCAST, skb),
            To::Multicast => {
                let [_, b, c, d] = next.to_be_bytes();
                self.send_framed(link, [0x01, 0x00, 0x5e, b & 0x7f, c, d], skb);
            }
            To::Local | To::Unicast => {
                let about = skb.ipv4().map_or(0, |header| header.source);
                let wait = self.waiting.insert(vec![skb]);
                self.links[link]
                    .neighbours
                    .insert(next, Neighbour::Asked(wait));
                self.unresolved.push((link, next));
                self.ask(link, next, about);
            }
        }
    }

    fn send_framed(&mut self, link: LinkId, to: Mac, mut skb: Skb) {
        skb.address(to, self.links[link].mac, ETHERTYPE_IPV4);
        self.transmit(link, skb);
    }

    /// Takes `mac` as the neighbour's address and sends what waited for it (`neigh_update`).
    pub(crate) fn resolved(&mut self, link: LinkId, address: u32, mac: Mac) {
        let known = Neighbour::Known(mac);
        let old = self.links[link].neighbours.insert(address, known);
        if let Some(Neighbour::Asked(wait)) = old {
            self.unresolved.retain(|other| *other != (link, address));
            for skb in self.waiting.remove(wait) {
                self.send_framed(link, mac, skb);
            }
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
