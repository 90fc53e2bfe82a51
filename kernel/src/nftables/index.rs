//! What a [`super::Firewall`] has to remember of the kernel's rules so as not to list them for each change: handles.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
};

use netparity_core::rules::{ChainName, ChainRef, Field, Match, Policy, Rule, Table, Target};

use super::rule::End;

/// How a rule is named in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Id {
    /// By the kernel's number for it.
    Handle(u64),
    /// By the transaction's own: the kernel has not yet said what its handle is.
    Fresh(u32),
}

/// Equal rules of a chain, first to last.
type Ids = VecDeque<Id>;

/// A chain's rules.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub policy: Policy,
    /// Those that drop, which are asked for their counts.
    pub dropping: BTreeMap<Rule, Ids>,
    others: BTreeMap<Rule, Ids>,
}

impl Rules {
    fn alike(&mut self, target: Target) -> &mut BTreeMap<Rule, Ids> {
        match target {
            Target::Drop => &mut self.dropping,
            _ => &mut self.others,
        }
    }
}

/// The rules of a namespace, as of one generation.
#[derive(Debug)]
pub(super) struct Index {
    /// The kernel's number for the state that this is of.
    pub generation: u32,
    tables: BTreeMap<Table, BTreeMap<ChainName, Rules>>,
    /// How many rules need conntrack.
    tracking: usize,
    /// Whether such a rule was removed.
    untracked: bool,
}

impl Index {
    pub(super) fn new(generation: u32) -> Self {
        Self {
            generation,
            tables: BTreeMap::new(),
            tracking: 0,
            untracked: false,
        }
    }

    pub(super) fn is_blank(&self) -> bool {
        self.tables.is_empty()
    }

    pub(super) fn has_table(&self, table: Table) -> bool {
        self.tables.contains_key(&table)
    }

    pub(super) fn remove_table(&mut self, table: Table) {
        for chain in ChainName::ALL {
            self.flush(ChainRef { table, chain });
        }
        self.tables.remove(&table);
    }

    /// Whether what was removed since this was last asked makes the kernel stop tracking connections.
    pub(super) fn stops_tracking(&mut self) -> bool {
        mem::take(&mut self.untracked) && self.tracking == 0
    }

    /// Every chain.
    pub(super) fn chains(&self) -> impl Iterator<Item = (ChainRef, &Rules)> {
        self.tables.iter().flat_map(|(&table, chains)| {
            chains
                .iter()
                .map(move |(&chain, rules)| (ChainRef { table, chain }, rules))
        })
    }

    pub(super) fn add_chain(&mut self, at: ChainRef, policy: Policy) {
        let rules = Rules {
            policy,
            ..Rules::default()
        };
        self.tables
            .entry(at.table)
            .or_default()
            .insert(at.chain, rules);
    }

    pub(super) fn remove_chain(&mut self, at: ChainRef) {
        if let Some(chains) = self.tables.get_mut(&at.table) {
            chains.remove(&at.chain);
        }
    }

    pub(super) fn set_policy(&mut self, at: ChainRef, policy: Policy) {
        if let Some(chain) = self.chain(at) {
            chain.policy = policy;
        }
    }

    fn chain(&mut self, at: ChainRef) -> Option<&mut Rules> {
        self.tables.get_mut(&at.table)?.get_mut(&at.chain)
    }

    pub(super) fn flush(&mut self, at: ChainRef) {
        let Some(chain) = self.chain(at) else {
            return;
        };
        let dropping = mem::take(&mut chain.dropping);
        let others = mem::take(&mut chain.others);
        let tracking = dropping.iter().chain(&others);
        let tracking = tracking.filter(|(rule, _)| is_tracking(rule));
        let tracking: usize = tracking.map(|(_, ids)| ids.len()).sum();
        self.tracking -= tracking;
        self.untracked |= tracking > 0;
    }

    pub(super) fn add(&mut self, at: ChainRef, rule: &Rule, id: Id, end: End) {
        let Some(ids) = self.ids(at, rule) else {
            return;
        };
        match end {
            End::Head => ids.push_front(id),
            End::Tail => ids.push_back(id),
        }
        self.tracking += usize::from(is_tracking(rule));
    }

