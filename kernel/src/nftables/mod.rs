//! The host's packet rules in nf_tables, over netlink.

mod batch;
mod chain;
mod clear;
mod conntrack;
mod drops;
mod expression;
mod index;
mod iptables;
mod listing;
mod message;
mod parts;
mod rule;
mod socket;
mod translate;
mod uapi;

use netparity_core::{plan::RuleOp, rules::RuleSet};
use nix::libc::{EINVAL, ERESTART};

use crate::error::Failure;

use self::{
    batch::Batch,
    index::Index,
    listing::{read_generation, unexpected},
    message::{Message, Messages, Writer},
    socket::Socket,
    uapi::*,
};

/// The packet rules of one namespace.
///
/// Rules that others change are noticed: the kernel numbers each state, and every request says or
/// asks which one it is about.
pub(crate) struct Firewall {
    socket: Socket,
    dialect: Dialect,
    /// Absent while it is not known to be what the kernel has.
    index: Option<Index>,
    /// What was read last, if nothing was changed here since.
    last_look: Option<RuleSet>,
}

/// Who writes the rules, and so in which expressions they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// This crate: see [`translate`].
    Own,
    /// iptables-nft: see [`iptables`]. They are only read.
    Iptables,
}

/// What became of a transaction that was not refused.
enum Attempt {
    Done,
    /// Nothing: somebody else has changed the rules meanwhile.
    Overtaken,
    /// Nothing: it is more than the socket takes.
    TooLarge,
}

/// The kernel's answer to a transaction.
#[derive(Default)]
struct Answer {
    /// The first refusal: sequence number and error number.
    refusal: Option<(u32, i32)>,
    /// The number of the state that the transaction made, if its first message asks for an echo.
    generation: Option<u32>,
    /// Sequence numbers and handles of the rules that it made.
    handles: Vec<(u32, u64)>,
}

impl Firewall {
    /// For the namespace that the calling thread is in.
    pub(crate) fn open() -> Result<Self, Failure> {
        Self::of(Dialect::Own)
    }

    /// The same, where iptables-nft writes the rules.
    pub(crate) fn open_foreign() -> Result<Self, Failure> {
        Self::of(Dialect::Iptables)
    }

    fn of(dialect: Dialect) -> Result<Self, Failure> {
        Ok(Self {
            socket: Socket::open()?,
            dialect,
            index: None,
            last_look: None,
        })
    }

    /// Carries out `ops` as one transaction: all of them or none. The first that touches a table
    /// makes it, with its built-in chains.
    ///
    /// # Errors
    ///
    /// The operation that was refused, by its place in `ops`, and why:
    /// - `ENOENT`: no such chain or rule, or a jump to no such chain;
    /// - `EEXIST`: the new chain is there;
    /// - `EBUSY`: the chain to be removed has rules or is jumped to;
    /// - `EINVAL`: the chain to be removed is built in;
    /// - `EOPNOTSUPP`: a policy for a chain that is not built in, a jump to one that is, or
    ///   masquerading where another hook than nat's POSTROUTING leads to it;
    /// - `EMLINK`: jumps in a circle that a hook leads to.
    pub(crate) fn apply(&mut self, ops: &[&RuleOp]) -> Result<(), (usize, Failure)> {
        if ops.is_empty() {
            return Ok(());
        }
        self.last_look = None;
        loop {
            match self.attempt(ops)? {
                Attempt::Done => return Ok(()),
                Attempt::Overtaken => {}
                Attempt::TooLarge => return self.apply_in_parts(ops),
            }
        }
    }

