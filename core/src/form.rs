//! Canonical forms: states written down so that those which differ in nothing but what their
//! interchangeable containers are called, or in what nobody can observe, come out the same.
//!
//! Two states with the same form take the same commands, give every packet the same verdict, and
//! have the same form again afterwards. So whoever explores states needs to look at one of them
//! only. What is left out of a form is said where it is written: every field is named there, so
//! that a new one is not forgotten.

use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
};

use crate::name::{Name, Netns};

/// What has a canonical form.
pub trait Canonical {
    /// Writes it.
    fn write<'a>(&'a self, form: &mut Form<'a>);

    /// Writes what of it is short and tells most names apart, so that not every order of them has to
    /// be tried: something that follows from the form.
    fn outline<'a>(&'a self, _form: &mut Form<'a>) {}
}

/// A form under way: bytes in which each interchangeable name stands as its place in an order.
///
/// The forms of two states are equal under some two orders exactly if one state becomes the other
/// by renaming; the least form under all orders is the same for both.
#[derive(Debug)]
pub struct Form<'a> {
    names: &'a [Name],
    bytes: Vec<u8>,
    /// Ids of those there are, with their names.
    ids: Vec<(&'a str, &'a Name)>,
}

/// What begins each word of a text: a place, or the word as it is; what divides two; what ends it.
const PLACE: u8 = 1;
const WORD: u8 = 2;
const DIVIDER: u8 = 3;
const END: u8 = 4;
const DIVIDERS: [char; 3] = ['/', ':', '#'];

impl<'a> Form<'a> {
    /// An empty form, written into `bytes`, in which these names are interchangeable and stand in
    /// this order.
    pub fn new(names: &'a [Name], mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        Self {
            names,
            bytes,
            ids: Vec::new(),
        }
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Writes a value in which there is no name.
    pub fn value(&mut self, value: &impl Hash) {
        value.hash(self);
    }

    /// Writes names, and what divides them: `/parent/child`, `child:alias`.
    pub fn text(&mut self, text: &str) {
        for part in text.split_inclusive(DIVIDERS) {
            let word = part.strip_suffix(DIVIDERS);
            self.word(word.unwrap_or(part));
            if word.is_some() {
                let divider = part.as_bytes().last().copied();
                self.bytes.extend([DIVIDER, divider.unwrap_or_default()]);
            }
        }
        self.bytes.push(END);
    }

    fn word(&mut self, word: &str) {
        match self.names.iter().position(|name| name.as_str() == word) {
            Some(place) => self.bytes.extend([PLACE, place as u8]),
            None => {
                self.bytes.push(WORD);
                self.value(&word);
            }
        }
    }

    /// Writes a namespace.
    pub fn netns(&mut self, netns: &Netns) {
        match netns {
            Netns::Host => self.value(&false),
            Netns::Named(name) => {
                self.value(&true);
                self.text(name.as_str());
            }
        }
    }

    /// Says whose an id is.
    pub fn identify(&mut self, id: &'a str, name: &'a Name) {
        self.ids.push((id, name));
    }

    /// Writes an id as the name of who has it. Those of whom nobody has any more are alike: no id is
    /// given out twice.
    pub fn id(&mut self, id: &str) {
        let known = self.ids.iter().find(|(known, _)| *known == id);
        match known.map(|(_, name)| *name) {
            Some(name) => self.text(name.as_str()),
            None => self.bytes.push(END),
        }
    }

    /// Writes what stands for a container: its id, or else a word that was typed.
    pub fn id_or_word(&mut self, word: &str) {
        let is_id = is_id(word);
        self.value(&is_id);
        match is_id {
            true => self.id(word),
            false => self.text(word),
        }
    }

    /// Writes what belongs to names.
    pub fn by_name<T>(
        &mut self,
        map: &'a BTreeMap<Name, T>,
        mut write: impl FnMut(&mut Self, &'a Name, &'a T),
    ) {
        for name in self.names {
            let found = map.get_key_value(name);
            self.value(&found.is_some());
            if let Some((name, value)) = found {
                write(self, name, value);
            }
        }
        let names = self.names;
        for (name, value) in map.iter().filter(|(name, _)| !names.contains(name)) {
            self.text(name.as_str());
            write(self, name, value);
        }
        self.bytes.push(END);
    }

    /// Writes things that are in no order.
    pub fn unordered<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        let before = std::mem::take(&mut self.bytes);
        let mut parts = Vec::new();
        for item in items {
            write(self, item);
            parts.push(std::mem::take(&mut self.bytes));
        }
        parts.sort_unstable();
        self.bytes = before;
        self.value(&parts.len());
        for part in parts {
            self.value(&part.len());
            self.bytes.extend(part);
        }
    }
}

/// Whether it is a whole id, as Docker gives them.
fn is_id(word: &str) -> bool {
    word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Takes values down as they are hashed.
impl Hasher for Form<'_> {
    fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Of no use: a form is kept, and not its hash.
    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(names: [&str; 2], text: &str) -> Vec<u8> {
        let names = names.map(Name::new);
        let mut form = Form::new(&names, Vec::new());
        form.text(text);
        form.into_bytes()
    }

    #[test]
    fn interchangeable_names_are_their_places() {
        assert_eq!(
            form(["one", "two"], "/one/two"),
            form(["two", "one"], "/two/one")
        );
        assert_ne!(
            form(["one", "two"], "/one/two"),
            form(["one", "two"], "/two/one")
        );
        assert_eq!(form(["one", "two"], "one#2"), form(["two", "one"], "two#2"));
        assert_ne!(
            form(["one", "two"], "one:db"),
            form(["one", "two"], "one:one")
        );
        assert_ne!(form(["one", "two"], "a/"), form(["one", "two"], "a"));
    }

    #[test]
    fn ids_are_their_owners_and_those_of_nobody_are_alike() {
        let names = ["one", "two"].map(Name::new);
        let [first, second, third] = ["1", "2", "3"].map(|digit| digit.repeat(64));
        let write = |id: &str| {
            let mut form = Form::new(&names, Vec::new());
            form.identify(&first, &names[0]);
            form.id_or_word(id);
            form.into_bytes()
        };
        assert_ne!(write(&first), write(&second));
        assert_eq!(write(&second), write(&third));
        assert_ne!(write("three"), write("four"));
    }

    #[test]
    fn what_is_in_no_order_comes_out_in_one() {
        let write = |items: [u32; 3]| {
            let mut form = Form::new(&[], Vec::new());
            form.unordered(items, |form, item| form.value(&item));
            form.into_bytes()
        };
        assert_eq!(write([3, 1, 2]), write([1, 2, 3]));
        assert_ne!(write([1, 1, 2]), write([1, 2, 2]));
    }
}
