//! Taking packets apart and putting them together (`ip_fragment.c`, `ip_output.c`).

use crate::{
    Sim,
    skb::{Pieces, Skb},
    slab::NsId,
    wire::{ETHERNET, FRAGMENT_OFFSET, Ipv4, MORE_FRAGMENTS, ipv4, put_u16, seal},
};

/// For whom a packet is put together; each collects for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// Connection tracking, which takes it apart again on the way out.
    Tracking,
    /// The namespace that it is for.
    Local,
}

/// The fragments of one packet that have come so far.
#[derive(Clone, Debug)]
pub(crate) struct Reassembly {
    key: (u32, u32, u16, u8, Whom),
    /// By offset in bytes.
    pieces: Vec<(usize, Skb)>,
    /// Bytes of the whole body, once the last fragment has come.
    length: Option<usize>,
}

impl Reassembly {
    fn is_complete(&self) -> bool {
        let mut end = 0;
        for (offset, piece) in &self.pieces {
            if *offset != end {
                return false;
            }
            end += body_of(piece).len();
        }
        self.length == Some(end)
    }

    /// The whole packet, under the first fragment's header.
    fn whole(self) -> Option<Skb> {
        let mut pieces = self.pieces.into_iter().map(|(_, piece)| piece);
        let mut whole = pieces.next()?;
        let header = whole.ipv4()?;
        whole.bytes.truncate(ETHERNET + header.length);
        let mut from = Pieces {
            largest: header.length,
            bodies: vec![(header.length - header.header) as u16],
        };
        for piece in pieces {
            let body = body_of(&piece);
            from.largest = from.largest.max(header.header + body.len());
            from.bodies.push(body.len() as u16);
            whole.bytes.extend_from_slice(body);
            // Where it came in last counts.
            whole.link = piece.link;
            whole.port = piece.port;
        }
        let length = whole.packet().len();
        if length > usize::from(u16::MAX) {
            return None;
        }
        put_u16(whole.packet_mut(), ipv4::LENGTH, length as u16);
        put_u16(whole.packet_mut(), ipv4::FRAGMENT, 0);
        seal(whole.packet_mut());
        whole.pieces = from;
        Some(whole)
    }
}

fn body_of(skb: &Skb) -> &[u8] {
    skb.ipv4()
        .map_or(&[][..], |header| header.body(skb.packet()))
}

/// The most bytes a fragment may have where `mtu` fit: not more than the fragments that a packet
/// was put together from.
pub(crate) fn limit(mtu: usize, pieces: &Pieces) -> usize {
    match pieces.largest {
        0 => mtu,
        largest => mtu.min(largest),
    }
}

/// Takes a packet apart into fragments of at most `limit` bytes, or into those it was put
/// together from if they fit (`ip_do_fragment`).
pub(crate) fn cut(skb: &Skb, limit: usize) -> Vec<Skb> {
    let packet = skb.packet();
    let Some(header) = Ipv4::parse(packet) else {
        return Vec::new();
    };
    let body = header.body(packet);
    let most = limit.saturating_sub(header.header).max(8);
    let mut given = lengths_given(&skb.pieces, most, body.len()).iter();
    let mut fragments = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let left = body.len() - at;
        let length = match given.next() {
            Some(length) => usize::from(*length),
            None if left <= most => left,
            None => most & !7,
        };
        let end = at + length;
        let last = end == body.len() && !header.more_fragments();
        let mut fragment = skb.like(Vec::with_capacity(ETHERNET + header.header + length));
        let head = skb.bytes.get(..ETHERNET + header.header);
        fragment.bytes.extend_from_slice(head.unwrap_or_default());
        let part = body.get(at..end);
        fragment.bytes.extend_from_slice(part.unwrap_or_default());
        fragment.port = None;
        let offset = (header.offset() + at) / 8;
        let more = if last { 0 } else { MORE_FRAGMENTS };
        let flags = header.fragment & !(FRAGMENT_OFFSET | MORE_FRAGMENTS);
        let packet = fragment.packet_mut();
        put_u16(packet, ipv4::LENGTH, (header.header + length) as u16);
        put_u16(packet, ipv4::FRAGMENT, flags | more | offset as u16);
        seal(packet);
        fragments.push(fragment);
        at = end;
    }
    fragments
}

