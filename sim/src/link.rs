//! Links: what every one of them has, and what goes in and out of it.

use ipnet::Ipv4Net;
use netparity_core::{name::LinkName, trace::Direction};

use crate::{
    Sim,
    neighbour::Neighbours,
    skb::{Addressed, Pieces, Retained, Skb},
    slab::{BridgeId, LinkId, NsId},
    wire::{BROADCAST, ETHERNET, ETHERTYPE_ARP, ETHERTYPE_IPV4, Mac},
};

/// The MTU of a link that is given none, in bytes.
pub(crate) const DEFAULT_MTU: u32 = 1500;
/// The MTU of `lo`.
pub(crate) const LOOPBACK_MTU: u32 = 65_536;
/// A link takes this much more than its MTU, in case a VLAN tag is in it (`is_skb_forwardable`).
const VLAN_TAG: usize = 4;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Loopback,
    Bridge(BridgeId),
    /// With its peer.
    Veth(LinkId),
}

#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub name: LinkName,
    pub ns: NsId,
    pub kind: Kind,
    pub mac: Mac,
    pub mtu: u32,
    pub up: bool,
    /// What is behind it is up, whether it is up itself or not.
    pub carrier: bool,
    pub master: Option<LinkId>,
    pub addresses: Vec<Address>,
    pub neighbours: Neighbours,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            name: LinkName::LOOPBACK,
            ns: NsId::default(),
            kind: Kind::Loopback,
            mac: Mac::default(),
            mtu: LOOPBACK_MTU,
            up: false,
            carrier: true,
            master: None,
            addresses: Vec::new(),
            neighbours: Neighbours::default(),
        }
    }
}

impl Link {
    /// Whether it can carry frames.
    pub fn runs(&self) -> bool {
        self.up && self.carrier
    }

    /// Whether a frame of so many bytes is not too long for it.
    pub fn fits(&self, frame: usize) -> bool {
        frame <= self.mtu as usize + ETHERNET + VLAN_TAG
    }
}

/// An address of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub address: u32,
    pub prefix: u8,
    /// In the network of an address that was there before (`IFA_F_SECONDARY`).
    pub secondary: bool,
}

impl Address {
    pub fn net(self) -> Ipv4Net {
        // A prefix never exceeds 32: it came out of an `Ipv4Net`.
        Ipv4Net::new(self.address.into(), self.prefix).unwrap_or_default()
    }

    pub fn mask(self) -> u32 {
        mask(self.prefix)
    }

    pub fn network(self) -> u32 {
        self.address & self.mask()
    }

    pub fn broadcast(self) -> u32 {
        self.address | !self.mask()
    }

    pub fn holds(self, address: u32) -> bool {
        address & self.mask() == self.network()
    }

    /// Of host scope, as `ip` adds it: never chosen as the source towards others.
    pub fn is_host_only(self) -> bool {
        is_loopback(self.address)
    }
}

/// The group that every host is in, 224.0.0.1.
pub(crate) const ALL_HOSTS: u32 = 0xe000_0001;

pub(crate) fn mask(prefix: u8) -> u32 {
    u32::MAX
        .checked_shl(32 - u32::from(prefix))
        .unwrap_or_default()
}

pub(crate) fn is_loopback(address: u32) -> bool {
    address >> 24 == 127
}

pub(crate) fn is_multicast(address: u32) -> bool {
    address >> 28 == 0xe
}

pub(crate) fn is_zeronet(address: u32) -> bool {
    address >> 24 == 0
}

impl Sim {
    /// Sends a complete frame out of `link` (`dev_queue_xmit`); whether the link took it.
    pub(crate) fn transmit(&mut self, link: LinkId, mut skb: Skb) -> bool {
        let out = &self.links[link];
        if !out.runs() {
            self.recycle(skb);
            return false;
        }
        self.tape.frame(out.ns, link, Direction::Out, &skb.bytes);
        match out.kind {
            Kind::Loopback => {
                skb.link = link;
                skb.port = None;
                self.arrivals.push_back(skb);
            }
            Kind::Bridge(bridge) => self.bridge_transmit(bridge, link, skb),
            Kind::Veth(peer) => {
                let other = &self.links[peer];
                if !other.up || !other.fits(skb.bytes.len()) {
                    self.recycle(skb);
                    return false;
                }
                // Only the bytes cross, cut as they are (`skb_scrub_packet`).
                self.arrivals.push_back(Skb {
                    bytes: skb.bytes,
                    link: peer,
                    pieces: Pieces {
                        largest: 0,
                        bodies: skb.pieces.bodies,
                    },
                    ..Skb::default()
                });
            }
        }
        true
    }

    /// Takes a frame that has come in by its link (`__netif_receive_skb_core`).
    pub(crate) fn receive(&mut self, mut skb: Skb) {
        let link = &self.links[skb.link];
        if !link.up {
            return self.recycle(skb);
        }
        if skb.retained == Retained::Copy {
            skb.addressed = Addressed::Broadcast;
            return self.receive_ipv4(skb);
        }
        self.tape
            .frame(link.ns, skb.link, Direction::In, &skb.bytes);
        let destination = skb.destination();
        skb.addressed = match destination {
            BROADCAST => Addressed::Broadcast,
            mac if mac == link.mac => Addressed::Us,
            [first, ..] if first & 1 == 1 => Addressed::Multicast,
            _ => Addressed::Other,
        };
        match link.master {
            Some(bridge) => self.bridge_receive(bridge, skb),
            None => self.receive_packet(skb),
        }
    }

    /// Hands a frame to the protocol that it carries.
    pub(crate) fn receive_packet(&mut self, skb: Skb) {
        match skb.ethertype() {
            ETHERTYPE_IPV4 => self.receive_ipv4(skb),
            ETHERTYPE_ARP => self.receive_arp(skb),
            _ => self.recycle(skb),
        }
    }

    pub(crate) fn is_loopback_link(&self, link: LinkId) -> bool {
        self.links[link].kind == Kind::Loopback
    }

    /// The namespace's loopback interface, which is its first link.
    pub(crate) fn loopback(&self, ns: NsId) -> LinkId {
        self.namespaces[ns]
            .links
            .first()
            .copied()
            .unwrap_or_default()
    }

    /// A buffer for a new frame, empty.
    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    /// Keeps the buffer of a frame that is done with.
    pub(crate) fn recycle(&mut self, mut skb: Skb) {
        const MOST: usize = 64;
        if self.buffers.len() < MOST {
            skb.bytes.clear();
            self.buffers.push(skb.bytes);
        }
    }

    /// A copy of a frame, for another port.
    pub(crate) fn copy(&mut self, skb: &Skb) -> Skb {
        let mut bytes = self.buffer();
        bytes.extend_from_slice(&skb.bytes);
        Skb {
            pieces: skb.pieces.clone(),
            ..skb.like(bytes)
        }
    }
}
