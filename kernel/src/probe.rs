//! Sending a shot, and watching until nothing moves any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

use netparity_core::{
    errno::Errno,
    name::LinkRef,
    probe::{Payload, Shot, arp_request},
    trace::{Capture, Direction, Sighting, Tap},
};
use nix::sys::epoll::{EpollEvent, EpollTimeout};

use crate::{
    Kernel, checksum,
    error::{Doing, Failure},
    fence::Pin,
    links::Place,
    namespace::{Namespaces, Slot},
    neighbours, order, routes, sender, sys, tap,
    tap::Seen,
    watch::Source,
};

/// How long a probe may take at most. A safety net: what ends a probe is the fence.
const SAFETY_NET: Duration = Duration::from_secs(5);

const ETHERNET_HEADER: usize = 14;
/// What an ICMP error puts before what it quotes.
const ICMP_ERROR: u32 = 28;
/// How many frames a tap that copies them has room for at the least.
const LEAST_ROOM: usize = 128;
/// How many threads wait for taps that are to copy.
const MOST_WAITING: usize = 16;

/// What there is to a probe while it is under way.
pub(crate) struct Watching {
    /// What was seen, by namespace, in order.
    seen: BTreeMap<Slot, Vec<Seen>>,
    /// How many of them have been searched for requests to neighbours.
    searched: BTreeMap<Slot, usize>,
    deadline: Instant,
    timed_out: bool,
}

/// Room for what is read during probes.
pub(crate) struct Room {
    frame: Vec<u8>,
    events: Vec<EpollEvent>,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self {
            frame: tap::room(),
            events: vec![EpollEvent::empty(); 64],
        }
    }
}

