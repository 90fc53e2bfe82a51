//! Why Docker 20.10 breaks a law: the causes that are known.

use std::fmt;

use super::{Flow, Situation};
use crate::port::Port;

/// A known reason for which the rules of Docker 20.10 do not keep what was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The rule that lets a child answer does not ask whether it was asked.
    AnswersUnasked,
    /// The rules of a link name addresses, and stay when those change hands.
    StaleRule,
    /// Rules are written as if a container were a child of its own child.
    LetsChildrenIn,
    /// A connection once tracked is let through by whatever rules.
    StaleFlow,
    /// The rules of a link are not written anew when its child comes back elsewhere.
    ChildMoved,
    /// A daemon that starts takes links to lead to who has the child's name by then.
    FollowsName,
}

impl Cause {
    /// Every known cause.
    pub const ALL: [Self; 6] = [
        Self::AnswersUnasked,
        Self::StaleRule,
        Self::LetsChildrenIn,
        Self::StaleFlow,
        Self::ChildMoved,
        Self::FollowsName,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AnswersUnasked => "answers-unasked",
            Self::StaleRule => "stale-rule",
            Self::LetsChildrenIn => "lets-children-in",
            Self::StaleFlow => "stale-flow",
            Self::ChildMoved => "child-moved",
            Self::FollowsName => "follows-name",
        }
    }

    /// What is known to make this flow break a law, if anything is.
    pub(super) fn of(situation: &Situation, flow: &Flow) -> Option<Self> {
        let (source, port) = (flow.source?, flow.port?);
        if situation.is_declared(flow) {
            return Some(Self::ChildMoved);
        }
        if situation.follows_name(flow) {
            return Some(Self::FollowsName);
        }
        if let Some(answered) = flow
            .source_port
            .and_then(|number| Port::new(number, port.protocol))
        {
            let asked = Flow {
                from: flow.to.clone(),
                source: Some(flow.destination),
                to: flow.from.clone(),
                destination: source,
                port: Some(answered),
                source_port: None,
            };
            if situation.is_declared(&asked) {
                return Some(Self::AnswersUnasked);
            }
            if situation.follows_name(&asked) {
                return Some(Self::FollowsName);
            }
            if situation.lets_in(flow) || situation.lets_in(&asked) {
                return Some(Self::LetsChildrenIn);
            }
            if situation.was_granted(flow.destination, source, answered) {
                return Some(Self::StaleRule);
            }
        }
        if situation.lets_in(flow) {
            return Some(Self::LetsChildrenIn);
        }
        if situation.was_granted(source, flow.destination, port) {
            return Some(Self::StaleRule);
        }
        situation.was_established(flow).then_some(Self::StaleFlow)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AnswersUnasked => {
                "the rule that lets a child answer its parent matches by source port alone, so the \
                 child reaches every port of the parent from the port it exposes"
            }
            Self::StaleRule => {
                "a link's rules name addresses and stay at least until the parent stops, so whoever gets \
                 an address inherits what it was allowed"
            }
            Self::LetsChildrenIn => {
                "a container that starts as somebody's child, and has children of its own, gets the \
                 rules of a link that nobody declared: from its last child to what it exposes itself"
            }
            Self::StaleFlow => {
                "connection tracking outlives the rule that let the connection in, so its packets \
                 still pass as established"
            }
            Self::ChildMoved => {
                "a link's rules are written when the parent starts and not when its child comes \
                 back with another address"
            }
            Self::FollowsName => {
                "a daemon that starts finds the children of links by name, so whoever was given the \
                 name of one that was removed is linked to"
            }
        })
    }
}
