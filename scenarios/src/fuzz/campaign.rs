//! Case after case, and shrinking.

use std::time::{Duration, Instant};

use proptest::{
    strategy::{BoxedStrategy, Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::Coverage;

/// What is asked of a case.
pub trait Subject {
    /// What is drawn.
    type Case: Clone + std::fmt::Debug;

    /// What the name of a file ends in to which a case is written.
    const EXTENSION: &'static str = crate::source::EXTENSION;

    /// How cases are drawn.
    fn cases(&self) -> BoxedStrategy<Self::Case>;

    /// Tries a case.
    ///
    /// # Errors
    ///
    /// Where it cannot be tried.
    fn test(
        &mut self,
        case: &Self::Case,
        coverage: &mut Coverage,
    ) -> Result<Option<String>, String>;

    /// Is about to be shown smaller and smaller cases of one that fails, and says how many it may
    /// be shown.
    fn shrinks(&mut self, _failing: &Self::Case) -> u64 {
        SHRINKS
    }

    /// A case that was found, as a scenario that fails the same way.
    fn write(&mut self, finding: &Finding<Self::Case>) -> String;
}

/// Part `index` of `count`, from 0: its cases are those whose number leaves this remainder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which.
    pub index: u64,
    /// Of how many.
    pub count: u64,
}

impl Default for Shard {
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

/// How much is fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    /// What every case is drawn from, together with its number.
    pub seed: u64,
    /// How many cases all shards together try.
    pub cases: u64,
    /// When to stop in any case. Shrinking may take as long again.
    pub time: Option<Duration>,
    /// Which of the cases are tried here.
    pub shard: Shard,
}

/// A case that failed, shrunk.
#[derive(Clone, Debug)]
pub struct Finding<C> {
    /// What is wrong with it.
    pub what: String,
    /// The case.
    pub case: C,
    /// The case's number.
    pub number: u64,
    /// The campaign's seed.
    pub seed: u64,
    /// How many smaller cases were tried.
    pub shrinks: u64,
}

/// What came of a campaign.
#[derive(Clone, Debug)]
pub struct Outcome<C> {
    /// Cases tried.
    pub cases: u64,
    /// The first case that failed, if one did.
    pub finding: Option<Finding<C>>,
    /// What the cases reached.
    pub coverage: Coverage,
}

/// The most smaller cases that are tried before a finding is told as it is.
pub(super) const SHRINKS: u64 = 1_000;

impl Campaign {
    /// Tries cases until one fails, there are no more, the time is over, or `go_on`, which is
    /// asked after each, says no.
    ///
    /// # Errors
    ///
    /// Where a case cannot be tried.
    pub fn run<S: Subject>(
        &self,
        subject: &mut S,
        mut go_on: impl FnMut(&Coverage) -> bool,
    ) -> Result<Outcome<S::Case>, String> {
        let start = Instant::now();
        let mut outcome = Outcome {
            cases: 0,
            finding: None,
            coverage: Coverage::default(),
        };
        let strategy = subject.cases();
        let numbers = (0..self.cases).skip(self.shard.index as usize);
        for number in numbers.step_by(self.shard.count.max(1) as usize) {
            if self.is_over(start, 1) {
                break;
            }
            let mut tree = self.draw(&strategy, number)?;
            outcome.cases += 1;
            let found = subject.test(&tree.current(), &mut outcome.coverage)?;
            if let Some(what) = found {
                outcome.finding = Some(self.shrink(subject, &mut *tree, number, what, start)?);
                break;
            }
            if !go_on(&outcome.coverage) {
                break;
            }
        }
        Ok(outcome)
    }

    /// Whether what was begun at `start` has taken its time, so many times.
    fn is_over(&self, start: Instant, times: u32) -> bool {
        self.time
            .is_some_and(|time| start.elapsed() >= time.saturating_mul(times))
    }

    fn draw<C: Clone + std::fmt::Debug>(
        &self,
        strategy: &BoxedStrategy<C>,
        number: u64,
    ) -> Result<Box<dyn ValueTree<Value = C>>, String> {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..16].copy_from_slice(&number.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        strategy
            .new_tree(&mut runner)
            .map_err(|why| format!("no case can be drawn: {why}"))
    }

    /// Takes away and simplifies for as long as the case still fails.
    fn shrink<S: Subject>(
        &self,
        subject: &mut S,
        tree: &mut dyn ValueTree<Value = S::Case>,
        number: u64,
        mut what: String,
        start: Instant,
    ) -> Result<Finding<S::Case>, String> {
        let mut case = tree.current();
        let most = subject.shrinks(&case);
        let mut shrinks = 0;
        let mut more = tree.simplify();
        while more && shrinks < most && !self.is_over(start, 2) {
            shrinks += 1;
            let smaller = tree.current();
            more = match subject.test(&smaller, &mut Coverage::default())? {
                Some(again) => {
                    (what, case) = (again, smaller);
                    tree.simplify()
                }
                None => tree.complicate(),
            };
        }
        Ok(Finding {
            what,
            case,
            number,
            seed: self.seed,
            shrinks,
        })
    }
}
