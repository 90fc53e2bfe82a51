//! The rules as the kernel lists them.

use netparity_core::rules::{Chain, ChainRef, Policy, RuleSet, Table};
use nix::libc::ERESTART;

use crate::error::Failure;

use super::{
    Dialect, Firewall,
    chain::{self, ListedChain},
    index::{Id, Index},
    message::{Message, Writer},
    refusal,
    rule::{self, End, ListedRule},
    sequence,
    uapi::*,
};

/// All chains and rules.
struct Listing {
    generation: u32,
    chains: Vec<ListedChain>,
    rules: Vec<ListedRule>,
}

impl Firewall {
    /// The rules, as the kernel has them. Where nobody else changes them, it is not asked again as
    /// long as nothing is changed here.
    pub(crate) fn look(&mut self, is_private: bool) -> Result<RuleSet, Failure> {
        let rules = match self.last_look.take() {
            Some(known) if is_private => known,
            _ => self.read()?,
        };
        Ok(self.last_look.insert(rules).clone())
    }

    /// The rules, as the kernel has them.
    pub(super) fn read(&mut self) -> Result<RuleSet, Failure> {
        let listing = self.list()?;
        let mut set = RuleSet::default();
        for ListedChain { at, policy, .. } in listing.chains {
            let rules = Vec::new();
            set.chains.insert(at, Chain { policy, rules });
        }
        if self.dialect == Dialect::Iptables {
            list_built_in(&mut set);
        }
        for ListedRule { at, rule, .. } in listing.rules {
            set.chains.entry(at).or_default().rules.push(rule);
        }
        Ok(set)
    }

    /// The index, taken out. Whoever finds it right puts it back.
    pub(super) fn current(&mut self) -> Result<Index, Failure> {
        if let Some(index) = self.index.take() {
            return Ok(index);
        }
        let mut listing = self.list()?;
        if self.count_policies(&listing)? {
            listing = self.list()?;
        }
        let mut index = Index::new(listing.generation);
        for chain in listing.chains {
            index.add_chain(chain.at, chain.policy);
        }
        for rule in listing.rules {
            index.add(rule.at, &rule.rule, Id::Handle(rule.handle), End::Tail);
        }
        Ok(index)
    }

    /// Has what policies drop counted, where somebody else has set them: iptables-nft prints such
    /// counts and does not ask for them. Returns whether there was anything to be done.
    fn count_policies(&mut self, listing: &Listing) -> Result<bool, Failure> {
        let mut batch = Writer::default();
        batch.framing(NFNL_MSG_BATCH_BEGIN, NFNL_SUBSYS_NFTABLES, |body| {
            body.put_u32(NFNL_BATCH_GENID, listing.generation);
        });
        let mut any = false;
        for chain in &listing.chains {
            if chain.policy == Policy::Drop && chain.packets.is_none() {
                chain::write_policy(&mut batch, sequence(0), chain.at, chain.policy);
                any = true;
            }
        }
        if !any {
            return Ok(false);
        }
        batch.framing(NFNL_MSG_BATCH_END, NFNL_SUBSYS_NFTABLES, |_| ());
        let mut outcome = Ok(());
        self.socket.exchange(batch.bytes(), |message| {
            if message.kind == NLMSG_ERROR && outcome.is_ok() {
                outcome = match message.error()? {
                    // Somebody has changed the rules since; they are listed again all the same.
                    0 | ERESTART => Ok(()),
                    number => Err(refusal(number)),
                };
            }
            Ok(())
        })?;
        outcome.map(|()| true)
    }

    fn list(&mut self) -> Result<Listing, Failure> {
        let dialect = self.dialect;
        loop {
            let generation = self.generation()?;
            let chains = self.dump(NFT_MSG_GETCHAIN, NFT_MSG_NEWCHAIN, chain::read)?;
            let rules = self.dump(NFT_MSG_GETRULE, NFT_MSG_NEWRULE, |message| {
                rule::read(message, dialect)
            })?;
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

    pub(super) fn generation(&mut self) -> Result<u32, Failure> {
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

/// iptables-nft makes a built-in chain when it has something to put there, and lists all of those of a
/// table that it has made.
fn list_built_in(set: &mut RuleSet) {
    for table in [Table::Filter, Table::Nat] {
        if set.chains.keys().any(|at| at.table == table) {
            for chain in chain::built_in(table) {
                set.chains.entry(ChainRef { table, chain }).or_default();
            }
        }
    }
}

/// Reads the answer to a question for the kernel's number for the state of the rules.
pub(super) fn read_generation(message: &Message<'_>) -> Result<u32, Failure> {
    let [generation] = message.attributes().need([NFTA_GEN_ID])?;
    generation.u32()
}

/// What to say of an answer that has no place where it came.
pub(super) fn unexpected(message: &Message<'_>) -> Failure {
    match message.error() {
        Ok(number) if message.kind == NLMSG_ERROR && number != 0 => {
            Failure::Errno(number, "list nf_tables rules")
        }
        _ => Failure::nonsense(format_args!("unexpected netlink message {}", message.kind)),
    }
}
