//! What the benchmarks build, and [`floor`], the bare system calls that an endpoint cannot do
//! without: those of `netparity bench`. And how their clocks are kept.

use std::time::{Duration, Instant};

pub use netparity::bench::{
    floor,
    measure::{pairs, settle},
    topology::*,
};

/// How long `work` takes, so many times; what comes of it is dropped, and what that leaves to the
/// kernel is waited for, while the clock stands.
pub fn timed<T>(times: u64, mut work: impl FnMut() -> T) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..times {
        let start = Instant::now();
        let result = work();
        total += start.elapsed();
        drop(result);
        // What cannot be waited for disturbs what comes next, and no more.
        let _ = settle();
    }
    total
}

/// Says why something was not measured.
#[expect(clippy::print_stderr, reason = "a benchmark reports what it skips")]
pub fn skip(what: &str, why: &str) {
    eprintln!("{what}: skipped: {why}");
}
