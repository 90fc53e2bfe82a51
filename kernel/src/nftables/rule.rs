//! Rules as the kernel is told of them and tells of them.

use netparity_core::rules::{ChainRef, Rule};

use crate::error::Failure;

use super::{
    Dialect, chain,
    index::Id,
    iptables,
    message::{Message, Writer},
    translate,
    uapi::*,
};

/// Where in its chain a new rule goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Head,
    Tail,
}

/// Writes a request for a new rule, to be known as `sequence` within its transaction. The kernel
/// answers with its handle.
pub(super) fn write_new(batch: &mut Writer, sequence: u32, at: ChainRef, rule: &Rule, end: End) {
    let position = match end {
        End::Head => 0,
        End::Tail => NLM_F_APPEND,
    };
    let flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ECHO | position;
    batch.message(NFT_MSG_NEWRULE, flags, sequence, |body| {
        write_place(body, at);
        body.nest(NFTA_RULE_EXPRESSIONS, |list| translate::write(list, rule));
        write_id(body, Id::Fresh(sequence));
    });
}

/// Writes a request to remove a rule.
pub(super) fn write_delete(batch: &mut Writer, sequence: u32, at: ChainRef, id: Id) {
    batch.message(NFT_MSG_DELRULE, NLM_F_REQUEST, sequence, |body| {
        write_place(body, at);
        write_id(body, id);
    });
}

/// Writes a request to remove all rules of a chain.
pub(super) fn write_flush(batch: &mut Writer, sequence: u32, at: ChainRef) {
    batch.message(NFT_MSG_DELRULE, NLM_F_REQUEST, sequence, |body| {
        write_place(body, at)
    });
}

/// Writes a question about a rule.
pub(super) fn write_get(batch: &mut Writer, sequence: u32, at: ChainRef, id: Id) {
    batch.message(NFT_MSG_GETRULE, NLM_F_REQUEST, sequence, |body| {
        write_place(body, at);
        write_id(body, id);
    });
}

fn write_place(body: &mut Writer, at: ChainRef) {
    chain::write_name(body, at, [NFTA_RULE_TABLE, NFTA_RULE_CHAIN]);
}

fn write_id(body: &mut Writer, id: Id) {
    match id {
        Id::Handle(handle) => body.put_u64(NFTA_RULE_HANDLE, handle),
        Id::Fresh(id) => body.put_u32(NFTA_RULE_ID, id),
    }
}

/// A rule, as it is listed.
pub(super) struct ListedRule {
    pub at: ChainRef,
    pub handle: u64,
    pub rule: Rule,
    /// How many packets it took, if it drops.
    pub packets: Option<u64>,
}

/// Reads an answer about a rule.
pub(super) fn read(message: &Message<'_>, dialect: Dialect) -> Result<ListedRule, Failure> {
    let attributes = message.attributes();
    let at = chain::read_name(attributes, [NFTA_RULE_TABLE, NFTA_RULE_CHAIN])?;
    let [handle, list] = attributes.need([NFTA_RULE_HANDLE, NFTA_RULE_EXPRESSIONS])?;
    let (rule, packets) = match dialect {
        Dialect::Own => translate::read(list)?,
        Dialect::Iptables => iptables::read(list)?,
    };
    Ok(ListedRule {
        at,
        handle: handle.u64()?,
        rule,
        packets,
    })
}

/// Reads the number by which the kernel knows the rule that a message is about.
pub(super) fn read_handle(message: &Message<'_>) -> Result<u64, Failure> {
    let [handle] = message.attributes().need([NFTA_RULE_HANDLE])?;
    handle.u64()
}
