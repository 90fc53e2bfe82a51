//! Whose rules hold.

use std::{error, fmt, str::FromStr};

/// Whose rules hold: how an engine keeps containers apart. Everything else is dockerd 20.10's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Variant {
    /// Those of dockerd 20.10.
    #[default]
    Docker20_10,
    /// Those that keep what dockerd 20.10 only promises: there is no such dockerd. At any time the
    /// rules of links are those of the links both ends of which run, and none else. A rule lets the
    /// parent ask and nobody else; the child's answers pass as those of a tracked connection, which
    /// is forgotten when either end stops. A link leads to one container for as long as that is
    /// there, whoever is called so when a daemon starts.
    Strict,
}

impl Variant {
    /// Every variant.
    pub const ALL: [Self; 2] = [Self::Docker20_10, Self::Strict];

    /// What it is called: `20.10`, `strict`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Docker20_10 => "20.10",
            Self::Strict => "strict",
        }
    }

    /// Whether there is a dockerd that does so.
    pub const fn is_of_docker(self) -> bool {
        matches!(self, Self::Docker20_10)
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// There is no such variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownVariant;

impl fmt::Display for UnknownVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such engine: expected ")?;
        for (at, variant) in Variant::ALL.iter().enumerate() {
            let gap = if at == 0 { "" } else { " or " };
            write!(f, "{gap}{variant}")?;
        }
        Ok(())
    }
}

impl error::Error for UnknownVariant {}

impl FromStr for Variant {
    type Err = UnknownVariant;

    fn from_str(text: &str) -> Result<Self, UnknownVariant> {
        let named = |variant: &Self| variant.as_str() == text;
        Self::ALL.into_iter().find(named).ok_or(UnknownVariant)
    }
}
