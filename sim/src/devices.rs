//! Making, changing and removing namespaces and links (`dev.c`, `rtnetlink.c`, `veth.c`).

use netparity_core::{
    MacAddr,
    errno::Errno,
    name::{LinkName, LinkRef, Netns},
    plan::VethEnd,
};

use crate::{
    Sim,
    bridge::Bridge,
    link::{DEFAULT_MTU, Kind, Link},
    namespace::Namespace,
    slab::{BridgeId, LinkId, NsId},
    undo::Undo,
    wire::Mac,
};

/// What MTUs an Ethernet link can have, in bytes.
const MTUS: std::ops::RangeInclusive<u32> = 68..=65_535;

impl Sim {
    pub(crate) fn add_netns(&mut self, name: Netns) -> NsId {
        let ns = self.namespaces.insert(Namespace::new(name.clone()));
        self.by_netns.insert(name, ns);
        self.undo.push(Undo::RemoveNetns(ns));
        self.insert_link(Link {
            ns,
            ..Link::default()
        });
        ns
    }

    pub(crate) fn delete_netns(&mut self, ns: NsId) {
        while let Some(link) = self.namespaces[ns].links.last().copied() {
            self.delete_link(link);
        }
        let gone = self.namespaces.remove(ns);
        self.by_netns.remove(&gone.name);
        self.undo.push(Undo::RestoreNetns(ns, Box::new(gone)));
    }

    /// A name that a new link may have.
    fn free_name(&self, link: &LinkRef) -> Result<(NsId, LinkName), Errno> {
        let ns = self.find_netns(&link.netns)?;
        match self.find_in(ns, link.name) {
            Some(_) => Err(Errno::EEXIST),
            None => Ok((ns, link.name)),
        }
    }

    /// A hardware address that nobody has: as random as it has to be.
    fn draw_mac(&mut self) -> Mac {
        loop {
            self.macs += 1;
            let [a, b, c, d] = self.macs.wrapping_mul(0x9e37_79b1).to_be_bytes();
            let mac = [0xa6, 0x51, a, b, c, d];
            if self.stations.holders(mac).is_empty() {
                return mac;
            }
        }
    }

    pub(crate) fn add_bridge(&mut self, at: &LinkRef, mac: Option<MacAddr>) -> Result<(), Errno> {
        let given = mac.map(|mac| valid_mac(mac.octets())).transpose()?;
        let (ns, name) = self.free_name(at)?;
        let mac = match given {
            Some(mac) => mac,
            None => self.draw_mac(),
        };
        let bridge = self.bridges.insert(Bridge {
            mac_set: given.is_some(),
            ..Bridge::default()
        });
        self.undo.push(Undo::RemoveBridge(bridge));
        let link = self.insert_link(Link {
            name,
            ns,
            kind: Kind::Bridge(bridge),
            mac,
            mtu: DEFAULT_MTU,
            // Giving it an address makes it look for a port that forwards; nothing else does.
            carrier: given.is_none(),
            ..Link::default()
        });
        self.bridges[bridge].link = link;
        self.bridges[bridge].own(mac);
        Ok(())
    }

    pub(crate) fn delete_bridge(&mut self, at: &LinkRef) -> Result<(), Errno> {
        let ns = self.find_netns(&at.netns)?;
        let link = self.find_in(ns, at.name).ok_or(Errno::ENXIO)?;
        if self.bridge_of(link).is_none() {
            return Err(Errno::EPERM);
        }
        if self.links[link].up {
            return Err(Errno::EBUSY);
        }
        self.delete_link(link);
        Ok(())
    }

    pub(crate) fn add_veth(&mut self, near: &VethEnd, far: &VethEnd) -> Result<(), Errno> {
        let ends = [near, far];
        let mut masters = [None; 2];
        let mut namespaces = [NsId::default(); 2];
        for (ns, end) in namespaces.iter_mut().zip(ends) {
            *ns = self.find_netns(&end.link.netns)?;
        }
        for ((master, end), ns) in masters.iter_mut().zip(ends).zip(namespaces) {
            if let Some(name) = end.master {
                *master = Some(self.find_in(ns, name).ok_or(Errno::ENODEV)?);
            }
        }
        for end in ends {
            valid_mac(end.mac.octets())?;
            if end.mtu.is_some_and(|mtu| !MTUS.contains(&mtu)) {
                return Err(Errno::EINVAL);
            }
        }
        if near.link == far.link {
            return Err(Errno::EEXIST);
        }
        let mut ids = [LinkId::default(); 2];
        for (id, end) in ids.iter_mut().zip(ends) {
            let (ns, name) = self.free_name(&end.link)?;
            *id = self.insert_link(Link {
                name,
                ns,
                mac: end.mac.octets(),
                mtu: end.mtu.unwrap_or(DEFAULT_MTU),
                carrier: false,
                ..Link::default()
            });
        }
        let [one, other] = ids;
        self.links[one].kind = Kind::Veth(other);
        self.links[other].kind = Kind::Veth(one);
        for ((link, end), master) in ids.into_iter().zip(ends).zip(masters) {
            let mac = self.links[link].mac;
            self.stations.add(mac, link);
            if end.up {
                self.set_up(link);
            }
            if let Some(master) = master {
                self.join_bridge(link, master)?;
            }
        }
        if let (true, [Some(master), _]) = (near.up, masters) {
            self.carrier_in_doubt(one, master);
        }
        Ok(())
    }

