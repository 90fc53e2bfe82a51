//! Fuzzing: random cases, judged, shrunk to the fewest lines, and written out as scenarios.
//!
//! - `strategy`: what is drawn,
//! - `campaign`: case after case, and shrinking,
//! - `reduce`: what is a little less than a case,
//! - [`parity`], [`isolation`], [`allocator`]: what is asked of a case.

pub mod allocator;
mod by_hand;
mod campaign;
pub mod isolation;
mod known;
pub mod parity;
mod reduce;
mod step;
mod strategy;
mod transcript;

pub(crate) use self::transcript::take;
pub use self::{
    campaign::{Campaign, Finding, Outcome, Shard, Subject},
    step::Step,
    strategy::{World, cases},
    transcript::transcript,
};
pub use crate::coverage::Coverage;
