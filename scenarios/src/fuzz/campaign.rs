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

    /// What tells a failure from others, where a case has many: a smaller case has to have the same.
    fn kind(_what: &str) -> &str {
        ""
    }

    /// Cases that say a little less than this one.
    fn smaller(_case: &Self::Case) -> impl Iterator<Item = Self::Case> {
        std::iter::empty()
    }

    /// Takes note of a finding; whether there may be others, which are worth going on for.
    fn goes_on(&mut self, _finding: &Finding<Self::Case>) -> bool {
        false
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
    /// The cases that failed.
    pub findings: Vec<Finding<C>>,
    /// Whether it was ended by the last of them.
    pub is_found: bool,
    /// What the cases reached.
    pub coverage: Coverage,
}

/// The most smaller cases that are tried before a finding is told as it is.
pub(super) const SHRINKS: u64 = 1_000;

/// How many times as many are tried after that, where drawing smaller does not get any further.
const REDUCTIONS: u64 = 5;

impl Campaign {
    /// Tries cases until one fails and the subject looks for no other, there are no more, the time
    /// is over, or `go_on`, which is asked after each, says no.
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
            findings: Vec::new(),
            is_found: false,
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
                let most = subject.shrinks(&tree.current());
                let mut finding = Finding {
                    what,
                    case: tree.current(),
                    number,
                    seed: self.seed,
                    shrinks: 0,
                };
                self.shrink(subject, &mut *tree, &mut finding, most, start)?;
                self.reduce(subject, &mut finding, most * REDUCTIONS, start)?;
                outcome.is_found = !subject.goes_on(&finding);
                outcome.findings.push(finding);
                if outcome.is_found {
                    break;
                }
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

    /// Draws smaller for as long as the case still fails.
    fn shrink<S: Subject>(
        &self,
        subject: &mut S,
        tree: &mut dyn ValueTree<Value = S::Case>,
        finding: &mut Finding<S::Case>,
        most: u64,
        start: Instant,
    ) -> Result<(), String> {
        let mut more = tree.simplify();
        while more && finding.shrinks < most && !self.is_over(start, 2) {
            more = match Self::still_fails(subject, tree.current(), finding)? {
                true => tree.simplify(),
                false => tree.complicate(),
            };
        }
        Ok(())
    }

    /// Takes a smaller case for the finding's, if it fails the same way.
    fn still_fails<S: Subject>(
        subject: &mut S,
        smaller: S::Case,
        finding: &mut Finding<S::Case>,
    ) -> Result<bool, String> {
        finding.shrinks += 1;
        match subject.test(&smaller, &mut Coverage::default())? {
            Some(what) if S::kind(&what) == S::kind(&finding.what) => {
                (finding.what, finding.case) = (what, smaller);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Goes on where drawing smaller does not get any further: until nothing can go.
    fn reduce<S: Subject>(
        &self,
        subject: &mut S,
        finding: &mut Finding<S::Case>,
        most: u64,
        start: Instant,
    ) -> Result<(), String> {
        'less: loop {
            let case = finding.case.clone();
            for smaller in S::smaller(&case) {
                if finding.shrinks >= most || self.is_over(start, 2) {
                    return Ok(());
                }
                if Self::still_fails(subject, smaller, finding)? {
                    continue 'less;
                }
            }
            return Ok(());
        }
    }
}
