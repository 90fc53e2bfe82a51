//! Measuring: the floor, this program and its peers side by side.
//!
//! - [`floor`]: the bare system calls that an endpoint cannot do without,
//! - [`topology`]: what is built to be measured,
//! - [`peers`]: other programs that do the same, and [`cell`], which they are kept in,
//! - [`measure`]: the measurements, in interleaved rounds,
//! - [`figures`]: what was measured, and ratios,
//! - [`table`], [`summary`], [`chart`]: the same for people,
//! - [`guard`]: ratios that must not get worse.

pub mod cell;
pub mod chart;
pub mod figures;
pub mod floor;
pub mod guard;
pub mod measure;
pub mod peers;
pub mod summary;
pub mod table;
pub mod topology;
