//! Names of containers, namespaces and links.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Serialize, Serializer};

/// The name of a container, of a namespace made with `ip netns add`, or `host`.
///
/// Any word: what Docker itself allows is for the engine to say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Name(Arc<str>);

impl Name {
    /// The name under which a scenario speaks of the private host.
    pub const HOST: &'static str = "host";

    /// Takes `name` as it is.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

/// A network namespace, known by what it was made for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Netns {
    /// The private host: bridges and rules live here.
    Host,
    /// The sandbox of a container, or a namespace made with `ip netns add`.
    Named(Name),
}

impl fmt::Display for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.pad(Name::HOST),
            Self::Named(name) => name.fmt(f),
        }
    }
}

impl Serialize for Netns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The name of a network interface: 1 to 15 bytes, no `/`, `:` or white space, as Linux's
/// `dev_valid_name` has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkName {
    // Padded with zeros, so the derived order is the order of the text.
    bytes: [u8; Self::MAX],
}

impl LinkName {
    /// The most bytes a name can have (`IFNAMSIZ` less its terminator).
    pub const MAX: usize = 15;

    /// The loopback interface that every namespace has.
    pub const LOOPBACK: Self = Self::literal("lo");
    /// A container's first interface.
    pub const ETH0: Self = Self::literal("eth0");
    /// The bridge that Docker makes where none is named.
    pub const DOCKER0: Self = Self::literal("docker0");

    /// `name` must be one that [`FromStr`] takes.
    pub(crate) const fn literal(name: &str) -> Self {
        let source = name.as_bytes();
        let mut bytes = [0; Self::MAX];
        let mut at = 0;
        while at < source.len() {
            bytes[at] = source[at];
            at += 1;
        }
        Self { bytes }
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        let end = self
            .bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(Self::MAX);
        std::str::from_utf8(&self.bytes[..end]).unwrap_or_default()
    }
}

/// Why a word cannot name an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidLinkName;

impl fmt::Display for InvalidLinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an interface name has 1 to 15 characters, none of them '/', ':' or white space",
        )
    }
}

impl std::error::Error for InvalidLinkName {}

impl FromStr for LinkName {
    type Err = InvalidLinkName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let bad = |c: char| c == '/' || c == ':' || c == '\0' || c.is_whitespace();
        if name.is_empty()
            || name.len() > Self::MAX
            || name == "."
            || name == ".."
            || name.contains(bad)
        {
            return Err(InvalidLinkName);
        }
        Ok(Self::literal(name))
    }
}

impl fmt::Debug for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for LinkName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A link in a namespace. Displayed as `webapp/eth0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkRef {
    /// Where the link is.
    pub netns: Netns,
    /// What it is called there.
    pub name: LinkName,
}

impl LinkRef {
    /// The link `name` in `netns`.
    pub fn new(netns: Netns, name: LinkName) -> Self {
        Self { netns, name }
    }

    /// The link `name` on the host.
    pub fn host(name: LinkName) -> Self {
        Self::new(Netns::Host, name)
    }
}

impl fmt::Display for LinkRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.netns, self.name)
    }
}

impl Serialize for LinkRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_names_hold_what_linux_allows() {
        for good in ["lo", "docker0", "veth0123456789a", "eth0.5"] {
            assert_eq!(good.parse::<LinkName>().unwrap().as_str(), good);
        }
        for bad in ["", "sixteen-letters!", "a/b", "a b", "a:b", ".", ".."] {
            assert!(bad.parse::<LinkName>().is_err(), "{bad:?}");
        }
    }
}
