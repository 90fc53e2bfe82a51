//! Recordings, read.

use std::{collections::BTreeMap, fmt, str::FromStr};

use netparity_core::{
    engine::Refusal,
    frame::NormalFrame,
    model::{ModelError, Outcome},
    name::{LinkRef, Name, Netns},
    parity::{NormalTrace, Observation},
    trace::{Direction, Tap},
};

use super::{RecordedStep, Recording, VERSION, bytes, text::unescape};

/// Why a file cannot be read as a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(String);

impl Unreadable {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl FromStr for Recording {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let mut reader = Reader::default();
        let mut model = None;
        let mut ended = false;
        for (at, line) in text.lines().enumerate() {
            let wrong = |why: &str| Unreadable(format!("line {}: {why}: {line}", at + 1));
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match (word, &model) {
                ("", _) => {}
                ("recording", None) => model = Some(header(rest).map_err(|why| wrong(&why))?),
                (_, None) => return Err(wrong("no recording begins so")),
                (_, Some(_)) if ended => return Err(wrong("more behind the end")),
                ("end", Some(_)) => ended = true,
                (word, Some(_)) => reader.line(word, rest).map_err(wrong)?,
            }
        }
        match (model, ended) {
            (Some(model), true) => Ok(Self {
                model,
                steps: reader.finish()?,
            }),
            _ => Err(Unreadable::new("it has no end")),
        }
    }
}

fn header(rest: &str) -> Result<String, String> {
    match rest.split_once(" of ") {
        Some((version, model)) if version == VERSION.to_string() => Ok(model.to_owned()),
        Some((version, _)) => Err(format!("form {version} of recordings is not known")),
        None => Err("no recording begins so".to_owned()),
    }
}

/// What was read of a step.
#[derive(Default)]
struct Reader {
    steps: Vec<RecordedStep>,
    /// The line of the step that is being read, and what follows it.
    step: Option<(String, Step)>,
}

struct Step {
    observation: Option<Observation>,
    frames: Vec<NormalFrame>,
    look: Option<BTreeMap<String, Option<String>>>,
}

impl Default for Step {
    fn default() -> Self {
        Self {
            observation: None,
            frames: Vec::new(),
            look: Some(BTreeMap::new()),
        }
    }
}

type Wrong = &'static str;

impl Reader {
    fn line(&mut self, word: &str, rest: &str) -> Result<(), Wrong> {
        if word == ">" {
            let text = unescape(rest).ok_or(ESCAPE)?;
            self.end_step()?;
            self.step = Some((text, Step::default()));
            return Ok(());
        }
        match &mut self.step {
            Some((_, step)) => step.line(word, rest),
            None => Err("no step before it"),
        }
    }

    fn end_step(&mut self) -> Result<(), Wrong> {
        if let Some((text, step)) = self.step.take() {
            self.steps.push(RecordedStep {
                text,
                observation: step
                    .observation
                    .ok_or("nothing came of the step before it")?,
                look: step.look,
            });
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<RecordedStep>, Unreadable> {
        self.end_step()
            .map_err(|_| Unreadable::new("nothing came of its last step"))?;
        Ok(self.steps)
    }
}

const ESCAPE: Wrong = "no such escape";
const MISPLACED: Wrong = "not in its place";

impl Step {
    fn line(&mut self, word: &str, rest: &str) -> Result<(), Wrong> {
        let text = || unescape(rest).ok_or(ESCAPE);
        match word {
            "done" => self.observe(Observation::Done(Outcome::default())),
            "refused" => {
                let error = ModelError::Refused(Refusal::new(text()?));
                self.observe(Observation::Failed(error))
            }
            "broken" => self.observe(Observation::Failed(ModelError::Broken(text()?))),
            "verdict" => self.observe(Observation::Sent(NormalTrace {
                verdict: rest.parse().map_err(|_| "no such verdict")?,
                frames: Vec::new(),
                drops: Vec::new(),
            })),
            "warned" => match &mut self.observation {
                Some(Observation::Done(outcome)) => {
                    outcome.warnings.push(text()?);
                    Ok(())
                }
                _ => Err(MISPLACED),
            },
            // For people: the next line says it all.
            "frame" => Ok(()),
            "is" => {
                self.frames.push(frame(rest)?);
                Ok(())
            }
            "seen" => {
                let seen = self.seen(rest)?;
                self.trace()?.frames.push(seen);
                Ok(())
            }
            "dropped" => {
                self.trace()?.drops.push(text()?);
                Ok(())
            }
            "unseen" => {
                self.look = None;
                Ok(())
            }
            "now" => {
                let (place, value) = match rest.split_once(" = ") {
                    Some(fact) => fact,
                    None => (rest.strip_suffix(" =").ok_or("no value")?, ""),
                };
                let value = unescape(value).ok_or(ESCAPE)?;
                self.change(place, Some(value))
            }
            "gone" => self.change(rest, None),
            _ => Err("no such line in a recording"),
        }
    }

    fn observe(&mut self, observation: Observation) -> Result<(), Wrong> {
        match self.observation.replace(observation) {
            None => Ok(()),
            Some(_) => Err(MISPLACED),
        }
    }

    fn trace(&mut self) -> Result<&mut NormalTrace, Wrong> {
        match &mut self.observation {
            Some(Observation::Sent(trace)) => Ok(trace),
            _ => Err(MISPLACED),
        }
    }

    fn seen(&self, rest: &str) -> Result<(Tap, NormalFrame), Wrong> {
        let (number, tap) = rest.split_once(' ').ok_or("no tap")?;
        let number: usize = number.parse().map_err(|_| "no number of a frame")?;
        let frame = number.checked_sub(1).and_then(|at| self.frames.get(at));
        let frame = frame.ok_or("no such frame before it")?;
        let tap = tap_of(&unescape(tap).ok_or(ESCAPE)?).ok_or("no tap")?;
        Ok((tap, frame.clone()))
    }

    fn change(&mut self, place: &str, value: Option<String>) -> Result<(), Wrong> {
        let place = unescape(place).ok_or(ESCAPE)?;
        let look = self.look.as_mut().ok_or(MISPLACED)?;
        look.insert(place, value);
        Ok(())
    }
}

fn frame(rest: &str) -> Result<NormalFrame, Wrong> {
    let (stations, hex) = rest.rsplit_once(' ').unwrap_or(("", rest));
    let stations: Option<Vec<_>> = stations
        .split(' ')
        .filter(|it| !it.is_empty())
        .map(unescape)
        .collect();
    let bytes = bytes::parse(hex).ok_or("no bytes")?;
    Ok(NormalFrame::new(stations.ok_or(ESCAPE)?, bytes))
}

fn tap_of(text: &str) -> Option<Tap> {
    let (direction, link) = text.split_once(' ')?;
    let (netns, name) = link.rsplit_once('/')?;
    let netns = match netns {
        Name::HOST => Netns::Host,
        _ => Netns::Named(Name::new(netns)),
    };
    Some(Tap {
        link: LinkRef::new(netns, name.parse().ok()?),
        direction: match direction {
            "in" => Direction::In,
            "out" => Direction::Out,
            _ => return None,
        },
    })
}
