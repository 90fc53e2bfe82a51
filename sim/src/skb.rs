//! A frame on its way through a namespace, with what the kernel notes beside it (`sk_buff`).

use crate::{
    slab::LinkId,
    wire::{ETHERNET, Ipv4, Mac, mac_at, put, put_u16, u16_at},
};

/// For whom a frame is, as its hardware address has it (`pkt_type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Addressed {
    #[default]
    Us,
    Broadcast,
    Multicast,
    Other,
}

/// The number of a connection.
pub(crate) type ConnId = u32;

/// What connection tracking has to say of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Track {
    /// Nobody asked, or it is invalid.
    #[default]
    None,
    /// Of a connection in which nothing has come back yet.
    New(ConnId),
    /// Of an established connection; in the direction of its first packet or in reply.
    Established { conn: ConnId, reply: bool },
    /// An ICMP error about a connection.
    Related { conn: ConnId, reply: bool },
}

impl Track {
    pub fn conn(self) -> Option<ConnId> {
        match self {
            Self::None => None,
            Self::New(conn) | Self::Established { conn, .. } | Self::Related { conn, .. } => {
                Some(conn)
            }
        }
    }

    pub fn is_reply(self) -> bool {
        matches!(
            self,
            Self::Established { reply: true, .. } | Self::Related { reply: true, .. }
        )
    }

    /// As `--ctstate RELATED,ESTABLISHED` has it.
    pub fn is_established(self) -> bool {
        matches!(self, Self::Established { .. } | Self::Related { .. })
    }
}

/// A route that was found before a packet went into `lo`, and still holds when it comes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Retained {
    /// None: it is routed when it comes in.
    #[default]
    No,
    /// To this namespace.
    Local,
    /// Out of it; nothing is done with such a packet when it comes in.
    Unicast,
    /// To everybody on the link, which is this namespace.
    Broadcast,
    /// To this namespace too: a copy of what it broadcasts, which no tap sees
    /// (`dev_loopback_xmit`).
    Copy,
}

/// What a packet was put together from, so that it can be taken apart again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pieces {
    /// The longest of the packets in bytes; 0 if it always was whole (`frag_max_size`).
    pub largest: usize,
    /// How much of the body each one carried, in order.
    pub bodies: Vec<u16>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Skb {
    /// From the Ethernet header on.
    pub bytes: Vec<u8>,
    /// Where it is.
    pub link: LinkId,
    pub addressed: Addressed,
    pub track: Track,
    pub retained: Retained,
    pub pieces: Pieces,
    /// The port it came in by, if it has passed PREROUTING in a bridge.
    pub port: Option<LinkId>,
}

impl Skb {
    /// A frame that a namespace makes itself.
    pub fn new(bytes: Vec<u8>, track: Track) -> Self {
        Self {
            bytes,
            track,
            ..Self::default()
        }
    }

    /// Other bytes with the same notes, save what they were put together from.
    pub fn like(&self, bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            link: self.link,
            addressed: self.addressed,
            track: self.track,
            retained: self.retained,
            pieces: Pieces::default(),
            port: self.port,
        }
    }

    pub fn destination(&self) -> Mac {
        mac_at(&self.bytes, 0)
    }

    pub fn source(&self) -> Mac {
        mac_at(&self.bytes, 6)
    }

    pub fn ethertype(&self) -> u16 {
        u16_at(&self.bytes, 12)
    }

    pub fn address(&mut self, destination: Mac, source: Mac, ethertype: u16) {
        put(&mut self.bytes, 0, &destination);
        put(&mut self.bytes, 6, &source);
        put_u16(&mut self.bytes, 12, ethertype);
    }

    /// What is behind the Ethernet header.
    pub fn packet(&self) -> &[u8] {
        self.bytes.get(ETHERNET..).unwrap_or_default()
    }

    pub fn packet_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(ETHERNET..).unwrap_or_default()
    }

    pub fn ipv4(&self) -> Option<Ipv4> {
        Ipv4::parse(self.packet())
    }
}
