//! Joining bridges and leaving them, and what a bridge takes over from its ports (`br_if.c`,
//! `br_stp_if.c`).

use netparity_core::errno::Errno;

use crate::{
    Sim,
    bridge::{self, Behind, Bridge, MOST_PORTS},
    fault::Fault,
    link::{DEFAULT_MTU, Kind},
    slab::{BridgeId, LinkId},
    undo::Undo,
    wire::Mac,
};

impl Sim {
    pub(crate) fn edit_bridge(&mut self, bridge: BridgeId) -> &mut Bridge {
        let place = &mut self.bridges[bridge];
        self.undo.push(Undo::BridgeSettings {
            bridge,
            mtu_set: place.mtu_set,
            mac_set: place.mac_set,
        });
        place
    }

    /// `br_add_if`.
    pub(crate) fn join_bridge(&mut self, link: LinkId, master: LinkId) -> Result<(), Errno> {
        let bridge = self.bridge_of(master).ok_or(Errno::EOPNOTSUPP)?;
        match self.links[link].kind {
            Kind::Loopback => return Err(Errno::EINVAL),
            Kind::Bridge(_) => return Err(Errno::ELOOP),
            Kind::Veth(_) => {}
        }
        // `do_set_master` moves a port over.
        if self.links[link].master == Some(master) {
            return Ok(());
        }
        self.leave_bridge(link);
        if self.bridges[bridge].ports.len() >= MOST_PORTS {
            return Err(Errno::EXFULL);
        }
        let mac = self.links[link].mac;
        self.edit(link).master = Some(master);
        let ports = &mut self.bridges[bridge].ports;
        let first = ports.is_empty();
        ports.push(bridge::Port {
            link,
            enabled: false,
            station: None,
        });
        self.undo.push(Undo::RemovePort(bridge));
        self.find_station(link);
        self.find_peers_station(link);
        self.own(bridge, mac);
        let lower = first || mac < self.links[master].mac;
        if !self.bridges[bridge].mac_set && lower {
            self.set_bridge_mac(bridge, mac);
        }
        self.check_port(link);
        self.follow_port_mtu(link);
        Ok(())
    }

    /// `br_del_if`.
    pub(crate) fn leave_bridge(&mut self, link: LinkId) {
        let Some(master) = self.links[link].master else {
            return;
        };
        let Some(bridge) = self.bridge_of(master) else {
            return;
        };
        self.set_port(bridge, link, false);
        self.edit(link).master = None;
        if let Some(at) = self.bridges[bridge].port(link) {
            let port = self.bridges[bridge].ports.remove(at);
            self.undo.push(Undo::RestorePort(bridge, at, port));
        }
        self.find_peers_station(link);
        let mac = self.links[link].mac;
        self.bridges[bridge].disown(mac);
        self.undo.push(Undo::Own(bridge, mac));
        self.follow_mtu(bridge);
        if self.links[master].mac == mac {
            self.follow_macs(bridge);
        }
    }

    fn own(&mut self, bridge: BridgeId, mac: Mac) {
        self.bridges[bridge].own(mac);
        self.undo.push(Undo::Disown(bridge, mac));
    }

    /// Notes with a port who is at its other end.
    pub(crate) fn find_station(&mut self, link: LinkId) {
        let (Kind::Veth(peer), Some(master)) = (self.links[link].kind, self.links[link].master)
        else {
            return;
        };
        let Some(bridge) = self.bridge_of(master) else {
            return;
        };
        let other = &self.links[peer];
        let station = other.master.is_none().then_some(other.ns);
        // Most often the port is the newest.
        let mut ports = self.bridges[bridge].ports.iter_mut().rev();
        if let Some(port) = ports.find(|port| port.link == link) {
            port.station = station;
        }
    }

    fn find_peers_station(&mut self, link: LinkId) {
        if let Kind::Veth(peer) = self.links[link].kind {
            self.find_station(peer);
        }
    }

    /// Enables or disables a port according to its link and its bridge
    /// (`br_port_carrier_check`).
    pub(crate) fn check_port(&mut self, link: LinkId) {
        let Some(master) = self.links[link].master else {
            return;
        };
        if let Some(bridge) = self.bridge_of(master)
            && self.links[master].up
        {
            let runs = self.links[link].runs();
            let port = self.bridges[bridge].port(link);
            let enabled = port.and_then(|at| self.bridges[bridge].ports.get(at));
            if enabled.is_some_and(|port| port.enabled != runs) {
                self.set_port(bridge, link, runs);
            }
        }
    }

