//! The packet rules of links that hold, and of no others: engine `strict`.

use std::net::Ipv4Addr;

use super::{Engine, container::Container, daemon::Network, firewall, links::Link};
use crate::{name::Name, rules::Rule};

impl Engine {
    /// What the links from a container at this address and those to it allow: those whose other
    /// end runs. So they are written when the second end starts, and go when the first one stops.
    pub(super) fn rules_that_hold(
        &self,
        network: &Network,
        container: &Container,
        address: Ipv4Addr,
    ) -> Vec<Rule> {
        let to_child = |link: &Link| {
            let child = self.child(link)?;
            Some((address, child.endpoint()?.address, &*child.ports))
        };
        let from_parent = |name: &Name| {
            let parent = self.containers.get(name)?;
            let leads_here = |link: &Link| link.serial == container.serial;
            let links = parent.links.iter().any(leads_here);
            let parent = parent.endpoint().filter(|_| links)?;
            Some((parent.address, address, &*container.ports))
        };
        let to_children = container.links.iter().filter_map(to_child);
        let from_parents = container.parents.iter().filter_map(from_parent);
        let ends = to_children.chain(from_parents);
        ends.flat_map(|(parent, child, ports)| {
            let rule = move |port| firewall::question(network.bridge, parent, child, port);
            ports.iter().map(rule)
        })
        .collect()
    }
}
