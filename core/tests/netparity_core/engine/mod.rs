//! The engine's decisions, seen through a data plane that does nothing but remember.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod daemon;
mod lifecycle;
mod link_rules;
mod links;
mod modes;
mod refusals;
mod strict;

use std::collections::BTreeMap;

use netparity_core::{
    command::{BridgeChoice, Command, ContainerSpec, DaemonConfig, HostCommand, NetMode, Tool},
    engine::{Engine, Variant},
    errno::Errno,
    model::{Dataplane, DataplaneError, ModelError, NetworkModel, Planned},
    name::{LinkName, LinkRef, Name, Netns},
    plan::{LinkChange, Op, Plan, Route, RuleOp, Sysctl},
    probe::Shot,
    rules::Table,
    snapshot::{ContainerState, LinkKind, LinkState, NetnsState, Snapshot, Status},
    trace::Sighting,
};

/// Keeps what the engine asks about a host, and every operation.
#[derive(Clone, Default)]
struct Notebook {
    host: NetnsState,
    ops: Vec<Op>,
    /// Refuses the next plan that has this operation, there.
    refuse: Option<(usize, Errno)>,
}

impl Dataplane for Notebook {
    fn name(&self) -> &str {
        "notebook"
    }

    fn execute(&mut self, plan: &Plan) -> Result<(), DataplaneError> {
        if let Some((op, errno)) = self.refuse.take_if(|(op, _)| *op < plan.ops.len()) {
            return Err(DataplaneError::Refused { op, errno });
        }
        for op in &plan.ops {
            self.note(op);
        }
        Ok(())
    }

    fn probe(&mut self, _: &Shot) -> Result<Sighting, DataplaneError> {
        Ok(Sighting::default())
    }

    fn snapshot(&mut self) -> Result<Snapshot, DataplaneError> {
        Ok(Snapshot {
            netns: BTreeMap::from([(Netns::Host, self.host.clone())]),
            ..Snapshot::default()
        })
    }

    fn reset(&mut self) -> Result<(), DataplaneError> {
        *self = Self::default();
        Ok(())
    }
}

impl Notebook {
    fn with_link(mut self, name: &str, kind: LinkKind, addresses: &[&str]) -> Self {
        let link = LinkState {
            kind,
            mac: netparity_core::MacAddr::zero(),
            mtu: 1500,
            up: false,
            carrier: false,
            master: None,
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            learned: BTreeMap::new(),
        };
        self.host.links.insert(name.parse().unwrap(), link);
        self
    }

    fn note(&mut self, op: &Op) {
        self.ops.push(op.clone());
        match op {
            Op::AddBridge { link, .. } => {
                *self = std::mem::take(self).with_link(link.name.as_str(), LinkKind::Bridge, &[])
            }
            Op::DeleteLink(link) if link.netns == Netns::Host => {
                self.host.links.remove(&link.name);
            }
            Op::AddAddress { link, address } if link.netns == Netns::Host => {
                self.host
                    .links
                    .get_mut(&link.name)
                    .unwrap()
                    .addresses
                    .push(*address);
            }
            Op::DeleteAddress { link, address } => {
                self.host
                    .links
                    .get_mut(&link.name)
                    .unwrap()
                    .addresses
                    .retain(|other| other != address);
            }
            Op::SetSysctl {
                sysctl: Sysctl::IpForward(on),
                ..
            } => self.host.ip_forward = *on,
            Op::Rules(rule_op) => self.note_rules(rule_op),
            _ => {}
        }
    }

    fn note_rules(&mut self, op: &RuleOp) {
        let chains = &mut self.host.rules.chains;
        match op {
            RuleOp::NewChain(at) => assert!(
                chains.insert(*at, Default::default()).is_none(),
                "{at} made twice"
            ),
            RuleOp::DeleteChain(at) => drop(chains.remove(at).unwrap()),
            RuleOp::Flush(at) => chains.entry(*at).or_default().rules.clear(),
            RuleOp::Policy(at, policy) => chains.entry(*at).or_default().policy = *policy,
            RuleOp::Insert(at, rule) => {
                chains.entry(*at).or_default().rules.insert(0, rule.clone())
            }
            RuleOp::Append(at, rule) => chains.entry(*at).or_default().rules.push(rule.clone()),
            RuleOp::Delete(at, rule) => {
                let rules = &mut chains.get_mut(at).unwrap().rules;
                let place = rules.iter().position(|other| other == rule).unwrap();
                rules.remove(place);
            }
        }
    }
}

