//! What came of a run, for people and for programs.

mod difference;
mod json;
mod summary;
mod text;

use std::io::{self, Write};

pub use self::{
    json::Json,
    summary::{Absent, BAD_INPUT, COULD_NOT_RUN, DIFFERED, PASSED, Status, Summary},
    text::Text,
};
use crate::{language::Scenario, run::Record};

/// Writes what came of scenarios, one after another.
pub trait Report {
    /// Begins.
    ///
    /// # Errors
    ///
    /// Those of `out`, here and below.
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()>;

    /// Writes what came of one scenario.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    fn scenario(
        &mut self,
        out: &mut dyn Write,
        scenario: &Scenario,
        record: &Record,
    ) -> io::Result<()>;

    /// Ends.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    fn end(&mut self, out: &mut dyn Write, summary: &Summary) -> io::Result<()>;
}