    /// A link that is born up in a bridge forwards until somebody asks whether it has a carrier, for
    /// its state is unknown (`netif_oper_up`). So a bridge of no other gets a carrier and loses it.
    fn carrier_in_doubt(&mut self, port: LinkId, master: LinkId) {
        if !self.links[port].carrier && self.links[master].up && !self.links[master].carrier {
            self.forget_neighbours(master);
        }
    }

    /// Removes a link with all that hangs on it (`unregister_netdevice`).
    pub(crate) fn delete_link(&mut self, link: LinkId) {
        match self.links[link].kind {
            Kind::Veth(peer) => {
                self.unregister(peer);
                self.unregister(link);
            }
            Kind::Bridge(bridge) => {
                self.release_ports(bridge);
                self.unregister(link);
                let gone = std::mem::take(&mut self.bridges[bridge]);
                self.bridges.remove(bridge);
                self.undo.push(Undo::RestoreBridge(bridge, Box::new(gone)));
            }
            Kind::Loopback => self.unregister(link),
        }
    }

    fn release_ports(&mut self, bridge: BridgeId) {
        while let Some(port) = self.bridges[bridge].ports.last().copied() {
            self.leave_bridge(port.link);
        }
    }

    fn unregister(&mut self, link: LinkId) {
        self.leave_bridge(link);
        let ns = self.links[link].ns;
        self.edit_routes(ns, |routes| routes.retain(|entry| entry.link != link));
        self.take_link(link);
    }

    /// `dev_open` and what follows from it.
    pub(crate) fn set_up(&mut self, link: LinkId) {
        if self.links[link].up {
            return;
        }
        self.edit(link).up = true;
        match self.links[link].kind {
            Kind::Loopback => self.add_loopback_address(link),
            Kind::Veth(peer) => {
                if self.links[peer].up {
                    self.set_carrier(link, true);
                    self.set_carrier(peer, true);
                }
            }
            Kind::Bridge(bridge) => self.enable_ports(bridge),
        }
        self.add_address_routes(link);
        self.check_port(link);
    }

    /// `dev_close` and what follows from it.
    pub(crate) fn set_down(&mut self, link: LinkId) {
        if !self.links[link].up {
            return;
        }
        self.edit(link).up = false;
        match self.links[link].kind {
            Kind::Loopback => {}
            Kind::Veth(peer) => {
                self.set_carrier(link, false);
                self.set_carrier(peer, false);
            }
            Kind::Bridge(bridge) => self.disable_ports(bridge),
        }
        self.check_port(link);
        self.remove_link_routes(link);
        self.forget_neighbours(link);
    }

    /// What a link learns of the state of what is behind it (`netif_carrier_on`, `_off`).
    pub(crate) fn set_carrier(&mut self, link: LinkId, carrier: bool) {
        if self.links[link].carrier == carrier {
            return;
        }
        self.edit(link).carrier = carrier;
        if !self.links[link].up {
            return;
        }
        if !carrier {
            self.forget_neighbours(link);
        }
        self.check_port(link);
    }

    /// Forgets all neighbours on a link (`neigh_ifdown`, `neigh_carrier_down`).
    pub(crate) fn forget_neighbours(&mut self, link: LinkId) {
        let old = std::mem::take(&mut self.links[link].neighbours);
        if !old.is_empty() {
            self.undo.push(Undo::Neighbours(link, old));
        }
    }

    pub(crate) fn set_mtu(&mut self, link: LinkId, mtu: u32) -> Result<(), Errno> {
        // Then nobody is asked, not even a bridge that would keep it (`netif_set_mtu_ext`).
        if self.links[link].mtu == mtu {
            return Ok(());
        }
        // A loopback interface takes any.
        if !self.is_loopback_link(link) && !MTUS.contains(&mtu) {
            return Err(Errno::EINVAL);
        }
        self.edit(link).mtu = mtu;
        match self.links[link].kind {
            Kind::Bridge(bridge) => self.edit_bridge(bridge).mtu_set = true,
            _ => self.follow_port_mtu(link),
        }
        Ok(())
    }

    pub(crate) fn set_mac(&mut self, link: LinkId, mac: Mac) -> Result<(), Errno> {
        let mac = valid_mac(mac)?;
        match self.links[link].kind {
            Kind::Bridge(bridge) => {
                self.edit_bridge(bridge).mac_set = true;
                self.set_bridge_mac(bridge, mac);
            }
            _ => {
                let old = self.links[link].mac;
                self.edit_mac(link, mac);
                self.port_mac_changed(link, old, mac);
            }
        }
        self.forget_neighbours(link);
        Ok(())
    }
}

/// Only an address of a single station will do (`is_valid_ether_addr`).
fn valid_mac(mac: Mac) -> Result<Mac, Errno> {
    match mac {
        mac if mac[0] & 1 == 1 || mac == Mac::default() => Err(Errno::EADDRNOTAVAIL),
        mac => Ok(mac),
    }
}
