//! The measurements. What is compared is measured in rounds, one after the other in each, so that
//! ratios hold where the machine's speed drifts.

mod allocator;
mod decisions;
mod endpoints;
pub mod pairs;
mod probes;
mod suite;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use netparity_core::model::ModelError;

use crate::run::{Dockerd, Machine};

use super::{figures::Figures, peers::Peer};

/// What is measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whom against.
    pub against: Vec<Peer>,
    /// How many containers at most.
    pub count: usize,
    /// How often.
    pub rounds: usize,
    /// Whether only what [`guard`](super::guard) has ratios of is measured.
    pub only_ratios: bool,
    /// The scenarios that are timed.
    pub suite: PathBuf,
    /// The dockerd that is a peer.
    pub dockerd: Dockerd,
}

/// How long a peer may take for a round; at a size where it would take longer it is not measured.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures everything. `tell` hears what is going on.
///
/// # Errors
///
/// What failed, in words: a measurement that cannot be made is not one that may be left out.
pub fn measure(
    options: &Options,
    machine: &Machine,
    tell: &mut dyn FnMut(&str),
) -> Result<Figures, String> {
    let mut figures = Figures::default();
    tell("decisions");
    decisions::measure(options, &mut figures)?;
    tell("addresses");
    allocator::measure(options, &mut figures)?;
    endpoints::measure(options, machine, &mut figures, tell)?;
    tell("probes");
    probes::measure(options, machine, &mut figures)?;
    for count in sizes(options.count).into_iter().filter(|it| *it > 1) {
        tell(&format!("all pairs of {count}"));
        pairs::measure(options, machine, count, &mut figures)?;
    }
    if !options.only_ratios {
        tell("scenarios");
        suite::measure(options, machine, &mut figures)?;
    }
    Ok(figures)
}

/// 1, 10, 100 and so on, and the largest.
pub fn sizes(largest: usize) -> Vec<usize> {
    let powers = std::iter::successors(Some(1_usize), |size| size.checked_mul(10));
    let mut sizes: Vec<_> = powers.take_while(|size| *size < largest).collect();
    sizes.push(largest);
    sizes
}

/// How long something takes, and what comes of it.
fn timed<T, E: ToString>(work: impl FnOnce() -> Result<T, E>) -> Result<(T, Duration), String> {
    let start = Instant::now();
    let result = work().map_err(|error| error.to_string())?;
    Ok((result, start.elapsed()))
}

/// Waits until the kernel has taken down what was let go.
///
/// # Errors
///
/// The kernel's, in words.
pub fn settle() -> Result<(), String> {
    netparity_kernel::settle();
    super::floor::settled().map_err(|error| format!("wait for the kernel: {error}"))
}

fn broken(error: ModelError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_ten_and_the_largest() {
        assert_eq!(sizes(1), [1]);
        assert_eq!(sizes(10), [1, 10]);
        assert_eq!(sizes(300), [1, 10, 100, 300]);
    }
}
