//! What rules and policies that drop have taken.

use std::mem;

use netparity_core::{rules::Policy, trace::DropCause};
use nix::libc::ENOENT;

use crate::error::Failure;

use super::{
    Firewall, chain,
    listing::{read_generation, unexpected},
    message::Writer,
    place, rule, sequence,
    uapi::*,
};

/// How many questions are asked at once, so that the answers find room in the smallest receive buffer.
const QUESTIONS: usize = 16;

impl Firewall {
    /// How many packets each rule that drops has taken so far, equal rules of a chain together,
    /// and how many each policy that drops since it does. In no certain order, but the same as long
    /// as the rules are.
    pub(crate) fn drops(&mut self) -> Result<Vec<(DropCause, u64)>, Failure> {
        loop {
            if let Some(drops) = self.count()? {
                return Ok(drops);
            }
        }
    }

    /// Nothing if somebody else has changed the rules meanwhile.
    fn count(&mut self) -> Result<Option<Vec<(DropCause, u64)>>, Failure> {
        let dialect = self.dialect;
        let index = self.current()?;
        let mut drops = Vec::new();
        let mut questions = Questions::new();
        for (at, rules) in index.chains() {
            if rules.policy == Policy::Drop {
                chain::write_get(questions.more(), sequence(drops.len()), at);
                drops.push((DropCause::Policy(at), 0));
            }
            for (rule, ids) in &rules.dropping {
                for id in ids {
                    rule::write_get(questions.more(), sequence(drops.len()), at, *id);
                }
                drops.push((DropCause::Rule(at, rule.clone()), 0));
            }
        }
        for request in questions.requests() {
            let mut same = false;
            let lost = self.socket.exchange(request.bytes(), |message| {
                let packets = match message.kind {
                    NFT_MSG_NEWGEN => {
                        same = read_generation(message)? == index.generation;
                        return Ok(());
                    }
                    NFT_MSG_NEWCHAIN => chain::read(message)?.packets,
                    NFT_MSG_NEWRULE => rule::read(message, dialect)?.packets,
                    // Said of what somebody else has removed.
                    NLMSG_ERROR if message.error()? == ENOENT => return Ok(()),
                    _ => return Err(unexpected(message)),
                };
                let slot = place(message.sequence).and_then(|at| drops.get_mut(at));
                match (slot, packets) {
                    (Some((_, count)), Some(packets)) => *count += packets,
                    _ => return Err(Failure::nonsense("drops that nf_tables does not count")),
                }
                Ok(())
            })?;
            if lost {
                return Err(Failure::nonsense("nf_tables' counts found no room"));
            }
            if !same {
                return Ok(None);
            }
        }
        self.index = Some(index);
        Ok(Some(drops))
    }
}

/// Questions in requests of at most [`QUESTIONS`], each of which first asks for the generation.
struct Questions {
    full: Vec<Writer>,
    current: Writer,
    room: usize,
}

impl Questions {
    fn new() -> Self {
        let mut current = Writer::default();
        current.message(NFT_MSG_GETGEN, NLM_F_REQUEST, 0, |_| ());
        Self {
            full: Vec::new(),
            current,
            room: QUESTIONS,
        }
    }

    /// Where one more is to be written.
    fn more(&mut self) -> &mut Writer {
        if self.room == 0 {
            let Self { full, current, .. } = mem::replace(self, Self::new());
            self.full = full;
            self.full.push(current);
        }
        self.room -= 1;
        &mut self.current
    }

    fn requests(self) -> impl Iterator<Item = Writer> {
        self.full.into_iter().chain([self.current])
    }
}
