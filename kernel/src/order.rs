//! One order for what different taps have seen.

use std::collections::BTreeMap;

use netparity_core::{snapshot::LinkKind, trace::Direction};

use crate::{
    links::Place,
    namespaces::{Namespaces, Slot},
    tap::Seen,
};

/// Puts the frames of several namespaces in one order, each behind what it comes from.
///
/// Each tap has an order of its own, which is kept. Between them only this is known: a frame comes
/// in on a veth after it has gone out on the other end. So from the sender on each namespace is
/// followed as far as that allows, which gives the same order in every run.
pub(crate) fn merge(
    seen: BTreeMap<Slot, Vec<Seen>>,
    sender: Slot,
    namespaces: &Namespaces,
) -> Vec<(Slot, Seen)> {
    let mut streams: Vec<_> = seen
        .into_iter()
        .map(|(slot, frames)| (slot, frames.into_iter().peekable()))
        .collect();
    streams.sort_by_key(|(slot, _)| (*slot != sender, *slot));
    let mut merged = Vec::new();
    let mut under_way: BTreeMap<Place, usize> = BTreeMap::new();
    loop {
        let before = merged.len();
        for (slot, frames) in &mut streams {
            while let Some(frame) = frames.next_if(|frame| {
                let here = Place {
                    slot: *slot,
                    index: frame.link,
                };
                may_follow(frame, here, &mut under_way, namespaces)
            }) {
                merged.push((*slot, frame));
            }
        }
        if merged.len() == before {
            break;
        }
    }
    // What came from nowhere.
    for (slot, frames) in streams {
        merged.extend(frames.map(|frame| (slot, frame)));
    }
    merged
}

/// Whether a frame can be the next one, with a note of it if so.
fn may_follow(
    frame: &Seen,
    here: Place,
    under_way: &mut BTreeMap<Place, usize>,
    namespaces: &Namespaces,
) -> bool {
    let known = namespaces
        .get(here.slot)
        .and_then(|namespace| namespace.links.get(here.index));
    let Some(known) = known.filter(|known| known.kind == LinkKind::Veth) else {
        return true;
    };
    match (frame.direction, known.peer) {
        (Direction::Out, _) => {
            *under_way.entry(here).or_default() += 1;
            true
        }
        (Direction::In, Some(peer)) => match under_way.get_mut(&peer) {
            Some(count @ 1..) => {
                *count -= 1;
                true
            }
            _ => false,
        },
        (Direction::In, None) => true,
    }
}
