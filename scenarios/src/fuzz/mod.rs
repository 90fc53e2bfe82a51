//! Fuzzing: random cases, judged, shrunk to the fewest lines, and written out as scenarios.
//!
//! - `strategy`: what is drawn,
//! - `campaign`: case after case, and shrinking,
//! - [`parity`], [`isolation`], [`allocator`]: what is asked of a case,
//! - `coverage`: what the cases have reached.

pub mod allocator;
mod by_hand;
mod campaign;
mod coverage;
pub mod isolation;
pub mod parity;
mod step;
mod strategy;
mod transcript;

pub use self::{
    campaign::{Campaign, Finding, Outcome, Shard, Subject},
    coverage::Coverage,
    step::Step,
    strategy::{World, cases},
    transcript::transcript,
};
