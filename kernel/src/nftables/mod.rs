//! The host's packet rules in nf_tables, over netlink.

mod batch;
mod chain;
mod expression;
mod index;
mod message;
mod parts;
mod rule;
mod socket;
mod uapi;

use std::mem;

use netparity_core::{
    plan::RuleOp,
    rules::{Chain, Policy, RuleSet},
    trace::DropCause,
};
use nix::libc::{EINVAL, ENOENT, ERESTART};

use crate::error::Failure;

use self::{
    batch::Batch,
    chain::ListedChain,
    index::{Id, Index},
    message::{Message, Writer},
    rule::{End, ListedRule},
    socket::Socket,
    uapi::*,
};

/// How many questions are asked at once, so that the answers find room in the smallest receive buffer.
const QUESTIONS: usize = 16;

/// The packet rules of one namespace.
///
/// Rules that others change are noticed: the kernel numbers each state, and every request says or
/// asks which one it is about.
pub(crate) struct Firewall {
    socket: Socket,
    /// Absent while it is not known to be what the kernel has.
    index: Option<Index>,
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

/// All chains and rules.
struct Listing {
    generation: u32,
    chains: Vec<ListedChain>,
    rules: Vec<ListedRule>,
}

impl Firewall {
    /// For the namespace that the calling thread is in.
    pub(crate) fn open() -> Result<Self, Failure> {
        let socket = Socket::open()?;
        Ok(Self {
            socket,
            index: None,
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
        let answer = self.send(&request).map_err(whole)?;
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

    /// The rules, as the kernel has them.
    pub(crate) fn read(&mut self) -> Result<RuleSet, Failure> {
        let listing = self.list()?;
        let mut set = RuleSet::default();
        for ListedChain { at, policy, .. } in listing.chains {
            let rules = Vec::new();
            set.chains.insert(at, Chain { policy, rules });
        }
        for ListedRule { at, rule, .. } in listing.rules {
            set.chains.entry(at).or_default().rules.push(rule);
        }
        Ok(set)
    }

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
                    NFT_MSG_NEWRULE => rule::read(message)?.packets,
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

    /// The index, taken out. Whoever finds it right puts it back.
    fn current(&mut self) -> Result<Index, Failure> {
        if let Some(index) = self.index.take() {
            return Ok(index);
        }
        let listing = self.list()?;
        let mut index = Index::new(listing.generation);
        for chain in listing.chains {
            index.add_chain(chain.at, chain.policy);
        }
        for rule in listing.rules {
            index.add(rule.at, &rule.rule, Id::Handle(rule.handle), End::Tail);
        }
        Ok(index)
    }

    fn list(&mut self) -> Result<Listing, Failure> {
        loop {
            let generation = self.generation()?;
            let chains = self.dump(NFT_MSG_GETCHAIN, NFT_MSG_NEWCHAIN, chain::read)?;
            let rules = self.dump(NFT_MSG_GETRULE, NFT_MSG_NEWRULE, rule::read)?;
            if self.generation()? == generation {
                return Ok(Listing {
                    generation,
                    chains,
                    rules,
                });
            }
        }
    }

    fn dump<T>(
        &mut self,
        question: u16,
        answer: u16,
        read: impl Fn(&Message<'_>) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let mut request = Writer::default();
        request.message(question, NLM_F_REQUEST | NLM_F_DUMP, 0, |_| ());
        let mut items = Vec::new();
        let mut done = false;
        self.socket.exchange(request.bytes(), |message| {
            match message.kind {
                NLMSG_DONE => done = true,
                kind if kind == answer => items.push(read(message)?),
                _ => return Err(unexpected(message)),
            }
            Ok(())
        })?;
        if done {
            Ok(items)
        } else {
            Err(Failure::nonsense("nf_tables' list has no end"))
        }
    }

    fn generation(&mut self) -> Result<u32, Failure> {
        let mut request = Writer::default();
        request.message(NFT_MSG_GETGEN, NLM_F_REQUEST, 0, |_| ());
        let mut generation = None;
        self.socket.exchange(request.bytes(), |message| {
            match message.kind {
                NFT_MSG_NEWGEN => generation = Some(read_generation(message)?),
                _ => return Err(unexpected(message)),
            }
            Ok(())
        })?;
        generation.ok_or_else(|| Failure::nonsense("nf_tables does not number its states"))
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

fn read_generation(message: &Message<'_>) -> Result<u32, Failure> {
    let [generation] = message.attributes().need([NFTA_GEN_ID])?;
    generation.u32()
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

fn unexpected(message: &Message<'_>) -> Failure {
    match message.error() {
        Ok(number) if message.kind == NLMSG_ERROR && number != 0 => {
            Failure::Errno(number, "list nf_tables rules")
        }
        _ => Failure::nonsense(format_args!("unexpected netlink message {}", message.kind)),
    }
}
