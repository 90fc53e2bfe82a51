//! Why Docker 20.10 breaks a law: the causes that are known.

use std::fmt;

use super::{
    Flow, Situation,
    written::{Grant, Reason},
};

/// A known reason for which the rules of Docker 20.10 do not keep what was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The rule that lets a child answer does not ask whether it was asked.
    AnswersUnasked,
    /// Rules are written as if a container were a child of its own child.
    LetsChildrenIn,
    /// A link that went with its child is back for whoever has the child's name.
    FollowsName,
    /// The rules of a link name addresses, and stay when those change hands.
    StaleRule,
    /// The rules of a link are not written anew when its child comes back elsewhere.
    ChildMoved,
    /// A daemon's start reads links no further than to one that leads nowhere.
    LinkLost,
}

impl Cause {
    /// Every known cause.
    pub const ALL: [Self; 6] = [
        Self::AnswersUnasked,
        Self::LetsChildrenIn,
        Self::FollowsName,
        Self::StaleRule,
        Self::ChildMoved,
        Self::LinkLost,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AnswersUnasked => "answers-unasked",
            Self::LetsChildrenIn => "lets-children-in",
            Self::FollowsName => "follows-name",
            Self::StaleRule => "stale-rule",
            Self::ChildMoved => "child-moved",
            Self::LinkLost => "link-lost",
        }
    }

    /// Whether it makes this flow break a law that is known to be broken by it.
    pub(super) fn explains(self, situation: &Situation, flow: &Flow) -> bool {
        let written = situation.written();
        let because = |why: Reason| {
            let mut needed = Grant::needed_by(flow);
            needed.any(|grant| written.reasons(&grant).any(|reason| reason == why))
        };
        match self {
            Self::AnswersUnasked => Grant::answered_by(flow).is_some_and(|grant| {
                written
                    .reasons(&grant)
                    .any(|reason| reason == Reason::Declared)
            }),
            Self::LetsChildrenIn => because(Reason::TakenForParent),
            Self::FollowsName => because(Reason::ReadAgain),
            Self::StaleRule => Grant::needed_by(flow)
                .any(|grant| written.has(&grant) && written.reasons(&grant).next().is_none()),
            Self::ChildMoved => situation.has_child_moved(flow),
            Self::LinkLost => situation.is_link_lost(flow),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AnswersUnasked => {
                "the rule that lets a child answer its parent matches by source port alone, so the \
                 child reaches every port of the parent from the port it exposes"
            }
            Self::LetsChildrenIn => {
                "a container that starts as somebody's child, and has children of its own, gets the \
                 rules of a link that nobody declared: from its last child to what it exposes itself"
            }
            Self::FollowsName => {
                "a daemon reads links again by the names they were typed with when it starts, so a link \
                 that was taken away with its child leads to whoever has the child's name by then"
            }
            Self::StaleRule => {
                "a link's rules name addresses and stay at least until the parent stops, so whoever gets \
                 an address inherits what it was allowed"
            }
            Self::ChildMoved => {
                "a link's rules are written when the parent starts and not when its child comes \
                 back with another address"
            }
            Self::LinkLost => {
                "a daemon that starts reads the links of a container no further than to one whose \
                 child was removed, so those after it are lost"
            }
        })
    }
}
