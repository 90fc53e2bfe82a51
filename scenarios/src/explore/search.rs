//! Level after level, on all processors.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use netparity_core::{
    command::Command,
    laws::isolation::{Cause, Violation},
    model::Planned,
};
use netparity_sim::Sim;

use super::{
    Scope, State, Symmetry,
    frontier::Frontier,
    tally::Tally,
    walk::{Alphabet, New, Walk},
};

/// How a scope is explored.
pub struct Search<'a> {
    /// What is explored.
    pub scope: Scope,
    /// Which states are the same.
    pub symmetry: Symmetry,
    /// A network with nothing in it.
    pub empty: &'a (dyn Fn() -> Planned<Sim> + Sync),
    /// How many threads.
    pub jobs: usize,
    /// When to stop in any case.
    pub until: Option<Instant>,
}

/// How far it has come, for whoever waits.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The level.
    pub depth: u8,
    /// States on it that are done.
    pub done: u64,
    /// States on it.
    pub states: u64,
}

/// What came of a search.
#[derive(Clone, Debug)]
pub struct Explored {
    /// Level by level, the number of commands rising from 0.
    pub levels: Vec<Level>,
    /// What breaks a law, by its cause; by none where that is not known.
    pub broken: BTreeMap<Option<Cause>, Broken>,
    /// Why it ended.
    pub end: End,
}

/// The states that are so many commands away, and no fewer.
#[derive(Clone, Debug)]
pub struct Level {
    /// How many there are, each for all that are the same but for names.
    pub states: u64,
    /// How many there are with those.
    pub members: u64,
    /// What was counted there.
    pub tally: Tally,
}

/// What breaks a law for one reason.
#[derive(Clone, Debug)]
pub struct Broken {
    /// In how many states.
    pub states: u64,
    /// By how many flows.
    pub flows: u64,
    /// Of the shortest sequences that lead to one the first.
    pub commands: Vec<Command>,
    /// What was seen there first.
    pub violation: Violation,
}

/// Why a search has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The scope is exhausted.
    Complete,
    /// The time was over before the last level was complete.
    Time,
    /// On the last level a law is broken for no known reason.
    Found,
}

/// How many states a thread takes at a time.
const CHUNK: usize = 16;

/// A level under way.
struct Job<'a> {
    alphabet: &'a Alphabet,
    frontier: &'a Frontier,
    depth: u8,
    seen: &'a HashSet<u128>,
    /// The first state that nobody has taken yet.
    next: AtomicUsize,
    /// States that are done.
    done: AtomicUsize,
    /// Whether to stop: the time is over, the model has failed, or something was found. What was
    /// taken before is done all the same, so that the first of all is found each time.
    stop: AtomicBool,
}

/// What threads have come to.
#[derive(Default)]
struct Results {
    tally: Tally,
    new: New,
}

