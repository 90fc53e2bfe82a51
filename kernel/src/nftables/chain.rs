//! Tables and chains as the kernel knows them.

use netparity_core::rules::{ChainName, ChainRef, Policy, Table};

use crate::error::Failure;

use super::{
    message::{Attributes, Message, Writer},
    uapi::*,
};

/// Where the kernel enters a chain by itself.
struct Hook {
    /// `NF_INET_…`.
    number: u32,
    priority: i32,
}

fn hook(at: ChainRef) -> Option<Hook> {
    let (number, priority) = match (at.table, at.chain) {
        (Table::Nat, ChainName::Prerouting) => (0, -100),
        (Table::Filter, ChainName::Input) => (1, 0),
        (Table::Nat, ChainName::Input) => (1, 100),
        (Table::Filter, ChainName::Forward) => (2, 0),
        (Table::Filter, ChainName::Output) => (3, 0),
        (Table::Nat, ChainName::Output) => (3, -100),
        (Table::Nat, ChainName::Postrouting) => (4, 100),
        _ => return None,
    };
    Some(Hook { number, priority })
}

/// Whether it is one of its table's built-in chains.
pub(super) fn is_built_in(at: ChainRef) -> bool {
    hook(at).is_some()
}

/// The built-in chains of `table`.
pub(super) fn built_in(table: Table) -> impl Iterator<Item = ChainName> {
    ChainName::ALL.into_iter().filter(move |chain| {
        is_built_in(ChainRef {
            table,
            chain: *chain,
        })
    })
}

fn table_name(table: Table) -> &'static str {
    match table {
        Table::Filter => "filter",
        Table::Nat => "nat",
    }
}

/// Writes a request for a table with its built-in chains.
pub(super) fn write_table(batch: &mut Writer, sequence: u32, table: Table) {
    let flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
    batch.message(NFT_MSG_NEWTABLE, flags, sequence, |body| {
        body.put_text(NFTA_TABLE_NAME, table_name(table));
    });
    for chain in built_in(table) {
        write_new(batch, sequence, ChainRef { table, chain });
    }
}

/// Writes a request to remove a table with all that is in it.
pub(super) fn write_delete_table(batch: &mut Writer, table: Table) {
    batch.message(NFT_MSG_DELTABLE, NLM_F_REQUEST, 0, |body| {
        body.put_text(NFTA_TABLE_NAME, table_name(table));
    });
}

/// Writes a request for a new chain; it is hooked in if it is one that is built in.
pub(super) fn write_new(batch: &mut Writer, sequence: u32, at: ChainRef) {
    let flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
    batch.message(NFT_MSG_NEWCHAIN, flags, sequence, |body| {
        write_name(body, at, NAMES);
        if let Some(hook) = hook(at) {
            body.put_text(NFTA_CHAIN_TYPE, table_name(at.table));
            body.nest(NFTA_CHAIN_HOOK, |body| {
                body.put_u32(NFTA_HOOK_HOOKNUM, hook.number);
                body.put(NFTA_HOOK_PRIORITY, &hook.priority.to_be_bytes());
            });
        }
    });
}

/// Writes a request to remove a chain that is empty and not jumped to.
pub(super) fn write_delete(batch: &mut Writer, sequence: u32, at: ChainRef) {
    let flags = NLM_F_REQUEST | NLM_F_NONREC;
    batch.message(NFT_MSG_DELCHAIN, flags, sequence, |body| {
        write_name(body, at, NAMES)
    });
}

/// Writes a request to set a chain's policy; one that drops counts from 0.
pub(super) fn write_policy(batch: &mut Writer, sequence: u32, at: ChainRef, policy: Policy) {
    batch.message(NFT_MSG_NEWCHAIN, NLM_F_REQUEST, sequence, |body| {
        write_name(body, at, NAMES);
        let verdict = match policy {
            Policy::Accept => NF_ACCEPT,
            Policy::Drop => NF_DROP,
        };
        body.put(NFTA_CHAIN_POLICY, &verdict.to_be_bytes());
        if policy == Policy::Drop {
            body.nest(NFTA_CHAIN_COUNTERS, |body| {
                body.put_u64(NFTA_COUNTER_BYTES, 0);
                body.put_u64(NFTA_COUNTER_PACKETS, 0);
            });
        }
    });
}

/// Writes a question about a chain.
pub(super) fn write_get(batch: &mut Writer, sequence: u32, at: ChainRef) {
    batch.message(NFT_MSG_GETCHAIN, NLM_F_REQUEST, sequence, |body| {
        write_name(body, at, NAMES)
    });
}

/// The attributes of a message about a chain that say which.
const NAMES: [u16; 2] = [NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME];

/// Says which chain a message is about, in the attributes `names`: the table's and the chain's.
pub(super) fn write_name(body: &mut Writer, at: ChainRef, names: [u16; 2]) {
    let [table, chain] = names;
    body.put_text(table, table_name(at.table));
    body.put_text(chain, at.chain.as_str());
}

/// Which chain a message is about, as [`write_name`] says it.
pub(super) fn read_name(attributes: Attributes<'_>, names: [u16; 2]) -> Result<ChainRef, Failure> {
    let [table, chain] = attributes.need(names)?;
    let (table, chain) = (table.text()?, chain.text()?);
    let known = [Table::Filter, Table::Nat]
        .into_iter()
        .find(|known| table_name(*known) == table)
        .zip(ChainName::from_name(chain));
    match known {
        Some((table, chain)) => Ok(ChainRef { table, chain }),
        None => Err(Failure::nonsense(format_args!(
            "unknown chain {chain} of table {table}"
        ))),
    }
}

/// A chain, as it is listed.
pub(super) struct ListedChain {
    pub at: ChainRef,
    pub policy: Policy,
    /// How many packets ran off its end, if it counts them.
    pub packets: Option<u64>,
}

/// Reads an answer about a chain.
pub(super) fn read(message: &Message<'_>) -> Result<ListedChain, Failure> {
    let attributes = message.attributes();
    let at = read_name(attributes, NAMES)?;
    let [policy, counters] = attributes.pick([NFTA_CHAIN_POLICY, NFTA_CHAIN_COUNTERS])?;
    let policy = match policy {
        Some(verdict) if verdict.u32()?.cast_signed() == NF_DROP => Policy::Drop,
        _ => Policy::Accept,
    };
    let packets = match counters {
        Some(counters) => {
            let [packets] = counters.nested().need([NFTA_COUNTER_PACKETS])?;
            Some(packets.u64()?)
        }
        None => None,
    };
    Ok(ListedChain {
        at,
        policy,
        packets,
    })
}