type Model = Planned<Notebook>;

fn daemon(change: impl FnOnce(&mut DaemonConfig)) -> Model {
    let mut model = Planned::new(Notebook::default());
    let mut config = DaemonConfig::default();
    change(&mut config);
    model.apply(&Command::Daemon(config)).unwrap();
    model
}

fn spec(name: &str) -> ContainerSpec {
    ContainerSpec {
        name: Some(name.into()),
        ..ContainerSpec::default()
    }
}

fn run(model: &mut Model, spec: ContainerSpec) {
    model.apply(&Command::Run(spec)).unwrap();
}

fn refused(model: &mut Model, command: Command) -> String {
    match model.apply(&command) {
        Err(ModelError::Refused(refusal)) => refusal.to_string(),
        other => panic!("{command:?} gave {other:?}"),
    }
}

fn address(model: &mut Model, name: &str) -> Option<String> {
    let hosts = model.snapshot().unwrap().containers[&Name::new(name)]
        .hosts
        .clone();
    Some(hosts.lines().last()?.split('\t').next()?.to_owned())
}

fn exposing(name: &str, ports: &[&str]) -> ContainerSpec {
    ContainerSpec {
        expose: ports.iter().map(|port| port.parse().unwrap()).collect(),
        ..spec(name)
    }
}

fn linked(name: &str, links: &[&str]) -> ContainerSpec {
    ContainerSpec {
        links: links.iter().map(|link| (*link).into()).collect(),
        ..spec(name)
    }
}

fn joined(name: &str, target: &str) -> ContainerSpec {
    ContainerSpec {
        net: NetMode::Container(target.into()),
        ..spec(name)
    }
}

fn start(model: &mut Model, name: &str) {
    model.apply(&Command::Start(name.into())).unwrap();
}

fn stop(model: &mut Model, name: &str) {
    model.apply(&Command::Stop(name.into())).unwrap();
}

fn restart(model: &mut Model, name: &str) {
    model.apply(&Command::Restart(name.into())).unwrap();
}

fn remove(model: &mut Model, name: &str) {
    let name = name.into();
    model.apply(&Command::Remove { name, force: true }).unwrap();
}

fn dockerd(model: &mut Model, change: impl FnOnce(&mut DaemonConfig)) {
    let mut config = DaemonConfig::default();
    change(&mut config);
    model.apply(&Command::Daemon(config)).unwrap();
}

fn container(model: &mut Model, name: &str) -> ContainerState {
    let mut containers = model.snapshot().unwrap().containers;
    containers.remove(&Name::new(name)).unwrap()
}

/// A container's hosts file, less the lines that every one has.
fn hosts(model: &mut Model, name: &str) -> Vec<String> {
    let text = container(model, name).hosts;
    text.lines().skip(6).map(str::to_owned).collect()
}

fn rules(model: &mut Model, chain: &str) -> Vec<String> {
    let rules = &model.dataplane().host.rules;
    let lines = [rules.lines(Table::Filter), rules.lines(Table::Nat)].concat();
    let start = format!("-A {chain} ");
    let of_chain = lines.iter().filter_map(|line| line.strip_prefix(&start));
    of_chain.map(str::to_owned).collect()
}

fn redis() -> ContainerSpec {
    ContainerSpec {
        expose: vec!["6379/tcp".parse().unwrap()],
        env: vec!["REDIS_VERSION=7".into()],
        ..spec("redis")
    }
}

fn webapp() -> ContainerSpec {
    ContainerSpec {
        links: vec!["redis:db".into()],
        ..spec("webapp")
    }
}

fn isolated() -> Model {
    daemon(|config| {
        config.bip = Some("172.17.42.1/16".parse().unwrap());
        config.icc = false;
    })
}
