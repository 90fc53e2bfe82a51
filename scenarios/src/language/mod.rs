//! The scenario language: one command a line, spelled as a person would spell it to the tool
//! that it is for.
//!
//! [`parse`] finds every mistake of a file before anything is built: what is not in the language,
//! and names that nothing before has made. What only a running network can say it leaves to that.

mod arguments;
mod brctl;
mod docker;
mod dockerd;
mod flags;
mod host_tool;
mod ifconfig;
mod ip;
mod lexer;
mod mistake;
mod observe;
mod parser;
mod probe;
mod route;
mod scope;
pub mod spelling;
mod step;
mod sysctl;
mod value;
pub mod vocabulary;

use std::path::PathBuf;

use crate::{
    diagnostic::Diagnostic,
    source::{self, Source},
};

pub use self::{
    host_tool::CommandLine,
    parser::parse,
    step::{Action, Divergence, Expectation, ProbeEnd, Scenario, Step, View},
};
pub(crate) use mistake::Mistake;

/// Reads the scenarios that [`source::read_all`] finds, each with its text.
///
/// # Errors
///
/// Everything that cannot be read, and every mistake.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<(Source, Scenario)>, Vec<Diagnostic>> {
    let mut scenarios = Vec::new();
    let mut mistakes = Vec::new();
    for source in source::read_all(paths)? {
        match parse(&source) {
            Ok(scenario) => scenarios.push((source, scenario)),
            Err(more) => mistakes.extend(more),
        }
    }
    match mistakes.is_empty() {
        true => Ok(scenarios),
        false => Err(mistakes),
    }
}
