//! Properties that every implementation must have, whoever wrote it.
//!
//! A law is a value with a name and a sentence; its check says at which step it was broken, what
//! was expected and what happened instead.

pub mod allocator;
pub mod isolation;