    fn ids(&mut self, at: ChainRef, rule: &Rule) -> Option<&mut Ids> {
        let alike = self.chain(at)?.alike(rule.target());
        if !alike.contains_key(rule) {
            alike.insert(rule.clone(), Ids::new());
        }
        alike.get_mut(rule)
    }

    /// Takes out the first rule that equals `rule`.
    pub(super) fn take(&mut self, at: ChainRef, rule: &Rule) -> Option<Id> {
        let alike = self.chain(at)?.alike(rule.target());
        let ids = alike.get_mut(rule)?;
        let first = ids.pop_front();
        if ids.is_empty() {
            alike.remove(rule);
        }
        if first.is_some() && is_tracking(rule) {
            self.tracking -= 1;
            self.untracked = true;
        }
        first
    }

    /// Notes the handle of a rule that was fresh, if it is still there.
    pub(super) fn settle(&mut self, at: ChainRef, rule: &Rule, fresh: u32, handle: u64) {
        let alike = self.chain(at).map(|chain| chain.alike(rule.target()));
        let id = alike
            .and_then(|alike| alike.get_mut(rule))
            .and_then(|ids| ids.iter_mut().find(|id| **id == Id::Fresh(fresh)));
        if let Some(id) = id {
            *id = Id::Handle(handle);
        }
    }
}

/// Whether the kernel tracks connections for it.
fn is_tracking(rule: &Rule) -> bool {
    let asks = |item: &Match| item.field == Field::Established;
    rule.target() == Target::Masquerade || rule.matches().iter().any(asks)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const AT: ChainRef = ChainRef::filter(ChainName::Forward);

    proptest! {
        /// `steps`: which of three rules, and to add it at the head, at the tail or take it.
        #[test]
        fn the_first_of_equal_rules_is_taken(steps in vec((0..3usize, 0..3), 0..40)) {
            let rules = [Target::Accept, Target::Drop, Target::Return].map(Rule::new);
            let mut index = Index::new(1);
            index.add_chain(AT, Policy::Accept);
            let mut chain = Vec::new();
            for (handle, (which, step)) in (1..).zip(steps) {
                let id = Id::Handle(handle);
                match step {
                    0 => {
                        index.add(AT, &rules[which], id, End::Head);
                        chain.insert(0, (which, id));
                    }
                    1 => {
                        index.add(AT, &rules[which], id, End::Tail);
                        chain.push((which, id));
                    }
                    _ => {
                        let first = chain.iter().position(|(rule, _)| *rule == which);
                        let first = first.map(|at| chain.remove(at).1);
                        prop_assert_eq!(index.take(AT, &rules[which]), first);
                    }
                }
            }
        }
    }

    #[test]
    fn a_fresh_rule_gets_its_handle_unless_it_is_gone() {
        let rule = Rule::new(Target::Drop);
        let mut index = Index::new(1);
        index.add_chain(AT, Policy::Accept);
        index.add(AT, &rule, Id::Fresh(1), End::Tail);
        index.add(AT, &rule, Id::Fresh(2), End::Head);
        assert_eq!(index.take(AT, &rule), Some(Id::Fresh(2)));
        index.settle(AT, &rule, 2, 20);
        index.settle(AT, &rule, 1, 10);
        assert_eq!(index.take(AT, &rule), Some(Id::Handle(10)));
        assert_eq!(index.take(AT, &rule), None);
    }

    #[test]
    fn tracking_stops_with_the_last_rule_that_needs_it() {
        let established = Rule::new(Target::Drop).when(Field::Established);
        let masquerade = Rule::new(Target::Masquerade);
        let plain = Rule::new(Target::Accept);
        let mut index = Index::new(1);
        index.add_chain(AT, Policy::Accept);
        for (handle, rule) in (1..).zip([&established, &masquerade, &masquerade, &plain]) {
            index.add(AT, rule, Id::Handle(handle), End::Tail);
        }
        index.take(AT, &established);
        assert!(!index.stops_tracking(), "two masquerade");
        index.flush(AT);
        assert!(index.stops_tracking());
        index.add(AT, &plain, Id::Handle(9), End::Tail);
        index.take(AT, &plain);
        assert!(!index.stops_tracking(), "it had stopped before");
    }
}
