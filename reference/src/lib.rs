//! A real dockerd as a model: contained, driven through its API, and read back.
//!
//! Call [`enter`] first thing in `main`: the program starts itself again to be what dockerd lives
//! in. [`Docker::start`] then makes a private host, on which [`Docker::command`] starts dockerd and
//! tells it what to do; [`Reference`] is that host with eyes on it, a whole network model. Nothing
//! of it outlives the process, however that ends.
//!
//! - `model`: dockerd's decisions seen by kernel's eyes,
//! - `contain`: the namespaces, mounts and cgroup that dockerd lives in,
//! - `dockerd`: finding it, and its flags,
//! - `api`: what is said to it,
//! - `image`: what runs in its containers,
//! - `ids`, `sandboxes`: telling what Docker names at random in core's words.

mod api;
mod contain;
mod docker;
mod dockerd;
mod ids;
mod image;
mod model;
mod patience;
mod sandboxes;
mod unavailable;

pub use docker::{Docker, Options};
pub use model::Reference;
pub use unavailable::Unavailable;

/// That [`enter`] was called.
#[derive(Clone, Copy, Debug)]
pub struct Access(());

/// Returns at once, unless the process was started by this crate to keep a dockerd: then it does
/// that, and does not return. Call it first thing in `main`.
pub fn enter() -> Access {
    contain::divert();
    Access(())
}
