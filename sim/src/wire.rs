//! Bytes of headers: offsets, reading, writing and the Internet checksum (RFC 1071).
//!
//! What is read past the end is 0: callers check lengths where they matter.

/// A hardware address.
pub(crate) type Mac = [u8; 6];

pub(crate) const BROADCAST: Mac = [0xff; 6];

pub(crate) const ETHERNET: usize = 14;
pub(crate) const IPV4_HEADER: usize = 20;
pub(crate) const TCP_HEADER: usize = 20;
pub(crate) const UDP_HEADER: usize = 8;
pub(crate) const ICMP_HEADER: usize = 8;
pub(crate) const ARP_PACKET: usize = 28;

pub(crate) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(crate) const ETHERTYPE_ARP: u16 = 0x0806;

pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;

pub(crate) const DONT_FRAGMENT: u16 = 0x4000;
pub(crate) const MORE_FRAGMENTS: u16 = 0x2000;
pub(crate) const FRAGMENT_OFFSET: u16 = 0x1fff;

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    match bytes.get(at..at + 2) {
        Some([a, b]) => u16::from_be_bytes([*a, *b]),
        _ => 0,
    }
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..at + 4) {
        Some([a, b, c, d]) => u32::from_be_bytes([*a, *b, *c, *d]),
        _ => 0,
    }
}

pub(crate) fn mac_at(bytes: &[u8], at: usize) -> Mac {
    bytes
        .get(at..at + 6)
        .and_then(|mac| mac.try_into().ok())
        .unwrap_or_default()
}

pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

pub(crate) fn put_u16(bytes: &mut [u8], at: usize, value: u16) {
    put(bytes, at, &value.to_be_bytes());
}

pub(crate) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    put(bytes, at, &value.to_be_bytes());
}

/// What follows `at`, or nothing.
pub(crate) fn after(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..).unwrap_or_default()
}

/// A sum of 16-bit words, not folded yet.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sum(u64);

impl Sum {
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        let mut words = bytes.chunks_exact(4);
        for word in &mut words {
            self.0 += u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
        }
        let mut rest = [0; 4];
        let left = words.remainder();
        rest[..left.len()].copy_from_slice(left);
        self.0 += u64::from(u32::from_be_bytes(rest));
        self
    }

    /// The words of what TCP and UDP sum up before the segment.
    pub fn pseudo(self, source: u32, destination: u32, protocol: u8, length: usize) -> Self {
        Self(
            self.0
                + u64::from(source)
                + u64::from(destination)
                + u64::from(protocol)
                + length as u64,
        )
    }

    /// The checksum: the complement of the folded sum.
    pub fn complement(self) -> u16 {
        let mut sum = self.0;
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }
}

pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    Sum::default().bytes(bytes).complement()
}

/// The checksum of a TCP or UDP segment in which the checksum field counts as it is.
pub(crate) fn segment_checksum(source: u32, destination: u32, protocol: u8, segment: &[u8]) -> u16 {
    Sum::default()
        .pseudo(source, destination, protocol, segment.len())
        .bytes(segment)
        .complement()
}

/// A checksum after one of the words it covers has changed (RFC 1624).
pub(crate) fn adjust(checksum: u16, old: u16, new: u16) -> u16 {
    let mut sum = u32::from(!checksum) + u32::from(!old) + u32::from(new);
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

pub(crate) fn adjust_u32(checksum: u16, old: u32, new: u32) -> u16 {
    let high = adjust(checksum, (old >> 16) as u16, (new >> 16) as u16);
    adjust(high, old as u16, new as u16)
}

/// An IPv4 header, read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ipv4 {
    /// Its length in bytes.
    pub header: usize,
    pub tos: u8,
    /// The packet's length in bytes.
    pub length: usize,
    pub id: u16,
    /// Flags and fragment offset as they stand on the wire.
    pub fragment: u16,
    pub ttl: u8,
    pub protocol: u8,
    pub source: u32,
    pub destination: u32,
}

