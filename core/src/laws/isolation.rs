//! The laws of isolation: what a person who runs containers was promised, whatever rules are
//! written to keep it.
//!
//! After every command, [`Situation::after`] takes in what was declared and what runs;
//! [`check`] then throws every packet that could matter and compares what got through with what
//! every [`Law`] says about it.

mod cause;
mod flow;
mod situation;
mod written;

use std::fmt;

pub use self::{
    cause::Cause,
    flow::{Flow, flows},
    situation::{Link, Mode, Party, Situation},
};
use crate::{
    model::{ModelError, NetworkModel},
    verdict::Verdict,
};

/// One promise.
#[derive(Clone, Copy)]
pub struct Law {
    /// What it is called: `icc-off`.
    pub name: &'static str,
    /// The promise in a sentence.
    pub sentence: &'static str,
    /// What it says about a flow.
    pub says: fn(&Situation, &Flow) -> Promise,
    /// What is known to make Docker 20.10 break it.
    pub broken_by: &'static [Cause],
}

impl Law {
    /// What is known to make this flow break it, if anything is.
    fn cause(&self, situation: &Situation, flow: &Flow) -> Option<Cause> {
        let mut causes = self.broken_by.iter().copied();
        causes.find(|cause| cause.explains(situation, flow))
    }
}

impl fmt::Debug for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What a law says about a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Its first packet arrives.
    Arrives,
    /// Its first packet does not arrive.
    Never,
    /// Nothing.
    Silent,
}

/// Every law of containers on one daemon's bridge and beside it.
pub const LAWS: [Law; 6] = [
    Law {
        name: "icc-off",
        sentence: "with icc off, a new flow between two containers exists only where a link \
                   declares it: from parent to child, to an exposed port",
        says: |situation, flow| match situation.restricts() && situation.are_neighbours(flow) {
            true if situation.is_declared(flow) || situation.answers(flow) => Promise::Silent,
            true => Promise::Never,
            false => Promise::Silent,
        },
        broken_by: &[
            Cause::AnswersUnasked,
            Cause::LetsChildrenIn,
            Cause::FollowsName,
            Cause::StaleRule,
        ],
    },
    Law {
        name: "link-holds",
        sentence: "as long as both run, the parent of a link reaches the exposed ports of its child",
        says: |situation, flow| match situation.is_declared(flow) {
            true => Promise::Arrives,
            false => Promise::Silent,
        },
        broken_by: &[Cause::ChildMoved, Cause::LinkLost],
    },
    Law {
        name: "icc-on",
        sentence: "with icc on, every container on the bridge reaches every other",
        says: |situation, flow| match situation.icc && situation.are_neighbours(flow) {
            true => Promise::Arrives,
            false => Promise::Silent,
        },
        broken_by: &[],
    },
    Law {
        name: "none-is-alone",
        sentence: "a container without a network reaches nothing but itself, and nothing reaches it",
        says: |situation, flow| match situation.is_alone(&flow.from) || situation.is_alone(&flow.to)
        {
            true => Promise::Never,
            false => Promise::Silent,
        },
        broken_by: &[],
    },
    Law {
        name: "host-reaches",
        sentence: "the host, and whoever shares its network, reaches every container on a bridge",
        says: |situation, flow| match situation.is_host(&flow.from)
            && situation.is_on_bridge(&flow.to)
        {
            true => Promise::Arrives,
            false => Promise::Silent,
        },
        broken_by: &[],
    },
    Law {
        name: "bridges-apart",
        sentence: "containers of a daemon's bridge, and what is on another bridge of the host, do not \
                   reach each other unless the host was told so",
        says: |situation, flow| match situation.are_on_different_bridges(flow) {
            true => Promise::Never,
            false => Promise::Silent,
        },
        broken_by: &[],
    },
];

/// A law that was broken.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which.
    pub law: Law,
    /// By which flow.
    pub flow: Flow,
    /// What became of it.
    pub verdict: Verdict,
    /// Why, where that is known.
    pub cause: Option<Cause>,
}

impl Violation {
    /// Whether the flow arrived.
    pub fn arrived(&self) -> bool {
        arrives(self.verdict)
    }

    /// The flow and what the law promises of it, as a line of a scenario, which fails where the
    /// law is broken.
    pub fn promise(&self) -> String {
        match self.arrived() {
            true => format!("{} => dropped", self.flow),
            false => format!("{} => {}", self.flow, self.flow.answer()),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            law, flow, verdict, ..
        } = self;
        writeln!(f, "broken: {}: {}", law.name, law.sentence)?;
        write!(f, "{flow} gives {verdict}")?;
        match self.cause {
            Some(cause) => write!(f, "\nbecause {cause}"),
            None => Ok(()),
        }
    }
}

/// Throws every flow that could matter and returns those that break one of `laws`.
///
/// # Errors
///
/// Those of the model.
pub fn check(
    model: &mut dyn NetworkModel,
    situation: &mut Situation,
    laws: &[Law],
) -> Result<Vec<Violation>, ModelError> {
    let mut violations = Vec::new();
    for flow in flows(situation) {
        let verdict = model.verdict(&flow.probe())?;
        violations.extend(judge(situation, &flow, verdict, laws));
        if arrives(verdict) {
            situation.remember(&flow);
        }
    }
    Ok(violations)
}

/// The laws that a flow with this verdict breaks.
pub fn judge<'a>(
    situation: &'a Situation,
    flow: &'a Flow,
    verdict: Verdict,
    laws: &'a [Law],
) -> impl Iterator<Item = Violation> + use<'a> {
    let arrived = arrives(verdict);
    let broken = laws
        .iter()
        .filter(move |law| match (law.says)(situation, flow) {
            Promise::Arrives => !arrived,
            Promise::Never => arrived,
            Promise::Silent => false,
        });
    broken.map(move |law| Violation {
        law: *law,
        flow: flow.clone(),
        verdict,
        cause: law.cause(situation, flow),
    })
}

/// Whether whoever has the destination's address got the packet: it answered, if only to refuse.
fn arrives(verdict: Verdict) -> bool {
    use crate::verdict::Unreachable::Port;
    matches!(
        verdict,
        Verdict::Open | Verdict::Refused | Verdict::Reply | Verdict::Unreachable(Port)
    )
}
