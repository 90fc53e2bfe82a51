//! What the benchmarks build, and [`floor`], the bare system calls that an endpoint cannot do
//! without: those of `netparity bench`.

pub use netparity::bench::{floor, topology::*};
