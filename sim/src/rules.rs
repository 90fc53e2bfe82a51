//! Changing the host's packet rules (`nf_tables_api.c`).

use netparity_core::{
    errno::Errno,
    plan::RuleOp,
    rules::{Chain, ChainName, ChainRef, Rule, Table, Target},
};

use crate::{Sim, firewall::Firewall, undo::Undo};

impl Sim {
    pub(crate) fn change_rules(&mut self, op: &RuleOp) -> Result<(), Errno> {
        let at = match op {
            RuleOp::NewChain(at)
            | RuleOp::DeleteChain(at)
            | RuleOp::Flush(at)
            | RuleOp::Policy(at, _)
            | RuleOp::Insert(at, _)
            | RuleOp::Append(at, _)
            | RuleOp::Delete(at, _) => *at,
        };
        if self.firewall.make_table(at.table) {
            self.undo.push(Undo::RemoveTable(at.table));
        }
        match op {
            RuleOp::NewChain(at) => self.new_chain(*at),
            RuleOp::DeleteChain(at) => self.delete_chain(*at),
            RuleOp::Flush(at) => {
                let chain = self.firewall.chain_mut(*at).ok_or(Errno::ENOENT)?;
                let emptied = Chain {
                    policy: chain.policy,
                    rules: Vec::new(),
                };
                self.replace_chain(*at, Some(emptied));
                Ok(())
            }
            RuleOp::Policy(at, policy) => {
                if !is_built_in(*at) {
                    return Err(Errno::EOPNOTSUPP);
                }
                let chain = self.firewall.chain_mut(*at).ok_or(Errno::ENOENT)?;
                let old = std::mem::replace(&mut chain.policy, *policy);
                self.undo.push(Undo::Policy(*at, old));
                Ok(())
            }
            RuleOp::Insert(at, rule) => self.insert_rule(*at, rule, true),
            RuleOp::Append(at, rule) => self.insert_rule(*at, rule, false),
            RuleOp::Delete(at, rule) => {
                let chain = self.firewall.chain_mut(*at).ok_or(Errno::ENOENT)?;
                let place = chain.rules.iter().position(|other| other == rule);
                let place = place.ok_or(Errno::ENOENT)?;
                let gone = chain.rules.remove(place);
                self.firewall.count(std::slice::from_ref(&gone), false);
                self.undo.push(Undo::RestoreRule(*at, place, gone));
                Ok(())
            }
        }
    }

    fn new_chain(&mut self, at: ChainRef) -> Result<(), Errno> {
        if self.firewall.chain(at).is_some() {
            return Err(Errno::EEXIST);
        }
        self.replace_chain(at, Some(Chain::default()));
        Ok(())
    }

    fn delete_chain(&mut self, at: ChainRef) -> Result<(), Errno> {
        let chain = self.firewall.chain(at).ok_or(Errno::ENOENT)?;
        let jumps_here = |rule: &Rule| rule.target() == Target::Jump(at.chain);
        let used = self
            .chains(at.table)
            .any(|(_, chain)| chain.rules.iter().any(jumps_here));
        if is_built_in(at) || used || !chain.rules.is_empty() {
            return Err(Errno::EBUSY);
        }
        self.replace_chain(at, None);
        Ok(())
    }

    fn replace_chain(&mut self, at: ChainRef, new: Option<Chain>) {
        let Some(place) = self.firewall.place_mut(at) else {
            return;
        };
        let old = std::mem::replace(place, new);
        if let Some(chain) = &old {
            self.firewall.count(&chain.rules, false);
        }
        self.undo.push(Undo::Chain(at, old));
    }

    fn insert_rule(&mut self, at: ChainRef, rule: &Rule, first: bool) -> Result<(), Errno> {
        self.check_rule(at, rule)?;
        let chain = self.firewall.chain_mut(at).ok_or(Errno::ENOENT)?;
        let place = if first { 0 } else { chain.rules.len() };
        chain.rules.insert(place, rule.clone());
        self.firewall.count(std::slice::from_ref(rule), true);
        self.undo.push(Undo::RemoveRule(at, place));
        Ok(())
    }

