//! Network address translation: deciding on it for a connection's first packet, and doing it to
//! every packet (`nf_nat_core.c`, `nf_nat_proto.c`, `nf_nat_masquerade.c`).

use std::ops::RangeInclusive;

use crate::{
    Sim,
    conntrack::{Conn, Tuple, source_key},
    fault::Fault,
    icmp,
    netfilter::{Hook, Ruling},
    route::Scope,
    skb::{ConnId, Skb, Track},
    slab::LinkId,
    wire::{
        self, ETHERNET, ICMP, ICMP_HEADER, Ipv4, TCP, TCP_HEADER, UDP, adjust, adjust_u32, ipv4,
        put_u16, put_u32, u16_at,
    },
};

/// Which end of a packet is rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manip {
    Source,
    Destination,
}

impl Manip {
    fn other(self) -> Self {
        match self {
            Self::Source => Self::Destination,
            Self::Destination => Self::Source,
        }
    }
}

/// The ports of which masquerading chooses one where `taken` is (`nf_nat_l4proto_unique_tuple`).
/// Linux takes any; here it is the first that is free.
fn ports_like(taken: u16, protocol: u8) -> RangeInclusive<u16> {
    match taken {
        _ if protocol == ICMP => 0..=u16::MAX,
        0..512 => 1..=511,
        512..1024 => 600..=1023,
        1024.. => 1024..=u16::MAX,
    }
}

impl Sim {
    /// The nat table's part of a hook (`nf_nat_ipv4_fn`, `nf_nat_inet_fn`); whether the packet
    /// goes on.
    pub(crate) fn translate(
        &mut self,
        hook: Hook,
        manip: Manip,
        skb: &mut Skb,
        input: Option<LinkId>,
        output: Option<LinkId>,
    ) -> bool {
        if !self.firewall.has_nat() {
            return true;
        }
        let (id, reply) = match skb.track {
            Track::None => return true,
            Track::Related { conn, reply } => return self.translate_error(manip, skb, conn, reply),
            Track::New(conn) => {
                if !self.decide_translation(hook, manip, skb, conn, input, output) {
                    return false;
                }
                (conn, false)
            }
            Track::Established { conn, reply } => (conn, reply),
        };
        let conn = self.conntrack.conn(id);
        if manip == Manip::Source
            && !reply
            && hook == Hook::Postrouting
            && conn.masqueraded.is_some_and(|link| Some(link) != output)
        {
            // It leaves by another link than the one whose address it has.
            self.conntrack.remove(id);
            return false;
        }
        if is_translated(&conn, manip, reply) && !(reply && self.has(Fault::MasqueradeNotReversed))
        {
            let Some(target) = conn.tuple(!reply).inverted() else {
                return true;
            };
            rewrite(skb.packet_mut(), manip, &target);
        }
        true
    }

    /// For the first packet of a connection: asks the rules, or binds it to what it has.
    fn decide_translation(
        &mut self,
        hook: Hook,
        manip: Manip,
        skb: &Skb,
        id: ConnId,
        input: Option<LinkId>,
        output: Option<LinkId>,
    ) -> bool {
        let conn = self.conntrack.conn(id);
        let decided = match manip {
            Manip::Source => conn.source_decided,
            Manip::Destination => conn.destination_decided,
        };
        if decided {
            return true;
        }
        let ruling = self.decide(Self::nat_chain(hook), skb, input, output);
        let own = conn.reply.destination;
        match ruling {
            Ruling::Drop => return false,
            Ruling::Masquerade
                if manip == Manip::Source
                    && conn.original.source != 0
                    && !self.has(Fault::MasqueradeMissing) =>
            {
                let Some(link) = output else { return true };
                let next = self.next_hop(skb, link);
                let address = self.select_address(link, next, Scope::Universe);
                if address == 0 {
                    return false;
                }
                self.bind_source(id, address);
                if let Some(conn) = self.conntrack.conn_mut(id) {
                    conn.masqueraded = Some(link);
                }
            }
            _ if manip == Manip::Source => self.bind_source(id, own),
            _ => self.bind_destination(id),
        }
        if let Some(conn) = self.conntrack.conn_mut(id) {
            match manip {
                Manip::Source => conn.source_decided = true,
                Manip::Destination => conn.destination_decided = true,
            }
        }
        true
    }

