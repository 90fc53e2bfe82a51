//! What core decides: the engine, the comparison and the allocator's laws. All in one binary,
//! because to link is what takes the time and the room.

mod allocator_laws;
mod engine;
mod parity;
