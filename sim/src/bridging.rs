//! The way of a frame through a bridge (`net/bridge/br_input.c`, `br_forward.c`), and of IPv4 in it
//! through the hooks of the IPv4 stack (`br_netfilter_hooks.c`).

use netparity_core::trace::{Direction, DropCause};

use crate::{
    Sim,
    arp::Arp,
    bridge::Behind,
    fault::Fault,
    fragment, input,
    link::Kind,
    netfilter::Hook,
    skb::{Addressed, Skb},
    slab::{BridgeId, LinkId, NsId},
    wire::{ETHERTYPE_ARP, ETHERTYPE_IPV4, Ipv4, Mac, put},
};

/// Where a frame goes that has come into a bridge.
enum Way {
    Up,
    Port(LinkId),
    Flood,
}

impl Sim {
    /// The bridge that `link` is.
    pub(crate) fn bridge_of(&self, link: LinkId) -> Option<BridgeId> {
        match self.links[link].kind {
            Kind::Bridge(bridge) => Some(bridge),
            _ => None,
        }
    }

    /// Takes a frame that has come in by a port of the bridge `master` (`br_handle_frame`).
    pub(crate) fn bridge_receive(&mut self, master: LinkId, mut skb: Skb) {
        let Some(bridge) = self.bridge_of(master) else {
            return self.recycle(skb);
        };
        let source = skb.source();
        let forwards = self.links[skb.link].runs() && self.links[master].up;
        if !forwards || source[0] & 1 == 1 || source == Mac::default() {
            return self.recycle(skb);
        }
        if skb.destination() == self.links[master].mac {
            skb.addressed = Addressed::Us;
        }
        let ns = self.links[master].ns;
        if skb.ethertype() == ETHERTYPE_IPV4
            && self.namespaces[ns].bridge_calls_iptables
            && !self.has(Fault::BridgedSkipHooks)
        {
            if !Ipv4::is_sound(skb.packet()) {
                return self.recycle(skb);
            }
            skb.port = Some(skb.link);
            let destination = |skb: &Skb| skb.ipv4().map_or(0, |header| header.destination);
            let before = destination(&skb);
            if !self.hook(Hook::Prerouting, ns, &mut skb, Some(master), None) {
                return self.recycle(skb);
            }
            if destination(&skb) != before {
                return self.translated(bridge, master, skb);
            }
        }
        self.bridge_forward(bridge, master, skb);
    }

    /// Goes on with a packet whose destination was translated: to somebody else behind the bridge
    /// it is still bridged, to anybody else it is routed (`br_nf_pre_routing_finish`).
    fn translated(&mut self, bridge: BridgeId, master: LinkId, mut skb: Skb) {
        let Some(header) = skb.ipv4() else {
            return self.recycle(skb);
        };
        let ns = self.links[master].ns;
        match self.route_input(ns, master, &header) {
            input::Way::On { path, .. } if path.link == master => {
                let next = path.next(header.destination);
                match self.cached(master, next) {
                    Some(mac) => {
                        put(&mut skb.bytes, 0, &mac);
                        self.bridge_forward(bridge, master, skb);
                    }
                    None => {
                        self.send_to_neighbour(master, next, skb);
                    }
                }
            }
            input::Way::BadSource => {
                self.tape.drop(ns, || DropCause::Source);
                self.recycle(skb);
            }
            input::Way::Martian => self.recycle(skb),
            _ => {
                let own = self.links[master].mac;
                put(&mut skb.bytes, 0, &own);
                skb.addressed = Addressed::Us;
                self.bridge_forward(bridge, master, skb);
            }
        }
    }

