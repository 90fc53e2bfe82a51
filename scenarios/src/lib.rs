//! netparity's scenarios: their language, the runner, the views and the reports.
//!
//! - [`source`]: scenario files, found and read,
//! - [`language`]: their text, read into steps,
//! - [`diagnostic`]: what is wrong with them, and where,
//! - [`run`]: playing them on models, in lockstep,
//! - [`recording`]: what a model did, written down,
//! - [`view`]: what a network looks like, for people,
//! - [`report`]: what came of it, as text and as JSON,
//! - [`coverage`]: which of all that is possible they reach,
//! - [`bench`]: measuring, beside the bare system calls and other programs,
//! - [`fuzz`]: random scenarios, judged and shrunk,
//! - [`explore`]: every sequence of commands up to a length,
//! - [`cli`]: the command.

pub mod bench;
pub mod cli;
pub mod coverage;
pub mod diagnostic;
pub mod explore;
pub mod fuzz;
pub mod language;
pub mod paint;
pub mod recording;
pub mod report;
pub mod run;
pub mod source;
pub mod view;
