//! Who is compared with whom, and who is known to go another way.

use netparity_core::parity::Difference;

use super::{
    lockstep::Halt,
    record::{Failure, How, Instead, Parting},
};

/// The models and recordings of a run, by their places.
pub(super) struct Company {
    members: Vec<Member>,
    /// Those that went the other way that they are known for, in the order in which they did.
    pub partings: Vec<Parting>,
}

struct Member {
    /// Whether it is known to diverge.
    diverges: bool,
    has_parted: bool,
}

impl Company {
    /// `diverges` says of each member whether it is known to.
    pub fn new(diverges: impl Iterator<Item = bool>) -> Self {
        let member = |diverges| Member {
            diverges,
            has_parted: false,
        };
        Self {
            members: diverges.map(member).collect(),
            partings: Vec::new(),
        }
    }

    /// Whether there is anything to compare.
    pub fn compares(&self) -> bool {
        self.members.len() > 1 && self.leader().is_some()
    }

    /// The first of those that are not known to diverge: the others are compared with it.
    fn leader(&self) -> Option<usize> {
        self.members.iter().position(|it| !it.diverges)
    }

    /// Compares what the members have, where they have it.
    pub fn compare<T>(
        &mut self,
        step: usize,
        items: &[Option<T>],
        differ: impl Fn(&T, &T) -> Option<Difference>,
    ) -> Result<(), Halt> {
        let Some(leader) = self.leader() else {
            return Ok(());
        };
        let Some(Some(first)) = items.get(leader) else {
            return Ok(());
        };
        for (at, member) in self.members.iter_mut().enumerate() {
            let Some(Some(other)) = items.get(at).filter(|_| at != leader && !member.has_parted)
            else {
                continue;
            };
            let Some(difference) = differ(first, other) else {
                continue;
            };
            if !member.diverges {
                return Err(Halt::Differs([leader, at], difference));
            }
            member.has_parted = true;
            self.partings.push(Parting {
                model: at,
                step,
                how: How::Differs(leader, Box::new(difference)),
            });
        }
        Ok(())
    }

    /// Judges what the members have, where they have it: what was expected and what there was
    /// instead.
    pub fn judge<T>(
        &mut self,
        step: usize,
        items: &[Option<T>],
        judge: impl Fn(&T) -> Option<(String, String)>,
        about: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Halt> {
        let mut failure = Failure::default();
        for (model, (member, item)) in self.members.iter_mut().zip(items).enumerate() {
            let Some(item) = item.as_ref().filter(|_| !member.has_parted) else {
                continue;
            };
            let Some((expected, had)) = judge(item) else {
                continue;
            };
            let instead = Instead {
                model,
                had,
                context: about(item),
            };
            if member.diverges {
                member.has_parted = true;
                let instead = vec![instead];
                self.partings.push(Parting {
                    model,
                    step,
                    how: How::Failed(Box::new(Failure { expected, instead })),
                });
            } else {
                failure.expected = expected;
                failure.instead.push(instead);
            }
        }
        match failure.instead.is_empty() {
            true => Ok(()),
            false => Err(Halt::Failed(failure)),
        }
    }

    /// One that is known to diverge and has gone with the others to the end.
    pub fn convert(&self) -> Option<usize> {
        self.leader()?;
        self.members
            .iter()
            .position(|it| it.diverges && !it.has_parted)
    }
}
