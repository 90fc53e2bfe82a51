//! Sending a shot, and watching until nothing moves any more.

use std::{collections::BTreeMap, thread};

use netparity_core::{
    errno::Errno,
    name::LinkRef,
    probe::{Payload, Shot, arp_request},
    snapshot::LinkKind,
    trace::{Capture, Direction, Sighting, Tap},
};

use crate::{
    Kernel, checksum,
    error::{Doing, Failure},
    fence::Pin,
    links::{Links, Place},
    namespaces::{Namespaces, Slot},
    neighbours, order, routes,
    sender::{self, Protocol},
    sys,
    tap::Seen,
    watch::Watching,
};

const ETHERNET_HEADER: usize = 14;
/// What an ICMP error puts before what it quotes.
const ICMP_ERROR: u32 = 28;
/// How many frames a tap that copies them has room for at the least.
const LEAST_ROOM: usize = 128;
/// How many threads wait for taps that are to copy.
const MOST_WAITING: usize = 16;

impl Kernel {
    /// Sends a shot and watches every link of every namespace until nothing moves any more.
    pub(crate) fn sight(&mut self, slot: Slot, shot: &Shot) -> Result<Sighting, Failure> {
        self.catch_up_with_unwatched()?;
        let _pin = Pin::new()?;
        self.stations.refresh(&mut self.namespaces)?;
        self.expect_fragments(shot)?;
        self.rule_counts.know(&mut self.firewall)?;
        let mut watching = Watching::new(slot);
        // What an operation has set off belongs to no probe.
        self.read_all(&mut watching)?;
        watching.seen.clear();
        let send_error = self.send(slot, shot)?;
        self.watch_until_quiet(&mut watching)?;
        let mut seen = order::merge(watching.seen, slot, &self.namespaces);
        self.show_senders(&mut seen);
        let drops = self.drops(&seen, slot)?;
        // What is lost for want of room among the neighbours nobody is told of.
        let lost = send_error.is_none() && drops.is_empty() && !is_answered(&seen, slot);
        if lost {
            self.check_neighbour_table()?;
        }
        let frames = seen.iter().map(|(_, frame)| frame.frame.as_slice());
        let stations = self.stations.of(frames, &self.namespaces);
        Ok(Sighting {
            send_error,
            captures: self.captures(seen),
            drops,
            stations,
            timed_out: watching.timed_out,
        })
    }

    /// Has frames that a bridge sends come from the bridge, as they did when they passed the tap: of
    /// one that it has translated, the first sender is put back in place after that, and may be seen
    /// or not (`br_nf_pre_routing_finish_bridge_slow`).
    fn show_senders(&self, seen: &mut [(Slot, Seen)]) {
        for (slot, frame) in seen {
            let place = Place {
                slot: *slot,
                index: frame.link,
            };
            let link = self
                .stations
                .link(place)
                .filter(|link| link.kind == LinkKind::Bridge && frame.direction == Direction::Out);
            if let (Some(link), Some(sender)) = (link, frame.frame.get_mut(6..12)) {
                sender.copy_from_slice(&link.mac.octets());
            }
        }
    }

    /// Fails if something may have been lost for want of room among the neighbours.
    pub(crate) fn check_neighbour_table(&mut self) -> Result<(), Failure> {
        match self.neighbour_table.has_overflown()? {
            true => Err(Failure::nonsense(
                "the machine's neighbour table is full: raise net.ipv4.neigh.default.gc_thresh3",
            )),
            false => Ok(()),
        }
    }

