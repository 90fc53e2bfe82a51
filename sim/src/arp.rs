//! ARP: asking for neighbours, answering for one's own addresses, and what is learned on the way
//! (`net/ipv4/arp.c`).

use crate::{
    Sim,
    fault::Fault,
    input::Source,
    link::{is_loopback, is_multicast},
    neighbour::Neighbour,
    route::{Scope, To},
    skb::{Addressed, Skb, Track},
    slab::{LinkId, NsId},
    wire::{
        ARP_PACKET, BROADCAST, ETHERNET, ETHERTYPE_ARP, Mac, mac_at, put, put_u16, put_u32, u16_at,
        u32_at,
    },
};

const REQUEST: u16 = 1;
const REPLY: u16 = 2;
/// Hardware type Ethernet, protocol IPv4, address lengths 6 and 4.
const FORM: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];
const OPERATION: usize = 6;
const SENDER_MAC: usize = 8;
const SENDER: usize = 14;
const TARGET_MAC: usize = 18;
const TARGET: usize = 24;

/// What an ARP packet says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arp {
    pub operation: u16,
    pub sender_mac: Mac,
    pub sender: u32,
    pub target_mac: Mac,
    pub target: u32,
}

impl Arp {
    pub fn parse(packet: &[u8]) -> Option<Self> {
        if packet.len() < ARP_PACKET || !packet.starts_with(&FORM) {
            return None;
        }
        Some(Self {
            operation: u16_at(packet, OPERATION),
            sender_mac: mac_at(packet, SENDER_MAC),
            sender: u32_at(packet, SENDER),
            target_mac: mac_at(packet, TARGET_MAC),
            target: u32_at(packet, TARGET),
        })
    }

    pub fn is_request(&self) -> bool {
        self.operation == REQUEST
    }

    fn write(&self, frame: &mut Vec<u8>, to: Mac) {
        frame.clear();
        frame.resize(ETHERNET + ARP_PACKET, 0);
        put(frame, 0, &to);
        put(frame, 6, &self.sender_mac);
        put_u16(frame, 12, ETHERTYPE_ARP);
        let packet = frame.get_mut(ETHERNET..).unwrap_or_default();
        put(packet, 0, &FORM);
        put_u16(packet, OPERATION, self.operation);
        put(packet, SENDER_MAC, &self.sender_mac);
        put_u32(packet, SENDER, self.sender);
        put(packet, TARGET_MAC, &self.target_mac);
        put_u32(packet, TARGET, self.target);
    }
}

impl Sim {
    /// Asks who has `target`, because of a packet from `about` (`arp_solicit`).
    pub(crate) fn ask(&mut self, link: LinkId, target: u32, about: u32) {
        let ns = self.links[link].ns;
        let sender = if self.is_local(ns, about) {
            about
        } else {
            self.select_address(link, target, Scope::Link)
        };
        let request = Arp {
            operation: REQUEST,
            sender_mac: self.links[link].mac,
            sender,
            target_mac: Mac::default(),
            target,
        };
        self.send_arp(link, request, BROADCAST);
    }

    fn send_arp(&mut self, link: LinkId, arp: Arp, to: Mac) {
        let mut frame = self.buffer();
        arp.write(&mut frame, to);
        self.transmit(link, Skb::new(frame, Track::None));
    }

    /// `arp_rcv` and `arp_process`.
    pub(crate) fn receive_arp(&mut self, skb: Skb) {
        let arp = Arp::parse(skb.packet());
        let (link, addressed) = (skb.link, skb.addressed);
        self.recycle(skb);
        let Some(arp) = arp else { return };
        if addressed == Addressed::Other || self.is_loopback_link(link) {
            return;
        }
        if is_multicast(arp.target) || is_loopback(arp.target) {
            return;
        }
        let ns = self.links[link].ns;
        if arp.sender == 0 {
            // Somebody without an address asks; nothing is learned.
            if arp.is_request() && self.is_local(ns, arp.target) {
                self.answer(link, arp);
            }
            return;
        }
        if arp.is_request() && self.answers_for(ns, link, &arp) {
            if !self.has(Fault::LearnsNoSender) {
                self.resolved(link, arp.sender, arp.sender_mac, false);
            }
            return self.answer(link, arp);
        }
        self.update(link, &arp, addressed == Addressed::Us);
    }

    fn answers_for(&self, ns: NsId, link: LinkId, arp: &Arp) -> bool {
        if self.has(Fault::AnswersForOthers) {
            return arp.sender != arp.target;
        }
        let local = self
            .lookup(ns, arp.target)
            .is_some_and(|entry| entry.kind == To::Local);
        local
            && matches!(
                self.validate_source(ns, link, arp.sender, None),
                Source::Fine { .. }
            )
    }

    fn answer(&mut self, link: LinkId, request: Arp) {
        let reply = Arp {
            operation: REPLY,
            sender_mac: self.links[link].mac,
            sender: request.target,
            target_mac: request.sender_mac,
            target: request.sender,
        };
        self.send_arp(link, reply, request.sender_mac);
    }

    /// What is not for us tells something about those we know already. One who is known keeps
    /// their hardware address: in the time a scenario takes, only a gratuitous announcement
    /// overrides it (`LOCKTIME`).
    fn update(&mut self, link: LinkId, arp: &Arp, to_us: bool) {
        let mac = match self.has(Fault::LearnsTarget) {
            true => arp.target_mac,
            false => arp.sender_mac,
        };
        let gratuitous =
            arp.sender == arp.target && (arp.is_request() || arp.sender_mac == arp.target_mac);
        match self.links[link].neighbours.get(&arp.sender) {
            None => {}
            Some(Neighbour::Known(known)) if known.mac != mac && !gratuitous => {}
            Some(_) => {
                let confirmed = to_us && !arp.is_request();
                self.resolved(link, arp.sender, mac, confirmed);
            }
        }
    }
}