    /// Forwards a translated packet whose new hardware address had to be found out. It passes
    /// the bridge as if it were sent, but with its own source (`br_nf_dev_xmit`).
    pub(crate) fn bridge_translated(&mut self, master: LinkId, to: Mac, mut skb: Skb) {
        let link = &self.links[master];
        let Some(bridge) = self.bridge_of(master).filter(|_| link.runs()) else {
            return self.recycle(skb);
        };
        let source = skb.source();
        skb.address(to, link.mac, ETHERTYPE_IPV4);
        self.tape.frame(link.ns, master, Direction::Out, &skb.bytes);
        put(&mut skb.bytes, 6, &source);
        self.bridge_forward(bridge, master, skb);
    }

    /// `br_handle_frame_finish`.
    fn bridge_forward(&mut self, bridge: BridgeId, master: LinkId, skb: Skb) {
        let port = skb.link;
        self.learn(bridge, skb.source(), port);
        let destination = skb.destination();
        let for_all = destination[0] & 1 == 1;
        let way = match self.bridges[bridge].fdb.get(&destination) {
            _ if for_all => Way::Flood,
            Some(Behind::Own(_)) => Way::Up,
            Some(Behind::Port(out)) => Way::Port(*out),
            None => Way::Flood,
        };
        match way {
            Way::Up => self.bridge_up(master, skb),
            Way::Port(out) => {
                if out == port {
                    return self.recycle(skb);
                }
                self.bridge_to_port(master, out, skb);
            }
            Way::Flood => {
                self.flood(bridge, master, &skb, Some(port));
                match for_all {
                    true => self.bridge_up(master, skb),
                    false => self.recycle(skb),
                }
            }
        }
    }

    /// `br_fdb_update`.
    fn learn(&mut self, bridge: BridgeId, source: Mac, port: LinkId) {
        if self.has(Fault::LearnsNothing) {
            return;
        }
        let wrongly = self.has(Fault::LearnsWrongPort);
        let bridge = &mut self.bridges[bridge];
        let behind = match bridge.ports.first() {
            Some(first) if wrongly => first.link,
            _ => port,
        };
        match bridge.fdb.get_mut(&source) {
            Some(Behind::Own(_)) => {}
            Some(known) => *known = Behind::Port(behind),
            None => {
                bridge.fdb.insert(source, Behind::Port(behind));
            }
        }
    }

    /// Sends a frame of the namespace's own into its bridge (`br_dev_xmit`).
    pub(crate) fn bridge_transmit(&mut self, bridge: BridgeId, master: LinkId, mut skb: Skb) {
        skb.port = None;
        let destination = skb.destination();
        match self.bridges[bridge].fdb.get(&destination).copied() {
            Some(Behind::Port(out)) if destination[0] & 1 == 0 => {
                self.bridge_to_port(master, out, skb);
            }
            Some(Behind::Own(_)) => match self.port_with(bridge, destination) {
                Some(out) => self.bridge_to_port(master, out, skb),
                None => self.recycle(skb),
            },
            _ => {
                self.flood(bridge, master, &skb, None);
                self.recycle(skb);
            }
        }
    }

    fn port_with(&self, bridge: BridgeId, mac: Mac) -> Option<LinkId> {
        let ports = &self.bridges[bridge].ports;
        ports
            .iter()
            .map(|port| port.link)
            .find(|link| self.links[*link].mac == mac)
    }

    /// Sends a frame to every port but the one it came in by, newest port first (`br_flood`).
    fn flood(&mut self, bridge: BridgeId, master: LinkId, skb: &Skb, from: Option<LinkId>) {
        let unheard = self.unheard(skb);
        for at in (0..self.bridges[bridge].ports.len()).rev() {
            let Some(port) = self.bridges[bridge].ports.get(at).copied() else {
                break;
            };
            let back = Some(port.link) == from && !self.has(Fault::FloodsBack);
            if !port.enabled || back {
                continue;
            }
            if let (Some(unheard), Some(station)) = (&unheard, port.station)
                && !unheard.concerns(station)
            {
                continue;
            }
            let copy = self.copy(skb);
            self.bridge_to_port(master, port.link, copy);
            if self.has(Fault::FloodsToOnePort) {
                break;
            }
        }
    }

