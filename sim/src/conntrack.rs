//! Connection tracking: which connection a packet belongs to, and in what state that is
//! (`nf_conntrack_core.c`, `nf_conntrack_proto_{tcp,udp,icmp}.c`).

use std::{
    collections::BTreeSet,
    hash::{Hash, Hasher},
};

use crate::{
    Sim,
    fault::Fault,
    hash::FastMap,
    icmp,
    skb::{ConnId, Skb, Track},
    slab::LinkId,
    tcp_state::{Dir, Segment, State, Step},
    wire::{
        self, ICMP, ICMP_HEADER, Ipv4, TCP, TCP_HEADER, UDP, UDP_HEADER, segment_checksum, u16_at,
    },
};

/// The most connections (`nf_conntrack_max` on a machine with memory enough).
const MOST: usize = 262_144;

/// One direction of a connection. An ICMP echo's identifier stands where the source port does,
/// its type and code where the destination port does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tuple {
    pub source: u32,
    pub destination: u32,
    pub source_port: u16,
    pub destination_port: u16,
    pub protocol: u8,
}

impl Hash for Tuple {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.source) << 32 | u64::from(self.destination));
        state.write_u64(
            u64::from(self.source_port) << 32
                | u64::from(self.destination_port) << 16
                | u64::from(self.protocol),
        );
    }
}

impl Tuple {
    /// Reads the tuple of a packet, or of one that was cut short behind its ports.
    pub fn of(header: &Ipv4, body: &[u8]) -> Option<Self> {
        let (source_port, destination_port) = match header.protocol {
            _ if header.offset() != 0 => return None,
            TCP | UDP if body.len() >= 8 => (u16_at(body, 0), u16_at(body, 2)),
            ICMP if body.len() >= ICMP_HEADER => (u16_at(body, 4), u16_at(body, 0)),
            _ => return None,
        };
        Some(Self {
            source: header.source,
            destination: header.destination,
            source_port,
            destination_port,
            protocol: header.protocol,
        })
    }

    /// The tuple of what answers it, if it is one of what can be answered.
    pub fn inverted(self) -> Option<Self> {
        let (source_port, destination_port) = match self.protocol {
            ICMP => {
                let kind = icmp::answer_to((self.destination_port >> 8) as u8)?;
                let code = self.destination_port & 0xff;
                (self.source_port, u16::from(kind) << 8 | code)
            }
            _ => (self.destination_port, self.source_port),
        };
        Some(Self {
            source: self.destination,
            destination: self.source,
            source_port,
            destination_port,
            protocol: self.protocol,
        })
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Conn {
    /// As the first packet had it.
    pub original: Tuple,
    /// As answers to it come in: with masquerading, for the host.
    pub reply: Tuple,
    pub seen_reply: bool,
    /// Its first packet got through, so it is in the table.
    pub confirmed: bool,
    /// Which addresses are translated, and which were decided upon.
    pub source_translated: bool,
    pub destination_translated: bool,
    pub source_decided: bool,
    pub destination_decided: bool,
    /// The link whose address it was given.
    pub masqueraded: Option<LinkId>,
    pub tcp: State,
}

impl Conn {
    pub fn tuple(&self, reply: bool) -> &Tuple {
        if reply { &self.reply } else { &self.original }
    }
}

/// Connections by number, and by the tuples of both directions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conntrack {
    conns: Vec<Conn>,
    /// The next number to be given out once all are.
    oldest: usize,
    by_tuple: FastMap<Tuple, (ConnId, bool)>,
    /// Connections that were masqueraded, by source, protocol and port.
    pub by_source: FastMap<(u32, u16, u8), ConnId>,
    /// Numbers that are not in the table.
    free: Vec<ConnId>,
    /// Numbers that were given out or became free since nothing moved.
    recent: Vec<ConnId>,
}

impl Conntrack {
    pub fn conn(&self, id: ConnId) -> Conn {
        self.conns.get(id as usize).copied().unwrap_or_default()
    }