    pub(crate) fn enable_ports(&mut self, bridge: BridgeId) {
        for at in 0..self.bridges[bridge].ports.len() {
            if let Some(port) = self.bridges[bridge].ports.get(at).copied() {
                self.check_port(port.link);
            }
        }
    }

    pub(crate) fn disable_ports(&mut self, bridge: BridgeId) {
        for at in 0..self.bridges[bridge].ports.len() {
            if let Some(port) = self.bridges[bridge].ports.get(at).copied()
                && port.enabled
            {
                self.set_port(bridge, port.link, false);
            }
        }
    }

    /// `br_stp_enable_port`, `br_stp_disable_port`.
    fn set_port(&mut self, bridge: BridgeId, link: LinkId, enabled: bool) {
        let Some(at) = self.bridges[bridge].port(link) else {
            return;
        };
        if let Some(port) = self.bridges[bridge].ports.get_mut(at) {
            self.undo.push(Undo::Port(bridge, at, *port));
            port.enabled = enabled;
        }
        if !enabled {
            self.forget_learned(bridge, link);
        }
        self.select_states(bridge);
    }

    fn forget_learned(&mut self, bridge: BridgeId, link: LinkId) {
        let fdb = &self.bridges[bridge].fdb;
        let behind =
            |(mac, behind): (&Mac, &Behind)| (*behind == Behind::Port(link)).then_some(*mac);
        let macs: Vec<Mac> = fdb.iter().filter_map(behind).collect();
        if !macs.is_empty() {
            self.bridges[bridge].forget(link);
            self.undo.push(Undo::Learned(bridge, link, macs));
        }
    }

    /// A bridge has a carrier where one of its ports forwards; before anybody asks, it has one
    /// (`br_port_state_selection`).
    fn select_states(&mut self, bridge: BridgeId) {
        let live = self.bridges[bridge].ports.iter().any(|port| port.enabled);
        let link = self.bridges[bridge].link;
        self.set_carrier(link, live);
    }

    /// `br_stp_change_bridge_id`.
    pub(crate) fn set_bridge_mac(&mut self, bridge: BridgeId, mac: Mac) {
        let link = self.bridges[bridge].link;
        let old = self.links[link].mac;
        if old == mac {
            return;
        }
        self.edit_mac(link, mac);
        self.bridges[bridge].disown(old);
        self.undo.push(Undo::Own(bridge, old));
        self.own(bridge, mac);
        self.select_states(bridge);
        self.forget_neighbours(link);
    }

    /// Gives a bridge the lowest of its ports' hardware addresses, or none
    /// (`br_stp_recalculate_bridge_id`).
    fn follow_macs(&mut self, bridge: BridgeId) {
        if self.bridges[bridge].mac_set {
            return;
        }
        let ports = &self.bridges[bridge].ports;
        let lowest = ports.iter().map(|port| self.links[port.link].mac).min();
        self.set_bridge_mac(bridge, lowest.unwrap_or_default());
    }

    /// `br_fdb_changeaddr`.
    pub(crate) fn port_mac_changed(&mut self, link: LinkId, old: Mac, new: Mac) {
        let Some(bridge) = self.links[link].master.and_then(|it| self.bridge_of(it)) else {
            return;
        };
        self.bridges[bridge].disown(old);
        self.undo.push(Undo::Own(bridge, old));
        self.own(bridge, new);
        self.follow_macs(bridge);
    }

    pub(crate) fn follow_port_mtu(&mut self, link: LinkId) {
        if let Some(bridge) = self.links[link].master.and_then(|it| self.bridge_of(it)) {
            self.follow_mtu(bridge);
        }
    }

    /// Gives a bridge the least of its ports' MTUs (`br_mtu_auto_adjust`).
    fn follow_mtu(&mut self, bridge: BridgeId) {
        if self.bridges[bridge].mtu_set || self.has(Fault::KeepsBridgeMtu) {
            return;
        }
        let ports = &self.bridges[bridge].ports;
        let least = ports.iter().map(|port| self.links[port.link].mtu).min();
        let link = self.bridges[bridge].link;
        let mtu = least.unwrap_or(DEFAULT_MTU);
        if self.links[link].mtu != mtu {
            self.edit(link).mtu = mtu;
        }
    }
}
