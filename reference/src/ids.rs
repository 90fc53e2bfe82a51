//! Docker's random ids, told as core's engine tells them.

use std::collections::BTreeMap;

use netparity_core::engine::identity;

/// How many digits of an id Docker shows to people, and makes a hostname of.
const SHORT: usize = 12;

/// How many digits an id has.
const LONG: usize = 64;

/// The ids that the engine has given, and core's for them, by their first digits.
#[derive(Default)]
pub(crate) struct Ids {
    told: BTreeMap<String, String>,
    real: BTreeMap<String, String>,
    containers: u64,
}

impl Ids {
    /// How many containers were made.
    pub(crate) fn containers(&self) -> u64 {
        self.containers
    }

    /// Takes note of a container that was made.
    pub(crate) fn made(&mut self, id: &str) {
        self.note(id, &identity::container_id(self.containers));
        self.containers += 1;
    }

    /// Takes note of the default network.
    pub(crate) fn network(&mut self, id: &str) {
        self.note(id, &identity::network_id());
    }

    fn note(&mut self, real: &str, told: &str) {
        let short = |id: &str| id.get(..SHORT).unwrap_or(id).to_owned();
        self.told.insert(short(real), told.to_owned());
        self.real.insert(short(told), real.to_owned());
    }

    /// `text` with every id of Docker's in it, whole or short, replaced by core's; one that is not
    /// known is an endpoint's.
    pub(crate) fn tell(&self, text: &str) -> String {
        replace(text, &self.told, |word| {
            let is_id = word.len() == LONG && word.bytes().all(|it| it.is_ascii_hexdigit());
            is_id.then(identity::endpoint_id)
        })
    }

    /// `text` with every id of core's in it replaced by Docker's.
    pub(crate) fn untell(&self, text: &str) -> String {
        replace(text, &self.real, |_| None)
    }
}

fn replace(
    text: &str,
    ids: &BTreeMap<String, String>,
    unknown: impl Fn(&str) -> Option<String>,
) -> String {
    let mut replaced = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let plain = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let id = plain
            .get(..SHORT)
            .and_then(|short| ids.get(short))
            .and_then(|id| id.get(..plain.len()));
        match id {
            Some(id) => replaced.push_str(id),
            None => replaced.push_str(unknown(plain).as_deref().unwrap_or(plain)),
        }
        replaced.push_str(&word[plain.len()..]);
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_whole_and_short_and_nothing_else_is() {
        let id = "7dfe4b1f9266aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        let mut ids = Ids::default();
        ids.made("000000000000");
        ids.made(id);
        let told = identity::container_id(1);
        assert_eq!(
            ids.tell(&format!("172.17.0.1\tdb {} redis\n({id})", &id[..12])),
            format!("172.17.0.1\tdb {} redis\n({told})", &told[..12])
        );
        assert_eq!(
            ids.untell(&format!("{}:db", &told[..12])),
            format!("{}:db", &id[..12])
        );
        for other in [
            "",
            "7dfe4b1f926",
            "17dfe4b1f9266",
            "HOSTNAME=x",
            "é 7dfe4b1f92é",
        ] {
            assert_eq!(ids.tell(other), other);
        }
        let endpoint = identity::endpoint_id();
        assert_eq!(ids.tell(&"0f".repeat(32)), endpoint);
        assert_eq!(ids.untell(&endpoint), endpoint);
    }
}
