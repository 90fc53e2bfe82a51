//! Network namespaces that the engine made, named as core's engine names them.

use std::collections::{BTreeMap, BTreeSet};

use netparity_core::name::{Name, Netns};

/// The namespaces that running containers are in, by their inode numbers.
#[derive(Default)]
pub(crate) struct Sandboxes(BTreeMap<u64, Sandbox>);

struct Sandbox {
    netns: Netns,
    users: BTreeSet<Name>,
}

impl Sandboxes {
    /// A container was started, and is in the namespace with this number. A new one is called
    /// like the container, unless one of that name lives on because another has joined it.
    pub(crate) fn started(&mut self, name: &Name, number: u64) {
        self.leave(name, |other| other != number);
        if !self.0.contains_key(&number) {
            let netns = self.free_name(name);
            let users = BTreeSet::new();
            self.0.insert(number, Sandbox { netns, users });
        }
        if let Some(sandbox) = self.0.get_mut(&number) {
            sandbox.users.insert(name.clone());
        }
    }

    /// A container does not run any more.
    pub(crate) fn ended(&mut self, name: &Name) {
        self.leave(name, |_| true);
    }

    fn leave(&mut self, name: &Name, is_left: impl Fn(u64) -> bool) {
        self.0.retain(|number, sandbox| {
            if is_left(*number) {
                sandbox.users.remove(name);
            }
            !sandbox.users.is_empty()
        });
    }

    /// What the namespace with this number is called.
    pub(crate) fn name_of(&self, number: u64) -> Option<&Netns> {
        self.0.get(&number).map(|sandbox| &sandbox.netns)
    }

    /// Every namespace's number.
    pub(crate) fn numbers(&self) -> BTreeMap<Netns, u64> {
        let number = |(number, sandbox): (&u64, &Sandbox)| (sandbox.netns.clone(), *number);
        self.0.iter().map(number).collect()
    }

    /// A container that runs in a namespace.
    pub(crate) fn user_of(&self, netns: &Netns) -> Option<&Name> {
        let sandbox = self.0.values().find(|sandbox| sandbox.netns == *netns)?;
        sandbox.users.first()
    }

    fn free_name(&self, name: &Name) -> Netns {
        let is_free = |netns: &Netns| self.0.values().all(|sandbox| sandbox.netns != *netns);
        let plain = Netns::Named(name.clone());
        if is_free(&plain) {
            return plain;
        }
        let numbered = |number: u32| Netns::Named(Name::new(&format!("{name}#{number}")));
        (2..).map(numbered).find(is_free).unwrap_or(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_was_joined_keeps_its_name() {
        let (db, side) = (Name::new("db"), Name::new("side"));
        let named = |name: &str| Netns::Named(Name::new(name));
        let mut sandboxes = Sandboxes::default();
        sandboxes.started(&db, 7);
        sandboxes.started(&side, 7);
        assert_eq!(sandboxes.name_of(7), Some(&named("db")));
        sandboxes.started(&db, 8);
        assert_eq!(sandboxes.name_of(8), Some(&named("db#2")));
        assert_eq!(sandboxes.user_of(&named("db")), Some(&side));
        sandboxes.started(&side, 7);
        assert_eq!(sandboxes.name_of(7), Some(&named("db")));
        sandboxes.ended(&side);
        assert_eq!(sandboxes.name_of(7), None);
        sandboxes.started(&db, 9);
        assert_eq!(sandboxes.name_of(9), Some(&named("db")));
    }
}
