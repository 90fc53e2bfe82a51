//! The two traits, and the bridge between them.

use std::fmt;

use serde::Serialize;

use crate::{
    command::Command,
    engine::{Action, Engine, Refusal, Variant},
    errno::Errno,
    form::{Canonical, Form},
    name::Netns,
    plan::Plan,
    probe::{Probe, Shot},
    shots::{Shots, unsent},
    snapshot::{NetnsState, Snapshot},
    trace::{Sighting, Trace},
    verdict::Verdict,
};

/// A container network that can be told what to do, probed with packets, and looked at.
pub trait NetworkModel {
    /// What the model is called in reports: `sim`, `kernel`.
    fn name(&self) -> &str;

    /// Carries out a command, wholly or not at all.
    ///
    /// # Errors
    ///
    /// [`ModelError::Refused`] where the network refuses it, [`ModelError::Broken`] where the model itself failed.
    fn apply(&mut self, command: &Command) -> Result<Outcome, ModelError>;

    /// Throws a packet and says what became of it.
    ///
    /// # Errors
    ///
    /// [`ModelError::Refused`] where the sender does not run.
    fn probe(&mut self, probe: &Probe) -> Result<Trace, ModelError>;

    /// Throws a packet and says only how it ended: the verdict of [`probe`](Self::probe), which
    /// some models have cheaper.
    ///
    /// # Errors
    ///
    /// Those of [`probe`](Self::probe).
    fn verdict(&mut self, probe: &Probe) -> Result<Verdict, ModelError> {
        self.probe(probe).map(|trace| trace.verdict)
    }

    /// Looks at everything.
    ///
    /// # Errors
    ///
    /// [`ModelError::Broken`] where the model itself failed.
    fn snapshot(&mut self) -> Result<Snapshot, ModelError>;

    /// Goes back to the empty network that the model began as: nothing that was done or sent before
    /// shows in what comes after.
    ///
    /// # Errors
    ///
    /// [`ModelError::Broken`] where the model itself failed.
    fn reset(&mut self) -> Result<(), ModelError>;
}

/// What a command that was carried out has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Warnings, in the engine's words.
    pub warnings: Vec<String>,
}

/// Why a model did not do what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelError {
    /// The network refuses, as Docker, the host's tool or the kernel would.
    Refused(Refusal),
    /// The model itself failed; nothing it says from now on counts.
    Broken(String),
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
            Self::Broken(why) => write!(f, "broken: {why}"),
        }
    }
}

impl std::error::Error for ModelError {}

impl From<Refusal> for ModelError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What carries out plans and packets: Linux, or a simulation of it.
pub trait Dataplane {
    /// What the data plane is called in reports.
    fn name(&self) -> &str;

    /// Carries out all of a plan or, rolled back, none of it.
    ///
    /// # Errors
    ///
    /// [`DataplaneError::Refused`] with the operation that the kernel refused.
    fn execute(&mut self, plan: &Plan) -> Result<(), DataplaneError>;

    /// Sends a shot and watches every link of every namespace until nothing moves any more.
    ///
    /// # Errors
    ///
    /// [`DataplaneError::Refused`] with `ENOENT` where the sender's namespace is not there,
    /// [`DataplaneError::Broken`] where the data plane itself failed.
    fn probe(&mut self, shot: &Shot) -> Result<Sighting, DataplaneError>;

    /// Sends a shot and says only how it ended, which some data planes can tell cheaper.
    ///
    /// # Errors
    ///
    /// Those of [`probe`](Self::probe).
    fn verdict(&mut self, shot: &Shot) -> Result<Verdict, DataplaneError> {
        let sighting = self.probe(shot)?;
        Ok(Trace::judge(shot, sighting).verdict)
    }

    /// Looks at every namespace; leaves [`Snapshot::containers`] empty.
    ///
    /// # Errors
    ///
    /// [`DataplaneError::Broken`] where the data plane itself failed.
    fn snapshot(&mut self) -> Result<Snapshot, DataplaneError>;

    /// Goes back to a host with nothing but its loopback interface, as if nothing had been there.
    ///
    /// # Errors
    ///
    /// [`DataplaneError::Broken`] where the data plane itself failed.
    fn reset(&mut self) -> Result<(), DataplaneError>;
}

