//! Whose hardware address is whose.

use std::collections::{BTreeMap, BTreeSet};

use netlink_packet_route::RouteNetlinkMessage;
use netparity_core::{MacAddr, name::LinkRef, snapshot::LinkKind, trace::Station};

use crate::{
    error::Failure,
    links::{self, Link, Place},
    namespaces::{Namespaces, Slot},
};

/// The links of all namespaces as the kernel described them last, and their hardware addresses.
///
/// What an operation may have changed is asked for again before the next probe, and nothing else:
/// so the cost of a probe does not grow with the network.
#[derive(Default)]
pub(crate) struct Stations {
    links: BTreeMap<Place, Link>,
    by_mac: BTreeMap<MacAddr, BTreeSet<Place>>,
    /// Links that are up and have no carrier: what is sent by them is never seen.
    dark: BTreeSet<Place>,
    touched: BTreeSet<Place>,
}

impl Stations {
    /// This link may have changed.
    pub(crate) fn touch(&mut self, place: Place) {
        self.touched.insert(place);
    }

    /// This link is gone.
    pub(crate) fn forget(&mut self, place: Place) {
        self.touched.remove(&place);
        self.dark.remove(&place);
        let known = self.links.remove(&place);
        // A bridge's carrier is that of its ports.
        if let Some(index) = known.as_ref().and_then(|link| link.master) {
            self.touched.insert(Place { index, ..place });
        }
        if let Some(link) = known
            && let Some(places) = self.by_mac.get_mut(&link.mac)
        {
            places.remove(&place);
            if places.is_empty() {
                self.by_mac.remove(&link.mac);
            }
        }
    }

    /// This namespace is gone.
    pub(crate) fn forget_all(&mut self, slot: Slot) {
        let all = Place { slot, index: 0 }..=Place {
            slot,
            index: u32::MAX,
        };
        let places = self.links.range(all.clone()).map(|(place, _)| *place);
        let places: Vec<_> = places.chain(self.touched.range(all).copied()).collect();
        for place in places {
            self.forget(place);
        }
    }

    /// Asks the kernel for what may have changed.
    pub(crate) fn refresh(&mut self, namespaces: &mut Namespaces) -> Result<(), Failure> {
        while let Some(Place { slot, .. }) = self.touched.first().copied() {
            let indexes: Vec<u32> = self
                .touched
                .iter()
                .take_while(|place| place.slot == slot)
                .map(|place| place.index)
                .collect();
            for index in &indexes {
                self.forget(Place {
                    slot,
                    index: *index,
                });
            }
            let netlink = &mut namespaces.get_mut(slot)?.netlink;
            let questions = indexes.into_iter().map(links::ask).collect();
            // What is not there any more has no address, nor what is there only for us.
            for answer in netlink.get_present(questions, "look at link")? {
                self.take(slot, &answer);
            }
        }
        Ok(())
    }

    fn take(&mut self, slot: Slot, answer: &RouteNetlinkMessage) {
        if let RouteNetlinkMessage::NewLink(message) = answer
            && let Some(link) = Link::read(message)
            && !links::is_aside(link.group)
        {
            let place = Place {
                slot,
                index: link.index,
            };
            if link.kind != LinkKind::Loopback {
                self.by_mac.entry(link.mac).or_default().insert(place);
                if link.up && !link.carrier {
                    self.dark.insert(place);
                }
            }
            self.links.insert(place, link);
        }
    }

    /// The link at this place.
    pub(crate) fn link(&self, place: Place) -> Option<&Link> {
        self.links.get(&place)
    }

    /// The links in a namespace.
    pub(crate) fn of_namespace(&self, slot: Slot) -> impl Iterator<Item = &Link> {
        let all = Place { slot, index: 0 }..=Place {
            slot,
            index: u32::MAX,
        };
        self.links.range(all).map(|(_, link)| link)
    }

    /// The links in a namespace that are up and have no carrier.
    pub(crate) fn dark(&self, slot: Slot) -> impl Iterator<Item = Place> {
        let all = Place { slot, index: 0 }..=Place {
            slot,
            index: u32::MAX,
        };
        self.dark.range(all).copied()
    }

    /// The smallest MTU of all links.
    pub(crate) fn narrowest(&self) -> Option<u32> {
        self.links.values().map(|link| link.mtu).min()
    }

    /// The link that has this address; a bridge before its ports.
    pub(crate) fn owner(&self, mac: MacAddr) -> Option<Place> {
        let places = self.by_mac.get(&mac)?;
        let is_bridge = |place: &&Place| {
            self.link(**place)
                .is_some_and(|link| link.kind == LinkKind::Bridge)
        };
        places.iter().find(is_bridge).or(places.first()).copied()
    }

    /// Whose the addresses in these frames are.
    pub(crate) fn of<'a>(
        &self,
        frames: impl Iterator<Item = &'a [u8]>,
        namespaces: &Namespaces,
    ) -> BTreeMap<Station, LinkRef> {
        let mut stations = BTreeMap::new();
        let mut unknown = BTreeSet::new();
        for mac in frames.flat_map(addresses) {
            if stations.contains_key(&Station(mac)) || unknown.contains(&mac) {
                continue;
            }
            let places = self.by_mac.get(&mac).into_iter().flatten();
            let holders = places.filter_map(|place| {
                let namespace = namespaces.get(place.slot)?;
                let link = self.link(*place)?;
                let owner = LinkRef::new(namespace.name.clone(), link.name);
                Some((link.kind != LinkKind::Bridge, owner))
            });
            // Of several a bridge, then the first by name.
            match holders.min() {
                Some((_, owner)) => {
                    stations.insert(Station(mac), owner);
                }
                None => {
                    unknown.insert(mac);
                }
            }
        }
        stations
    }
}

const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];

/// The hardware addresses in a frame: destination, source, and what ARP says.
fn addresses(frame: &[u8]) -> impl Iterator<Item = MacAddr> {
    let arp: &[usize] = match frame.get(12..14) {
        Some(kind) if kind == ETHERTYPE_ARP => &[22, 32],
        _ => &[],
    };
    let places = [0, 6].into_iter().chain(arp.iter().copied());
    places.filter_map(|at| links::mac_of(frame.get(at..)?))
}
