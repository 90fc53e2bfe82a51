//! A recording, played along with the models.

use netparity_core::parity::{Facts, Observation};

use crate::recording::{RecordedStep, Recording};

/// A recording and how far it has been played.
pub(super) struct Replay<'a> {
    pub model: &'a str,
    left: std::slice::Iter<'a, RecordedStep>,
    step: Option<&'a RecordedStep>,
    /// What the model looked like when it was last looked at.
    facts: Facts,
}

impl<'a> Replay<'a> {
    pub fn new(recording: &'a Recording) -> Self {
        Self {
            model: &recording.model,
            left: recording.steps.iter(),
            step: None,
            facts: Facts::default(),
        }
    }

    /// Goes on to the next step that does something.
    pub fn advance(&mut self) {
        self.step = self.left.next();
        let changes = self.step.and_then(|step| step.look.as_ref());
        for (place, value) in changes.into_iter().flatten() {
            self.facts.set(place.clone(), value.clone());
        }
    }

    /// What the model showed at this step.
    pub fn observation(&self) -> Option<&'a Observation> {
        self.step.map(|step| &step.observation)
    }

    /// What the network looked like after this step, where that was looked at.
    pub fn facts(&self) -> Option<&Facts> {
        let step = self.step?;
        step.look.as_ref().map(|_| &self.facts)
    }
}
