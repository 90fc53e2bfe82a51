//! Sending a shot, and watching until nothing moves any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use netparity_core::{
    errno::Errno,
    name::{LinkName, LinkRef},
    probe::{Payload, Shot, arp_request},
    trace::{Capture, Direction, Sighting, Tap},
};
use nix::sys::epoll::{EpollEvent, EpollTimeout};

use crate::{
    Kernel, checksum,
    error::{Doing, Failure},
    fence::Pin,
    links::Place,
    namespace::Slot,
    neighbours, order, routes, sender, sys, tap,
    tap::Seen,
    watch::Source,
};

/// How long a probe may take at most. A safety net: what ends a probe is the fence.
const SAFETY_NET: Duration = Duration::from_secs(5);

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
    pub(crate) fn sight(&mut self, shot: &Shot) -> Result<Sighting, Failure> {
        let slot = self.namespaces.find(&shot.netns)?;
        let _pin = Pin::new()?;
        self.stations.refresh(&mut self.namespaces)?;
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
            let link = taps.entry((slot, one.link)).or_insert_with(|| {
                let namespace = self.namespaces.get(slot);
                let known = namespace.and_then(|namespace| namespace.links.get(one.link));
                LinkRef::new(
                    namespace.map_or(netparity_core::name::Netns::Host, |it| it.name.clone()),
                    known.map_or(LinkName::LOOPBACK, |known| known.name),
                )
            });
            let mut frame = one.frame;
            completed.complete(&mut frame);
            captures.push(Capture {
                tap: Tap {
                    link: link.clone(),
                    direction: one.direction,
                },
                frame,
            });
        }
        captures
    }
}
