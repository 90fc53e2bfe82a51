//! Where a probe or an answer to it was dropped, by the counters of what dropped it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    os::fd::OwnedFd,
};

use ipnet::Ipv4Net;
use netparity_core::{
    frame::ipv4_of,
    name::{LinkName, Netns},
    snapshot::LinkKind,
    trace::{Direction, Drop, DropCause},
};
use pnet::packet::ipv4::{Ipv4Flags, Ipv4Packet};

use crate::{
    Kernel, addresses,
    counters::{self, Counter},
    error::Failure,
    links::{Link, Place, mac_of},
    namespace::get_or_try_insert,
    namespaces::{Namespaces, Slot},
    nftables::Firewall,
    tap::Seen,
};

/// What rules and policies had dropped before the probe.
#[derive(Default)]
pub(crate) struct RuleCounts {
    counts: Option<BTreeMap<DropCause, u64>>,
}

impl RuleCounts {
    /// The rules have changed.
    pub(crate) fn forget(&mut self) {
        self.counts = None;
    }

    /// Sees to it that there is something to compare with.
    pub(crate) fn know(&mut self, firewall: &mut Firewall) -> Result<(), Failure> {
        if self.counts.is_none() {
            self.counts = Some(firewall.drops()?.into_iter().collect());
        }
        Ok(())
    }

    /// What has dropped something since, and how often.
    fn growth(&mut self, firewall: &mut Firewall) -> Result<Vec<(DropCause, u64)>, Failure> {
        let now: BTreeMap<DropCause, u64> = firewall.drops()?.into_iter().collect();
        let before = self.counts.take().unwrap_or_default();
        let grown = now.iter().filter_map(|(cause, count)| {
            let more = count.saturating_sub(before.get(cause).copied().unwrap_or(0));
            (more > 0).then(|| (cause.clone(), more))
        });
        let grown = grown.collect();
        self.counts = Some(now);
        Ok(grown)
    }
}

/// Counters of a namespace, each opened when it is first needed.
#[derive(Default)]
pub(crate) struct Suspects {
    not_forwarded: Option<Counter>,
    reverse_path: Option<Counter>,
}

/// What a namespace has told anybody. How often it does so again the kernel limits for each, and does
/// not say.
pub(crate) struct Told {
    /// That there is another way (`ip_rt_send_redirect`).
    pub another_way: bool,
    /// That there is no way (`ip_error`).
    pub no_way: bool,
}

impl Suspects {
    /// Counts from now on, in the namespace of the calling thread. Returns what that has told others so
    /// far.
    pub(crate) fn start_anew(&mut self) -> Result<Told, Failure> {
        let anew = |which, place: &mut Option<Counter>, column| {
            get_or_try_insert(place, || Counter::open(which))?.start_anew(column)
        };
        Ok(Told {
            another_way: anew(
                counters::NOT_FORWARDED,
                &mut self.not_forwarded,
                "OutRedirects",
            )? > 0,
            no_way: anew(counters::REVERSE_PATH, &mut self.reverse_path, "InNoRoutes")? > 0,
        })
    }

    pub(crate) fn into_descriptors(self) -> impl Iterator<Item = OwnedFd> {
        let counters = [self.not_forwarded, self.reverse_path];
        counters.into_iter().flatten().map(OwnedFd::from)
    }
}

/// What a namespace may have dropped, from what was seen to come in.
#[derive(Default)]
struct Suspicion {
    not_forwarded: bool,
    martian: bool,
    reverse_path: bool,
}

impl Kernel {
    /// What was dropped of these frames. They decide which counters are worth asking; that
    /// something was dropped only a counter says, save for frames too long for a bridge's port,
    /// which the kernel does not count.
    pub(crate) fn drops(
        &mut self,
        seen: &[(Slot, Seen)],
        sender: Slot,
    ) -> Result<Vec<Drop>, Failure> {
        let (mut drops, by_rules) = self.counted_drops(seen, sender)?;
        for (slot, cause) in self.too_long(seen, by_rules) {
            let netns = self.namespaces.get_mut(slot)?.name.clone();
            drops.insert(Drop { netns, cause });
        }
        Ok(drops.into_iter().collect())
    }

