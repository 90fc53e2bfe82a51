//! IPv4 packets that go out: forwarding, and sending one's own (`ip_forward.c`, `ip_output.c`).

use netparity_core::errno::Errno;

use crate::{
    Sim,
    fault::Fault,
    fragment,
    icmp::Error,
    link::ALL_HOSTS,
    netfilter::Hook,
    path::Path,
    route::To,
    skb::{Addressed, Retained, Skb, Track},
    slab::{LinkId, NsId},
    wire::{DONT_FRAGMENT, ETHERNET, IPV4_HEADER, adjust, ipv4, put_u16, put_u32, seal, u16_at},
};

/// The time to live of what a namespace sends of itself.
pub(crate) const DEFAULT_TTL: u8 = 64;

/// What an IPv4 header says, less what follows from the rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub source: u32,
    pub destination: u32,
    pub protocol: u8,
    pub ttl: u8,
    pub tos: u8,
    pub dont_fragment: bool,
}

impl Sim {
    /// A frame with an IPv4 packet in it and a blank Ethernet header, its body still to be written.
    pub(crate) fn compose(&mut self, head: &Head, body: usize) -> Vec<u8> {
        let mut frame = self.buffer();
        let length = IPV4_HEADER + body;
        frame.resize(ETHERNET + length, 0);
        self.identification = self.identification.wrapping_add(1);
        let id = self.identification;
        if let Some(packet) = frame.get_mut(ETHERNET..ETHERNET + IPV4_HEADER) {
            packet[0] = 0x45;
            packet[ipv4::TOS] = head.tos;
            put_u16(packet, ipv4::LENGTH, length as u16);
            put_u16(packet, ipv4::ID, id);
            let flags = if head.dont_fragment { DONT_FRAGMENT } else { 0 };
            put_u16(packet, ipv4::FRAGMENT, flags);
            packet[ipv4::TTL] = head.ttl;
            packet[ipv4::PROTOCOL] = head.protocol;
            put_u32(packet, ipv4::SOURCE, head.source);
            put_u32(packet, ipv4::DESTINATION, head.destination);
            seal(packet);
        }
        frame
    }

    /// Sends a packet of the namespace's own (`ip_local_out`, `ip_output`).
    pub(crate) fn send_own(
        &mut self,
        ns: NsId,
        frame: Vec<u8>,
        mut path: Path,
        track: Track,
    ) -> Result<(), Errno> {
        let mut skb = Skb::new(frame, track);
        let destination = |skb: &Skb| skb.ipv4().map_or(0, |header| header.destination);
        let before = destination(&skb);
        if !self.hook(Hook::Output, ns, &mut skb, None, Some(path.link)) {
            self.recycle(skb);
            return Err(Errno::EPERM);
        }
        let after = destination(&skb);
        if after != before {
            // Translated to somebody else: `ip_route_me_harder`.
            path = self.route_output(ns, after, path.source)?;
        }
        let for_all = match path.kind {
            To::Broadcast => true,
            To::Multicast => after == ALL_HOSTS,
            To::Local | To::Unicast => false,
        };
        if for_all && !self.is_loopback_link(path.link) {
            self.send_copy(ns, &skb, path.link);
        }
        if !self.hook(Hook::Postrouting, ns, &mut skb, None, Some(path.link)) {
            self.recycle(skb);
            return Err(Errno::EPERM);
        }
        skb.retained = match path.kind {
            To::Local => Retained::Local,
            _ if for_all => Retained::Broadcast,
            _ => Retained::Unicast,
        };
        self.finish_output(skb, path.link, path.next(after), path.mtu as usize);
        Ok(())
    }

    /// Sends the namespace itself what it sends to all (`ip_mc_output`).
    fn send_copy(&mut self, ns: NsId, skb: &Skb, link: LinkId) {
        let mut copy = self.copy(skb);
        if self.hook(Hook::Postrouting, ns, &mut copy, None, Some(link)) {
            copy.link = link;
            copy.retained = Retained::Copy;
            self.arrivals.push_back(copy);
        }
    }

    /// Sends a packet on its way, in fragments if it has to be (`ip_finish_output`).
    fn finish_output(&mut self, mut skb: Skb, link: LinkId, next: u32, mtu: usize) {
        if skb.packet().len() <= mtu && skb.pieces.largest == 0 {
            skb.port = None;
            self.send_to_neighbour(link, next, skb);
            return;
        }
        let mut limit = fragment::limit(mtu, &skb.pieces);
        if self.has(Fault::ShortFragments) {
            limit = limit.saturating_sub(8);
        }
        let pieces = fragment::cut(&skb, limit);
        self.recycle(skb);
        for piece in pieces {
            // Without one of them the others are of no use.
            if !self.send_to_neighbour(link, next, piece) {
                return;
            }
            self.let_arrive();
        }
    }

    /// Passes a packet on (`ip_forward`).
    pub(crate) fn forward(&mut self, ns: NsId, mut skb: Skb, path: Path, redirect: bool) {
        let Some(header) = skb.ipv4().filter(|_| skb.addressed == Addressed::Us) else {
            return self.recycle(skb);
        };
        if header.ttl <= 1 {
            if !self.has(Fault::TimeExceededMissing) {
                self.send_error(ns, &skb, Error::TimeExceeded);
            }
            return self.recycle(skb);
        }
        if header.length > path.mtu as usize && header.dont_fragment() {
            if !self.has(Fault::FragmentationNeededMissing) {
                let mtu = path.mtu.min(u32::from(u16::MAX)) as u16;
                self.send_error(ns, &skb, Error::FragmentationNeeded(mtu));
            }
            return self.recycle(skb);
        }
        if !self.has(Fault::TtlKept) {
            decrement_ttl(skb.packet_mut());
        }
        let next = path.next(header.destination);
        if redirect {
            self.redirect(ns, &skb, header.source, next);
        }
        let input = skb.link;
        let passes = self.hook(Hook::Forward, ns, &mut skb, Some(input), Some(path.link))
            && self.hook(Hook::Postrouting, ns, &mut skb, None, Some(path.link));
        if !passes {
            return self.recycle(skb);
        }
        self.finish_output(skb, path.link, next, path.mtu as usize);
    }

    /// Tells a sender of a shorter way, once (`ip_rt_send_redirect`).
    fn redirect(&mut self, ns: NsId, skb: &Skb, sender: u32, gateway: u32) {
        let peers = &mut self.namespaces[ns].peers;
        if peers.entry(sender).or_default().take_redirect() {
            self.send_error(ns, skb, Error::Redirect(gateway));
        }
    }
}

fn decrement_ttl(packet: &mut [u8]) {
    let old = u16_at(packet, ipv4::TTL);
    let new = old.wrapping_sub(0x100);
    let sum = adjust(u16_at(packet, ipv4::CHECKSUM), old, new);
    put_u16(packet, ipv4::TTL, new);
    put_u16(packet, ipv4::CHECKSUM, sum);
}
