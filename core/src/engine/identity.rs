//! What Docker draws at random, derived here from what it belongs to, so that a run can be repeated
//! and a model of a real engine can be told in the same words: ids, veth names, hardware addresses.

use crate::{MacAddr, name::LinkName};
use std::net::Ipv4Addr;

/// The 64-digit id of the `serial`th container that was made, from 0.
pub fn container_id(serial: u64) -> String {
    id(0, serial)
}

/// The id of the default network.
pub fn network_id() -> String {
    id(1, 0)
}

/// What stands for the id of any endpoint: only words of refusal have them.
pub fn endpoint_id() -> String {
    id(2, 0)
}

fn id(kind: u64, serial: u64) -> String {
    (0..4)
        .map(|part| format!("{:016x}", mix(kind << 48 | serial << 2 | part)))
        .collect()
}

/// The host's end of the veth pair of the endpoint with this address: `veth` and seven digits, no
/// two alike among the addresses of one bridge.
pub fn veth_name(address: Ipv4Addr) -> LinkName {
    LinkName::literal(&format!("veth{:07x}", address.to_bits() & 0xfff_ffff))
}

/// The hardware address of that end: locally administered, no container's or bridge's, and lower than
/// nearly all that the kernel draws, so that a bridge without one of its own takes it whatever it
/// had taken first.
pub fn veth_mac(address: Ipv4Addr) -> MacAddr {
    let [a, b, c, d] = address.octets();
    MacAddr::new(0x02, 0x00, a, b, c, d)
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
