//! IPv4 packets that come in: checking, routing and local delivery (`ip_input.c`, `route.c`,
//! `fib_frontend.c`).

use netparity_core::{plan::ReversePathFilter, trace::DropCause};

use crate::{
    Sim,
    fault::Fault,
    fragment::Whom,
    icmp::Error,
    link::{ALL_HOSTS, is_loopback, is_multicast, is_zeronet},
    netfilter::Hook,
    path::Path,
    route::{Entry, Scope, To},
    skb::{Addressed, Retained, Skb},
    slab::{LinkId, NsId},
    wire::{ETHERNET, ICMP, Ipv4, TCP, UDP},
};

/// What is thought of a packet's source address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// It may be; `direct` if it is next door (`fib_validate_source`'s 1).
    Fine { direct: bool },
    /// An address of this namespace's own, or one that no packet comes from.
    Forged,
    /// The way back is another one, and that counts here (`rp_filter`).
    Filtered,
}

/// Where a packet that has come in goes.
pub(crate) enum Way {
    /// To this namespace; `unicast` if it alone is meant.
    Here {
        unicast: bool,
    },
    /// On, with a word to its sender about a shorter way.
    On {
        path: Path,
        redirect: bool,
    },
    /// Nowhere that is known.
    Unknown,
    BadSource,
    /// Nowhere it may go.
    Martian,
}

impl Sim {
    /// `ip_rcv` and `ip_rcv_finish`.
    pub(crate) fn receive_ipv4(&mut self, mut skb: Skb) {
        if skb.addressed == Addressed::Other || !Ipv4::is_sound(skb.packet()) {
            return self.recycle(skb);
        }
        let link = skb.link;
        let ns = self.links[link].ns;
        let passed_in_bridge = skb.port.take().is_some();
        if !passed_in_bridge && !self.hook(Hook::Prerouting, ns, &mut skb, Some(link), None) {
            return self.recycle(skb);
        }
        let Some(header) = skb.ipv4() else {
            return self.recycle(skb);
        };
        let way = match skb.retained {
            Retained::No => self.route_input(ns, link, &header),
            Retained::Local => Way::Here { unicast: true },
            Retained::Unicast => Way::Martian,
            Retained::Broadcast | Retained::Copy => Way::Here { unicast: false },
        };
        match way {
            Way::Here { unicast } => self.deliver(ns, skb, unicast),
            Way::On { path, redirect } => self.forward(ns, skb, path, redirect),
            Way::Unknown => {
                self.unknown_destination(ns, &skb, &header);
                self.recycle(skb);
            }
            Way::BadSource => {
                self.tape.drop(ns, || DropCause::Source);
                self.recycle(skb);
            }
            Way::Martian => self.recycle(skb),
        }
    }

    /// `ip_route_input_slow`.
    pub(crate) fn route_input(&self, ns: NsId, link: LinkId, header: &Ipv4) -> Way {
        let (from, to) = (header.source, header.destination);
        if is_multicast(from) || from == u32::MAX {
            return Way::BadSource;
        }
        if is_multicast(to) {
            return self.multicast_input(ns, link, header);
        }
        let leaks = self.has(Fault::LocalhostLeaks);
        if to == u32::MAX || (from == 0 && to == 0) {
            return self.broadcast_input(ns, link, from);
        }
        if is_zeronet(from) {
            return Way::BadSource;
        }
        if is_zeronet(to) || (is_loopback(to) && !leaks) {
            return Way::Martian;
        }
        if is_loopback(from) && !leaks {
            return Way::BadSource;
        }
        let forwards = self.namespaces[ns].forwards || self.has(Fault::ForwardsWhileOff);
        let Some(entry) = self.lookup(ns, to) else {
            return Way::Unknown;
        };
        match entry.kind {
            To::Broadcast | To::Multicast => self.broadcast_input(ns, link, from),
            To::Local => match self.validate_source(ns, link, from, None) {
                Source::Fine { .. } => Way::Here { unicast: true },
                Source::Forged | Source::Filtered => Way::BadSource,
            },
            To::Unicast if !forwards => Way::Unknown,
            To::Unicast => self.route_forward(ns, link, header, entry),
        }
    }

