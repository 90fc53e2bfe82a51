//! A set of numbers.

use std::iter;

/// A set of numbers below a bound that finds the first absent one in a few steps: a bit of each
/// level above the first says that its 64 bits below are all set.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct BitTree {
    levels: Vec<Vec<u64>>,
    size: u64,
}

const WORD: u64 = u64::BITS as u64;

impl BitTree {
    pub(super) fn new(size: u64) -> Self {
        let mut levels = Vec::new();
        let mut bits = size;
        loop {
            let words = bits.div_ceil(WORD);
            let mut level = vec![0; words as usize];
            // What lies beyond the bound counts as set.
            if let (Some(last), rest @ 1..) = (level.last_mut(), bits % WORD) {
                *last = u64::MAX << rest;
            }
            levels.push(level);
            if words == 1 {
                return Self { levels, size };
            }
            bits = words;
        }
    }

    /// Adds a number; `false` if it was there.
    pub(super) fn set(&mut self, number: u32) -> bool {
        let mut at = u64::from(number);
        if at >= self.size || self.levels[0][(at / WORD) as usize] >> (at % WORD) & 1 == 1 {
            return false;
        }
        for level in &mut self.levels {
            let word = &mut level[(at / WORD) as usize];
            *word |= 1 << (at % WORD);
            if *word != u64::MAX {
                break;
            }
            at /= WORD;
        }
        true
    }

    /// Takes a number out; `false` if it was not there.
    pub(super) fn clear(&mut self, number: u32) -> bool {
        let mut at = u64::from(number);
        if at >= self.size || self.levels[0][(at / WORD) as usize] >> (at % WORD) & 1 == 0 {
            return false;
        }
        for level in &mut self.levels {
            let word = &mut level[(at / WORD) as usize];
            let was_full = *word == u64::MAX;
            *word &= !(1 << (at % WORD));
            if !was_full {
                break;
            }
            at /= WORD;
        }
        true
    }

    /// The numbers that are there.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        let words = self.levels.first().into_iter().flatten().enumerate();
        let set = words.flat_map(|(at, word)| {
            let some = |word: u64| (word != 0).then_some(word);
            let rest = iter::successors(some(*word), move |word| some(word & (word - 1)));
            rest.map(move |rest| at as u64 * WORD + u64::from(rest.trailing_zeros()))
        });
        // What lies beyond the bound is set, and is no number.
        set.take_while(|number| *number < self.size)
            .filter_map(|number| u32::try_from(number).ok())
    }

    /// The least number that is absent, from `start` on.
    pub(super) fn first_clear(&self, start: u32) -> Option<u32> {
        let mut at = u64::from(start);
        let mut level = 0;
        // Up, until a word has a clear bit at or behind the place …
        let mut found = loop {
            let word = *self.levels.get(level)?.get((at / WORD) as usize)?;
            let free = !word & (u64::MAX << (at % WORD));
            if free != 0 {
                break at / WORD * WORD + u64::from(free.trailing_zeros());
            }
            at = at / WORD + 1;
            level += 1;
        };
        // … and down again to it.
        while level > 0 {
            level -= 1;
            let word = self.levels[level][found as usize];
            found = found * WORD + u64::from((!word).trailing_zeros());
        }
        u32::try_from(found).ok()
    }
}