/// Why a data plane did not do what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataplaneError {
    /// The kernel refuses this operation.
    Refused {
        /// Its place in the plan.
        op: usize,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The data plane itself failed.
    Broken(String),
}

impl fmt::Display for DataplaneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { op, errno } => write!(f, "operation {} of the plan: {errno}", op + 1),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for DataplaneError {}

impl From<DataplaneError> for ModelError {
    fn from(error: DataplaneError) -> Self {
        Self::Broken(error.to_string())
    }
}

/// A data plane under core's own engine: a whole network model.
#[derive(Clone, Debug)]
pub struct Planned<D> {
    engine: Engine,
    dataplane: D,
    shots: Shots,
}

impl<D: Dataplane> Planned<D> {
    /// The engine of dockerd 20.10 with nothing started, on a data plane with nothing in it.
    pub fn new(dataplane: D) -> Self {
        Self::of(Variant::default(), dataplane)
    }

    /// The same, in which these rules hold.
    pub fn of(variant: Variant, dataplane: D) -> Self {
        Self {
            engine: Engine::new(variant),
            dataplane,
            shots: Shots::default(),
        }
    }

    /// The data plane.
    pub fn dataplane(&mut self) -> &mut D {
        &mut self.dataplane
    }

    fn carry_out(&mut self, action: &Action) -> Result<Outcome, ModelError> {
        let host = match action.needs_host() {
            true => self
                .dataplane
                .snapshot()?
                .netns
                .remove(&Netns::Host)
                .unwrap_or_default(),
            false => NetnsState::default(),
        };
        let decision = self.engine.decide(action, &host)?;
        match self.dataplane.execute(&decision.plan) {
            Ok(()) => self.engine.commit(decision).map_err(Into::into),
            Err(DataplaneError::Refused { op, errno }) => Err(self
                .engine
                .kernel_refusal(action, &decision, op, errno)
                .into()),
            Err(broken) => Err(broken.into()),
        }
    }

    fn shot(&mut self, probe: &Probe) -> Result<Option<Shot>, ModelError> {
        let Self {
            engine,
            dataplane,
            shots,
        } = self;
        shots.make(probe, engine, || dataplane.snapshot())
    }
}

/// Left out: the source ports of probes to come, none of which is used twice in a row.
impl<D: Canonical> Canonical for Planned<D> {
    fn write<'a>(&'a self, form: &mut Form<'a>) {
        let Self {
            engine,
            dataplane,
            shots: _,
        } = self;
        engine.write(form);
        dataplane.write(form);
    }
}

impl<D: Dataplane> NetworkModel for Planned<D> {
    fn name(&self) -> &str {
        self.dataplane.name()
    }

    fn apply(&mut self, command: &Command) -> Result<Outcome, ModelError> {
        let mut outcome = Outcome::default();
        for action in self.engine.actions(command)? {
            match self.carry_out(&action) {
                Ok(one) => outcome.warnings.extend(one.warnings),
                Err(error) => {
                    self.engine.give_up(&action);
                    return Err(error);
                }
            }
        }
        Ok(outcome)
    }

    fn probe(&mut self, probe: &Probe) -> Result<Trace, ModelError> {
        let Some(shot) = self.shot(probe)? else {
            return Ok(Trace::unsent(Verdict::NoName));
        };
        let sighting = self.dataplane.probe(&shot);
        let sighting = sighting.map_err(|error| unsent(probe, error))?;
        Ok(Trace::judge(&shot, sighting))
    }

    fn verdict(&mut self, probe: &Probe) -> Result<Verdict, ModelError> {
        let Some(shot) = self.shot(probe)? else {
            return Ok(Verdict::NoName);
        };
        let verdict = self.dataplane.verdict(&shot);
        verdict.map_err(|error| unsent(probe, error))
    }

    fn snapshot(&mut self) -> Result<Snapshot, ModelError> {
        let mut snapshot = self.dataplane.snapshot()?;
        snapshot.containers = self.engine.containers();
        Ok(snapshot)
    }

    fn reset(&mut self) -> Result<(), ModelError> {
        self.dataplane.reset()?;
        self.engine = Engine::new(self.engine.variant());
        self.shots = Shots::default();
        Ok(())
    }
}