    pub fn conn_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.conns.get_mut(id as usize)
    }

    pub fn find(&self, tuple: &Tuple) -> Option<(ConnId, bool)> {
        self.by_tuple.get(tuple).copied()
    }

    fn create(&mut self, original: Tuple, reply: Tuple) -> ConnId {
        let conn = Conn {
            original,
            reply,
            ..Conn::default()
        };
        let id = match self.free.pop() {
            Some(id) => id,
            None if self.conns.len() < MOST => {
                self.conns.push(conn);
                self.conns.len() as ConnId - 1
            }
            None => {
                // As early_drop does, though it looks for its victim elsewhere.
                let id = self.oldest as ConnId;
                self.oldest = (self.oldest + 1) % MOST;
                self.remove(id);
                id
            }
        };
        if let Some(place) = self.conn_mut(id) {
            *place = conn;
        }
        self.recent.push(id);
        id
    }

    /// Puts a connection into the table, now that its first packet has got through.
    pub fn confirm(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id as usize).filter(|it| !it.confirmed) else {
            return;
        };
        conn.confirmed = true;
        let (original, reply) = (conn.original, conn.reply);
        self.by_tuple.insert(original, (id, false));
        self.by_tuple.insert(reply, (id, true));
    }

    /// Takes a connection out of the table. What still refers to it finds it as it was.
    pub fn remove(&mut self, id: ConnId) {
        let conn = self.conn(id);
        if !conn.confirmed {
            return;
        }
        for tuple in [conn.original, conn.reply] {
            if self.by_tuple.get(&tuple).is_some_and(|found| found.0 == id) {
                self.by_tuple.remove(&tuple);
            }
        }
        let key = source_key(&conn.original);
        if self.by_source.get(&key) == Some(&id) {
            self.by_source.remove(&key);
        }
        if let Some(conn) = self.conn_mut(id) {
            conn.confirmed = false;
        }
        self.recent.push(id);
    }

    /// Takes the connections out of the table whose answers come from or go to these addresses.
    pub fn forget(&mut self, addresses: &BTreeSet<u32>) {
        let is_meant = |conn: &Conn| {
            conn.confirmed
                && [conn.reply.source, conn.reply.destination]
                    .iter()
                    .any(|end| addresses.contains(end))
        };
        let meant = |(id, conn): (usize, &Conn)| is_meant(conn).then_some(id as ConnId);
        let ids: Vec<ConnId> = self.conns.iter().enumerate().filter_map(meant).collect();
        for id in ids {
            self.remove(id);
        }
    }

    /// Frees the numbers of connections that came to nothing. Only when no packet is under way.
    pub fn sweep(&mut self) {
        self.recent.sort_unstable();
        self.recent.dedup();
        for id in std::mem::take(&mut self.recent) {
            if !self.conn(id).confirmed {
                self.free.push(id);
            }
        }
    }

    /// Whether there was never a connection.
    pub fn is_empty(&self) -> bool {
        self.conns.is_empty()
    }

    /// Forgets every connection.
    pub fn clear(&mut self) {
        let Self {
            conns,
            oldest,
            by_tuple,
            by_source,
            free,
            recent,
        } = self;
        *oldest = 0;
        conns.clear();
        by_tuple.clear();
        by_source.clear();
        free.clear();
        recent.clear();
    }

    /// How many connections are in the table.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.conns.iter().filter(|conn| conn.confirmed).count()
    }
}

pub(crate) fn source_key(tuple: &Tuple) -> (u32, u16, u8) {
    (tuple.source, tuple.source_port, tuple.protocol)
}