    /// Who may skip a frame without a difference to anybody: where nobody watches, an ARP request
    /// changes nothing in a namespace that neither has the address asked for nor ever lacked the
    /// asker's. Bridges of a thousand ports would do little else otherwise.
    fn unheard(&self, skb: &Skb) -> Option<Unheard> {
        if self.tape.watches_everything()
            || skb.ethertype() != ETHERTYPE_ARP
            || self.fault.is_some()
        {
            return None;
        }
        let arp = Arp::parse(skb.packet()).filter(Arp::is_request)?;
        let waits = |(_, address): &(LinkId, u32)| *address == arp.sender;
        if self.unresolved.iter().any(waits)
            || self.failed.contains_key(&arp.sender)
            || arp.sender == arp.target
            || arp.sender == 0
        {
            return None;
        }
        self.owners.only(arp.target).map(|owner| Unheard { owner })
    }

    /// Forwards a frame to a port (`__br_forward`, `br_nf_forward_ip`, `br_nf_post_routing`).
    fn bridge_to_port(&mut self, master: LinkId, out: LinkId, mut skb: Skb) {
        let ns = self.links[master].ns;
        let enabled = self.links[out].master == Some(master) && self.links[out].runs();
        if !enabled || !self.links[master].up {
            return self.recycle(skb);
        }
        if skb.port.is_none() {
            return self.bridge_push(ns, out, skb);
        }
        for hook in [Hook::Forward, Hook::Postrouting] {
            let input = (hook == Hook::Forward).then_some(master);
            if !self.hook(hook, ns, &mut skb, input, Some(master)) {
                return self.recycle(skb);
            }
        }
        skb.port = None;
        let length = skb.packet().len();
        let port_mtu = self.links[out].mtu as usize;
        let most = match skb.pieces.largest {
            0 => port_mtu,
            largest => largest.min(port_mtu),
        };
        if length <= most || self.has(Fault::ForwardsTooLong) {
            return self.bridge_push(ns, out, skb);
        }
        // Too long for the port; it is cut to what the bridge takes (`br_nf_ip_fragment`).
        let mtu = self.links[master].mtu as usize;
        let whole = skb.ipv4().is_some_and(|header| header.dont_fragment());
        if whole || skb.pieces.largest > mtu {
            self.too_long(ns, out);
            return self.recycle(skb);
        }
        let pieces = fragment::cut(&skb, fragment::limit(mtu, &skb.pieces));
        self.recycle(skb);
        for piece in pieces {
            self.bridge_push(ns, out, piece);
        }
    }

    /// `br_dev_queue_push_xmit`.
    fn bridge_push(&mut self, ns: NsId, out: LinkId, mut skb: Skb) {
        skb.port = None;
        if !self.links[out].fits(skb.bytes.len()) && !self.has(Fault::ForwardsTooLong) {
            self.too_long(ns, out);
            return self.recycle(skb);
        }
        self.transmit(out, skb);
    }

    fn too_long(&mut self, ns: NsId, out: LinkId) {
        let name = self.links[out].name;
        self.tape.drop(ns, || DropCause::TooLong(name));
    }

    /// Takes a frame for the bridge itself (`br_pass_frame_up`).
    fn bridge_up(&mut self, master: LinkId, mut skb: Skb) {
        skb.link = master;
        // The stack forgets how long the fragments were (`ip_rcv_core` clears `IPCB`).
        skb.pieces.largest = 0;
        let ns = self.links[master].ns;
        self.tape.frame(ns, master, Direction::In, &skb.bytes);
        self.receive_packet(skb);
    }
}

/// See [`Sim::unheard`].
struct Unheard {
    owner: Option<NsId>,
}

impl Unheard {
    fn concerns(&self, station: NsId) -> bool {
        self.owner == Some(station)
    }
}
