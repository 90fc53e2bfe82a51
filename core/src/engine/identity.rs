//! What Docker draws at random, drawn here from a counter, so that a run can be repeated: ids,
//! veth names and hardware addresses.

use crate::{MacAddr, name::LinkName};
use std::net::Ipv4Addr;

/// A 64-digit id.
pub(super) fn id(kind: u64, serial: u64) -> String {
    (0..4)
        .map(|part| format!("{:016x}", mix(kind << 48 | serial << 2 | part)))
        .collect()
}

/// The host's end of the veth pair of the `serial`th endpoint: `veth` and seven digits, no two alike
/// within 2^28 endpoints.
pub(super) fn veth_name(serial: u64) -> Option<LinkName> {
    // Odd, so multiplication is a permutation of the 28-bit numbers.
    const SCATTER: u64 = 0x9e3_779b;
    format!(
        "veth{:07x}",
        (serial + 1).wrapping_mul(SCATTER) & 0xfff_ffff
    )
    .parse()
    .ok()
}

/// The hardware address of that end: locally administered, and no container's or bridge's.
pub(super) fn veth_mac(serial: u64) -> MacAddr {
    let [.., a, b, c, d] = serial.to_be_bytes();
    MacAddr::new(0x06, 0x42, a, b, c, d)
}

/// docker0's hardware address, `02:42` and four bytes of Docker's choice.
pub(super) const DOCKER0_MAC: MacAddr = MacAddr(0x02, 0x42, 0x6e, 0x70, 0x00, 0x01);

/// A container's hardware address: `02:42` and its IPv4 address (`netutils.GenerateMACFromIP`).
pub(super) fn mac_of(address: Ipv4Addr) -> MacAddr {
    let [a, b, c, d] = address.octets();
    MacAddr::new(0x02, 0x42, a, b, c, d)
}

/// SplitMix64's finisher.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
