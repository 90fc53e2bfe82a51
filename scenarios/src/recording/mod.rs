//! What a model did with a scenario, written down, so that others can be compared with it where
//! it is not at hand.
//!
//! A recording holds what parity compares and nothing else, so it is the same each time. Its form
//! is in the scenarios' README.

mod bytes;
mod read;
mod text;
mod write;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use netparity_core::parity::{Facts, Observation};

pub use self::read::Unreadable;
use crate::language::{Scenario, Step};

/// The version of the form.
const VERSION: u32 = 1;

/// What one model did with one scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The model.
    pub model: String,
    /// Each step that does something.
    pub steps: Vec<RecordedStep>,
}

/// What a model did at one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedStep {
    /// The line, as [`words`] has it.
    pub text: String,
    /// What came of it.
    pub observation: Observation,
    /// What the network looked like after it, where that was looked at: the places that have
    /// changed since the look before, with what is there now.
    pub look: Option<BTreeMap<String, Option<String>>>,
}

impl RecordedStep {
    /// Takes down what has changed since `before`.
    pub fn look(&mut self, before: &Facts, now: &Facts) {
        let owned =
            |(place, value): (&str, Option<&str>)| (place.to_owned(), value.map(str::to_owned));
        self.look = Some(before.changes(now).map(owned).collect());
    }
}

/// A step's line, however its words are set apart.
pub fn words(step: &Step) -> String {
    step.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Recording {
    /// Where the recording of a scenario is: `recordings/NAME.MODEL.txt` beside it.
    pub fn path(scenario: &Scenario, model: &str) -> PathBuf {
        let folder = Path::new(&scenario.path).parent().unwrap_or(Path::new(""));
        let file = format!("{}.{model}.txt", scenario.name());
        folder.join("recordings").join(file)
    }

    /// The recording at this path, if there is one.
    ///
    /// # Errors
    ///
    /// Where it cannot be read.
    pub fn load(path: &Path) -> Result<Option<Self>, Unreadable> {
        match fs::read_to_string(path) {
            Ok(text) => text.parse().map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Unreadable::new(error.to_string())),
        }
    }

    /// Writes the recording, and says whether that changed anything.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn save(&self, path: &Path) -> io::Result<bool> {
        let text = self.to_string();
        if fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
            return Ok(false);
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        // Never half of one.
        let unfinished = path.with_extension("unfinished");
        fs::write(&unfinished, text)?;
        fs::rename(&unfinished, path)?;
        Ok(true)
    }

    /// The first step of the scenario that is not the one that was recorded, if there is one.
    pub fn first_other_step(&self, scenario: &Scenario) -> Option<usize> {
        let mut recorded = self.steps.iter();
        for (at, step) in scenario.steps.iter().enumerate() {
            if step.action.acts() && recorded.next().is_none_or(|it| it.text != words(step)) {
                return Some(at);
            }
        }
        recorded
            .next()
            .map(|_| scenario.steps.len().saturating_sub(1))
    }
}
