//! The vocabulary, the Docker engine and the comparison of netparity.
//!
//! There is no I/O here, no clock, no randomness and no async. Start at
//! [`model::NetworkModel`]; everything else serves it:
//!
//! - [`command`]: what a person tells a network to do,
//! - [`engine`]: what dockerd decides about it,
//! - [`plan`]: what the engine wants done, in the kernel's terms,
//! - [`rules`]: packet filter and NAT rules as data,
//! - [`probe`], [`shots`], [`verdict`], [`trace`]: a packet thrown at a network and what became of it,
//! - [`snapshot`]: what a network looks like,
//! - [`frame`]: captured bytes, decoded and normalised,
//! - [`parity`]: the first place where two models part,
//! - [`laws`]: what every implementation must hold to,
//! - [`form`]: states, written down so that equal ones can be told,
//! - [`name`], [`port`]: the words all of them share.

pub mod allocator;
pub mod command;
pub mod engine;
pub mod errno;
pub mod form;
pub mod frame;
pub mod laws;
pub mod model;
pub mod name;
pub mod parity;
pub mod plan;
pub mod port;
pub mod probe;
pub mod rules;
pub mod shots;
pub mod snapshot;
pub mod trace;
pub mod verdict;

pub use pnet::util::MacAddr;