    /// Sees to it that fragments are copied as they pass, if there may be any.
    fn expect_fragments(&mut self, shot: &Shot) -> Result<(), Failure> {
        let Some(size) = shot.size else {
            return Ok(());
        };
        // An error that quotes all of it is the longest that can come of it.
        let size = u32::from(size) + ICMP_ERROR;
        let narrowest = self.stations.narrowest().unwrap_or(size);
        if size <= narrowest {
            return Ok(());
        }
        // The packet and an answer, in and out, each by a port and the bridge that it is of.
        let fragments = size.div_ceil(narrowest) as usize + 1;
        let frames = (8 * fragments).max(LEAST_ROOM).next_power_of_two();
        let taps = self.namespaces.taps().filter_map(|(slot, tap)| {
            // Conntrack, which only the host has, puts packets together before they are passed on.
            let longest = match slot {
                Namespaces::HOST => size as usize + ETHERNET_HEADER,
                _ => 0,
            };
            (!tap.copies(frames, longest)).then_some((tap, longest))
        });
        let mut taps: Vec<_> = taps.collect();
        // Each waits for a grace period, and all of them may wait for the same.
        let share = taps.len().div_ceil(MOST_WAITING).max(1);
        thread::scope(|scope| {
            let shares = taps.chunks_mut(share).map(|share| {
                scope.spawn(move || {
                    share
                        .iter_mut()
                        .try_for_each(|(tap, longest)| tap.copy(frames, *longest))
                })
            });
            let shares: Vec<_> = shares.collect();
            shares.into_iter().try_for_each(|share| match share.join() {
                Ok(result) => result,
                Err(_) => Err(Failure::nonsense("a thread has panicked")),
            })
        })
    }

    pub(crate) fn send(&mut self, slot: Slot, shot: &Shot) -> Result<Option<Errno>, Failure> {
        let namespace = self.namespaces.get_mut(slot)?;
        namespace.last_look.note_traffic();
        let protocol = match shot.payload {
            Payload::Tcp(_) => Protocol::Tcp,
            Payload::Udp(_) => Protocol::Udp,
            Payload::Icmp => Protocol::Icmp,
            Payload::Arp => return self.send_request(slot, shot),
        };
        let source = match namespace.source(shot.to) {
            Ok(source) => source,
            Err(failure) => return sender::refusal(failure).map(Some),
        };
        let sender = namespace.sender(protocol)?;
        match sender.send(shot, source).doing("send probe") {
            Ok(()) => Ok(None),
            Err(failure) => sender::refusal(failure).map(Some),
        }
    }

    /// Sends an ARP request.
    fn send_request(&mut self, slot: Slot, shot: &Shot) -> Result<Option<Errno>, Failure> {
        let namespace = self.namespaces.get_mut(slot)?;
        let lookup = match routes::look_up(&mut namespace.netlink, shot.to) {
            Ok(lookup) => lookup,
            Err(failure) => return sender::refusal(failure).map(Some),
        };
        // Nobody is asked for an address of one's own, and nobody is there on loopback.
        if lookup.local || lookup.link == Links::LOOPBACK {
            return Ok(Some(Errno::EADDRNOTAVAIL));
        }
        let place = Place {
            slot,
            index: lookup.link,
        };
        let Some(link) = self.stations.link(place) else {
            return Err(Failure::NO_LINK);
        };
        let request = arp_request(link.mac, lookup.source, shot.to);
        let sent = sys::send_frame(namespace.frame_sender()?, lookup.link, &request);
        match sent.doing("send probe") {
            Ok(()) => Ok(None),
            Err(failure) => sender::refusal(failure).map(Some),
        }
    }

    fn captures(&self, seen: Vec<(Slot, Seen)>) -> Vec<Capture> {
        let mut completed = checksum::Completed::default();
        let mut taps: BTreeMap<(Slot, u32), LinkRef> = BTreeMap::new();
        let mut captures = Vec::with_capacity(seen.len());
        for (slot, one) in seen {
            let at = (slot, one.link);
            let link = match taps.get(&at) {
                Some(link) => link.clone(),
                None => {
                    let Some(link) = self.name_of(slot, one.link) else {
                        // A link that somebody else has put there is no part of the network.
                        continue;
                    };
                    taps.insert(at, link.clone());
                    link
                }
            };
            let mut frame = one.frame;
            completed.complete(&mut frame);
            captures.push(Capture {
                tap: Tap {
                    link,
                    direction: one.direction,
                },
                frame,
            });
        }
        captures
    }

    pub(crate) fn name_of(&self, slot: Slot, index: u32) -> Option<LinkRef> {
        let namespace = self.namespaces.get(slot)?;
        let known = namespace.links.get(index)?;
        Some(LinkRef::new(namespace.name.clone(), known.name))
    }
}

/// Whether anything but a request has come back to the sender.
fn is_answered(seen: &[(Slot, Seen)], sender: Slot) -> bool {
    let mut arrived = seen
        .iter()
        .filter(|(slot, frame)| *slot == sender && frame.direction == Direction::In);
    arrived.any(|(_, frame)| neighbours::request(&frame.frame).is_none())
}
