//! Throwing a packet, and watching until nothing moves any more.

use std::collections::BTreeMap;

use netparity_core::{
    MacAddr,
    errno::Errno,
    model::DataplaneError,
    name::LinkRef,
    probe::{Payload, Shot, arp_request},
    trace::{Capture, Direction, Drop, Sighting, Station, Tap, Trace},
    verdict::Verdict,
};

use crate::{
    Sim,
    link::Kind,
    output::Head,
    route::To,
    skb::{Skb, Track},
    slab::{LinkId, NsId},
    tape::Watch,
    wire::{ETHERNET, ETHERTYPE_ARP, IPV4_HEADER, Mac, mac_at, put, u16_at},
};

/// A network in which more frames than this arrive because of one packet has a loop in it: a
/// broadcast to a full bridge makes a hundredth of it.
const MOST_ARRIVALS: usize = 100_000;

impl Sim {
    /// Throws a packet, as [`netparity_core::model::Dataplane::probe`] does.
    pub(crate) fn throw(&mut self, shot: &Shot) -> Result<Sighting, DataplaneError> {
        let ns = self.sender(shot)?;
        let (send_error, timed_out) = self.shoot(ns, shot, Watch::Everything);
        Ok(self.sighting(send_error, timed_out))
    }

    /// Sends a frame by `link`, whatever is in it, as a packet socket does, and watches until
    /// nothing moves any more. The other end of a veth pair gets it from the wire.
    ///
    /// The [send error](Sighting::send_error) is `EINVAL` for what is shorter than an Ethernet header,
    /// `EMSGSIZE` for what is longer than the link takes, `ENETDOWN` where it is down
    /// (`packet_snd`).
    ///
    /// # Errors
    ///
    /// [`DataplaneError::Refused`] where there is no such link.
    pub fn send_frame(&mut self, link: &LinkRef, frame: &[u8]) -> Result<Sighting, DataplaneError> {
        let link = self
            .find_link(link)
            .map_err(|errno| DataplaneError::Refused { op: 0, errno })?;
        let (error, timed_out) = self.watch(Watch::Everything, |sim| {
            let out = &sim.links[link];
            if !out.up {
                return Err(Errno::ENETDOWN);
            }
            if frame.len() < ETHERNET {
                return Err(Errno::EINVAL);
            }
            if !out.fits(frame.len()) {
                return Err(Errno::EMSGSIZE);
            }
            sim.transmit(link, Skb::new(frame.to_vec(), Track::None));
            Ok(())
        });
        Ok(self.sighting(error, timed_out))
    }

    /// What the tape has, told in names.
    fn sighting(&mut self, send_error: Option<Errno>, timed_out: bool) -> Sighting {
        let tape = std::mem::take(&mut self.tape);
        let mut stations = BTreeMap::new();
        let mut captures = Vec::with_capacity(tape.frames().count());
        for (seen, frame) in tape.frames() {
            captures.push(Capture {
                tap: Tap {
                    link: self.describe(seen.link),
                    direction: seen.direction,
                },
                frame: frame.to_vec(),
            });
            self.name_stations(frame, &mut stations);
        }
        let describe = |(ns, cause): &(NsId, _)| Drop {
            netns: self.namespaces[*ns].name.clone(),
            cause: Clone::clone(cause),
        };
        let mut drops: Vec<Drop> = tape.drops().iter().map(describe).collect();
        drops.sort();
        drops.dedup();
        self.tape = tape;
        Sighting {
            send_error,
            captures,
            drops,
            stations,
            timed_out,
        }
    }

    /// What becomes of a packet, and nothing more, at a fraction of the cost.
    pub(crate) fn end_of(&mut self, shot: &Shot) -> Result<Verdict, DataplaneError> {
        let ns = self.sender(shot)?;
        let (send_error, timed_out) = self.shoot(ns, shot, Watch::Incoming(ns));
        let captures = self.tape.frames().map(|(seen, frame)| Capture {
            tap: Tap {
                link: LinkRef::new(shot.netns.clone(), self.links[seen.link].name),
                direction: Direction::In,
            },
            frame: frame.to_vec(),
        });
        let sighting = Sighting {
            send_error,
            captures: captures.collect(),
            timed_out,
            ..Sighting::default()
        };
        Ok(Trace::judge(shot, sighting).verdict)
    }

    fn sender(&self, shot: &Shot) -> Result<NsId, DataplaneError> {
        self.find_netns(&shot.netns)
            .map_err(|errno| DataplaneError::Refused { op: 0, errno })
    }

    fn shoot(&mut self, ns: NsId, shot: &Shot, watch: Watch) -> (Option<Errno>, bool) {
        self.watch(watch, |sim| sim.send_shot(ns, shot))
    }

