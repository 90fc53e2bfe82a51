//! Transport protocols and ports.

use std::{fmt, num::NonZeroU16, str::FromStr};

use serde::{Serialize, Serializer};

/// A transport protocol that Docker can expose. Ordered as Docker sorts equal port numbers: tcp first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Transmission Control Protocol.
    Tcp,
    /// User Datagram Protocol.
    Udp,
    /// Stream Control Transmission Protocol.
    Sctp,
}

impl Protocol {
    /// Every protocol there is.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// Its number in the IPv4 header.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// The name in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A port of a container: `6379/tcp`. Ordered by number, then protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// 1 to 65535.
    pub number: NonZeroU16,
    /// The protocol that the number belongs to.
    pub protocol: Protocol,
}

impl Port {
    /// The port `number`, or nothing if that is 0.
    pub fn new(number: u16, protocol: Protocol) -> Option<Self> {
        Some(Self {
            number: NonZeroU16::new(number)?,
            protocol,
        })
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol)
    }
}

impl Serialize for Port {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a word is not a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPort;

impl fmt::Display for InvalidPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port is a number from 1 to 65535, with /tcp, /udp or /sctp behind it or nothing for tcp")
    }
}

impl std::error::Error for InvalidPort {}

impl FromStr for Port {
    type Err = InvalidPort;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let protocol = match protocol.to_ascii_lowercase().as_str() {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            _ => return Err(InvalidPort),
        };
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidPort);
        }
        number
            .parse()
            .ok()
            .and_then(|number| Self::new(number, protocol))
            .ok_or(InvalidPort)
    }
}