    /// What counters say was dropped of these frames, and how many packets rules have taken.
    pub(crate) fn counted_drops(
        &mut self,
        seen: &[(Slot, Seen)],
        sender: Slot,
    ) -> Result<(BTreeSet<Drop>, u64), Failure> {
        let mut drops = BTreeSet::new();
        let slots: BTreeSet<Slot> = seen.iter().map(|(slot, _)| *slot).collect();
        let mut by_rules = 0;
        if sender == Namespaces::HOST || slots.contains(&Namespaces::HOST) {
            let netns = Netns::Host;
            for (cause, count) in self.rule_counts.growth(&mut self.firewall)? {
                by_rules += count;
                let netns = netns.clone();
                drops.insert(Drop { netns, cause });
            }
        }
        for slot in slots {
            let suspicion = self.suspect(slot, seen)?;
            for cause in self.confirm(slot, &suspicion)? {
                let netns = self.namespaces.get_mut(slot)?.name.clone();
                drops.insert(Drop { netns, cause });
            }
        }
        Ok((drops, by_rules))
    }

    fn suspect(&mut self, slot: Slot, seen: &[(Slot, Seen)]) -> Result<Suspicion, Failure> {
        let mut suspicion = Suspicion::default();
        for (_, frame) in seen.iter().filter(|(at, _)| *at == slot) {
            let place = Place {
                slot,
                index: frame.link,
            };
            let for_stack = frame.direction == Direction::In && frame.to_link;
            let Some(packet) = ipv4_of(&frame.frame).filter(|_| for_stack) else {
                continue;
            };
            let is_end = |link: &Link| link.kind != LinkKind::Loopback && link.master.is_none();
            if !self.stations.link(place).is_some_and(is_end) {
                continue;
            }
            let namespace = self.namespaces.get_mut(slot)?;
            let (forwards, filters) = {
                let policy = &namespace.policy;
                (policy.forwards, policy.filters_reverse_path)
            };
            let own = namespace.own_addresses()?;
            let (source, destination) = (packet.get_source(), packet.get_destination());
            suspicion.martian |= is_martian(source, own);
            let foreign = !addresses::is_local(destination, own);
            suspicion.not_forwarded |= foreign && !forwards;
            suspicion.reverse_path |= filters;
        }
        Ok(suspicion)
    }

    fn confirm(&mut self, slot: Slot, suspicion: &Suspicion) -> Result<Vec<DropCause>, Failure> {
        let mut causes = Vec::new();
        if suspicion.martian && self.martians.growth()? > 0 {
            causes.push(DropCause::Source);
        }
        let namespace = self.namespaces.get_mut(slot)?;
        if suspicion.reverse_path
            && namespace.growth(counters::REVERSE_PATH, |them| &mut them.reverse_path)? > 0
        {
            causes.push(DropCause::Source);
        }
        if suspicion.not_forwarded
            && namespace.growth(counters::NOT_FORWARDED, |them| &mut them.not_forwarded)? > 0
        {
            causes.push(DropCause::NotForwarding);
        }
        Ok(causes)
    }

    /// Bridged packets that came in by one port and did not leave by the one they should have,
    /// which takes only shorter ones (`is_skb_forwardable`), beyond those that rules account for.
    fn too_long(&self, seen: &[(Slot, Seen)], by_rules: u64) -> BTreeSet<(Slot, DropCause)> {
        let mut lost = BTreeSet::new();
        for (slot, frame) in seen {
            let place = Place {
                slot: *slot,
                index: frame.link,
            };
            let Some(link) = self.stations.link(place) else {
                continue;
            };
            let bridge = match (link.kind, frame.direction) {
                (LinkKind::Bridge, Direction::Out) => link.index,
                (_, Direction::In) => match self.master_of(*slot, link) {
                    Some(bridge) if bridge.up => bridge.index,
                    _ => continue,
                },
                _ => continue,
            };
            let Some(packet) = ipv4_of(&frame.frame) else {
                continue;
            };
            let key = PacketKey::of(&packet);
            // What a bridge sends itself is not put together again, nor what passes no rules.
            let namespace = self.namespaces.get(*slot);
            let is_put_together = frame.direction == Direction::In
                && namespace.is_some_and(|it| it.policy.filters_bridged);
            let whole = match is_put_together {
                true => whole_length(*slot, frame, &key, seen),
                false => None,
            };
            let missed = self.ports_missed(*slot, bridge, frame, whole, seen);
            lost.extend(missed.map(|port| (key, *slot, port)));
        }
        // Rules count whole packets, whatever fragments they came in.
        if lost.len() as u64 <= by_rules {
            return BTreeSet::new();
        }
        let cause = |(_, slot, port)| (slot, DropCause::TooLong(port));
        lost.into_iter().map(cause).collect()
    }