    fn attempt(&mut self, ops: &[&RuleOp]) -> Result<Attempt, (usize, Failure)> {
        let whole = |failure| (0, failure);
        let mut index = self.current().map_err(whole)?;
        let mut batch = Batch::new(&mut index);
        // The kernel would remove a built-in chain. That must not come to it, but what is before
        // it must, since that may be refused first.
        let forbidden =
            |op: &&RuleOp| matches!(op, RuleOp::DeleteChain(at) if chain::is_built_in(*at));
        let forbidden = ops.iter().position(forbidden);
        let allowed = forbidden.and_then(|at| ops.get(..at)).unwrap_or(ops);
        for (at, op) in allowed.iter().enumerate() {
            batch.push(sequence(at), op);
        }
        let request = match forbidden {
            Some(_) => batch.trial(),
            None => batch.finish(),
        };
        if request.bytes().len() > self.socket.room() {
            return Ok(Attempt::TooLarge);
        }
        let barrier = index.stops_tracking().then(|| self.socket.barrier());
        let barrier = barrier.transpose().map_err(whole)?;
        let answer = self.send(&request).map_err(whole)?;
        drop(barrier);
        match (answer.refusal, forbidden) {
            (Some((_, ERESTART)), _) => return Ok(Attempt::Overtaken),
            (Some((sequence, number)), _) => {
                // A refusal of the whole comes at its end.
                let at = place(sequence).unwrap_or(ops.len() - 1);
                return Err((at, refusal(number)));
            }
            (None, Some(at)) => return Err((at, refusal(EINVAL))),
            (None, None) => {}
        }
        index.generation = match answer.generation {
            Some(generation) => generation,
            None => self.generation().map_err(whole)?,
        };
        let mut fresh = 0;
        for (sequence, handle) in &answer.handles {
            let op = place(*sequence).and_then(|at| ops.get(at));
            if let Some(RuleOp::Insert(at, rule) | RuleOp::Append(at, rule)) = op {
                index.settle(*at, rule, *sequence, *handle);
                fresh += 1;
            }
        }
        let is_new = |op: &&&RuleOp| matches!(op, RuleOp::Insert(..) | RuleOp::Append(..));
        // Or else some handles found no room in the socket.
        if fresh == ops.iter().filter(is_new).count() {
            self.index = Some(index);
        }
        Ok(Attempt::Done)
    }

    fn send(&mut self, transaction: &Writer) -> Result<Answer, Failure> {
        let mut answer = Answer::default();
        self.socket
            .exchange(transaction.bytes(), |message| answer.take(message))?;
        Ok(answer)
    }
}

impl Answer {
    fn take(&mut self, message: &Message<'_>) -> Result<(), Failure> {
        match message.kind {
            NLMSG_ERROR => {
                let refusal = (message.sequence, message.error()?);
                self.refusal.get_or_insert(refusal);
            }
            NFT_MSG_NEWGEN => self.generation = Some(read_generation(message)?),
            NFT_MSG_NEWRULE => {
                let handle = rule::read_handle(message)?;
                self.handles.push((message.sequence, handle));
            }
            _ => return Err(unexpected(message)),
        }
        Ok(())
    }
}

/// How many chains and rules there are in these bytes.
pub(crate) fn read_back(bytes: &[u8], foreign: bool) -> usize {
    let dialect = if foreign {
        Dialect::Iptables
    } else {
        Dialect::Own
    };
    let understood = |message: &Message<'_>| match message.kind {
        NFT_MSG_NEWCHAIN => chain::read(message).is_ok(),
        NFT_MSG_NEWRULE => rule::read(message, dialect).is_ok(),
        _ => Answer::default().take(message).is_ok(),
    };
    let messages = Messages(bytes).filter_map(Result::ok);
    messages.filter(understood).count()
}

/// The sequence number of the messages about the thing at `at`.
fn sequence(at: usize) -> u32 {
    u32::try_from(at + 1).unwrap_or(u32::MAX)
}

/// What the messages with this sequence number are about, if not about the whole.
fn place(sequence: u32) -> Option<usize> {
    usize::try_from(sequence).ok()?.checked_sub(1)
}

fn refusal(number: i32) -> Failure {
    Failure::Errno(number, "change nf_tables rules")
}