    fn check_rule(&self, at: ChainRef, rule: &Rule) -> Result<(), Errno> {
        self.firewall.chain(at).ok_or(Errno::ENOENT)?;
        if let Target::Jump(chain) = rule.target() {
            let next = ChainRef { chain, ..at };
            self.firewall.chain(next).ok_or(Errno::ENOENT)?;
            if is_built_in(next) {
                return Err(Errno::EOPNOTSUPP);
            }
        }
        Ok(())
    }

    /// What is wrong with the table that an operation has put a rule into, if anything: asked when
    /// all operations of a plan are known to be possible one by one (`nft_table_validate`).
    pub(crate) fn validate_rules(&self, op: &RuleOp) -> Result<(), Errno> {
        match op {
            RuleOp::Insert(at, rule) | RuleOp::Append(at, rule) => match rule.target() {
                Target::Jump(_) | Target::Masquerade => validate(&self.firewall, at.table),
                Target::Accept | Target::Drop | Target::Return => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// The chains of a table that are there, by name.
    pub(crate) fn chains(&self, table: Table) -> impl Iterator<Item = (ChainName, &Chain)> {
        let chain = move |name: ChainName| {
            let at = ChainRef { table, chain: name };
            Some((name, self.firewall.chain(at)?))
        };
        ChainName::ALL.into_iter().filter_map(chain)
    }

    pub(crate) fn undo_rule(&mut self, undo: Undo) {
        match undo {
            Undo::RemoveTable(table) => self.firewall.remove_table(table),
            Undo::Chain(at, old) => {
                if let Some(chain) = &old {
                    self.firewall.count(&chain.rules, true);
                }
                if let Some(place) = self.firewall.place_mut(at) {
                    *place = old;
                }
            }
            Undo::Policy(at, old) => {
                if let Some(chain) = self.firewall.chain_mut(at) {
                    chain.policy = old;
                }
            }
            Undo::RemoveRule(at, place) => {
                if let Some(chain) = self.firewall.chain_mut(at)
                    && place < chain.rules.len()
                {
                    let gone = chain.rules.remove(place);
                    self.firewall.count(&[gone], false);
                }
            }
            Undo::RestoreRule(at, place, rule) => {
                self.firewall.count(std::slice::from_ref(&rule), true);
                if let Some(chain) = self.firewall.chain_mut(at) {
                    chain.rules.insert(place.min(chain.rules.len()), rule);
                }
            }
            _ => {}
        }
    }
}

fn is_built_in(at: ChainRef) -> bool {
    at.table.built_in().contains(&at.chain.as_str())
}

/// The longest way through chains (`NFT_JUMP_STACK_SIZE`).
const LONGEST_WAY: usize = 16;

fn validate(firewall: &Firewall, table: Table) -> Result<(), Errno> {
    for chain in ChainName::ALL {
        let at = ChainRef { table, chain };
        if is_built_in(at) {
            walk(firewall, at, at, 0)?;
        }
    }
    Ok(())
}

/// Looks at all that a packet can meet that has come to `at` from the hook of `base`
/// (`nft_chain_validate`).
fn walk(firewall: &Firewall, base: ChainRef, at: ChainRef, way: usize) -> Result<(), Errno> {
    if way == LONGEST_WAY {
        return Err(Errno::EMLINK);
    }
    let rules = firewall.chain(at).map_or(&[][..], |chain| &chain.rules);
    for rule in rules {
        match rule.target() {
            Target::Jump(chain) => walk(firewall, base, ChainRef { chain, ..at }, way + 1)?,
            Target::Masquerade if base != ChainRef::nat(ChainName::Postrouting) => {
                return Err(Errno::EOPNOTSUPP);
            }
            _ => {}
        }
    }
    Ok(())
}
