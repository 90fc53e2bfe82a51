//! What the probing thread waits for.

use netparity_core::port::{Port, Protocol};

use crate::namespaces::Slot;

/// What has something to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The fence.
    Fence,
    /// A namespace's tap.
    Tap(Slot),
    /// A namespace's udp server.
    Server(Slot, Port),
}

const TAP: u64 = 1 << 16;

impl Source {
    /// The number that epoll knows it by: the slot, then the port, for which a tap has one that is
    /// none. The fence has the last number of all.
    pub(crate) fn token(self) -> u64 {
        match self {
            Self::Fence => u64::MAX,
            Self::Tap(slot) => (slot as u64) << 17 | TAP,
            Self::Server(slot, port) => (slot as u64) << 17 | u64::from(port.number.get()),
        }
    }

    pub(crate) fn of_token(token: u64) -> Option<Self> {
        let slot = (token >> 17) as Slot;
        match token {
            u64::MAX => Some(Self::Fence),
            _ if token & TAP != 0 => Some(Self::Tap(slot)),
            _ => Some(Self::Server(slot, Port::new(token as u16, Protocol::Udp)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_back() {
        for slot in [0, 1, 70_000] {
            let port = Port::new(65_535, Protocol::Udp).unwrap();
            for source in [Source::Fence, Source::Tap(slot), Source::Server(slot, port)] {
                assert_eq!(Source::of_token(source.token()), Some(source));
            }
        }
    }
}
