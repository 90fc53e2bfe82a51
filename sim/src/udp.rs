//! UDP endpoints: listeners that echo, and errors where there is none (`udp.c`).

use netparity_core::port::{Port, Protocol};

use crate::{
    Sim,
    fault::Fault,
    icmp::Error,
    output::{DEFAULT_TTL, Head},
    skb::{Skb, Track},
    slab::NsId,
    wire::{ETHERNET, IPV4_HEADER, Ipv4, UDP, UDP_HEADER, put, put_u16, segment_checksum, u16_at},
};

/// A datagram that a server has read and not sent back yet.
#[derive(Clone, Debug)]
pub(crate) struct Echo {
    ns: NsId,
    /// The address it goes out from.
    own: u32,
    to: u32,
    datagram: Vec<u8>,
}

/// A server that was asked, and who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    ns: NsId,
    port: u16,
    by: (u32, u16),
}

impl Sim {
    pub(crate) fn has_udp_listener(&self, ns: NsId, port: u16) -> bool {
        let port = Port::new(port, Protocol::Udp);
        port.is_some_and(|port| self.namespaces[ns].listens(port))
    }

    /// `__udp4_lib_rcv`.
    pub(crate) fn deliver_udp(&mut self, ns: NsId, skb: &Skb, header: &Ipv4, unicast: bool) {
        let body = header.body(skb.packet());
        let length = usize::from(u16_at(body, 4));
        let Some(datagram) = body.get(..length).filter(|_| length >= UDP_HEADER) else {
            return;
        };
        let unchecked = u16_at(datagram, 6) == 0;
        let (from, to) = (header.source, header.destination);
        if !unchecked && segment_checksum(from, to, UDP, datagram) != 0 {
            return;
        }
        let asked = Asked {
            ns,
            port: u16_at(datagram, 2),
            by: (from, u16_at(datagram, 0)),
        };
        if self.has_udp_listener(ns, asked.port) {
            // Two servers would answer each other for ever.
            if self.answered.insert(asked, ()).is_some() {
                return;
            }
            let own = match unicast {
                true => to,
                false => self.own_address(skb.link, from),
            };
            let echo = Echo {
                ns,
                own,
                to: from,
                datagram: datagram.to_vec(),
            };
            return self.echoes.push_back(echo);
        }
        if unicast && !self.has(Fault::PortUnreachableMissing) {
            self.send_error(ns, skb, Error::PortUnreachable);
        }
    }

    /// Sends a datagram back, as a server does that was written for it.
    pub(crate) fn echo(&mut self, echo: &Echo) {
        let Echo {
            ns,
            own,
            to,
            datagram,
        } = echo;
        let Ok(path) = self.route_output(*ns, *to, *own) else {
            return;
        };
        let head = Head {
            source: path.source,
            destination: path.destination(*to),
            protocol: UDP,
            ttl: DEFAULT_TTL,
            tos: 0,
            // A socket wants to find out the path's MTU, but cuts what is too long for it.
            dont_fragment: IPV4_HEADER + datagram.len() <= path.mtu as usize,
        };
        let mut frame = self.compose(&head, datagram.len());
        let body = frame.get_mut(ETHERNET + IPV4_HEADER..).unwrap_or_default();
        put(body, 0, datagram);
        put_u16(body, 0, u16_at(datagram, 2));
        put_u16(body, 2, u16_at(datagram, 0));
        put_u16(body, 6, 0);
        let sum = match segment_checksum(head.source, head.destination, UDP, body) {
            0 => 0xffff,
            sum => sum,
        };
        put_u16(body, 6, sum);
        let _ = self.send_own(*ns, frame, path, Track::None);
    }
}
