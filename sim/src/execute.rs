//! Carrying out plans: each operation with the errno that Linux has for it.

use std::collections::BTreeSet;

use netparity_core::{
    errno::Errno,
    model::DataplaneError,
    name::{LinkName, LinkRef, Netns},
    plan::{LinkChange, Op, Plan, Sysctl},
    port::{Port, Protocol},
};

use crate::{
    Sim,
    fault::Fault,
    slab::{LinkId, NsId},
    undo::Undo,
};

impl Sim {
    /// All of a plan or, undone again, none of it.
    pub(crate) fn carry_out(&mut self, plan: &Plan) -> Result<(), DataplaneError> {
        let result = self.carry_out_all(plan);
        match result {
            Ok(()) => self.forget_connections(plan),
            Err(_) if self.has(Fault::NoRollback) => {}
            Err(_) => self.roll_back(),
        }
        self.undo.clear();
        result.map_err(|(op, errno)| DataplaneError::Refused { op, errno })
    }

    fn carry_out_all(&mut self, plan: &Plan) -> Result<(), (usize, Errno)> {
        let mut rules = Ok(());
        for (at, op) in plan.ops.iter().enumerate() {
            self.carry_out_one(op).map_err(|errno| (at, errno))?;
            if let (Op::Rules(op), Ok(())) = (op, rules) {
                rules = self.validate_rules(op).map_err(|errno| (at, errno));
            }
        }
        rules
    }

    fn forget_connections(&mut self, plan: &Plan) {
        if self.has(Fault::ConnectionsKept) {
            return;
        }
        let address = |op: &Op| match op {
            Op::ForgetConnections(address) => Some(address.to_bits()),
            _ => None,
        };
        let addresses: BTreeSet<u32> = plan.ops.iter().filter_map(address).collect();
        if !addresses.is_empty() {
            self.conntrack.forget(&addresses);
        }
    }

    fn carry_out_one(&mut self, op: &Op) -> Result<(), Errno> {
        match op {
            Op::AddNetns(name) => match self.by_netns.contains_key(name) {
                true => Err(Errno::EEXIST),
                false => {
                    self.add_netns(name.clone());
                    Ok(())
                }
            },
            Op::DeleteNetns(Netns::Host) => Err(Errno::ENOENT),
            Op::DeleteNetns(name) => {
                let ns = self.find_netns(name)?;
                self.delete_netns(ns);
                Ok(())
            }
            Op::AddBridge { link, mac } => self.add_bridge(link, *mac),
            Op::DeleteBridge(link) => self.delete_bridge(link),
            Op::AddVeth { near, far } => self.add_veth(near, far),
            Op::DeleteLink(link) => {
                let link = self.find_link(link)?;
                if self.is_loopback_link(link) {
                    return Err(Errno::EOPNOTSUPP);
                }
                self.delete_link(link);
                Ok(())
            }
            Op::SetLink { link, change } => {
                let id = self.find_link(link)?;
                self.set_link(link, id, *change)
            }
            Op::AddAddress { link, address } => {
                let link = self.find_link(link)?;
                self.add_address(link, *address)
            }
            Op::DeleteAddress { link, address } => {
                let link = self.find_link(link)?;
                self.delete_address(link, *address)
            }
            Op::AddRoute { netns, route } => {
                let ns = self.find_netns(netns)?;
                self.add_route(ns, route)
            }
            Op::DeleteRoute { netns, route } => {
                let ns = self.find_netns(netns)?;
                self.delete_route(ns, route)
            }
            Op::SetSysctl { netns, sysctl } => {
                let ns = self.find_netns(netns)?;
                let place = self.edit_sysctls(ns);
                match *sysctl {
                    Sysctl::IpForward(on) => place.forwards = on,
                    Sysctl::BridgeNfCallIptables(on) => place.bridge_calls_iptables = on,
                    Sysctl::ReversePathFilter(filter) => place.reverse_path = filter,
                }
                Ok(())
            }
            Op::Rules(op) => self.change_rules(op),
            Op::ForgetConnections(_) => Ok(()),
            Op::Listen { netns, port } => {
                let ns = self.find_netns(netns)?;
                self.listen(ns, *port)
            }
            Op::Unlisten { netns, port } => {
                let ns = self.find_netns(netns)?;
                self.unlisten(ns, *port)
            }
        }
    }

    pub(crate) fn find_netns(&self, name: &Netns) -> Result<NsId, Errno> {
        self.by_netns.get(name).copied().ok_or(Errno::ENOENT)
    }

    pub(crate) fn find_link(&self, link: &LinkRef) -> Result<LinkId, Errno> {
        let ns = self.find_netns(&link.netns)?;
        self.find_in(ns, link.name).ok_or(Errno::ENODEV)
    }

    pub(crate) fn find_in(&self, ns: NsId, name: LinkName) -> Option<LinkId> {
        self.by_name.get(&(ns, name)).copied()
    }

    fn set_link(&mut self, at: &LinkRef, link: LinkId, change: LinkChange) -> Result<(), Errno> {
        match change {
            LinkChange::Up(true) => {
                self.set_up(link);
                Ok(())
            }
            LinkChange::Up(false) => {
                self.set_down(link);
                Ok(())
            }
            LinkChange::Mtu(mtu) => self.set_mtu(link, mtu),
            LinkChange::Mac(mac) => self.set_mac(link, mac.octets()),
            LinkChange::Master(None) => {
                self.leave_bridge(link);
                Ok(())
            }
            LinkChange::Master(Some(name)) => {
                let ns = self.find_netns(&at.netns)?;
                let master = self.find_in(ns, name).ok_or(Errno::ENXIO)?;
                self.join_bridge(link, master)
            }
        }
    }

    fn listen(&mut self, ns: NsId, port: Port) -> Result<(), Errno> {
        if port.protocol == Protocol::Sctp {
            return Err(Errno::EOPNOTSUPP);
        }
        match self.namespaces[ns].listeners.binary_search(&port) {
            Ok(_) if self.has(Fault::PortsShared) => Ok(()),
            Ok(_) => Err(Errno::EADDRINUSE),
            Err(at) => {
                self.namespaces[ns].listeners.insert(at, port);
                self.undo.push(Undo::Close(ns, port));
                Ok(())
            }
        }
    }

    fn unlisten(&mut self, ns: NsId, port: Port) -> Result<(), Errno> {
        let listeners = &mut self.namespaces[ns].listeners;
        let at = listeners.binary_search(&port).map_err(|_| Errno::ENOENT)?;
        listeners.remove(at);
        self.undo.push(Undo::Open(ns, port));
        Ok(())
    }
}
