//! Playing scenarios: each on several models in lockstep, several at once.

mod company;
mod judge;
mod lockstep;
mod models;
mod pool;
mod record;
mod recorder;
mod replay;
mod suite;

pub use self::{
    lockstep::{Keep, play},
    models::{Dockerd, Machine, ModelKind},
    record::{End, Failure, How, Instead, Parting, Played, Record, Seen, StandIn, StepRecord},
    recorder::{Recorded, Recordings, record, record_all},
    suite::{Run, run_all},
};
