//! Recordings, written.

use std::fmt;

use netparity_core::{
    frame::NormalFrame,
    model::ModelError,
    parity::{NormalTrace, Observation},
};

use super::{RecordedStep, Recording, VERSION, bytes::Hex, text::Escaped};

/// What no place may contain where a value follows it.
const IN_PLACES: &[char] = &['='];
/// What no hardware address' owner may contain where another one follows it.
const IN_STATIONS: &[char] = &[' '];

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "recording {VERSION} of {}", self.model)?;
        for step in &self.steps {
            writeln!(f)?;
            of_step(f, step)?;
        }
        f.write_str("\nend\n")
    }
}

fn of_step(f: &mut fmt::Formatter<'_>, step: &RecordedStep) -> fmt::Result {
    writeln!(f, "> {}", Escaped::rest(&step.text))?;
    match &step.observation {
        Observation::Done(outcome) => {
            writeln!(f, "done")?;
            for warning in &outcome.warnings {
                writeln!(f, "warned {}", Escaped::rest(warning))?;
            }
        }
        Observation::Failed(ModelError::Refused(refusal)) => {
            writeln!(f, "refused {}", Escaped::rest(refusal.as_str()))?;
        }
        Observation::Failed(ModelError::Broken(why)) => {
            writeln!(f, "broken {}", Escaped::rest(why))?;
        }
        Observation::Sent(trace) => of_trace(f, trace)?,
    }
    let Some(changes) = &step.look else {
        return writeln!(f, "unseen");
    };
    for (place, value) in changes {
        let text = place;
        let place = Escaped {
            text,
            reserved: IN_PLACES,
        };
        match value.as_deref() {
            None => writeln!(f, "gone {place}")?,
            Some("") => writeln!(f, "now {place} =")?,
            Some(value) => writeln!(f, "now {place} = {}", Escaped::rest(value))?,
        }
    }
    Ok(())
}

/// Each frame where it is seen first, and by its number from then on.
fn of_trace(f: &mut fmt::Formatter<'_>, trace: &NormalTrace) -> fmt::Result {
    writeln!(f, "verdict {}", trace.verdict)?;
    let mut known: Vec<&NormalFrame> = Vec::new();
    for (tap, frame) in &trace.frames {
        let number = match known.iter().position(|it| *it == frame) {
            Some(at) => at + 1,
            None => {
                known.push(frame);
                of_frame(f, known.len(), frame)?;
                known.len()
            }
        };
        let at = format!("{} {}", tap.direction, tap.link);
        writeln!(f, "seen {number} {}", Escaped::rest(&at))?;
    }
    for drop in &trace.drops {
        writeln!(f, "dropped {}", Escaped::rest(drop))?;
    }
    Ok(())
}

fn of_frame(f: &mut fmt::Formatter<'_>, number: usize, frame: &NormalFrame) -> fmt::Result {
    writeln!(f, "frame {number} # {}", Escaped::rest(&frame.to_string()))?;
    f.write_str("is")?;
    for text in frame.stations() {
        let reserved = IN_STATIONS;
        write!(f, " {}", Escaped { text, reserved })?;
    }
    match frame.bytes() {
        [] => writeln!(f),
        bytes => writeln!(f, " {}", Hex(bytes)),
    }
}
