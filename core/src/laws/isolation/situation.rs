//! What was declared, and what runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use super::Flow;
use crate::{
    command::{BridgeChoice, Command, ContainerSpec, DaemonConfig, NetMode},
    form::{Canonical, Form},
    name::{LinkName, Name, Netns},
    port::{Port, Protocol},
    snapshot::{LinkKind, NetnsState, Snapshot, Status},
};

/// Everything that the laws speak about, as the commands so far declared it and as a snapshot shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// Whether containers on the bridge may talk to each other.
    pub icc: bool,
    /// Whether the daemon writes rules at all.
    pub iptables: bool,
    /// The daemon's bridge.
    pub bridge: Option<LinkName>,
    /// Containers, and namespaces of the scenario's making.
    pub parties: BTreeMap<Name, Party>,
    has_daemon: bool,
    /// The host's own addresses.
    host: Vec<Ipv4Addr>,
    /// Every port that was ever exposed.
    exposed: BTreeSet<Port>,
    /// What links once allowed, by the addresses of that time: parent, child, port.
    granted: BTreeSet<(Ipv4Addr, Ipv4Addr, Port)>,
    /// Flows that got through, with the source port their sender chose.
    established: BTreeSet<(Ipv4Addr, Ipv4Addr, Port, u16)>,
    /// Those of them that went along a link which has held ever since.
    asked: BTreeSet<(Ipv4Addr, Ipv4Addr, Port, u16)>,
}

/// Someone who can send and be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// The container's id; empty for a namespace.
    pub id: String,
    /// What network it has.
    pub mode: Mode,
    /// The id of the container whose network it shares, or its name if it was not there yet.
    pub shares: Option<String>,
    /// Whether it runs.
    pub running: bool,
    /// Its address on a bridge, while it runs.
    pub address: Option<Ipv4Addr>,
    /// The bridge that it is on, while it runs.
    pub bridge: Option<LinkName>,
    /// What it exposes.
    pub exposed: Vec<Port>,
    /// Its links to others.
    pub links: Vec<Link>,
}

/// A link, declared by its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The id of the container it leads to.
    pub child: String,
    /// What that one was called in it.
    pub word: String,
    /// The id of another of that name, to whom Docker takes it to lead.
    pub taken_for: Option<String>,
}

/// What network a party has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// An endpoint on the daemon's bridge, where there is one.
    Bridge,
    /// The host's.
    Host,
    /// Another container's.
    Shared,
    /// None.
    None,
    /// What the scenario gave it: a namespace of its own making.
    Own,
}

impl Link {
    /// Whether Docker takes it to lead to the container with this id.
    fn leads_to(&self, id: &str) -> bool {
        self.child == id || self.taken_for.as_deref() == Some(id)
    }
}

impl Situation {
    /// Takes in what became of a command. `done` says that it was not refused.
    pub fn after(&mut self, command: &Command, done: bool, snapshot: &Snapshot) {
        if let Command::Daemon(config) = command {
            self.has_daemon = done;
            if done {
                self.daemon(config);
            }
        }
        // Without a daemon nobody can tell what there is.
        if self.has_daemon {
            if let Command::Create(spec) | Command::Run(spec) = command {
                self.created(spec, snapshot);
            }
            self.parties
                .retain(|name, party| party.mode == Mode::Own || same(snapshot, name, &party.id));
            if matches!(command, Command::Daemon(_)) {
                self.find_children();
            }
        }
        if let Command::Restart(name) = command {
            let party = self.parties.get(name);
            let party = party.filter(|party| party.mode == Mode::Bridge);
            let address = party.and_then(|party| party.address);
            let has_part = |end: &Ipv4Addr| address == Some(*end);
            self.asked
                .retain(|(source, destination, ..)| !has_part(source) && !has_part(destination));
        }
        self.look(snapshot);
        let declared = self.declared().chain(self.following_names());
        let granted: Vec<_> = declared.chain(self.let_in()).collect();
        self.granted.extend(granted);
    }

    /// A daemon that starts finds the children of links by their names (`registerLinks`).
    fn find_children(&mut self) {
        let id = |(name, party): (&Name, &Party)| (name.to_string(), party.id.clone());
        let ids: BTreeMap<String, String> = self.parties.iter().map(id).collect();
        for link in self.parties.values_mut().flat_map(|it| &mut it.links) {
            let is_there = ids.values().any(|id| *id == link.child);
            let other = ids.get(&link.word).filter(|_| !is_there);
            link.taken_for = other.cloned();
        }
    }

    fn daemon(&mut self, config: &DaemonConfig) {
        self.icc = config.icc;
        self.iptables = config.iptables;
        self.bridge = match config.bridge {
            BridgeChoice::Docker0 => Some(LinkName::DOCKER0),
            BridgeChoice::Existing(bridge) => Some(bridge),
            BridgeChoice::None => None,
        };
    }

