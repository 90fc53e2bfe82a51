//! Operations as one nf_tables transaction.
//!
//! The messages of an operation have its place, counted from 1, as their sequence number: the
//! kernel's answers to them have the same.

use netparity_core::{
    plan::RuleOp,
    rules::{ChainRef, Policy, Rule, Table},
};

use super::{
    chain,
    index::{Id, Index},
    message::Writer,
    rule::{self, End},
    uapi::*,
};

/// A transaction that starts from one generation of the rules and takes `index` along.
pub(super) struct Batch<'a> {
    writer: Writer,
    index: &'a mut Index,
}

impl<'a> Batch<'a> {
    pub(super) fn new(index: &'a mut Index) -> Self {
        let mut writer = Writer::default();
        let generation = index.generation;
        writer.framing(NFNL_MSG_BATCH_BEGIN, NFNL_SUBSYS_NFTABLES, |body| {
            body.put_u32(NFNL_BATCH_GENID, generation);
        });
        Self { writer, index }
    }

    /// Adds an operation. Whether it can be done is for the kernel to say.
    pub(super) fn push(&mut self, sequence: u32, op: &RuleOp) {
        let Self { writer, index } = self;
        let table = place(op).table;
        if !index.has_table(table) {
            chain::write_table(writer, sequence, table);
            for chain in chain::built_in(table) {
                index.add_chain(ChainRef { table, chain }, Policy::Accept);
            }
        }
        match op {
            RuleOp::NewChain(at) => {
                chain::write_new(writer, sequence, *at);
                index.add_chain(*at, Policy::Accept);
            }
            RuleOp::DeleteChain(at) => {
                chain::write_delete(writer, sequence, *at);
                index.remove_chain(*at);
            }
            RuleOp::Flush(at) => {
                rule::write_flush(writer, sequence, *at);
                index.flush(*at);
            }
            RuleOp::Policy(at, policy) => {
                chain::write_policy(writer, sequence, *at, *policy);
                index.set_policy(*at, *policy);
            }
            RuleOp::Insert(at, rule) => self.add(sequence, *at, rule, End::Head),
            RuleOp::Append(at, rule) => self.add(sequence, *at, rule, End::Tail),
            RuleOp::Delete(at, rule) => {
                // No rule has the handle 0.
                let id = index.take(*at, rule).unwrap_or(Id::Handle(0));
                rule::write_delete(writer, sequence, *at, id);
            }
        }
    }

    /// Adds the removal of all tables.
    pub(super) fn delete_tables(&mut self) {
        for table in [Table::Filter, Table::Nat] {
            if self.index.has_table(table) {
                chain::write_delete_table(&mut self.writer, table);
                self.index.remove_table(table);
            }
        }
    }

    fn add(&mut self, sequence: u32, at: ChainRef, rule: &Rule, end: End) {
        rule::write_new(&mut self.writer, sequence, at, rule, end);
        self.index.add(at, rule, Id::Fresh(sequence), end);
    }

    /// The transaction so far: without an end, the kernel tries it and takes it back.
    pub(super) fn trial(self) -> Writer {
        self.writer
    }

    /// The transaction.
    pub(super) fn finish(mut self) -> Writer {
        self.writer
            .framing(NFNL_MSG_BATCH_END, NFNL_SUBSYS_NFTABLES, |_| ());
        self.writer
    }
}

fn place(op: &RuleOp) -> ChainRef {
    match op {
        RuleOp::NewChain(at)
        | RuleOp::DeleteChain(at)
        | RuleOp::Flush(at)
        | RuleOp::Policy(at, _)
        | RuleOp::Insert(at, _)
        | RuleOp::Append(at, _)
        | RuleOp::Delete(at, _) => *at,
    }
}

#[cfg(test)]
mod tests {
    use netparity_core::rules::{ChainName, Target};

    use super::{super::message::Messages, *};

    const FORWARD: ChainRef = ChainRef::filter(ChainName::Forward);

    /// Kinds and sequence numbers of the messages of a transaction of `ops`.
    fn messages(index: &mut Index, ops: &[RuleOp]) -> Vec<(u16, u32)> {
        let mut batch = Batch::new(index);
        for (sequence, op) in (1..).zip(ops) {
            batch.push(sequence, op);
        }
        let writer = batch.finish();
        Messages(writer.bytes())
            .map(|message| message.map(|it| (it.kind, it.sequence)).unwrap())
            .collect()
    }

    #[test]
    fn the_first_operation_on_a_table_makes_it_with_its_chains() {
        let append = RuleOp::Append(FORWARD, Rule::new(Target::Accept));
        let mut index = Index::new(1);
        let begin = (NFNL_MSG_BATCH_BEGIN, 0);
        let end = (NFNL_MSG_BATCH_END, 0);
        assert_eq!(
            messages(&mut index, &[append.clone(), append.clone()]),
            [
                begin,
                (NFT_MSG_NEWTABLE, 1),
                (NFT_MSG_NEWCHAIN, 1),
                (NFT_MSG_NEWCHAIN, 1),
                (NFT_MSG_NEWCHAIN, 1),
                (NFT_MSG_NEWRULE, 1),
                (NFT_MSG_NEWRULE, 2),
                end
            ]
        );
        let appended = messages(&mut index, std::slice::from_ref(&append));
        assert_eq!(appended, [begin, (NFT_MSG_NEWRULE, 1), end]);
    }
}
