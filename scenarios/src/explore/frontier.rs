//! The states of one level, each by the commands that lead to it.

/// Ways to states: all of the same length, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frontier {
    length: usize,
    steps: Vec<u8>,
}

/// A way that is one step longer than one of a frontier's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Longer {
    /// The place of that one.
    pub from: u32,
    /// The further step.
    pub step: u8,
}

impl Frontier {
    /// Ways of one step.
    pub fn first(count: usize) -> Self {
        Self {
            length: 1,
            steps: (0..count).map(|step| step as u8).collect(),
        }
    }

    /// The next level.
    pub fn next(&self, ways: impl IntoIterator<Item = Longer>) -> Self {
        let length = self.length + 1;
        let mut steps = Vec::new();
        for way in ways {
            steps.extend_from_slice(self.way(way.from as usize));
            steps.push(way.step);
        }
        Self { length, steps }
    }

    pub fn len(&self) -> usize {
        self.steps.len() / self.length
    }

    pub fn way(&self, place: usize) -> &[u8] {
        let start = place * self.length;
        self.steps
            .get(start..start + self.length)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_level_goes_on_from_this_one() {
        let first = Frontier::first(2);
        assert_eq!((first.len(), first.way(1)), (2, &[1][..]));
        let ways = [(0, 7), (1, 3), (1, 9)].map(|(from, step)| Longer { from, step });
        let next = first.next(ways);
        assert_eq!((next.len(), next.way(2)), (3, &[1, 9][..]));
        assert_eq!(next.next(ways).way(1), [1, 3, 3]);
    }
}
