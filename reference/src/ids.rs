//! Docker's random ids, told as core's engine tells them.

use std::collections::BTreeMap;

use netparity_core::engine::identity;

/// How many digits of an id Docker shows to people, and makes a hostname of.
const SHORT: usize = 12;

/// The ids that the engine has given, by their first digits.
#[derive(Default)]
pub(crate) struct Ids {
    told: BTreeMap<String, String>,
    containers: u64,
}

impl Ids {
    /// How many containers were made.
    pub(crate) fn containers(&self) -> u64 {
        self.containers
    }

    /// Takes note of a container that was made.
    pub(crate) fn made(&mut self, id: &str) {
        self.note(id, identity::container_id(self.containers));
        self.containers += 1;
    }

    /// Takes note of the default network.
    pub(crate) fn network(&mut self, id: &str) {
        self.note(id, identity::network_id());
    }

    fn note(&mut self, id: &str, told: String) {
        if let Some(short) = id.get(..SHORT) {
            self.told.insert(short.to_owned(), told);
        }
    }

    /// `text` with every id in it, whole or short, replaced.
    pub(crate) fn tell(&self, text: &str) -> String {
        let mut told = String::with_capacity(text.len());
        for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
            let end = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let replacement = end
                .get(..SHORT)
                .and_then(|short| self.told.get(short))
                .and_then(|id| id.get(..end.len()));
            told.push_str(replacement.unwrap_or(end));
            told.push_str(&word[end.len()..]);
        }
        told
    }
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
        for other in [
            "",
            "7dfe4b1f926",
            "17dfe4b1f9266",
            "HOSTNAME=x",
            "é 7dfe4b1f92é",
        ] {
            assert_eq!(ids.tell(other), other);
        }
    }
}