    fn broadcast_input(&self, ns: NsId, link: LinkId, from: u32) -> Way {
        match from {
            0 => Way::Here { unicast: false },
            _ => match self.validate_source(ns, link, from, None) {
                Source::Fine { .. } => Way::Here { unicast: false },
                Source::Forged | Source::Filtered => Way::BadSource,
            },
        }
    }

    /// `ip_route_input_mc`, which counts no martians.
    fn multicast_input(&self, ns: NsId, link: LinkId, header: &Ipv4) -> Way {
        let (from, to) = (header.source, header.destination);
        if to != ALL_HOSTS || (is_loopback(from) && !self.has(Fault::LocalhostLeaks)) {
            return Way::Martian;
        }
        let source = match is_zeronet(from) {
            true => Source::Fine { direct: false },
            false => self.validate_source(ns, link, from, None),
        };
        match source {
            Source::Fine { .. } => Way::Here { unicast: false },
            Source::Forged => Way::Martian,
            Source::Filtered => Way::BadSource,
        }
    }

    /// `__mkroute_input`.
    fn route_forward(&self, ns: NsId, link: LinkId, header: &Ipv4, entry: &Entry) -> Way {
        let out = entry.link;
        let direct = match self.validate_source(ns, link, header.source, Some(out)) {
            Source::Fine { direct } => direct,
            Source::Forged | Source::Filtered => return Way::BadSource,
        };
        let path = Path {
            kind: To::Unicast,
            link: out,
            via: entry.next(),
            source: 0,
            // Only the link counts: what was found out about the path may be forged.
            mtu: self.links[out].mtu,
        };
        Way::On {
            path,
            redirect: out == link && direct,
        }
    }

    /// Whether a packet from `source` may come in by `link`; `out` is where it would leave
    /// (`fib_validate_source`).
    pub(crate) fn validate_source(
        &self,
        ns: NsId,
        link: LinkId,
        source: u32,
        out: Option<LinkId>,
    ) -> Source {
        let filter = match self.has(Fault::ReversePathIgnored) {
            true => ReversePathFilter::Off,
            false => self.namespaces[ns].reverse_path,
        };
        let routes = &self.namespaces[ns].routes;
        let filters = filter != ReversePathFilter::Off;
        if !filters && out != Some(link) {
            return match routes.has_address(source) {
                true => Source::Forged,
                false => Source::Fine { direct: false },
            };
        }
        let last_resort = match filters {
            true => Source::Filtered,
            false => Source::Fine { direct: false },
        };
        let Some(back) = routes.lookup(source, Scope::Universe, None) else {
            return last_resort;
        };
        if back.kind != To::Unicast {
            return Source::Forged;
        }
        if back.link == link {
            return Source::Fine {
                direct: back.is_direct(),
            };
        }
        if self.links[link].addresses.is_empty() {
            return last_resort;
        }
        if filter == ReversePathFilter::Strict {
            return Source::Filtered;
        }
        let by_link = routes.lookup(source, Scope::Universe, Some(link));
        Source::Fine {
            direct: by_link.is_some_and(|back| back.kind == To::Unicast && back.is_direct()),
        }
    }

    /// `ip_error`.
    fn unknown_destination(&mut self, ns: NsId, skb: &Skb, header: &Ipv4) {
        if !self.namespaces[ns].forwards {
            return self.tape.drop(ns, || DropCause::NotForwarding);
        }
        let peers = &mut self.namespaces[ns].peers;
        let may = peers.entry(header.source).or_default().take_error();
        if may && !self.has(Fault::NetUnreachableMissing) {
            self.send_error(ns, skb, Error::NetUnreachable);
        }
    }

    /// `ip_local_deliver` and `ip_local_deliver_finish`.
    fn deliver(&mut self, ns: NsId, mut skb: Skb, unicast: bool) {
        if !self.defragment(ns, &mut skb, Whom::Local) {
            return self.recycle(skb);
        }
        let link = skb.link;
        if !self.hook(Hook::Input, ns, &mut skb, Some(link), None) {
            return self.recycle(skb);
        }
        let Some(header) = skb.ipv4() else {
            return self.recycle(skb);
        };
        skb.bytes.truncate(ETHERNET + header.length);
        match header.protocol {
            ICMP => self.deliver_icmp(ns, &skb, &header, unicast),
            TCP if unicast => self.deliver_tcp(ns, &skb, &header),
            UDP => self.deliver_udp(ns, &skb, &header, unicast),
            _ => {}
        }
        self.recycle(skb);
    }
}
