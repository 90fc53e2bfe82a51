//! Watching until nothing moves any more.

mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddrV4},
    time::{Duration, Instant},
};

use netparity_core::{port::Port, trace::Direction};
use nix::{
    errno::Errno,
    sys::epoll::{EpollEvent, EpollTimeout},
};

pub(crate) use self::source::Source;
use crate::{
    Kernel,
    error::{Doing, Failure},
    fence::Pin,
    links::{Link, Place},
    namespaces::Slot,
    neighbours,
    tap::{self, Seen},
};

/// How long a probe may take at most. A safety net: what ends a probe is the fence.
const SAFETY_NET: Duration = Duration::from_secs(5);

/// What there is to a probe while it is under way.
pub(crate) struct Watching {
    sender: Slot,
    /// What was seen, by namespace, in order.
    pub seen: BTreeMap<Slot, Vec<Seen>>,
    /// How many of them have been searched for requests to neighbours.
    searched: BTreeMap<Slot, usize>,
    /// Whom each server has answered.
    answered: BTreeMap<(Slot, Port), BTreeSet<SocketAddrV4>>,
    deadline: Instant,
    pub timed_out: bool,
}

impl Watching {
    pub(crate) fn new(sender: Slot) -> Self {
        Self {
            sender,
            seen: BTreeMap::new(),
            searched: BTreeMap::new(),
            answered: BTreeMap::new(),
            deadline: Instant::now() + SAFETY_NET,
            timed_out: false,
        }
    }

    /// How many were seen.
    fn frames(&self) -> usize {
        self.seen.values().map(Vec::len).sum()
    }
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

    /// Room for a frame.
    pub(crate) fn frame(&mut self) -> &mut [u8] {
        &mut self.frame
    }
}

impl Kernel {
    /// Waits until a fence comes through and nothing has been seen since the one before.
    pub(crate) fn watch_until_quiet(&mut self, watching: &mut Watching) -> Result<(), Failure> {
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

    /// Waits until fences have come through on every CPU, one after another, and nothing has been seen
    /// since the one before on any.
    pub(crate) fn watch_everywhere(
        &mut self,
        pin: &Pin,
        watching: &mut Watching,
    ) -> Result<(), Failure> {
        loop {
            let before = watching.frames();
            pin.on_each(|| self.watch_until_quiet(watching))?;
            if watching.frames() == before || watching.timed_out {
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
    pub(crate) fn read_all(&mut self, watching: &mut Watching) -> Result<bool, Failure> {
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
            Err(Errno::EINTR) => 0,
            count => count.doing("wait for packets")?,
        };
        let (mut through, mut moved) = (false, false);
        for event in events.iter().take(count) {
            match Source::of_token(event.data()) {
                Some(Source::Fence) => through |= self.fence.arrived()?,
                Some(Source::Tap(slot)) => {
                    let seen = watching.seen.entry(slot).or_default();
                    let before = seen.len();
                    let namespace = self.namespaces.get_mut(slot)?;
                    namespace.last_look.note_traffic();
                    namespace.tap.drain(frame, seen)?;
                    moved |= seen.len() > before;
                }
                Some(Source::Server(slot, port)) => {
                    if let Some(server) = self.namespaces.get_mut(slot)?.listeners.get(&port) {
                        let answered = watching.answered.entry((slot, port)).or_default();
                        moved |= server.echo(frame, answered)?;
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
                let Some(request) = neighbours::request(&frame.frame) else {
                    continue;
                };
                // A bridge's ports carry the requests of others, and perhaps their own.
                let asks = |link: &Link| link.master.is_none() || link.mac == request.asker;
                if frame.direction == Direction::Out && self.stations.link(place).is_some_and(asks)
                {
                    asked.insert((place, request.address));
                }
            }
            *searched = seen.len();
        }
        let slots = watching.seen.keys().copied().chain([watching.sender]);
        let dark: BTreeSet<Place> = slots.flat_map(|slot| self.stations.dark(slot)).collect();
        for place in dark {
            let netlink = &mut self.namespaces.get_mut(place.slot)?.netlink;
            let addresses = neighbours::waited_for(netlink, place.index)?;
            asked.extend(addresses.into_iter().map(|address| (place, address)));
        }
        let mut gave_up = false;
        for (Place { slot, index }, address) in asked {
            let namespace = self.namespaces.get_mut(slot)?;
            namespace.last_look.note_traffic();
            gave_up |= neighbours::give_up(&mut namespace.netlink, index, address)?;
        }
        Ok(gave_up)
    }
}
