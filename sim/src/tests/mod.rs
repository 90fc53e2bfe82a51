//! The simulator as a whole, through the door that others use.

mod scenario;
