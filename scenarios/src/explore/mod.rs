//! Small-scope exhaustion: every sequence of commands up to a length, held to the laws of isolation.
//!
//! Breadth first, by forking the simulator. A state is known by its canonical form: one that was
//! seen before, or is one seen before with its containers called otherwise, is not explored again.
//! Since nothing is thrown at a state but by a fork of it, a state is what its commands made it,
//! and a flow's verdict depends on nothing else.
//!
//! Of a state that was seen 16 bytes are kept, a hash; of one that is still to be gone on from, the
//! commands that lead to it, a byte each. Threads keep the states along one way, and go from one to
//! the next by the commands in which the ways differ.
//!
//! - [`Scope`]: which commands, and so what is proved,
//! - [`State`]: a network, and what was declared in it,
//! - [`Symmetry`]: which states are the same but for names,
//! - [`Search`]: level after level, on all processors,
//! - [`Report`]: what came of it.

mod frontier;
mod report;
mod scope;
mod search;
mod state;
mod symmetry;
mod tally;
mod walk;

pub use self::{
    report::Report,
    scope::{Icc, Scope},
    search::{Broken, End, Explored, Level, Progress, Search},
    state::State,
    symmetry::{Class, Symmetry},
    tally::{Sighting, Tally},
};