impl Search<'_> {
    /// Explores until the scope is exhausted, the time is over, or a law is broken for a reason
    /// that is not known.
    ///
    /// # Errors
    ///
    /// Where the model fails.
    pub fn run(&self, progress: &(dyn Fn(Progress) + Sync)) -> Result<Explored, String> {
        let alphabet = Alphabet {
            names: self.scope.names(),
            daemons: self.scope.daemons(),
            commands: self.scope.commands(),
        };
        let mut frontier = Frontier::first(alphabet.daemons.len());
        let mut seen: HashSet<u128> = HashSet::new();
        let mut members = 0;
        for place in 0..frontier.len() {
            let mut walk = self.walk(&alphabet);
            walk.go(frontier.way(place))?;
            let class = walk.class();
            seen.insert(class.hash);
            members += u64::from(class.members);
        }
        let mut explored = Explored {
            levels: Vec::new(),
            broken: BTreeMap::new(),
            end: End::Complete,
        };
        for depth in 0..=self.scope.depth {
            let job = Job {
                alphabet: &alphabet,
                frontier: &frontier,
                depth,
                seen: &seen,
                next: AtomicUsize::new(0),
                done: AtomicUsize::new(0),
                stop: AtomicBool::new(false),
            };
            let Results { tally, new } = self.level(&job, progress)?;
            explored.note(&job, &tally);
            let is_found = tally.broken.contains_key(&None);
            let states = frontier.len() as u64;
            let is_complete = tally.states == states;
            explored.levels.push(Level {
                states,
                members,
                tally,
            });
            if is_found || !is_complete {
                explored.end = if is_found { End::Found } else { End::Time };
                break;
            }
            seen.extend(new.keys());
            let mut ways: Vec<_> = new.into_values().collect();
            ways.sort_unstable();
            members = ways.iter().map(|(_, members)| u64::from(*members)).sum();
            frontier = frontier.next(ways.into_iter().map(|(way, _)| way));
        }
        Ok(explored)
    }

    fn walk<'a>(&'a self, alphabet: &'a Alphabet) -> Walk<'a> {
        Walk::new(alphabet, &self.symmetry, State::new((self.empty)()))
    }

    fn level(
        &self,
        job: &Job<'_>,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Results, String> {
        let results = Mutex::new(Ok(Results::default()));
        let work = || {
            let own = self.work(job, progress);
            job.stop.fetch_or(own.is_err(), Ordering::Relaxed);
            let mut all = results.lock().unwrap_or_else(PoisonError::into_inner);
            match (&mut *all, own) {
                (Ok(all), Ok(own)) => all.add(own),
                (Ok(_), Err(why)) => *all = Err(why),
                (Err(_), _) => {}
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.jobs {
                scope.spawn(work);
            }
            work();
        });
        results.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// What one thread does.
    fn work(&self, job: &Job<'_>, progress: &(dyn Fn(Progress) + Sync)) -> Result<Results, String> {
        let mut results = Results::default();
        let mut walk = self.walk(job.alphabet);
        let is_over = || self.until.is_some_and(|until| Instant::now() >= until);
        while !job.stop.load(Ordering::Relaxed) && !is_over() {
            let start = job.next.fetch_add(CHUNK, Ordering::Relaxed);
            let end = job.frontier.len().min(start + CHUNK);
            if start >= end {
                break;
            }
            for place in start..end {
                walk.go(job.frontier.way(place))?;
                let violations = walk.check(&mut results.tally)?;
                results.tally.saw(place, violations);
                if job.depth < self.scope.depth {
                    let Results { tally, new } = &mut results;
                    walk.expand(place as u32, job.seen, new, tally)?;
                }
            }
            if results.tally.broken.contains_key(&None) {
                job.stop.store(true, Ordering::Relaxed);
            }
            let done = job.done.fetch_add(end - start, Ordering::Relaxed) + end - start;
            progress(Progress {
                depth: job.depth,
                done: done as u64,
                states: job.frontier.len() as u64,
            });
        }
        Ok(results)
    }
}

impl Results {
    fn add(&mut self, other: Self) {
        self.tally.add(other.tally);
        // The smaller into the larger.
        let (mut new, less) = match self.new.len() < other.new.len() {
            true => (other.new, std::mem::take(&mut self.new)),
            false => (std::mem::take(&mut self.new), other.new),
        };
        for (hash, way) in less {
            let first = new.entry(hash).or_insert(way);
            *first = way.min(*first);
        }
        self.new = new;
    }
}

impl Explored {
    fn note(&mut self, job: &Job<'_>, tally: &Tally) {
        for (cause, sighting) in &tally.broken {
            let first = || Broken {
                states: 0,
                flows: 0,
                commands: job.alphabet.spell(job.frontier.way(sighting.place)),
                violation: sighting.violation.clone(),
            };
            let broken = self.broken.entry(*cause).or_insert_with(first);
            broken.states += sighting.states;
            broken.flows += sighting.flows;
        }
    }
}
