//! What was measured.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

/// Something that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A container on a bridge, icc off, the rules of the bridge included: each of `count`.
    Endpoint,
    /// Until the call that takes down `count` of them has returned: all of them.
    TeardownReturned,
    /// Until the kernel has taken them down: all of them.
    TeardownDone,
    /// The last of `count`, each of them linked to the one before it.
    Linked,
    /// A TCP probe to an open port, only its verdict.
    Verdict,
    /// The same, with every frame on its way.
    Trace,
    /// A TCP probe from each of `count` containers to each other, hardware addresses known: one of
    /// them.
    Pair,
    /// `docker run` and `docker rm -f` with `count` containers there, up to the plan.
    Decision,
    /// An address handed out and given back where `count` are free in a /8.
    Address,
    /// The same in a /24.
    SmallPoolAddress,
    /// A scenario of the suite, simulator and kernel compared: each of `count`.
    Scenario,
    /// A case of fuzzing the simulator against the kernel, of up to `count` steps.
    FuzzedCase,
}

/// Who did it.
pub const FLOOR: &str = "floor";
/// This program, on Linux.
pub const KERNEL: &str = "kernel";
/// This program, in its simulator.
pub const SIM: &str = "sim";
/// This program, where it is neither.
pub const CORE: &str = "core";
/// The standard library's set, as an allocator.
pub const BTREE_SET: &str = "btreeset";
/// CNI's allocator, a program that is started for each address and keeps a file for it.
pub const HOST_LOCAL: &str = "host-local";

/// One thing measured at one size for one of those who do it.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What.
    pub what: What,
    /// Who.
    pub who: &'static str,
    /// How many there are.
    pub count: usize,
    /// In nanoseconds.
    pub median: f64,
    /// In nanoseconds, round by round.
    pub rounds: Vec<f64>,
}

/// Nanoseconds of an endpoint, by what they are spent on.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Split {
    /// How many endpoints there are.
    pub count: usize,
    /// The namespace and the socket inside it.
    pub namespace: f64,
    /// The veth pair, up on both sides.
    pub link: f64,
    /// The address.
    pub address: f64,
    /// The default route.
    pub route: f64,
    /// The rules of a link to another endpoint.
    pub rules: f64,
    /// What this program takes on top of these bare calls, its own calls included.
    pub own: f64,
}

/// How much memory the simulator takes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Footprint {
    /// How many containers there are.
    pub count: usize,
    /// Bytes for each of them.
    pub bytes: usize,
}

/// All that was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    /// In the order in which they were asked for.
    pub figures: Vec<Figure>,
    /// Where an endpoint's time goes.
    pub splits: Vec<Split>,
    /// The simulator's memory, where it can be told.
    pub footprints: Vec<Footprint>,
    /// Who was left out, and why.
    pub skipped: BTreeMap<String, String>,
}

impl Figures {
    /// Takes down what one round took for `items` of something.
    pub fn add(
        &mut self,
        what: What,
        who: &'static str,
        count: usize,
        time: Duration,
        items: usize,
    ) {
        let nanos = time.as_nanos() as f64 / items.max(1) as f64;
        let is_it = |it: &&mut Figure| (it.what, it.who, it.count) == (what, who, count);
        match self.figures.iter_mut().find(is_it) {
            Some(figure) => {
                figure.rounds.push(nanos);
                figure.median = median(&figure.rounds);
            }
            None => self.figures.push(Figure {
                what,
                who,
                count,
                median: nanos,
                rounds: vec![nanos],
            }),
        }
    }

    /// One of them.
    pub fn find(&self, what: What, who: &str, count: usize) -> Option<&Figure> {
        let is_it = |it: &&Figure| (it.what, it.who, it.count) == (what, who, count);
        self.figures.iter().find(is_it)
    }

    /// The sizes at which something was measured.
    pub fn counts(&self, what: What) -> Vec<usize> {
        let of_it = self.figures.iter().filter(|it| it.what == what);
        let mut counts: Vec<_> = of_it.map(|it| it.count).collect();
        counts.sort_unstable();
        counts.dedup();
        counts
    }

    /// How many times as long as `base` something takes: the median over the rounds, in each of
    /// which both were measured one after the other.
    pub fn ratio(
        &self,
        (what, who, count): (What, &str, usize),
        base: (What, &str, usize),
    ) -> Option<f64> {
        let one = self.find(what, who, count)?;
        let base = self.find(base.0, base.1, base.2)?;
        let pairs = one.rounds.iter().zip(&base.rounds);
        Some(median(
            &pairs.map(|(one, base)| one / base).collect::<Vec<_>>(),
        ))
    }
}

impl Figures {
    /// The same of the quickest round of each: what disturbs a machine only ever makes it slower.
    pub fn best_ratio(
        &self,
        (what, who, count): (What, &str, usize),
        base: (What, &str, usize),
    ) -> Option<f64> {
        let best = |figure: &Figure| figure.rounds.iter().copied().fold(f64::INFINITY, f64::min);
        let one = self.find(what, who, count)?;
        let base = self.find(base.0, base.1, base.2)?;
        Some(best(one) / best(base))
    }
}

/// The middle one, or the mean of the two in the middle; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
    match sorted.len() % 2 {
        1 => at(middle),
        _ => f64::midpoint(at(middle.saturating_sub(1)), at(middle)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    #[test]
    fn a_ratio_is_that_of_neighbours_in_time() {
        let mut figures = Figures::default();
        // The machine gets ten times slower in between, and the ratio stays.
        for slowness in [1, 10, 100] {
            let time = Duration::from_micros(slowness);
            figures.add(What::Endpoint, FLOOR, 5, time * 5, 5);
            figures.add(What::Endpoint, KERNEL, 5, time * 10, 5);
        }
        let of = |who| (What::Endpoint, who, 5);
        assert_eq!(figures.ratio(of(KERNEL), of(FLOOR)), Some(2.0));
        assert_eq!(
            figures.find(What::Endpoint, FLOOR, 5).unwrap().median,
            10_000.0
        );
        assert_eq!(figures.ratio(of(SIM), of(FLOOR)), None);
        assert_eq!(figures.counts(What::Endpoint), [5]);
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[3.0, 1.0]), 2.0);
        assert_eq!(median(&[9.0, 1.0, 2.0]), 2.0);
    }
}