    fn master_of(&self, slot: Slot, port: &Link) -> Option<&Link> {
        let index = port.master?;
        self.stations.link(Place { slot, index })
    }

    /// The ports that neither this frame has left by nor, where its packet was put together and is
    /// as long as `whole`, anything of that.
    fn ports_missed(
        &self,
        slot: Slot,
        bridge: u32,
        frame: &Seen,
        whole: Option<u32>,
        seen: &[(Slot, Seen)],
    ) -> impl Iterator<Item = LinkName> {
        let packet = ipv4_of(&frame.frame);
        let key = packet.as_ref().map(PacketKey::of);
        let length = packet
            .as_ref()
            .map_or(0, |it| u32::from(it.get_total_length()));
        let offset = packet.map(|it| it.get_fragment_offset());
        let left_by = move |port: u32, offset: Option<u16>| {
            seen.iter().any(|(at, other)| {
                *at == slot
                    && other.link == port
                    && other.direction == Direction::Out
                    && ipv4_of(&other.frame).is_some_and(|other| {
                        Some(PacketKey::of(&other)) == key
                            && offset.is_none_or(|it| it == other.get_fragment_offset())
                    })
            })
        };
        let destination = mac_of(&frame.frame);
        let owner = destination.and_then(|mac| self.stations.owner(mac));
        // What is for somebody who is gone goes to all as well.
        let for_all = destination.is_some_and(|mac| mac.0 & 1 == 1) || owner.is_none();
        let behind = owner.and_then(|place| {
            let known = self.namespaces.get(place.slot)?.links.get(place.index)?;
            known.peer.filter(|peer| peer.slot == slot)
        });
        let one = behind.filter(|_| !for_all);
        let one = one.and_then(|place| self.stations.link(place));
        let all = for_all.then(|| self.stations.of_namespace(slot));
        let ports = all.into_iter().flatten().chain(one);
        let ports =
            ports.filter(move |port| port.master == Some(bridge) && port.index != frame.link);
        ports
            .filter(move |port| {
                let is_lost = |length, offset| port.mtu < length && !left_by(port.index, offset);
                port.carrier
                    && (is_lost(length, offset) || whole.is_some_and(|it| is_lost(it, None)))
            })
            .map(|port| port.name)
    }
}

/// How long the packet is that this frame has come in with a part of, if all of it has: it is put
/// together before a bridge asks whether a port takes it (`br_nf_dev_queue_xmit`).
fn whole_length(slot: Slot, frame: &Seen, key: &PacketKey, seen: &[(Slot, Seen)]) -> Option<u32> {
    let comes_with = |other: &Seen| (other.link, other.direction) == (frame.link, frame.direction);
    let others = seen.iter();
    let others = others.filter(|(at, other)| *at == slot && comes_with(other));
    let fragments = others.filter_map(|(_, other)| ipv4_of(&other.frame));
    let same = fragments.filter(|other| PacketKey::of(other) == *key);
    let mut parts: Vec<_> = same
        .map(|part| {
            let start = u32::from(part.get_fragment_offset()) * 8;
            let header = u32::from(part.get_header_length()) * 4;
            let end = start + u32::from(part.get_total_length()).saturating_sub(header);
            let is_last = part.get_flags() & Ipv4Flags::MoreFragments == 0;
            (start, end, is_last, header)
        })
        .collect();
    parts.sort_unstable();
    let mut length = 0;
    for (start, end, is_last, header) in parts {
        if start > length {
            return None;
        }
        length = length.max(end);
        if is_last {
            return Some(header + length);
        }
    }
    None
}

/// What is the same in all fragments of a packet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct PacketKey {
    source: Ipv4Addr,
    destination: Ipv4Addr,
    identification: u16,
    protocol: u8,
}

impl PacketKey {
    fn of(packet: &Ipv4Packet<'_>) -> Self {
        Self {
            source: packet.get_source(),
            destination: packet.get_destination(),
            identification: packet.get_identification(),
            protocol: packet.get_next_level_protocol().0,
        }
    }
}

/// Whether no packet from this address may come in by a link (`ip_route_input_slow`,
/// `fib_validate_source`).
fn is_martian(source: Ipv4Addr, own: &[Ipv4Net]) -> bool {
    source.is_multicast()
        || source.is_broadcast()
        || source.is_loopback()
        || source.octets()[0] == 0
        || own.iter().any(|net| net.addr() == source)
}