    /// Towards whom a packet leaves by `link`.
    fn next_hop(&self, skb: &Skb, link: LinkId) -> u32 {
        let Some(header) = skb.ipv4() else { return 0 };
        let ns = self.links[link].ns;
        match self.route_output(ns, header.destination, 0) {
            Ok(path) if skb.port.is_none() => path.next(header.destination),
            _ => header.destination,
        }
    }

    /// Gives a connection `address` as its source, with a port that makes its answers its own
    /// (`nf_nat_setup_info`, `get_unique_tuple`).
    fn bind_source(&mut self, id: ConnId, address: u32) {
        let conn = self.conntrack.conn(id);
        let Some(current) = conn.reply.inverted() else {
            return;
        };
        let mut wanted = Tuple {
            source: address,
            ..current
        };
        if current.source != address
            && let Some(other) = self.conntrack.by_source.get(&source_key(&conn.original))
            && let Some(mapped) = self.conntrack.conn(*other).reply.inverted()
            && mapped.source == address
        {
            // One source keeps one port towards everybody.
            wanted.source_port = mapped.source_port;
        }
        if self.has(Fault::MasqueradeMovesPort) && current.source != address {
            wanted.source_port = wanted.source_port.wrapping_add(1);
        }
        if self.is_used(&wanted, id, &conn) {
            wanted.source_port = self.free_port(&wanted, id, &conn);
        }
        if wanted == current {
            return;
        }
        if let (Some(reply), Some(conn)) = (wanted.inverted(), self.conntrack.conn_mut(id)) {
            conn.reply = reply;
            conn.source_translated = true;
            let key = source_key(&conn.original);
            self.conntrack.by_source.insert(key, id);
        }
    }

    /// Binds a connection to the destination it has. Of an echo request whose answers would not be its
    /// own that changes the identifier, which is at either end (`nf_nat_l4proto_unique_tuple`).
    fn bind_destination(&mut self, id: ConnId) {
        let conn = self.conntrack.conn(id);
        let Some(mut wanted) = conn.reply.inverted() else {
            return;
        };
        if wanted.protocol != ICMP || !self.is_used(&wanted, id, &conn) {
            return;
        }
        wanted.source_port = self.free_port(&wanted, id, &conn);
        if let (Some(reply), Some(conn)) = (wanted.inverted(), self.conntrack.conn_mut(id)) {
            conn.reply = reply;
            conn.destination_translated = true;
        }
    }

    /// A source port for `wanted`, whose own is taken, with which answers would be this connection's.
    fn free_port(&self, wanted: &Tuple, id: ConnId, conn: &Conn) -> u16 {
        let taken = wanted.source_port;
        let mut ports = ports_like(taken, wanted.protocol).filter(|port| *port != taken);
        let free = ports.find(|port| {
            let other = Tuple {
                source_port: *port,
                ..*wanted
            };
            !self.is_used(&other, id, conn)
        });
        free.unwrap_or(taken)
    }

    /// Whether answers to `tuple` would be taken for another connection's.
    fn is_used(&self, tuple: &Tuple, id: ConnId, conn: &Conn) -> bool {
        let taken = tuple
            .inverted()
            .and_then(|reply| self.conntrack.find(&reply));
        taken.is_some_and(|(other, _)| {
            other != id && self.conntrack.conn(other).original != conn.original
        })
    }