/// How long the bodies were that a packet was put together from, if they can be so again: none
/// longer than `most`, and all of them together `whole`.
fn lengths_given(pieces: &Pieces, most: usize, whole: usize) -> &[u16] {
    let lengths = &pieces.bodies[..];
    let fit = lengths
        .iter()
        .all(|length| (1..=most).contains(&usize::from(*length)));
    let aligned = lengths.iter().rev().skip(1).all(|length| length % 8 == 0);
    let total: usize = lengths.iter().map(|length| usize::from(*length)).sum();
    if fit && aligned && total == whole {
        lengths
    } else {
        &[]
    }
}

impl Sim {
    /// Puts a fragmented packet together (`ip_defrag`). False where it is a fragment and others
    /// are still missing: then it is kept, and `skb` left empty.
    pub(crate) fn defragment(&mut self, ns: NsId, skb: &mut Skb, whom: Whom) -> bool {
        let Some(header) = skb.ipv4() else {
            return false;
        };
        if !header.is_fragment() {
            return true;
        }
        let key = (
            header.source,
            header.destination,
            header.id,
            header.protocol,
            whom,
        );
        let collected = &mut self.namespaces[ns].reassemblies;
        let found = collected.iter().position(|other| other.key == key);
        let mut reassembly = match found {
            Some(at) => collected.swap_remove(at),
            None => Reassembly {
                key,
                pieces: Vec::new(),
                length: None,
            },
        };
        let offset = header.offset();
        if !header.more_fragments() {
            reassembly.length = Some(offset + header.length - header.header);
        }
        let at = reassembly
            .pieces
            .partition_point(|(other, _)| *other < offset);
        let twice = reassembly
            .pieces
            .get(at)
            .is_some_and(|(other, _)| *other == offset);
        if !twice {
            reassembly.pieces.insert(at, (offset, std::mem::take(skb)));
        }
        if !reassembly.is_complete() {
            self.namespaces[ns].reassemblies.push(reassembly);
            skb.bytes.clear();
            return false;
        }
        match reassembly.whole() {
            Some(whole) => {
                *skb = whole;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::output::Head;

    fn packet(body: usize) -> Skb {
        let mut sim = Sim::new();
        let head = Head {
            source: 1,
            destination: 2,
            protocol: 17,
            ttl: 64,
            tos: 0,
            dont_fragment: false,
        };
        let mut bytes = sim.compose(&head, body);
        for (at, byte) in bytes.iter_mut().skip(ETHERNET + 20).enumerate() {
            *byte = at as u8;
        }
        Skb {
            bytes,
            ..Skb::default()
        }
    }

    proptest! {
        #[test]
        fn fragments_fit_and_make_the_packet_again_in_whatever_order(
            body in 1..4000_usize,
            mtu in 68..1600_usize,
            order in any::<u64>(),
        ) {
            let original = packet(body);
            let mut fragments = cut(&original, mtu);
            for fragment in &fragments {
                prop_assert!(fragment.packet().len() <= mtu);
            }
            let mut state = order;
            for at in (1..fragments.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                fragments.swap(at, (state >> 33) as usize % (at + 1));
            }
            let mut sim = Sim::new();
            let host = sim.host;
            let mut whole = None;
            let count = fragments.len();
            for (at, mut fragment) in fragments.into_iter().enumerate() {
                if sim.defragment(host, &mut fragment, Whom::Local) {
                    prop_assert_eq!(at + 1, count);
                    whole = Some(fragment);
                }
            }
            prop_assert_eq!(whole.map(|skb| skb.bytes), Some(original.bytes));
        }
    }

    #[test]
    fn a_packet_is_taken_apart_into_what_it_was_put_together_from() {
        let mut uneven = packet(2000);
        uneven.pieces = Pieces {
            largest: 1020,
            bodies: vec![1000, 200, 800],
        };
        let lengths = |limit| -> Vec<usize> {
            cut(&uneven, limit)
                .iter()
                .map(|fragment| fragment.packet().len() - 20)
                .collect()
        };
        assert_eq!(lengths(1020), [1000, 200, 800]);
        assert_eq!(lengths(620), [600, 600, 600, 200]);
    }
}
