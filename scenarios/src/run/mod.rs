//! Playing scenarios: each on several models in lockstep, several at once.

mod judge;
mod lockstep;
mod models;
mod pool;
mod record;

pub use self::{
    lockstep::{Keep, play},
    models::{Dockerd, Machine, ModelKind},
    pool::{Run, run_all},
    record::{End, Failure, Instead, Played, Record, Seen, StepRecord},
};