    /// Translates an ICMP error and what it quotes (`nf_nat_icmp_reply_translation`).
    fn translate_error(&mut self, manip: Manip, skb: &mut Skb, id: ConnId, reply: bool) -> bool {
        let conn = self.conntrack.conn(id);
        let Some(header) = skb.ipv4() else {
            return true;
        };
        let kind = header.body(skb.packet()).first().copied();
        if kind.is_some_and(icmp::is_redirect) {
            // A gateway can only be told of to those who see the same addresses.
            let decided = conn.source_decided && conn.destination_decided;
            return decided && !(conn.source_translated || conn.destination_translated);
        }
        if !is_translated(&conn, manip, reply) || self.has(Fault::MasqueradeNotReversed) {
            return true;
        }
        let inner = *conn.tuple(!reply);
        let quote = header.header + ICMP_HEADER;
        if !self.has(Fault::QuoteNotTranslated)
            && let Some(quoted) = skb.packet_mut().get_mut(quote..)
        {
            rewrite(quoted, manip.other(), &inner);
        }
        let end = ETHERNET + header.length;
        if let Some(message) = skb.bytes.get_mut(ETHERNET + header.header..end) {
            put_u16(message, 2, 0);
            let sum = wire::checksum(message);
            put_u16(message, 2, sum);
        }
        if let Some(target) = inner.inverted() {
            let outer = Tuple {
                protocol: ICMP,
                ..target
            };
            rewrite_address(skb.packet_mut(), manip, &outer);
        }
        true
    }
}

/// What of a connection's packets is translated at one end is in replies at the other.
fn is_translated(conn: &Conn, manip: Manip, reply: bool) -> bool {
    match (manip, reply) {
        (Manip::Source, false) | (Manip::Destination, true) => conn.source_translated,
        (Manip::Destination, false) | (Manip::Source, true) => conn.destination_translated,
    }
}

/// Writes `target`'s address and port into the packet (`nf_nat_manip_pkt`).
fn rewrite(packet: &mut [u8], manip: Manip, target: &Tuple) {
    let Some(header) = Ipv4::parse_quoted(packet) else {
        return;
    };
    let (old, new, new_port) = match manip {
        Manip::Source => (header.source, target.source, target.source_port),
        Manip::Destination => (
            header.destination,
            target.destination,
            target.destination_port,
        ),
    };
    if header.offset() == 0
        && let Some(body) = packet.get_mut(header.header..)
    {
        let port_at = match (header.protocol, manip) {
            (ICMP, _) => 4,
            (_, Manip::Source) => 0,
            (_, Manip::Destination) => 2,
        };
        // An ICMP echo has its identifier at either end.
        let new_port = match header.protocol {
            ICMP => target.source_port,
            _ => new_port,
        };
        let old_port = u16_at(body, port_at);
        let sum_at = match header.protocol {
            TCP => 16,
            UDP => 6,
            _ => 2,
        };
        // What is quoted may end before its checksum.
        if header.protocol != TCP || body.len() >= TCP_HEADER {
            let sum = u16_at(body, sum_at);
            let sum = match header.protocol {
                UDP if sum == 0 => 0,
                ICMP => adjust(sum, old_port, new_port),
                protocol => match adjust(adjust_u32(sum, old, new), old_port, new_port) {
                    0 if protocol == UDP => 0xffff,
                    sum => sum,
                },
            };
            put_u16(body, sum_at, sum);
        }
        put_u16(body, port_at, new_port);
    }
    rewrite_address(packet, manip, target);
}

fn rewrite_address(packet: &mut [u8], manip: Manip, target: &Tuple) {
    let (at, new) = match manip {
        Manip::Source => (ipv4::SOURCE, target.source),
        Manip::Destination => (ipv4::DESTINATION, target.destination),
    };
    let old = wire::u32_at(packet, at);
    let sum = adjust_u32(u16_at(packet, ipv4::CHECKSUM), old, new);
    put_u16(packet, ipv4::CHECKSUM, sum);
    put_u32(packet, at, new);
}
