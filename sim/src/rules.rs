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
        match rule.target() {
            Target::Masquerade => {
                let fits = at.table == Table::Nat
                    && (at.chain == ChainName::Postrouting || !is_built_in(at));
                fits.then_some(()).ok_or(Errno::EOPNOTSUPP)
            }
            Target::Jump(chain) => {
                let next = ChainRef { chain, ..at };
                self.firewall.chain(next).ok_or(Errno::ENOENT)?;
                if is_built_in(next) {
                    return Err(Errno::EOPNOTSUPP);
                }
                match leads_to(&self.firewall, next, at.chain, ChainName::ALL.len()) {
                    true => Err(Errno::ELOOP),
                    false => Ok(()),
                }
            }
            Target::Accept | Target::Drop | Target::Return => Ok(()),
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

/// Whether jumps lead from `from` to `to` in at most `steps`.
fn leads_to(firewall: &Firewall, from: ChainRef, to: ChainName, steps: usize) -> bool {
    if from.chain == to {
        return true;
    }
    let Some(chain) = firewall.chain(from).filter(|_| steps > 0) else {
        return false;
    };
    chain.rules.iter().any(|rule| match rule.target() {
        Target::Jump(chain) => leads_to(firewall, ChainRef { chain, ..from }, to, steps - 1),
        _ => false,
    })
}