/// Offsets in an IPv4 header.
pub(crate) mod ipv4 {
    pub(crate) const TOS: usize = 1;
    pub(crate) const LENGTH: usize = 2;
    pub(crate) const ID: usize = 4;
    pub(crate) const FRAGMENT: usize = 6;
    pub(crate) const TTL: usize = 8;
    pub(crate) const PROTOCOL: usize = 9;
    pub(crate) const CHECKSUM: usize = 10;
    pub(crate) const SOURCE: usize = 12;
    pub(crate) const DESTINATION: usize = 16;
}

impl Ipv4 {
    /// Reads the header at the beginning of `packet`; nothing where it cannot be one, or where
    /// the packet is shorter than it says (`ip_rcv_core`).
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let read = Self::parse_quoted(packet)?;
        (read.length <= packet.len()).then_some(read)
    }

    /// Reads the header of a packet that may have been cut short.
    pub fn parse_quoted(packet: &[u8]) -> Option<Self> {
        let first = *packet.first()?;
        let header = usize::from(first & 0xf) * 4;
        let length = usize::from(u16_at(packet, ipv4::LENGTH));
        if first >> 4 != 4 || header < IPV4_HEADER || packet.len() < header || length < header {
            return None;
        }
        Some(Self {
            header,
            tos: packet[ipv4::TOS],
            length,
            id: u16_at(packet, ipv4::ID),
            fragment: u16_at(packet, ipv4::FRAGMENT),
            ttl: packet[ipv4::TTL],
            protocol: packet[ipv4::PROTOCOL],
            source: u32_at(packet, ipv4::SOURCE),
            destination: u32_at(packet, ipv4::DESTINATION),
        })
    }

    /// Whether a packet can be IPv4 at all (`ip_rcv_core`, `br_validate_ipv4`).
    pub fn is_sound(packet: &[u8]) -> bool {
        Self::parse(packet).is_some_and(|header| checksum(&packet[..header.header]) == 0)
    }

    /// Bytes of the whole datagram before this packet's.
    pub fn offset(&self) -> usize {
        usize::from(self.fragment & FRAGMENT_OFFSET) * 8
    }

    pub fn more_fragments(&self) -> bool {
        self.fragment & MORE_FRAGMENTS != 0
    }

    pub fn is_fragment(&self) -> bool {
        self.fragment & (MORE_FRAGMENTS | FRAGMENT_OFFSET) != 0
    }

    pub fn dont_fragment(&self) -> bool {
        self.fragment & DONT_FRAGMENT != 0
    }

    /// What the packet carries.
    pub fn body<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        packet
            .get(self.header..self.length.min(packet.len()))
            .unwrap_or_default()
    }
}

/// Puts the right checksum on the IPv4 header at the beginning of `packet`.
pub(crate) fn seal(packet: &mut [u8]) {
    let header = packet
        .first()
        .map_or(0, |first| usize::from(first & 0xf) * 4);
    put_u16(packet, ipv4::CHECKSUM, 0);
    let sum = checksum(packet.get(..header).unwrap_or_default());
    put_u16(packet, ipv4::CHECKSUM, sum);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_adjusted_checksum_is_the_one_computed_anew(
            mut bytes in proptest::collection::vec(any::<u8>(), 20..60),
            at in 0..9_usize,
            value: u16,
        ) {
            bytes.truncate(bytes.len() & !1);
            bytes[0] |= 1;
            let before = checksum(&bytes);
            let old = u16_at(&bytes, at * 2);
            put_u16(&mut bytes, at * 2, value);
            prop_assume!(bytes.iter().any(|byte| *byte != 0));
            prop_assert_eq!(adjust(before, old, value), checksum(&bytes));
        }

        #[test]
        fn a_packet_with_its_checksum_in_it_sums_to_nothing(
            mut bytes in proptest::collection::vec(any::<u8>(), 20..60),
        ) {
            bytes.truncate(bytes.len() & !1);
            put_u16(&mut bytes, 10, 0);
            let sum = checksum(&bytes);
            put_u16(&mut bytes, 10, sum);
            prop_assert_eq!(checksum(&bytes), 0);
        }

        #[test]
        fn no_header_is_read_past_the_packet(bytes: Vec<u8>) {
            if let Some(header) = Ipv4::parse(&bytes) {
                prop_assert!(header.header <= header.length && header.length <= bytes.len());
            }
        }
    }
}
