//! What netparity reads from strangers, fed with any bytes. Each function panics where something is
//! wrong, which is what libFuzzer takes for a finding.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "whoever calls this wants to be told by a panic"
)]

mod frames;
mod netlink;
mod parse;

pub use self::{frames::frames, netlink::netlink, parse::parse};
