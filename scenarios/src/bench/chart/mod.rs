//! What was measured, as pictures: SVG that is readable on light and on dark ground.

mod cost;
mod scale;
mod split;
mod svg;

pub use self::{cost::cost, split::split};