impl Kernel {
    /// Sends a shot and watches every link of every namespace until nothing moves any more.
    pub(crate) fn sight(&mut self, slot: Slot, shot: &Shot) -> Result<Sighting, Failure> {
        let _pin = Pin::new()?;
        self.stations.refresh(&mut self.namespaces)?;
        self.expect_fragments(shot)?;
        self.rule_counts.know(&mut self.firewall)?;
        let mut watching = Watching {
            seen: BTreeMap::new(),
            searched: BTreeMap::new(),
            deadline: Instant::now() + SAFETY_NET,
            timed_out: false,
        };
        // What an operation has set off belongs to no probe.
        self.read_all(&mut watching)?;
        watching.seen.clear();
        let send_error = self.send(slot, shot)?;
        self.watch_until_quiet(&mut watching)?;
        let seen = order::merge(watching.seen, slot, &self.namespaces);
        let drops = self.drops(&seen, slot)?;
        // What is lost for want of room among the neighbours nobody is told of.
        let lost = send_error.is_none() && drops.is_empty() && !is_answered(&seen, slot);
        if lost && self.neighbour_table.has_overflown()? {
            return Err(Failure::nonsense(
                "the machine's neighbour table is full: raise net.ipv4.neigh.default.gc_thresh3",
            ));
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

    fn send(&mut self, slot: Slot, shot: &Shot) -> Result<Option<Errno>, Failure> {
        let namespace = self.namespaces.get_mut(slot)?;
        let lookup = match routes::look_up(&mut namespace.netlink, shot.to) {
            Ok(lookup) => lookup,
            Err(failure) => return sender::refusal(failure).map(Some),
        };
        if namespace.senders.get(shot.payload).is_none() {
            let socket = namespace.inside(|| sender::open(shot.payload))?;
            namespace.senders.put(shot.payload, socket);
        }
        let Some(socket) = namespace.senders.get(shot.payload) else {
            return Err(Failure::nonsense("no socket to send from"));
        };
        let sent = match shot.payload {
            // Nobody is asked for an address of one's own.
            Payload::Arp if lookup.local => return Ok(Some(Errno::EADDRNOTAVAIL)),
            Payload::Arp => {
                let place = Place {
                    slot,
                    index: lookup.link,
                };
                let Some(link) = self.stations.link(place) else {
                    return Err(Failure::NO_LINK);
                };
                let request = arp_request(link.mac, lookup.source, shot.to);
                sys::send_frame(socket, lookup.link, &request)
            }
            _ => sender::send_segment(socket, shot, &shot.segment(lookup.source)),
        };
        match sent.doing("send probe") {
            Ok(()) => Ok(None),
            Err(failure) => sender::refusal(failure).map(Some),
        }
    }

    /// Waits until a fence comes through and nothing has been seen since the one before.
    fn watch_until_quiet(&mut self, watching: &mut Watching) -> Result<(), Failure> {
        self.read_all(watching)?;
        loop {
            self.fence.send()?;
            let moved = self.await_fence(watching)?;
            if watching.timed_out {
                return Ok(());
            }
            if !moved && !self.give_up_neighbours(watching)? {
                return Ok(());
            }
        }
    }

    /// Reads what there is until the fence has come through, and then the rest. Returns whether
    /// anything was seen.
    fn await_fence(&mut self, watching: &mut Watching) -> Result<bool, Failure> {
        let mut moved = false;
        loop {
            let left = watching.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                watching.timed_out = true;
                return Ok(moved);
            }
            let timeout = EpollTimeout::try_from(left).unwrap_or(EpollTimeout::MAX);
            let (through, read) = self.read_some(watching, timeout)?;
            moved |= read;
            if through {
                return Ok(self.read_all(watching)? || moved);
            }
        }
    }

    /// Reads until there is nothing more. Returns whether there was anything.
    fn read_all(&mut self, watching: &mut Watching) -> Result<bool, Failure> {
        let mut any = false;
        while self.read_some(watching, EpollTimeout::ZERO)?.1 && Instant::now() < watching.deadline
        {
            any = true;
        }
        Ok(any)
    }

    /// Waits for something to read and reads it. Returns whether the fence has come through, and
    /// whether there was anything else.
    fn read_some(
        &mut self,
        watching: &mut Watching,
        timeout: EpollTimeout,
    ) -> Result<(bool, bool), Failure> {
        let Room { frame, events } = &mut self.room;
        let count = match self.watch.wait(events, timeout) {
            Err(nix::errno::Errno::EINTR) => 0,
            count => count.doing("wait for packets")?,
        };
        let (mut through, mut moved) = (false, false);
        for event in events.iter().take(count) {
            match Source::of_token(event.data()) {
                Some(Source::Fence) => through |= self.fence.arrived()?,
                Some(Source::Tap(slot)) => {
                    let seen = watching.seen.entry(slot).or_default();
                    let before = seen.len();
                    self.namespaces.get_mut(slot)?.tap.drain(frame, seen)?;
                    moved |= seen.len() > before;
                }
                Some(Source::Server(slot, port)) => {
                    if let Some(server) = self.namespaces.get_mut(slot)?.listeners.get(&port) {
                        moved |= server.echo(frame)?;
                    }
                }
                None => {}
            }
        }
        Ok((through, moved))
    }

    /// Fails every neighbour that has been asked for its address in vain: on its own, Linux would ask
    /// again and again, and after three seconds do the same. Returns whether there was one.
    fn give_up_neighbours(&mut self, watching: &mut Watching) -> Result<bool, Failure> {
        let mut asked: BTreeSet<(Place, Ipv4Addr)> = BTreeSet::new();
        for (slot, seen) in &watching.seen {
            let searched = watching.searched.entry(*slot).or_default();
            for frame in seen.get(*searched..).unwrap_or_default() {
                let place = Place {
                    slot: *slot,
                    index: frame.link,
                };
                // A bridge's ports carry the requests of others.
                let is_end = self
                    .stations
                    .link(place)
                    .is_some_and(|link| link.master.is_none());
                if frame.direction == Direction::Out && is_end {
                    asked.extend(neighbours::asked_for(&frame.frame).map(|ip| (place, ip)));
                }
            }
            *searched = seen.len();
        }
        let mut gave_up = false;
        for (Place { slot, index }, address) in asked {
            let netlink = &mut self.namespaces.get_mut(slot)?.netlink;
            gave_up |= neighbours::give_up(netlink, index, address)?;
        }
        Ok(gave_up)
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

    fn name_of(&self, slot: Slot, index: u32) -> Option<LinkRef> {
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
    arrived.any(|(_, frame)| neighbours::asked_for(&frame.frame).is_none())
}