    /// Watches what comes of something that a program sends, until nothing moves any more.
    fn watch(
        &mut self,
        watch: Watch,
        send: impl FnOnce(&mut Self) -> Result<(), Errno>,
    ) -> (Option<Errno>, bool) {
        self.tape.start(watch);
        self.arrived = 0;
        self.answered.clear();
        let error = self.as_program(send).err();
        self.run();
        self.conntrack.sweep();
        (error, self.has_given_up())
    }

    /// Lets frames arrive, and programs answer, until nothing moves any more.
    fn run(&mut self) {
        loop {
            self.drain();
            if let Some(echo) = self.echoes.pop_front() {
                self.as_program(|sim| sim.echo(&echo));
            } else if !self.fail_unresolved() {
                return;
            }
        }
    }

    /// Does something that a program does, and not the kernel in the wake of a frame: whatever
    /// that sends arrives before anything further is done.
    fn as_program<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        self.in_program = true;
        let done = act(self);
        self.in_program = false;
        done
    }

    /// Lets arrive what a program has sent so far, as happens before it sends more.
    pub(crate) fn let_arrive(&mut self) {
        if std::mem::replace(&mut self.in_program, false) {
            self.drain();
            self.in_program = true;
        }
    }

    /// Lets frames arrive until none is in flight.
    fn drain(&mut self) {
        while let Some(skb) = self.arrivals.pop_front() {
            self.arrived += 1;
            if self.has_given_up() {
                self.recycle(skb);
                self.echoes.clear();
            } else {
                self.receive(skb);
            }
        }
    }

    /// Whether so much has moved that there would be no end to it.
    fn has_given_up(&self) -> bool {
        self.arrived > MOST_ARRIVALS
    }

    fn send_shot(&mut self, ns: NsId, shot: &Shot) -> Result<(), Errno> {
        if shot.payload == Payload::Arp {
            return self.send_arp_shot(ns, shot);
        }
        if shot.ttl == 0 {
            return Err(Errno::EINVAL);
        }
        let path = self.route_output(ns, shot.to.to_bits(), 0)?;
        // Its socket stays open, and hears of errors.
        self.namespaces[ns].senders.open(shot.payload);
        let segment = shot.segment(path.source.into());
        if shot.dont_fragment && IPV4_HEADER + segment.len() > path.mtu as usize {
            return Err(Errno::EMSGSIZE);
        }
        let head = Head {
            source: path.source,
            destination: path.destination(shot.to.to_bits()),
            protocol: shot.payload.protocol().unwrap_or_default(),
            ttl: shot.ttl,
            tos: 0,
            dont_fragment: shot.dont_fragment,
        };
        let mut frame = self.compose(&head, segment.len());
        put(&mut frame, ETHERNET + IPV4_HEADER, &segment);
        self.send_own(ns, frame, path, Track::None)
    }

    fn send_arp_shot(&mut self, ns: NsId, shot: &Shot) -> Result<(), Errno> {
        let path = self.route_output(ns, shot.to.to_bits(), 0)?;
        if path.kind == To::Local || self.is_loopback_link(path.link) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        let mac = MacAddr::from(self.links[path.link].mac);
        let frame = arp_request(mac, path.source.into(), shot.to);
        self.transmit(path.link, Skb::new(frame, Track::None));
        Ok(())
    }

    fn describe(&self, link: LinkId) -> LinkRef {
        let link = &self.links[link];
        LinkRef::new(self.namespaces[link.ns].name.clone(), link.name)
    }

    /// Says whose the hardware addresses in a frame are.
    fn name_stations(&self, frame: &[u8], stations: &mut BTreeMap<Station, LinkRef>) {
        const SENDER: usize = ETHERNET + 8;
        const TARGET: usize = ETHERNET + 18;
        let arp = u16_at(frame, 12) == ETHERTYPE_ARP;
        let places: &[usize] = if arp {
            &[0, 6, SENDER, TARGET]
        } else {
            &[0, 6]
        };
        for at in places {
            let mac = mac_at(frame, *at);
            let station = Station(mac.into());
            if stations.contains_key(&station) {
                continue;
            }
            if let Some(owner) = self.owner(mac) {
                stations.insert(station, owner);
            }
        }
    }

    /// The link that has a hardware address; of several a bridge, then the first by name.
    fn owner(&self, mac: Mac) -> Option<LinkRef> {
        let holders = self.stations.holders(mac).iter();
        let is_bridge = |link: LinkId| matches!(self.links[link].kind, Kind::Bridge(_));
        holders
            .map(|link| (!is_bridge(*link), self.describe(*link)))
            .min()
            .map(|(_, owner)| owner)
    }
}
