//! Transactions that are too large for the socket.
//!
//! A send buffer can be as large as it needs to be only with the machine's own privileges; in a
//! user namespace `net.core.wmem_max` is the limit, which by default leaves room for some 600 rules.

use netparity_core::{
    plan::RuleOp,
    rules::{ChainRef, Policy, RuleSet, Table},
};

use crate::error::Failure;

use super::{Firewall, batch::Batch, chain, refusal};

impl Firewall {
    /// As [`Firewall::apply`], in two transactions; if the second is refused, what was there before
    /// them is put back, with its counts at 0.
    pub(super) fn apply_in_parts(&mut self, ops: &[&RuleOp]) -> Result<(), (usize, Failure)> {
        let (first, second) = ops.split_at(ops.len() / 2);
        if first.is_empty() {
            let failure = Failure::nonsense("a rule is larger than the netlink send buffer");
            return Err((0, failure));
        }
        let before = self.read().map_err(|failure| (0, failure))?;
        self.apply(first)?;
        let Err((at, refused)) = self.apply(second) else {
            return Ok(());
        };
        let outcome = match self.restore(&before) {
            Ok(()) => refused,
            Err(failure) => failure,
        };
        Err((first.len() + at, outcome))
    }

    fn restore(&mut self, before: &RuleSet) -> Result<(), Failure> {
        let mut index = self.current()?;
        let mut batch = Batch::new(&mut index);
        batch.delete_tables();
        let request = batch.finish();
        let barrier = self.socket.barrier()?;
        let answer = self.send(&request)?;
        drop(barrier);
        if let Some((_, number)) = answer.refusal {
            return Err(refusal(number));
        }
        let ops = ops_for(before);
        self.apply(&ops.iter().collect::<Vec<_>>())
            .map_err(|(_, failure)| failure)
    }
}

/// Operations that lead from nothing to `set`.
fn ops_for(set: &RuleSet) -> Vec<RuleOp> {
    let mut ops = Vec::new();
    for table in [Table::Filter, Table::Nat] {
        let chains = || set.chains.iter().filter(move |(at, _)| at.table == table);
        if chains().next().is_some() {
            // Makes the table and does nothing.
            let built_in = chain::built_in(table).map(|chain| ChainRef { table, chain });
            ops.extend(built_in.map(RuleOp::Flush));
        }
        for (&at, chain) in chains() {
            if !chain::is_built_in(at) {
                ops.push(RuleOp::NewChain(at));
            }
            if chain.policy == Policy::Drop {
                ops.push(RuleOp::Policy(at, Policy::Drop));
            }
        }
        for (&at, chain) in chains() {
            let rules = chain.rules.iter();
            ops.extend(rules.map(|rule| RuleOp::Append(at, rule.clone())));
        }
    }
    ops
}