impl Sim {
    /// Finds out which connection a packet belongs to (`nf_conntrack_in`).
    ///
    /// `checked` says whether checksums are looked at, which is so for what comes in.
    pub(crate) fn track(&mut self, skb: &mut Skb, checked: bool) {
        if skb.track != Track::None {
            return;
        }
        let Some(header) = skb.ipv4() else { return };
        let body = header.body(skb.packet());
        if !is_valid(&header, body, checked) {
            return;
        }
        if header.protocol == ICMP && icmp::is_error(body.first().copied().unwrap_or_default()) {
            skb.track = self.related(&header, body);
            return;
        }
        let Some(tuple) = Tuple::of(&header, body) else {
            return;
        };
        let segment = (header.protocol == TCP).then(|| Segment::of(body));
        skb.track = self.track_tuple(tuple, segment);
    }

    fn track_tuple(&mut self, tuple: Tuple, segment: Option<Segment>) -> Track {
        let found = self.conntrack.find(&tuple);
        let (id, reply) = match found {
            Some(found) => found,
            None => {
                let starts = match segment {
                    Some(segment) => State::default().starts(&segment),
                    None => {
                        tuple.protocol != ICMP
                            || icmp::is_request((tuple.destination_port >> 8) as u8)
                    }
                };
                let Some(answer) = tuple.inverted().filter(|_| starts) else {
                    return Track::None;
                };
                (self.conntrack.create(tuple, answer), false)
            }
        };
        let conn = self.conntrack.conn(id);
        if let Some(segment) = segment {
            let dir = if reply { Dir::Reply } else { Dir::Original };
            let mut state = conn.tcp;
            match state.step(dir, &segment) {
                Step::Goes => {}
                Step::Invalid => return Track::None,
                Step::StartsAnew => {
                    self.conntrack.remove(id);
                    return self.track_tuple(tuple, Some(segment));
                }
            }
            if let Some(conn) = self.conntrack.conn_mut(id) {
                conn.tcp = state;
            }
            if segment.reset && !conn.seen_reply && found.is_some() {
                // Nothing but a reset came back: that was all (`nf_ct_kill_acct`).
                self.conntrack.remove(id);
            }
        }
        if reply && let Some(conn) = self.conntrack.conn_mut(id) {
            conn.seen_reply = true;
        }
        if reply && self.has(Fault::EstablishedUnknown) {
            return Track::New(id);
        }
        match reply || conn.seen_reply {
            true => Track::Established { conn: id, reply },
            false => Track::New(id),
        }
    }

    /// The connection that an ICMP error is about (`nf_conntrack_inet_error`).
    fn related(&self, outer: &Ipv4, body: &[u8]) -> Track {
        let quoted = wire::after(body, ICMP_HEADER);
        let about = Ipv4::parse_quoted(quoted).and_then(|header| {
            let rest = wire::after(quoted, header.header);
            Tuple::of(&header, rest)?.inverted()
        });
        let Some((conn, reply)) = about.and_then(|tuple| self.conntrack.find(&tuple)) else {
            return Track::None;
        };
        let goes_to = self.conntrack.conn(conn).tuple(reply).destination;
        match goes_to == outer.destination && !self.has(Fault::RelatedUnknown) {
            true => Track::Related { conn, reply },
            false => Track::None,
        }
    }
}

/// Whether a packet is one that its protocol allows (`tcp_error`, `udp_error`, `icmp_error`).
fn is_valid(header: &Ipv4, body: &[u8], checked: bool) -> bool {
    let sums_up =
        || segment_checksum(header.source, header.destination, header.protocol, body) == 0;
    match header.protocol {
        TCP => {
            let offset = body.get(12).map_or(0, |byte| usize::from(byte >> 4) * 4);
            body.len() >= TCP_HEADER
                && (TCP_HEADER..=body.len()).contains(&offset)
                && (!checked || sums_up())
        }
        UDP => {
            let length = usize::from(u16_at(body, 4));
            body.len() >= UDP_HEADER
                && (UDP_HEADER..=body.len()).contains(&length)
                && (u16_at(body, 6) == 0 || !checked || sums_up())
        }
        ICMP => body.len() >= ICMP_HEADER && (!checked || wire::checksum(body) == 0),
        _ => false,
    }
}
