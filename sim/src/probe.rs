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
    route::{Path, To},
    skb::Track,
    slab::{LinkId, NsId},
    tape::Watch,
    wire::{ETHERNET, ETHERTYPE_ARP, IPV4_HEADER, Mac, mac_at, put, u16_at},
};

/// A network in which more frames than this arrive because of one packet has a loop in it.
const MOST_ARRIVALS: usize = 1_000_000;
const LOCALHOST: u32 = 0x7f00_0001;

impl Sim {
    /// Throws a packet, as [`netparity_core::model::Dataplane::probe`] does.
    pub(crate) fn throw(&mut self, shot: &Shot) -> Result<Sighting, DataplaneError> {
        let ns = self.sender(shot)?;
        let (send_error, timed_out) = self.shoot(ns, shot, Watch::Everything);
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
        Ok(Sighting {
            send_error,
            captures,
            drops,
            stations,
            timed_out,
        })
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
        self.tape.start(watch);
        let error = self.send_shot(ns, shot).err();
        let timed_out = !self.run();
        self.conntrack.sweep();
        (error, timed_out)
    }

    /// Lets frames arrive until none is in flight; false if there was no end to it.
    fn run(&mut self) -> bool {
        let mut arrived = 0;
        loop {
            while let Some(skb) = self.arrivals.pop_front() {
                arrived += 1;
                if arrived > MOST_ARRIVALS {
                    self.give_up();
                    return false;
                }
                self.receive(skb);
            }
            if let Some(echo) = self.echoes.pop_front() {
                self.echo(&echo);
            } else if !self.fail_unresolved() {
                return true;
            }
        }
    }

    /// Stops everything that moves.
    fn give_up(&mut self) {
        self.arrivals.clear();
        self.fail_unresolved();
        self.arrivals.clear();
        self.echoes.clear();
    }

    fn send_shot(&mut self, ns: NsId, shot: &Shot) -> Result<(), Errno> {
        if shot.payload == Payload::Arp {
            return self.send_arp_shot(ns, shot);
        }
        if shot.ttl == 0 {
            return Err(Errno::EINVAL);
        }
        let (path, to) = match shot.to.to_bits() {
            // Nowhere is here (`ip_route_output_key_hash_rcu`).
            0 => (self.local_path(ns), LOCALHOST),
            to => (self.route_output(ns, to, 0)?, to),
        };
        // Its socket stays open, and hears of errors.
        self.namespaces[ns].senders.open(shot.payload);
        let segment = shot.segment(path.source.into());
        if shot.dont_fragment && IPV4_HEADER + segment.len() > path.mtu as usize {
            return Err(Errno::EMSGSIZE);
        }
        let head = Head {
            source: path.source,
            destination: to,
            protocol: shot.payload.protocol().unwrap_or_default(),
            ttl: shot.ttl,
            tos: 0,
            dont_fragment: shot.dont_fragment,
        };
        let mut frame = self.compose(&head, segment.len());
        put(&mut frame, ETHERNET + IPV4_HEADER, &segment);
        self.send_own(ns, frame, path, Track::None)
    }

    fn local_path(&self, ns: NsId) -> Path {
        let lo = self.loopback(ns);
        Path {
            kind: To::Local,
            link: lo,
            via: 0,
            source: LOCALHOST,
            mtu: self.links[lo].mtu,
        }
    }

    fn send_arp_shot(&mut self, ns: NsId, shot: &Shot) -> Result<(), Errno> {
        if shot.to.is_unspecified() {
            return Err(Errno::EADDRNOTAVAIL);
        }
        let path = self.route_output(ns, shot.to.to_bits(), 0)?;
        if path.kind == To::Local {
            return Err(Errno::EADDRNOTAVAIL);
        }
        let mac = MacAddr::from(self.links[path.link].mac);
        let frame = arp_request(mac, path.source.into(), shot.to);
        self.transmit(path.link, Self::new_skb(frame, Track::None));
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