    /// A container may be there although its start was refused.
    fn created(&mut self, spec: &ContainerSpec, snapshot: &Snapshot) {
        let new = snapshot
            .containers
            .iter()
            .find(|(name, state)| self.parties.get(*name).is_none_or(|it| it.id != state.id));
        let Some((name, state)) = new else { return };
        let mode = match &spec.net {
            NetMode::Bridge => Mode::Bridge,
            NetMode::None | NetMode::Network(_) => Mode::None,
            NetMode::Host => Mode::Host,
            NetMode::Container(_) => Mode::Shared,
        };
        let named = |word: &str| {
            let of_that_id =
                |(_, it): &(&Name, &Party)| word.len() >= 12 && it.id.starts_with(word);
            let by_id = || self.parties.iter().find(of_that_id).map(|(_, it)| it);
            self.parties.get(&Name::new(word)).or_else(by_id)
        };
        // Whoever shares a network is linked to by linking to whose it is.
        let owner = |word: &str| {
            let mut party = named(word)?;
            // Those who share in a circle have none.
            for _ in 0..self.parties.len() {
                match &party.shares {
                    Some(shared) => party = named(shared)?,
                    None => return Some(party.id.clone()),
                }
            }
            None
        };
        let child = |text: &String| {
            let name = text.split(':').next()?.trim_start_matches('/');
            Some(Link {
                child: owner(name)?,
                word: name.to_owned(),
                taken_for: None,
            })
        };
        // Of those with one alias the first is a link, and the others are nothing.
        let mut aliases = BTreeSet::new();
        let mut links = spec.links.clone();
        links.retain(|text| aliases.insert(text.rsplit([':', '/']).next().map(str::to_owned)));
        let shares = match &spec.net {
            NetMode::Container(target) => {
                Some(named(target).map_or_else(|| target.clone(), |it| it.id.clone()))
            }
            _ => None,
        };
        let party = Party {
            id: state.id.clone(),
            links: links.iter().filter_map(child).collect(),
            mode,
            shares,
            running: false,
            address: None,
            bridge: None,
            exposed: spec.expose.clone(),
        };
        self.exposed.extend(&party.exposed);
        self.parties.insert(name.clone(), party);
    }

    /// Takes in what a network looks like, where nothing was declared.
    pub fn look(&mut self, snapshot: &Snapshot) {
        let nobody = NetnsState::default();
        let host = snapshot.netns.get(&Netns::Host).unwrap_or(&nobody);
        self.host = addresses(host).collect();
        for (name, party) in &mut self.parties {
            let state = snapshot.containers.get(name);
            party.running = state.is_some_and(|state| state.status == Status::Running);
            let netns = state.and_then(|state| state.netns.as_ref());
            let inside = netns
                .filter(|netns| **netns != Netns::Host)
                .and_then(|netns| snapshot.netns.get(netns));
            party.address = inside.and_then(|state| addresses(state).next());
            party.bridge = party
                .address
                .and_then(|address| bridge_towards(host, address));
        }
        let sandboxes: BTreeSet<&Netns> = snapshot
            .containers
            .values()
            .filter_map(|state| state.netns.as_ref())
            .collect();
        for (netns, state) in &snapshot.netns {
            let Netns::Named(name) = netns else { continue };
            if sandboxes.contains(netns) {
                continue;
            }
            let address = addresses(state).next();
            let party = Party {
                id: String::new(),
                mode: Mode::Own,
                shares: None,
                running: true,
                address,
                bridge: address.and_then(|address| bridge_towards(host, address)),
                exposed: Vec::new(),
                links: Vec::new(),
            };
            self.parties.insert(name.clone(), party);
        }
        let holding: BTreeSet<_> = self.declared().collect();
        self.asked.retain(|(source, destination, port, _)| {
            holding.contains(&(*source, *destination, *port))
        });
    }

    /// Whether the daemon keeps containers of its bridge apart.
    pub fn restricts(&self) -> bool {
        !self.icc && self.iptables && self.bridge.is_some()
    }

    /// Whether both ends are on the daemon's bridge, each with a network of its own.
    pub fn are_neighbours(&self, flow: &Flow) -> bool {
        let on_ours = |address| {
            self.holders(address)
                .any(|(_, it)| it.mode == Mode::Bridge && it.bridge == self.bridge)
        };
        self.bridge.is_some() && flow.source.is_some_and(on_ours) && on_ours(flow.destination)
    }

    /// Whether a link declares the flow.
    pub fn is_declared(&self, flow: &Flow) -> bool {
        let (Some(source), Some(port)) = (flow.source, flow.port) else {
            return false;
        };
        self.declared()
            .any(|declared| declared == (source, flow.destination, port))
    }

