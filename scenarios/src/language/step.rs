//! A scenario, read.

use netparity_core::{engine::Variant, name::Name, probe::Probe, verdict::Verdict};

use super::CommandLine;
use crate::run::ModelKind;

/// A scenario file, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The file.
    pub path: String,
    /// Its first comment, or nothing.
    pub title: String,
    /// Whose rules hold.
    pub engine: Variant,
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// The models that are known to do it otherwise.
    pub divergences: Vec<Divergence>,
}

/// A model that is known to diverge from the others, or from what the scenario says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The line that says so, from 1.
    pub line: usize,
    /// That line, less its comment.
    pub text: String,
    /// The model.
    pub model: ModelKind,
    /// Why it does.
    pub reason: String,
}

impl Scenario {
    /// What the scenario is called: its file's name, less what it ends in.
    pub fn name(&self) -> &str {
        let file = self.path.rsplit('/').next().unwrap_or(&self.path);
        file.strip_suffix(".scenario").unwrap_or(file)
    }

    /// What is known of this model's divergence.
    pub fn divergence(&self, model: &str) -> Option<&Divergence> {
        self.divergences
            .iter()
            .find(|it| it.model.as_str() == model)
    }
}

/// One line of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// From 1.
    pub line: usize,
    /// The line as it was written, less its comment.
    pub text: String,
    /// What it asks for.
    pub action: Action,
}

/// What a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A change to the network.
    Command {
        /// What is to be done.
        command: CommandLine,
        /// Whether it has to be refused, and in words that contain these.
        refusal: Option<String>,
    },
    /// A packet.
    Probe {
        /// Which, and where to.
        probe: Probe,
        /// What has to become of it.
        end: ProbeEnd,
    },
    /// A look at the network that has to show something.
    Expect(Expectation),
    /// A look at the network, for people.
    Show {
        /// Whose.
        name: Name,
        /// What.
        view: View,
    },
}

impl Action {
    /// Whether it does something to the network, and does not only look at it.
    pub const fn acts(&self) -> bool {
        matches!(self, Self::Command { .. } | Self::Probe { .. })
    }
}

/// What has to become of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeEnd {
    /// The same on every model.
    Any,
    /// This.
    Verdict(Verdict),
    /// It cannot be sent, and is refused in words that contain these.
    Refusal(String),
}

/// What a view has to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Whose view.
    pub name: Name,
    /// Which.
    pub view: View,
    /// What a line of it contains, whatever the white space between the words.
    pub text: String,
    /// Whether one has to (`expect`) or none may (`! expect`).
    pub holds: bool,
}

macro_rules! views {
    ($($name:ident = $word:literal, $doc:literal;)*) => {
        /// What can be looked at.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum View {
            $(#[doc = $doc] $name,)*
        }

        impl View {
            /// Every view.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its word in the language.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

views! {
    Env = "env", "A container's environment.";
    Hosts = "hosts", "A container's `/etc/hosts`.";
    Ip = "ip", "Links with their addresses, as `ip addr` has them.";
    Mac = "mac", "Hardware addresses, a line a link.";
    Mtu = "mtu", "MTUs, a line a link.";
    Route = "route", "Routes, as `ip route` has them.";
    Links = "links", "Links, a line each, much as `ip -br link` has them.";
    Bridge = "bridge", "Bridges with their ports, a line each, much as `brctl show` has them.";
    Rules = "rules", "Packet rules, as `iptables -S` has them, by table.";
    Neigh = "neigh", "Neighbours, as `ip neigh` has them.";
    Ifconfig = "ifconfig", "Links, as `ifconfig -a` has them.";
    RouteN = "route-n", "Routes, as `route -n` has them.";
}

impl View {
    /// Whether only containers have it.
    pub const fn is_of_containers(self) -> bool {
        matches!(self, Self::Env | Self::Hosts)
    }

    /// The view that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|view| view.as_str() == word)
    }
}
