//! ICMP: errors sent and received, echoes answered (`icmp.c`).

use crate::{
    Sim,
    fault::Fault,
    link::is_multicast,
    neighbour::Neighbour,
    output::{DEFAULT_TTL, Head},
    route::To,
    skb::{Addressed, Skb, Track},
    slab::NsId,
    wire::{
        self, ETHERNET, ICMP, ICMP_HEADER, IPV4_HEADER, Ipv4, UDP, checksum, put, put_u16, put_u32,
        u16_at, u32_at,
    },
};

const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const SOURCE_QUENCH: u8 = 4;
const REDIRECT: u8 = 5;
const ECHO: u8 = 8;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;

const FRAGMENTATION_NEEDED: u8 = 4;

/// The longest error, in bytes with its IPv4 header (RFC 1122).
const LONGEST: usize = 576;
/// An error's precedence: internetwork control.
const PRECEDENCE: u8 = 0xc0;
/// The bits of the type of service that an error takes over.
const TOS_BITS: u8 = 0x1e;
/// The least MTU that is believed of a path, in bytes (`ip_rt_min_pmtu`).
const LEAST_PATH_MTU: u32 = 552;

/// What a sender is told about its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    NetUnreachable,
    HostUnreachable,
    PortUnreachable,
    /// With the MTU that it is too long for.
    FragmentationNeeded(u16),
    TimeExceeded,
    /// With the better gateway.
    Redirect(u32),
}

impl Error {
    /// Type, code and the second word of the header.
    fn words(self) -> (u8, u8, u32) {
        match self {
            Self::NetUnreachable => (UNREACHABLE, 0, 0),
            Self::HostUnreachable => (UNREACHABLE, 1, 0),
            Self::PortUnreachable => (UNREACHABLE, 3, 0),
            Self::FragmentationNeeded(mtu) => (UNREACHABLE, FRAGMENTATION_NEEDED, mtu.into()),
            Self::TimeExceeded => (TIME_EXCEEDED, 0, 0),
            Self::Redirect(gateway) => (REDIRECT, 1, gateway),
        }
    }
}

/// Whether an ICMP message of this type names another gateway.
pub(crate) fn is_redirect(kind: u8) -> bool {
    kind == REDIRECT
}

/// Whether an ICMP message of this type quotes the packet that it is about.
pub(crate) fn is_error(kind: u8) -> bool {
    matches!(
        kind,
        UNREACHABLE | SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM
    )
}

/// The type of the answer to a message of this type, and the other way round.
pub(crate) fn answer_to(kind: u8) -> Option<u8> {
    match kind {
        ECHO => Some(ECHO_REPLY),
        ECHO_REPLY => Some(ECHO),
        _ => None,
    }
}

/// Whether a message of this type begins an exchange.
pub(crate) fn is_request(kind: u8) -> bool {
    kind == ECHO
}

/// The sender of an error where there is no address (`INADDR_DUMMY`, RFC 7600), 192.0.0.8.
const NOBODY: u32 = 0xc000_0008;

impl Sim {
    /// Tells the sender of a packet what became of it (`icmp_send`).
    pub(crate) fn send_error(&mut self, ns: NsId, skb: &Skb, error: Error) {
        let Some(header) = skb.ipv4() else { return };
        let packet = skb.packet();
        let body = header.body(packet);
        let about_error =
            header.protocol == ICMP && body.first().is_none_or(|kind| is_error(*kind));
        if skb.addressed != Addressed::Us || header.offset() != 0 || about_error {
            return;
        }
        if is_multicast(header.source) {
            return;
        }
        let source = match self.namespaces[ns].routes.kind(header.destination) {
            To::Local => header.destination,
            To::Unicast => 0,
            To::Broadcast | To::Multicast => return,
        };
        let Ok(path) = self.route_output(ns, header.source, source) else {
            return;
        };
        let overhead = IPV4_HEADER + ICMP_HEADER;
        let mut room = (path.mtu as usize).min(LONGEST).saturating_sub(overhead);
        if room <= IPV4_HEADER {
            return;
        }
        if self.has(Fault::QuotesTooLittle) {
            room = room.min(header.header + 8);
        }
        let quote = packet.get(..packet.len().min(room)).unwrap_or_default();
        let precedence = match self.has(Fault::ErrorTosZero) {
            true => 0,
            false => PRECEDENCE,
        };
        let head = Head {
            source: match path.source {
                0 => NOBODY,
                source => source,
            },
            destination: path.destination(header.source),
            protocol: ICMP,
            ttl: DEFAULT_TTL,
            tos: header.tos & TOS_BITS | precedence,
            dont_fragment: false,
        };
        let mut frame = self.compose(&head, ICMP_HEADER + quote.len());
        let message = frame.get_mut(ETHERNET + IPV4_HEADER..).unwrap_or_default();
        let (kind, code, word) = error.words();
        put(message, 0, &[kind, code]);
        put_u32(message, 4, word);
        put(message, ICMP_HEADER, quote);
        let sum = checksum(message);
        put_u16(message, 2, sum);
        // It is part of the connection that it is about (`nf_conntrack_attach`).
        let track = match skb.track.conn() {
            Some(conn) => Track::Related {
                conn,
                reply: !skb.track.is_reply(),
            },
            None => Track::None,
        };
        // Nobody waits for the outcome.
        let _ = self.send_own(ns, frame, path, track);
    }

