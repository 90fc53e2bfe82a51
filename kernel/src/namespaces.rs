//! The namespaces of a network.

use std::collections::BTreeMap;

use netparity_core::name::Netns;

use crate::{error::Failure, namespace::Namespace, tap::Tap};

/// A namespace's place among those of a network. It stays the same while the namespace lives.
pub(crate) type Slot = usize;

/// The namespaces of a network.
#[derive(Default)]
pub(crate) struct Namespaces {
    slots: Vec<Option<Namespace>>,
    free: Vec<Slot>,
    names: BTreeMap<Netns, Slot>,
}

impl Namespaces {
    /// The host is the first.
    pub(crate) const HOST: Slot = 0;

    /// Where the next one will be.
    pub(crate) fn next(&self) -> Slot {
        self.free.last().copied().unwrap_or(self.slots.len())
    }

    pub(crate) fn add(&mut self, namespace: Namespace) -> Slot {
        let slot = self.free.pop().unwrap_or(self.slots.len());
        self.names.insert(namespace.name.clone(), slot);
        match self.slots.get_mut(slot) {
            Some(place) => *place = Some(namespace),
            None => self.slots.push(Some(namespace)),
        }
        slot
    }

    /// The one of this name.
    pub(crate) fn find(&self, netns: &Netns) -> Result<Slot, Failure> {
        self.names.get(netns).copied().ok_or(Failure::NO_NAMESPACE)
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&Namespace> {
        self.slots.get(slot)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Result<&mut Namespace, Failure> {
        let namespace = self.slots.get_mut(slot).and_then(Option::as_mut);
        namespace.ok_or(Failure::NO_NAMESPACE)
    }

    /// Takes its name from it; it lives on until it is [removed](Self::remove).
    pub(crate) fn unname(&mut self, slot: Slot) {
        if let Some(namespace) = self.get(slot) {
            let name = namespace.name.clone();
            self.names.remove(&name);
        }
    }

    /// Gives it its name back.
    pub(crate) fn rename(&mut self, slot: Slot) {
        if let Some(namespace) = self.get(slot) {
            let name = namespace.name.clone();
            self.names.insert(name, slot);
        }
    }

    /// Whether it is one that can be found.
    pub(crate) fn is_named(&self, slot: Slot) -> bool {
        self.get(slot)
            .is_some_and(|namespace| self.names.get(&namespace.name) == Some(&slot))
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Option<Namespace> {
        if self.is_named(slot) {
            self.unname(slot);
        }
        let namespace = self.slots.get_mut(slot)?.take()?;
        self.free.push(slot);
        Some(namespace)
    }

    /// Every tap.
    pub(crate) fn taps(&mut self) -> impl Iterator<Item = (Slot, &mut Tap)> {
        let taps = self.slots.iter_mut().enumerate();
        taps.filter_map(|(slot, namespace)| Some((slot, &mut namespace.as_mut()?.tap)))
    }

    /// All that can be found, in the order of their names.
    pub(crate) fn named(&self) -> impl Iterator<Item = Slot> + use<> {
        self.names.values().copied().collect::<Vec<_>>().into_iter()
    }

    /// Where there is one.
    pub(crate) fn all(&self) -> impl Iterator<Item = Slot> + use<> {
        let places = self.slots.iter().enumerate();
        let taken = places.filter(|(_, namespace)| namespace.is_some());
        taken.map(|(slot, _)| slot).collect::<Vec<_>>().into_iter()
    }

    /// Every namespace, with those that are only kept aside.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Namespace> {
        self.names.clear();
        self.free.clear();
        self.slots.drain(..).flatten()
    }
}
