//! What goes wrong between this crate and the kernel.

use std::fmt;

use netparity_core::{errno::Errno, model::DataplaneError};

/// A request that did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The kernel answered with this error number.
    Errno(i32, &'static str),
    /// The kernel answered with something that cannot be.
    Nonsense(String),
}

impl Failure {
    /// There is no namespace of that name, as `ip netns exec` finds when it opens it.
    pub(crate) const NO_NAMESPACE: Self = Self::Errno(nix::libc::ENOENT, "find namespace");
    /// There is no link of that name.
    pub(crate) const NO_LINK: Self = Self::Errno(nix::libc::ENODEV, "find link");

    pub(crate) fn nonsense(why: impl fmt::Display) -> Self {
        Self::Nonsense(why.to_string())
    }

    /// The failure as the data plane's own.
    pub(crate) fn broken(self) -> DataplaneError {
        DataplaneError::Broken(self.to_string())
    }

    /// The failure as a refusal of the operation at `op`, if a plan can meet it.
    pub(crate) fn at(self, op: usize) -> DataplaneError {
        match self {
            Self::Errno(number, doing) => match Errno::from_number(number) {
                Some(errno) => DataplaneError::Refused { op, errno },
                None => Self::Errno(number, doing).broken(),
            },
            Self::Nonsense(_) => self.broken(),
        }
    }

    pub(crate) fn errno(&self) -> Option<i32> {
        match self {
            Self::Errno(number, _) => Some(*number),
            Self::Nonsense(_) => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(number, doing) => {
                write!(
                    f,
                    "{doing}: {}",
                    nix::errno::Errno::from_raw(*number).desc()
                )
            }
            Self::Nonsense(why) => f.write_str(why),
        }
    }
}

/// Says what was being done when the kernel refused.
pub(crate) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, Failure>;
}

impl<T> Doing<T> for nix::Result<T> {
    fn doing(self, what: &'static str) -> Result<T, Failure> {
        self.map_err(|errno| Failure::Errno(errno as i32, what))
    }
}

impl<T> Doing<T> for std::io::Result<T> {
    fn doing(self, what: &'static str) -> Result<T, Failure> {
        self.map_err(|error| match error.raw_os_error() {
            Some(number) => Failure::Errno(number, what),
            None => Failure::Nonsense(format!("{what}: {error}")),
        })
    }
}