    /// `icmp_rcv`.
    pub(crate) fn deliver_icmp(&mut self, ns: NsId, skb: &Skb, header: &Ipv4, unicast: bool) {
        let message = header.body(skb.packet());
        if message.len() < ICMP_HEADER || checksum(message) != 0 {
            return;
        }
        match message[0] {
            ECHO if unicast => self.answer_echo(ns, header, message),
            UNREACHABLE if message[1] == FRAGMENTATION_NEEDED => {
                self.learn_path_mtu(ns, wire::after(message, ICMP_HEADER), u16_at(message, 6));
            }
            REDIRECT => {
                let gateway = u32_at(message, 4);
                self.take_redirect(
                    ns,
                    header.source,
                    wire::after(message, ICMP_HEADER),
                    gateway,
                );
            }
            _ => {}
        }
    }

    fn answer_echo(&mut self, ns: NsId, header: &Ipv4, request: &[u8]) {
        let Ok(path) = self.route_output(ns, header.source, header.destination) else {
            return;
        };
        let head = Head {
            source: header.destination,
            destination: header.source,
            protocol: ICMP,
            ttl: DEFAULT_TTL,
            tos: header.tos,
            dont_fragment: false,
        };
        let length = match self.has(Fault::EchoesNothing) {
            true => ICMP_HEADER,
            false => request.len(),
        };
        let mut frame = self.compose(&head, length);
        let reply = frame.get_mut(ETHERNET + IPV4_HEADER..).unwrap_or_default();
        put(reply, 0, request.get(..length).unwrap_or_default());
        put(reply, 0, &[ECHO_REPLY, 0, 0, 0]);
        let sum = checksum(reply);
        put_u16(reply, 2, sum);
        let _ = self.send_own(ns, frame, path, Track::None);
    }

    /// Whether a socket of the namespace, or ICMP itself, hears of an error about this packet.
    fn hears(&self, ns: NsId, quoted: &Ipv4, body: &[u8]) -> bool {
        quoted.protocol == ICMP
            || self.namespaces[ns].senders.has(quoted.protocol)
            || quoted.protocol == UDP && self.has_udp_listener(ns, u16_at(body, 0))
    }

    /// Believes that a path takes no more than `mtu` bytes (`__ip_rt_update_pmtu`).
    fn learn_path_mtu(&mut self, ns: NsId, quote: &[u8], mtu: u16) {
        let Some(quoted) = Ipv4::parse_quoted(quote) else {
            return;
        };
        if !self.hears(ns, &quoted, wire::after(quote, quoted.header)) {
            return;
        }
        let Ok(path) = self.route_output(ns, quoted.destination, 0) else {
            return;
        };
        let mtu = u32::from(mtu).max(LEAST_PATH_MTU).min(path.mtu);
        if mtu < path.mtu && path.kind == To::Unicast {
            let routes = &mut self.namespaces[ns].routes;
            routes.exception_mut(quoted.destination, path.link).mtu = mtu;
        }
    }

    /// Takes a gateway's word for a better one (`__ip_do_redirect`).
    fn take_redirect(&mut self, ns: NsId, from: u32, quote: &[u8], gateway: u32) {
        let Some(quoted) = Ipv4::parse_quoted(quote) else {
            return;
        };
        let heard = self.hears(ns, &quoted, wire::after(quote, quoted.header));
        let Ok(path) = self.route_output(ns, quoted.destination, 0) else {
            return;
        };
        let believed = path.via == from
            && gateway != from
            && !self.namespaces[ns].forwards
            && self.namespaces[ns].routes.kind(gateway) == To::Unicast;
        if !heard || !believed {
            return;
        }
        match self.links[path.link].neighbours.get(&gateway) {
            Some(Neighbour::Known(_)) => {
                let routes = &mut self.namespaces[ns].routes;
                routes.exception_mut(quoted.destination, path.link).via = gateway;
            }
            Some(Neighbour::Asked(_)) => {}
            Some(Neighbour::Failed) | None => {
                // For the next time.
                let wait = self.waiting.insert(Vec::new());
                let neighbours = &mut self.links[path.link].neighbours;
                neighbours.insert(gateway, Neighbour::Asked(wait));
                self.unresolved.push((path.link, gateway));
                self.ask(path.link, gateway, 0);
            }
        }
    }
}
