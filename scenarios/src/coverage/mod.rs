//! Which of all that can be said, done and seen has been.
//!
//! - `universe`: all of it, taken from the code that says, does and sees it,
//! - `labels`: enums whose every variant has a label,
//! - `reached`: what a line, a command, a packet and a network reach,
//! - `unreachable`: what nothing can reach, and why,
//! - [`Survey`]: scenarios and fuzzed cases, played to see what they reach,
//! - [`Table`]: what came of it.

mod labels;
mod reached;
mod survey;
mod table;
mod universe;
mod unreachable;

use std::{borrow::Cow, collections::BTreeMap, fmt};

pub use self::{
    survey::Survey,
    table::{Row, Table},
    universe::universe,
};

macro_rules! topics {
    ($($name:ident = $word:literal, $title:literal;)*) => {
        /// What an item is one of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Topic {
            $(#[doc = $title] $name,)*
        }

        impl Topic {
            /// Every topic.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its word in reports for programs.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// Its heading in reports for people.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                }
            }
        }
    };
}

topics! {
    Line = "line", "Lines of the language";
    Command = "command", "Commands, done and refused";
    Mode = "mode", "Network modes";
    DaemonFlag = "daemon-flag", "Flags of the daemon";
    ContainerFlag = "container-flag", "Flags of docker's commands";
    HostTool = "host-tool", "Host tools";
    Refusal = "refusal", "Refusals";
    Written = "rule-written", "Docker's rules, written";
    Taken = "rule-taken", "Docker's rules, when a packet was taken";
    Probe = "probe", "Probes";
    Verdict = "verdict", "Verdicts";
    Drop = "drop", "Drops";
    View = "view", "Views";
    Allocation = "allocation", "Operations on allocators";
    Violation = "violation", "Broken laws";
}

/// One thing that can be reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    /// What it is one of.
    pub topic: Topic,
    /// What it is called.
    pub what: Cow<'static, str>,
}

impl Item {
    /// One of a topic.
    pub fn new(topic: Topic, what: impl Into<Cow<'static, str>>) -> Self {
        let what = what.into();
        Self { topic, what }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.topic.as_str(), self.what)
    }
}

/// How often each thing was reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<Item, u64>);

impl Coverage {
    /// Counts one more.
    pub fn reach(&mut self, topic: Topic, what: impl Into<Cow<'static, str>>) {
        self.reach_often(Item::new(topic, what), 1);
    }

    fn reach_often(&mut self, item: Item, times: u64) {
        *self.0.entry(item).or_default() += times;
    }

    /// Adds another one's.
    pub fn add(&mut self, other: &Self) {
        for (item, count) in &other.0 {
            self.reach_often(item.clone(), *count);
        }
    }

    /// How often this was reached.
    pub fn count(&self, item: &Item) -> u64 {
        self.0.get(item).copied().unwrap_or_default()
    }

    /// How many different things were reached.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything, with how often.
    pub fn iter(&self) -> impl Iterator<Item = (&Item, u64)> {
        self.0.iter().map(|(item, count)| (item, *count))
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (item, count) in self.iter() {
            writeln!(f, "{count:>10}  {item}")?;
        }
        Ok(())
    }
}
