//! The names that a scenario has given so far.

use std::collections::{BTreeMap, BTreeSet};

use netparity_core::name::{Name, Netns};

use super::{Mistake, lexer::Word};

/// What a name was given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Container,
    Namespace,
}

/// Whether what has a name is there, as far as can be told without running anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Certain,
    Possible,
    Gone,
}

#[derive(Clone, Debug)]
struct Known {
    kind: Kind,
    presence: Presence,
    auto_remove: bool,
}

/// The names that a scenario has given so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    known: BTreeMap<String, Known>,
    /// Aliases and hostnames.
    called: BTreeSet<String>,
    /// How many containers were made without a name, at most.
    made: usize,
}

impl Scope {
    /// Gives a name. Where it is `certain` that what it stands for will then be there, it must not
    /// be there already.
    pub fn give(
        &mut self,
        word: &Word,
        kind: Kind,
        certain: bool,
        auto_remove: bool,
    ) -> Result<(), Mistake> {
        if word.text == Name::HOST {
            return Err(Mistake::in_word(word, "host is the private host's name")
                .expected("expected another name"));
        }
        let old = self.known.get(&word.text);
        let is_there = old.is_some_and(|old| old.presence == Presence::Certain);
        if certain && is_there {
            return Err(
                Mistake::in_word(word, format!("duplicate name: {}", word.text))
                    .expected("something of this name is there already")
                    .help("remove it first, or begin the line with ! where this has to be refused"),
            );
        }
        if is_there {
            return Ok(());
        }
        let presence = match certain {
            true => Presence::Certain,
            false => Presence::Possible,
        };
        self.known.insert(
            word.text.clone(),
            Known {
                kind,
                presence,
                auto_remove,
            },
        );
        Ok(())
    }

    /// A container that Docker names itself.
    pub fn give_unnamed(&mut self) {
        self.made += 1;
    }

    /// A name that a container has for another, or for itself.
    pub fn call(&mut self, alias: &str) {
        self.called.insert(alias.to_owned());
    }

    pub fn remove(&mut self, word: &Word) {
        if let Some(known) = self.known.get_mut(&word.text) {
            known.presence = Presence::Gone;
        }
    }

    /// A container that ends, and goes if it was run with `--rm`.
    pub fn end(&mut self, word: &Word) {
        if let Some(known) = self.known.get_mut(&word.text)
            && known.auto_remove
        {
            known.presence = Presence::Gone;
        }
    }

    /// All containers end.
    pub fn end_all(&mut self) {
        for known in self.known.values_mut() {
            if known.auto_remove {
                known.presence = Presence::Gone;
            }
        }
    }

    fn kind(&self, name: &str) -> Option<Kind> {
        // What Docker calls the containers that nobody named.
        let is_unnamed = |text: &str| {
            text.strip_prefix("container_")
                .and_then(|number| number.parse().ok())
                .is_some_and(|number: usize| self.made > 0 && number > 0)
        };
        match self.known.get(name) {
            Some(known) => Some(known.kind),
            None => is_unnamed(name).then_some(Kind::Container),
        }
    }

    fn unknown(&self, word: &Word, what: &str, how: &str, kind: Option<Kind>) -> Mistake {
        let alike = self
            .known
            .iter()
            .filter(|(_, known)| kind.is_none_or(|kind| known.kind == kind))
            .map(|(name, _)| name.as_str());
        let near = crate::diagnostic::nearest(&word.text, alike);
        Mistake::in_word(word, format!("unknown {what}: {}", word.text))
            .expected(how)
            .help(near.map_or_else(String::new, |near| format!("did you mean {near}?")))
    }

    /// A container that was made before.
    pub fn container(&self, word: &Word) -> Result<Name, Mistake> {
        match self.kind(&word.text) {
            Some(Kind::Container) => Ok(Name::new(&word.text)),
            Some(Kind::Namespace) => Err(Mistake::in_word(
                word,
                format!("{} is a namespace", word.text),
            )
            .expected("expected a container")),
            None => Err(self.unknown(
                word,
                "container",
                "no line before this one makes a container of that name",
                Some(Kind::Container),
            )),
        }
    }

    /// A namespace that `ip netns add` made before.
    pub fn namespace(&self, word: &Word) -> Result<Netns, Mistake> {
        match self.kind(&word.text) {
            Some(Kind::Namespace) => Ok(Netns::Named(Name::new(&word.text))),
            Some(Kind::Container) => Err(Mistake::in_word(
                word,
                format!("{} is a container", word.text),
            )
            .expected("ip netns knows only what ip netns add has made")),
            None => Err(self.unknown(
                word,
                "namespace",
                "no line before this one makes it with ip netns add",
                Some(Kind::Namespace),
            )),
        }
    }

    /// `host`, or a container or namespace that was made before.
    pub fn party(&self, word: &Word) -> Result<Name, Mistake> {
        if word.text == Name::HOST || self.kind(&word.text).is_some() {
            return Ok(Name::new(&word.text));
        }
        Err(self.unknown(
            word,
            "name",
            "expected host, or a container or namespace that a line before this one makes",
            None,
        ))
    }

    /// A party, or what somebody may have in a hosts file.
    pub fn target(&self, word: &Word) -> Result<Name, Mistake> {
        if word.text == "localhost" || self.called.contains(&word.text) {
            return Ok(Name::new(&word.text));
        }
        self.party(word).map_err(|mistake| {
            mistake.help("a name that nobody has is right where the line ends in => no-name")
        })
    }
}
