//! Which states are the same but for what their containers are called.

use std::{
    cmp::Ordering,
    hash::{DefaultHasher, Hasher},
};

use netparity_core::{
    form::{Canonical, Form},
    name::Name,
};

/// Names that are interchangeable, in every order there is.
#[derive(Clone, Debug)]
pub struct Symmetry {
    orders: Vec<Vec<Name>>,
}

/// States that are the same but for names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class {
    /// What they are known by: a hash of the least of their forms.
    pub hash: u128,
    /// How many they are.
    pub members: u32,
}

impl Symmetry {
    /// That of these names.
    pub fn new(names: &[Name]) -> Self {
        Self {
            orders: orders(names),
        }
    }

    /// None: every state is a class of its own.
    pub fn none(names: &[Name]) -> Self {
        Self {
            orders: vec![names.to_vec()],
        }
    }

    /// The class of a state.
    pub fn class(&self, state: &impl Canonical) -> Class {
        let all: Vec<&[Name]> = self.orders.iter().map(Vec::as_slice).collect();
        let (_, likely) = least(&all, |order, bytes| outline(state, order, bytes));
        // Renaming from one of these to another changes nothing.
        let (form, same) = least(&likely, |order, bytes| form(state, order, bytes));
        Class {
            hash: hash(&form),
            members: (all.len() / same.len().max(1)) as u32,
        }
    }
}

/// The least of what is written under these orders, and the orders that give it.
fn least<'a>(
    orders: &[&'a [Name]],
    write: impl Fn(&'a [Name], Vec<u8>) -> Vec<u8>,
) -> (Vec<u8>, Vec<&'a [Name]>) {
    let mut least = Vec::new();
    let mut same = Vec::new();
    let mut bytes = Vec::new();
    for order in orders {
        bytes = write(order, bytes);
        let ordering = match same.is_empty() {
            true => Ordering::Less,
            false => bytes.cmp(&least),
        };
        if ordering == Ordering::Less {
            std::mem::swap(&mut least, &mut bytes);
            same.clear();
        }
        if ordering != Ordering::Greater {
            same.push(*order);
        }
    }
    (least, same)
}

/// A state's form under one order of names, written into `bytes`.
pub(super) fn form<'a>(state: &'a impl Canonical, names: &'a [Name], bytes: Vec<u8>) -> Vec<u8> {
    let mut form = Form::new(names, bytes);
    state.write(&mut form);
    form.into_bytes()
}

fn outline<'a>(state: &'a impl Canonical, names: &'a [Name], bytes: Vec<u8>) -> Vec<u8> {
    let mut form = Form::new(names, bytes);
    state.outline(&mut form);
    form.into_bytes()
}

/// Two hashes that have nothing to do with each other.
fn hash(bytes: &[u8]) -> u128 {
    let half = |prefix: u64| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(prefix);
        hasher.write(bytes);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// Every order of these names.
fn orders(names: &[Name]) -> Vec<Vec<Name>> {
    let Some((last, others)) = names.split_last() else {
        return vec![Vec::new()];
    };
    let shorter = orders(others).into_iter();
    shorter
        .flat_map(|order| {
            (0..=order.len()).map(move |at| {
                let mut longer = order.clone();
                longer.insert(at, last.clone());
                longer
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_names_have_six_orders() {
        let names = ["a", "b", "c"].map(Name::new);
        let mut orders = orders(&names);
        orders.sort();
        orders.dedup();
        assert_eq!(orders.len(), 6);
    }

    #[test]
    fn a_class_has_as_many_members_as_there_are_ways_to_name_it() {
        struct Pair(Name, Name);
        impl Canonical for Pair {
            fn write<'a>(&'a self, form: &mut Form<'a>) {
                form.text(self.0.as_str());
                form.unordered([&self.1], |form, name| form.text(name.as_str()));
            }
        }
        let [a, b, c] = ["a", "b", "c"].map(Name::new);
        let symmetry = Symmetry::new(&[a.clone(), b.clone(), c.clone()]);
        let class = |one: &Name, other: &Name| symmetry.class(&Pair(one.clone(), other.clone()));
        assert_eq!(class(&a, &b), class(&c, &a));
        assert_ne!(class(&a, &b), class(&a, &a));
        assert_eq!((class(&a, &b).members, class(&b, &b).members), (6, 3));
    }
}
