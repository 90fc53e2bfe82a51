//! The flows that could matter.

use std::{collections::BTreeSet, fmt, net::Ipv4Addr};

use super::Situation;
use crate::{
    command::Destination,
    name::Name,
    port::{Port, Protocol},
    probe::{Payload, Probe},
    verdict::{Unreachable, Verdict},
};

/// The first packet of a new flow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// Who sends it: a container, a namespace of the scenario's making, or `host`.
    pub from: Name,
    /// The sender's address, if it has one.
    pub source: Option<Ipv4Addr>,
    /// Whose address it is sent to.
    pub to: Name,
    /// That address.
    pub destination: Ipv4Addr,
    /// Protocol and destination port; none for an ICMP echo.
    pub port: Option<Port>,
    /// The source port, where the sender chooses one.
    pub source_port: Option<u16>,
}

impl Flow {
    /// How a destination answers where nothing listens.
    pub fn answer(&self) -> Verdict {
        match self.port {
            None => Verdict::Reply,
            Some(port) if port.protocol == Protocol::Udp => Verdict::Unreachable(Unreachable::Port),
            Some(_) => Verdict::Refused,
        }
    }

    /// The packet that opens it.
    pub fn probe(&self) -> Probe {
        let payload = match self.port {
            None => Payload::Icmp,
            Some(port) if port.protocol == Protocol::Udp => Payload::Udp(port.number.get()),
            Some(port) => Payload::Tcp(port.number.get()),
        };
        Probe {
            from: self.from.clone(),
            to: Destination::Address(self.destination),
            payload,
            source_port: self.source_port,
            ttl: None,
            size: None,
            dont_fragment: false,
        }
    }
}

/// As a scenario has it.
impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => write!(f, "probe {} icmp {}", self.from, self.destination)?,
            Some(Port { number, protocol }) => write!(
                f,
                "probe {} {protocol} {}:{number}",
                self.from, self.destination
            )?,
        }
        match self.source_port {
            Some(port) => write!(f, " sport={port}"),
            None => Ok(()),
        }
    }
}

/// A port that no container exposes, so that a rule for "any" shows.
const UNEXPOSED: u16 = 9;

/// Every flow between two parties that could matter: by ICMP, and by TCP and UDP to every port that
/// was ever exposed and to one that was not, from one of no meaning. Between any two but the host
/// from every port that was ever exposed too: what goes to or comes from the host passes no rule
/// that asks for source ports.
pub fn flows(situation: &Situation) -> Vec<Flow> {
    let numbers: BTreeSet<u16> = situation.ports_ever_exposed();
    let destinations: Vec<u16> = numbers.iter().copied().chain([UNEXPOSED]).collect();
    let sources: Vec<Option<u16>> = numbers.iter().copied().map(Some).chain([None]).collect();
    let mut flows = Vec::new();
    for (from, source) in situation.senders() {
        for (to, destination) in situation.receivers() {
            if from == to || source == Some(destination) {
                continue;
            }
            let flow = |port: Option<Port>, source_port| Flow {
                from: from.clone(),
                source,
                to: to.clone(),
                destination,
                port,
                source_port,
            };
            flows.push(flow(None, None));
            let sources = match situation.is_host(&from) || situation.is_host(&to) {
                true => &[None][..],
                false => &sources,
            };
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                for number in &destinations {
                    let Some(port) = Port::new(*number, protocol) else {
                        continue;
                    };
                    flows.extend(sources.iter().map(|source| flow(Some(port), *source)));
                }
            }
        }
    }
    flows
}