    /// What links declare, by the addresses of now: parent, child, port.
    fn declared(&self) -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr, Port)> {
        let running = || self.parties.values().filter(|party| party.running);
        // Docker takes a link from elsewhere, and it means nothing.
        let on_bridge = running().filter(|party| party.mode == Mode::Bridge);
        on_bridge.flat_map(move |parent| {
            parent.links.iter().flat_map(move |link| {
                let child = running().find(|child| child.id == link.child);
                let ends = child.and_then(|child| Some((parent.address?, child.address?, child)));
                ends.into_iter().flat_map(|(source, destination, child)| {
                    let ports = child.exposed.iter();
                    ports.map(move |port| (source, destination, *port))
                })
            })
        })
    }

    /// Whether the flow is from a child to a port of a parent that is somebody's child itself.
    pub(super) fn lets_in(&self, flow: &Flow) -> bool {
        let (Some(source), Some(port)) = (flow.source, flow.port) else {
            return false;
        };
        self.let_in()
            .any(|let_in| let_in == (source, flow.destination, port))
    }

    /// What is let in so: child, parent, port.
    fn let_in(&self) -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr, Port)> {
        let running = || self.parties.values().filter(|party| party.running);
        let is_child = |party: &&Party| {
            let mut links = self.parties.values().flat_map(|other| &other.links);
            links.any(|link| link.leads_to(&party.id))
        };
        let on_bridge = running().filter(|party| party.mode == Mode::Bridge);
        let middle = on_bridge.filter(is_child);
        middle.flat_map(move |parent| {
            parent.links.iter().flat_map(move |link| {
                let child = running().find(|child| link.leads_to(&child.id));
                let ends = child.and_then(|child| Some((child.address?, parent.address?)));
                ends.into_iter().flat_map(|(source, destination)| {
                    let ports = parent.exposed.iter();
                    ports.map(move |port| (source, destination, *port))
                })
            })
        })
    }

    /// Whether the flow is one that a link would declare if it led to who has its child's name.
    pub(super) fn follows_name(&self, flow: &Flow) -> bool {
        let (Some(source), Some(port)) = (flow.source, flow.port) else {
            return false;
        };
        self.following_names()
            .any(|following| following == (source, flow.destination, port))
    }

    /// What such links let through: parent, child, port.
    fn following_names(&self) -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr, Port)> {
        let running = || self.parties.values().filter(|party| party.running);
        let on_bridge = running().filter(|party| party.mode == Mode::Bridge);
        on_bridge.flat_map(move |parent| {
            let ids = parent.links.iter().filter_map(|it| it.taken_for.as_ref());
            ids.flat_map(move |id| {
                let child = running().find(|child| child.id == *id);
                let ends = child.and_then(|child| Some((parent.address?, child.address?, child)));
                ends.into_iter().flat_map(|(source, destination, child)| {
                    let ports = child.exposed.iter();
                    ports.map(move |port| (source, destination, *port))
                })
            })
        })
    }

    /// Whether it is a container without a network.
    pub fn is_alone(&self, name: &Name) -> bool {
        self.parties
            .get(name)
            .is_some_and(|party| party.mode == Mode::None)
    }

    /// Whether it is the host, or shares its network.
    pub fn is_host(&self, name: &Name) -> bool {
        name.as_str() == Name::HOST
            || self
                .parties
                .get(name)
                .is_some_and(|party| party.mode == Mode::Host)
    }

    /// Whether it is a container with an endpoint on the daemon's bridge.
    pub fn is_on_bridge(&self, name: &Name) -> bool {
        self.parties.get(name).is_some_and(|party| {
            party.mode == Mode::Bridge && party.bridge.is_some() && party.bridge == self.bridge
        })
    }

    /// Whether one end is on the daemon's bridge and the other on another bridge of the host.
    pub fn are_on_different_bridges(&self, flow: &Flow) -> bool {
        let bridge = |address| self.holders(address).find_map(|(_, party)| party.bridge);
        let (from, to) = (flow.source.and_then(bridge), bridge(flow.destination));
        self.iptables
            && from.is_some()
            && to.is_some()
            && from != to
            && (from == self.bridge || to == self.bridge)
    }

    /// Whether a link once allowed this flow, between whoever had the addresses then.
    pub fn was_granted(&self, source: Ipv4Addr, destination: Ipv4Addr, port: Port) -> bool {
        self.granted.contains(&(source, destination, port))
    }

    /// Whether this very flow, or the one it would answer, got through before.
    pub fn was_established(&self, flow: &Flow) -> bool {
        let (Some(source), Some(port), Some(source_port)) =
            (flow.source, flow.port, flow.source_port)
        else {
            return false;
        };
        let forth = (source, flow.destination, port, source_port);
        let back = Port::new(source_port, port.protocol)
            .map(|answered| (flow.destination, source, answered, port.number.get()));
        self.established.contains(&forth)
            || back.is_some_and(|back| self.established.contains(&back))
    }

    /// Whether the flow is no new one, but what answers a parent who has asked along a link.
    pub fn answers(&self, flow: &Flow) -> bool {
        let (Some(source), Some(port)) = (flow.source, flow.port) else {
            return false;
        };
        let asked = flow
            .source_port
            .and_then(|number| Port::new(number, port.protocol));
        asked.is_some_and(|asked| {
            let question = (flow.destination, source, asked, port.number.get());
            self.asked.contains(&question)
        })
    }

    pub(super) fn remember(&mut self, flow: &Flow) {
        if let (Some(source), Some(port), Some(source_port)) =
            (flow.source, flow.port, flow.source_port)
        {
            let flown = (source, flow.destination, port, source_port);
            self.established.insert(flown);
            if self.is_declared(flow) {
                self.asked.insert(flown);
            }
        }
    }

    pub(super) fn ports_ever_exposed(&self) -> BTreeSet<u16> {
        let probed = |port: &&Port| port.protocol != Protocol::Sctp;
        let exposed = self.exposed.iter().filter(probed);
        exposed.map(|port| port.number.get()).collect()
    }

    /// Who can send, each with the address it sends from: containers that run, namespaces, the host.
    pub(super) fn senders(&self) -> impl Iterator<Item = (Name, Option<Ipv4Addr>)> {
        let running = self.parties.iter().filter(|(_, party)| party.running);
        running
            .map(|(name, party)| (name.clone(), party.address))
            .chain([(Name::new(Name::HOST), None)])
    }

    /// Who can be sent to: everyone with an address.
    pub(super) fn receivers(&self) -> impl Iterator<Item = (Name, Ipv4Addr)> {
        let running = self.parties.iter().filter(|(_, party)| party.running);
        let parties = running.filter_map(|(name, party)| Some((name.clone(), party.address?)));
        let host = self.host.iter();
        parties.chain(host.map(|address| (Name::new(Name::HOST), *address)))
    }

    fn holders(&self, address: Ipv4Addr) -> impl Iterator<Item = (&Name, &Party)> {
        self.parties
            .iter()
            .filter(move |(_, party)| party.running && party.address == Some(address))
    }
}

