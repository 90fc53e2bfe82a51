//! Values under small numbers, which are used again when their value is gone.

use std::{
    marker::PhantomData,
    ops::{Index, IndexMut},
};

/// What numbers a slab's values.
pub(crate) trait Id: Copy + Eq {
    fn new(number: u32) -> Self;
    fn number(self) -> u32;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub(crate) struct $name(u32);

            impl Id for $name {
                fn new(number: u32) -> Self {
                    Self(number)
                }

                fn number(self) -> u32 {
                    self.0
                }
            }

            impl Default for $name {
                /// Nothing's number.
                fn default() -> Self {
                    Self(u32::MAX)
                }
            }
        )*
    };
}

ids! {
    /// A network namespace.
    NsId;
    /// A link, in whatever namespace.
    LinkId;
    /// What makes a link a bridge.
    BridgeId;
    /// Packets that wait for a neighbour's address.
    WaitId;
}

/// Values by number. A number without a value stands for the default value, so that looking up
/// cannot fail.
#[derive(Clone, Debug)]
pub(crate) struct Slab<K, T> {
    items: Vec<T>,
    free: Vec<u32>,
    /// What is read where there is nothing.
    blank: T,
    /// Where goes what is written there.
    sink: T,
    key: PhantomData<K>,
}

impl<K, T: Default> Default for Slab<K, T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            free: Vec::new(),
            blank: T::default(),
            sink: T::default(),
            key: PhantomData,
        }
    }
}

impl<K: Id, T: Default> Slab<K, T> {
    pub fn insert(&mut self, value: T) -> K {
        match self.free.pop() {
            Some(number) => {
                let id = K::new(number);
                self[id] = value;
                id
            }
            None => {
                self.items.push(value);
                K::new(self.items.len() as u32 - 1)
            }
        }
    }

    pub fn remove(&mut self, id: K) -> T {
        self.free.push(id.number());
        std::mem::take(&mut self[id])
    }

    /// The values, and the default for each number that is free.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter()
    }

    /// The same, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.items.iter_mut()
    }

    /// Puts a removed value back under the number it had.
    pub fn restore(&mut self, id: K, value: T) {
        if let Some(at) = self.free.iter().rposition(|free| *free == id.number()) {
            self.free.remove(at);
        }
        self[id] = value;
    }
}

impl<K: Id, T: Default> Index<K> for Slab<K, T> {
    type Output = T;

    fn index(&self, id: K) -> &T {
        self.items.get(id.number() as usize).unwrap_or(&self.blank)
    }
}

impl<K: Id, T: Default> IndexMut<K> for Slab<K, T> {
    fn index_mut(&mut self, id: K) -> &mut T {
        match self.items.get_mut(id.number() as usize) {
            Some(item) => item,
            None => {
                self.sink = T::default();
                &mut self.sink
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_used_again_and_can_be_restored() {
        let mut slab: Slab<LinkId, u32> = Slab::default();
        let (one, two) = (slab.insert(1), slab.insert(2));
        assert_eq!((slab[one], slab[two]), (1, 2));
        let old = slab.remove(one);
        assert_eq!(slab[one], 0);
        slab.restore(one, old);
        assert_eq!(slab[one], 1);
        assert_ne!(slab.insert(3), one);
    }

    #[test]
    fn a_number_of_nothing_stands_for_the_default() {
        let mut slab: Slab<LinkId, u32> = Slab::default();
        slab[LinkId::default()] = 7;
        assert_eq!((slab[LinkId::new(5)], slab[LinkId::default()]), (0, 0));
    }
}
