//! TCP endpoints: listeners that answer a SYN, and resets for what nobody asked for
//! (`tcp_ipv4.c`, `tcp_minisocks.c`, `tcp_output.c`).

use netparity_core::port::{Port, Protocol};

use crate::{
    Sim,
    fault::Fault,
    namespace::Answered,
    output::{DEFAULT_TTL, Head},
    path::Path,
    skb::{Skb, Track},
    slab::NsId,
    wire::{
        ETHERNET, IPV4_HEADER, Ipv4, TCP, TCP_HEADER, put, put_u16, put_u32, segment_checksum,
        u16_at, u32_at,
    },
};

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// A greatest segment size option: kind, length, and two bytes.
const MSS_OPTION: usize = 4;
/// The least greatest segment size that is told (`ip_rt_min_advmss`).
const LEAST_MSS: u32 = 256;
const HEADERS: u32 = 40;
const WINDOW: u16 = 64_240;
/// Sequence numbers of SYN-ACKs are this far apart.
const SEQUENCE_STEP: u32 = 0x0001_0000;

/// Who has begun a connection, from where to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HalfOpen {
    client: u32,
    client_port: u16,
    server: u32,
    server_port: u16,
}

/// The fields of a segment's header.
struct Segment {
    source: u16,
    destination: u16,
    sequence: u32,
    acknowledgement: u32,
    flags: u8,
    /// How far it takes the sequence number.
    length: u32,
}

impl Segment {
    fn parse(header: &Ipv4, body: &[u8]) -> Option<Self> {
        let offset = usize::from(body.get(12)? >> 4) * 4;
        let fits = (TCP_HEADER..=body.len()).contains(&offset);
        if !fits || segment_checksum(header.source, header.destination, TCP, body) != 0 {
            return None;
        }
        let flags = body[13];
        let marks = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        Some(Self {
            source: u16_at(body, 0),
            destination: u16_at(body, 2),
            sequence: u32_at(body, 4),
            acknowledgement: u32_at(body, 8),
            flags,
            length: (body.len() - offset) as u32 + marks,
        })
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// What an answer says.
struct Answer {
    sequence: u32,
    acknowledgement: u32,
    flags: u8,
    window: u16,
    mss: Option<u16>,
}

impl Sim {
    /// `tcp_v4_rcv`.
    pub(crate) fn deliver_tcp(&mut self, ns: NsId, skb: &Skb, header: &Ipv4) {
        let Some(segment) = Segment::parse(header, header.body(skb.packet())) else {
            return;
        };
        let key = HalfOpen {
            client: header.source,
            client_port: segment.source,
            server: header.destination,
            server_port: segment.destination,
        };
        if let Some(answered) = self.namespaces[ns].half_open.get(&key).copied() {
            return self.continue_half_open(ns, header, &segment, key, answered);
        }
        let port = Port::new(segment.destination, Protocol::Tcp);
        let listens = port.is_some_and(|port| self.namespaces[ns].listens(port));
        if listens && !segment.has(ACK) {
            if segment.has(SYN) && !segment.has(RST) && !segment.has(FIN) {
                self.sequence = self.sequence.wrapping_add(SEQUENCE_STEP);
                let sequence = self.sequence;
                let answered = Answered {
                    sequence,
                    again: false,
                };
                self.namespaces[ns].half_open.insert(key, answered);
                self.answer_syn(ns, header, &segment, sequence);
            }
            return;
        }
        self.reset(ns, header, &segment);
    }

    /// A segment of a connection whose SYN was answered (`tcp_check_req`).
    fn continue_half_open(
        &mut self,
        ns: NsId,
        header: &Ipv4,
        segment: &Segment,
        key: HalfOpen,
        answered: Answered,
    ) {
        if segment.has(ACK) && segment.acknowledgement != answered.sequence.wrapping_add(1) {
            // It acknowledges something that was never sent.
            self.reset(ns, header, segment);
        } else if segment.has(RST) {
            self.namespaces[ns].half_open.remove(&key);
        } else if segment.has(SYN) && !segment.has(ACK) && !answered.again {
            if let Some(answered) = self.namespaces[ns].half_open.get_mut(&key) {
                answered.again = true;
            }
            self.answer_syn(ns, header, segment, answered.sequence);
        }
    }

    fn answer_syn(&mut self, ns: NsId, header: &Ipv4, segment: &Segment, sequence: u32) {
        let Ok(path) = self.route_output(ns, header.source, header.destination) else {
            return;
        };
        let mss = path.mtu.saturating_sub(HEADERS).max(LEAST_MSS);
        let answer = Answer {
            sequence,
            acknowledgement: segment.sequence.wrapping_add(1),
            flags: SYN | ACK,
            window: WINDOW,
            mss: (!self.has(Fault::SynAckWithoutMss)).then_some(mss as u16),
        };
        self.send_segment(ns, header, segment, path, &answer);
    }

    /// `tcp_v4_send_reset`.
    fn reset(&mut self, ns: NsId, header: &Ipv4, segment: &Segment) {
        if segment.has(RST) || self.has(Fault::ResetMissing) {
            return;
        }
        let Ok(path) = self.route_output(ns, header.source, header.destination) else {
            return;
        };
        let short = u32::from(self.has(Fault::ResetAcknowledgesTooLittle));
        let answer = match segment.has(ACK) {
            true => Answer {
                sequence: segment.acknowledgement,
                acknowledgement: 0,
                flags: RST,
                window: 0,
                mss: None,
            },
            false => Answer {
                sequence: 0,
                acknowledgement: segment
                    .sequence
                    .wrapping_add(segment.length)
                    .wrapping_sub(short),
                flags: RST | ACK,
                window: 0,
                mss: None,
            },
        };
        self.send_segment(ns, header, segment, path, &answer);
    }

    fn send_segment(
        &mut self,
        ns: NsId,
        header: &Ipv4,
        segment: &Segment,
        path: Path,
        answer: &Answer,
    ) {
        let head = Head {
            source: header.destination,
            destination: header.source,
            protocol: TCP,
            ttl: DEFAULT_TTL,
            tos: 0,
            dont_fragment: true,
        };
        let options = answer.mss.map_or(0, |_| MSS_OPTION);
        let length = TCP_HEADER + options;
        let mut frame = self.compose(&head, length);
        let wrong = u16::from(self.has(Fault::WrongChecksum));
        let body = frame.get_mut(ETHERNET + IPV4_HEADER..).unwrap_or_default();
        put_u16(body, 0, segment.destination);
        put_u16(body, 2, segment.source);
        put_u32(body, 4, answer.sequence);
        put_u32(body, 8, answer.acknowledgement);
        put(body, 12, &[(length as u8 / 4) << 4, answer.flags]);
        put_u16(body, 14, answer.window);
        if let Some(mss) = answer.mss {
            put(body, TCP_HEADER, &[2, MSS_OPTION as u8]);
            put_u16(body, TCP_HEADER + 2, mss);
        }
        let sum = segment_checksum(head.source, head.destination, TCP, body);
        put_u16(body, 16, sum ^ wrong);
        let _ = self.send_own(ns, frame, path, Track::None);
    }
}