impl Canonical for Situation {
    fn write<'a>(&'a self, form: &mut Form<'a>) {
        let Self {
            icc,
            iptables,
            bridge,
            parties,
            has_daemon,
            host,
            exposed,
            granted,
            established,
            asked,
        } = self;
        form.value(&(icc, iptables, bridge, has_daemon, host, exposed));
        form.value(&(granted, established, asked));
        form.by_name(parties, |form, _, party| {
            let Party {
                id,
                mode,
                shares,
                running,
                address,
                bridge,
                exposed,
                links,
            } = party;
            form.id(id);
            form.value(&(mode, running, address, bridge, exposed, links.len()));
            form.value(&shares.is_some());
            if let Some(shared) = shares {
                form.id_or_word(shared);
            }
            for Link {
                child,
                word,
                taken_for,
            } in links
            {
                form.id(child);
                form.text(word);
                form.value(&taken_for.is_some());
                form.id(taken_for.as_deref().unwrap_or_default());
            }
        });
    }
    fn outline<'a>(&'a self, form: &mut Form<'a>) {
        form.by_name(&self.parties, |form, _, party| {
            let (exposed, links) = (party.exposed.len(), party.links.len());
            form.value(&(&party.mode, party.running, party.address, exposed, links));
        });
    }
}

fn same(snapshot: &Snapshot, name: &Name, id: &str) -> bool {
    snapshot
        .containers
        .get(name)
        .is_some_and(|state| state.id == id)
}

/// The addresses of a namespace, less loopback's.
fn addresses(state: &NetnsState) -> impl Iterator<Item = Ipv4Addr> {
    let links = state
        .links
        .values()
        .filter(|link| link.kind != LinkKind::Loopback);
    links.flat_map(|link| link.addresses.iter().map(|net| net.addr()))
}

/// The host's bridge on whose network the address is.
fn bridge_towards(host: &NetnsState, address: Ipv4Addr) -> Option<LinkName> {
    let bridges = host
        .links
        .iter()
        .filter(|(_, link)| link.kind == LinkKind::Bridge);
    let on =
        |link: &crate::snapshot::LinkState| link.addresses.iter().any(|net| net.contains(&address));
    bridges
        .filter(|(_, link)| on(link))
        .map(|(name, _)| *name)
        .next()
}
