//! The rules that Docker 20.10 writes for links, as far as its documents and its source say when it
//! does so and when not: what a known cause has to be measured by. Sources: moby 20.10's
//! `daemon/container_operations.go` (`buildSandboxOptions`), libnetwork's `drivers/bridge/bridge.go`
//! (`link`).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use super::Flow;
use crate::{
    form::{Canonical, Form},
    name::Name,
    port::Port,
};

/// What the rules of a link to one port let through: what the first asks the second there, and
/// what the second sends the first from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Grant {
    pub parent: Ipv4Addr,
    pub child: Ipv4Addr,
    pub port: Port,
}

impl Grant {
    /// What has to be granted for the flow to pass: one that it asks by, one that it answers by.
    pub fn needed_by(flow: &Flow) -> impl Iterator<Item = Self> {
        let ends = flow.source.zip(flow.port);
        let asks = ends.map(|(parent, port)| Self {
            parent,
            child: flow.destination,
            port,
        });
        asks.into_iter().chain(Self::answered_by(flow))
    }

    /// What the flow answers by, if it comes from a port.
    pub fn answered_by(flow: &Flow) -> Option<Self> {
        Some(Self {
            parent: flow.destination,
            child: flow.source?,
            port: Port::new(flow.source_port?, flow.port?.protocol)?,
        })
    }
}

/// Why rules were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Reason {
    /// A link that was declared.
    Declared,
    /// A link that was taken away, and read again by the name it was typed with.
    ReadAgain,
    /// The writer is somebody's child, and its own last child is taken for its parent.
    TakenForParent,
}

/// The rules that a container's start wrote on account of another container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// The other's id.
    pub peer: String,
    /// Whether the other's endpoint of that time is gone.
    pub is_gone: bool,
    pub reason: Reason,
    pub grants: Vec<Grant>,
}

/// Everything that is written at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// What containers that run have written, in order.
    groups: BTreeMap<Name, Vec<Group>>,
    /// All rules there are.
    grants: BTreeSet<Grant>,
}

impl Written {
    pub fn has(&self, grant: &Grant) -> bool {
        self.grants.contains(grant)
    }

    /// Why it was written, where it leads to whom it was written for.
    pub fn reasons(&self, grant: &Grant) -> impl Iterator<Item = Reason> {
        let groups = self.groups.values().flatten();
        let those = groups.filter(|group| !group.is_gone && group.grants.contains(grant));
        those.map(|group| group.reason)
    }

    /// Whether a container has written rules for another that has lost its endpoint since.
    pub fn misses(&self, name: &Name, peer: &str) -> bool {
        let groups = self.groups.get(name).into_iter().flatten();
        groups
            .filter(|group| group.peer == peer)
            .any(|group| group.is_gone)
    }

    pub fn start(&mut self, name: &Name, groups: Vec<Group>) {
        let grants = groups.iter().flat_map(|group| &group.grants);
        self.grants.extend(grants);
        self.groups.insert(name.clone(), groups);
    }

    /// A container that stops takes its rules along, up to those for one that is gone: there
    /// Docker gives up.
    pub fn stop(&mut self, name: &Name, id: &str) {
        self.take_away(name);
        for group in self.groups.values_mut().flatten() {
            group.is_gone |= group.peer == id;
        }
    }

    /// A daemon that ends stops all containers, none of which misses another meanwhile. The next
    /// one that `renews` the chains finds nothing that is left.
    pub fn restart(&mut self, renews: bool) {
        let names: Vec<Name> = self.groups.keys().cloned().collect();
        for name in names {
            self.take_away(&name);
        }
        if renews {
            self.grants.clear();
        }
    }

    fn take_away(&mut self, name: &Name) {
        let groups = self.groups.remove(name).unwrap_or_default();
        for group in groups.iter().take_while(|group| !group.is_gone) {
            for grant in &group.grants {
                self.grants.remove(grant);
            }
        }
    }
}

impl Canonical for Written {
    fn write<'a>(&'a self, form: &mut Form<'a>) {
        let Self { groups, grants } = self;
        form.value(grants);
        form.by_name(groups, |form, _, groups| {
            form.value(&groups.len());
            for Group {
                peer,
                is_gone,
                reason,
                grants,
            } in groups
            {
                form.id_or_word(peer);
                form.value(&(is_gone, reason, grants));
            }
        });
    }
}
