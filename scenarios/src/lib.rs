//! netparity's scenarios: their language, the runner, the views and the reports.
//!
//! - [`source`]: scenario files, found and read,
//! - [`language`]: their text, read into steps,
//! - [`diagnostic`]: what is wrong with them, and where.

pub mod diagnostic;
pub mod language;
pub mod paint;
pub mod source;
