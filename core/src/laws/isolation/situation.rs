//! What was declared, and what runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use super::{
    Flow,
    written::{Grant, Group, Reason, Written},
};
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
    /// The rules of links, as Docker 20.10 writes them.
    written: Written,
    /// Flows that went along a link which has held ever since, with the source port their sender chose.
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
    /// As they were typed.
    typed: Vec<String>,
    /// Where Docker has them lead: elsewhere, once a daemon has read them again.
    registered: Vec<Link>,
    /// Whether it is removed when it stops.
    removes_itself: bool,
}

/// A link, declared by its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The id of the container it leads to.
    pub child: String,
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

impl Situation {
    /// Takes in what became of a command. `done` says that it was not refused.
    pub fn after(&mut self, command: &Command, done: bool, snapshot: &Snapshot) {
        let ran = self.on_bridge();
        if let Command::Daemon(config) = command {
            self.has_daemon = done;
            self.parties
                .retain(|_, party| !(party.running && party.removes_itself));
            self.written.restart(done && config.iptables);
            if done {
                self.daemon(config);
                self.read_links_again();
            }
        }
        // Without a daemon nobody can tell what there is.
        if self.has_daemon {
            if let Command::Create(spec) | Command::Run(spec) = command {
                self.created(spec, snapshot);
            }
            self.parties
                .retain(|name, party| party.mode == Mode::Own || same(snapshot, name, &party.id));
        }
        let restarted = match command {
            Command::Restart(word) => self.named(word.as_str()).map(|(name, _)| name.clone()),
            _ => None,
        };
        if let Some((_, address)) = restarted.as_ref().and_then(|name| ran.get(name)) {
            self.asked
                .retain(|(source, destination, ..)| source != address && destination != address);
        }
        self.look(snapshot);
        let run = self.on_bridge();
        let is_on = |(name, it): &(&Name, &(String, Ipv4Addr)), then: &BTreeMap<_, _>| {
            then.get(*name) == Some(*it) && Some(*name) != restarted.as_ref()
        };
        for (name, (id, _)) in ran.iter().filter(|one| !is_on(one, &run)) {
            self.written.stop(name, id);
        }
        if !self.icc {
            for (name, _) in run.iter().filter(|one| !is_on(one, &ran)) {
                self.written.start(name, self.groups(name));
            }
        }
    }

    /// The containers that have an endpoint on the daemon's bridge: id and address.
    fn on_bridge(&self) -> BTreeMap<Name, (String, Ipv4Addr)> {
        let on = |(name, party): (&Name, &Party)| {
            let address = party.endpoint()?;
            Some((name.clone(), (party.id.clone(), address)))
        };
        self.parties.iter().filter_map(on).collect()
    }

    /// The rules that the start of a container writes.
    fn groups(&self, name: &Name) -> Vec<Group> {
        let started = self.parties.get(name);
        let Some((party, own)) = started.and_then(|it| Some((it, it.endpoint()?))) else {
            return Vec::new();
        };
        let child = |link: &Link| {
            let child = self.parties.values().find(|it| it.id == link.child)?;
            Some((child, child.endpoint()?))
        };
        let group = |peer: &Party, reason, (parent, child), ports: &[Port]| {
            let grant = |port: &Port| Grant {
                parent,
                child,
                port: *port,
            };
            Group {
                peer: peer.id.clone(),
                is_gone: false,
                reason,
                grants: ports.iter().map(grant).collect(),
            }
        };
        let is_child = self.parties.values().any(|it| it.has_registered(&party.id));
        let last = party.registered.last().filter(|_| is_child).and_then(child);
        let last = last.filter(|_| !party.exposed.is_empty());
        let taken_for_parent =
            last.map(|(last, at)| group(last, Reason::TakenForParent, (at, own), &party.exposed));
        let children = party
            .registered
            .iter()
            .filter_map(child)
            .map(|(child, at)| {
                let reason = match party.links.iter().any(|link| link.child == child.id) {
                    true => Reason::Declared,
                    false => Reason::ReadAgain,
                };
                group(child, reason, (own, at), &child.exposed)
            });
        taken_for_parent.into_iter().chain(children).collect()
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
        let shares = match &spec.net {
            NetMode::Container(target) => {
                let owner = self.named(target);
                Some(owner.map_or_else(|| target.clone(), |(_, it)| it.id.clone()))
            }
            _ => None,
        };
        let links = self.register(&spec.links);
        let party = Party {
            id: state.id.clone(),
            registered: links.clone(),
            links,
            typed: spec.links.clone(),
            removes_itself: spec.auto_remove,
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

    /// The container that a word names: by name, or by its id or the beginning of it.
    fn named(&self, word: &str) -> Option<(&Name, &Party)> {
        let of_that_id = |(_, it): &(&Name, &Party)| word.len() >= 12 && it.id.starts_with(word);
        let by_id = || self.parties.iter().find(of_that_id);
        let name = Name::new(word.trim_start_matches('/'));
        self.parties.get_key_value(&name).or_else(by_id)
    }

    /// Whose network the container has that a word names. Those who share in a circle have none.
    fn owner(&self, word: &str) -> Option<&Party> {
        let (_, mut party) = self.named(word)?;
        for _ in 0..self.parties.len() {
            match &party.shares {
                Some(shared) => (_, party) = self.named(shared)?,
                None => return Some(party),
            }
        }
        None
    }

    /// Where links lead, up to one that leads nowhere. Of those with one alias the first is a link,
    /// and the others are nothing.
    fn register(&self, typed: &[String]) -> Vec<Link> {
        let mut aliases = BTreeSet::new();
        let mut links = Vec::new();
        for text in typed {
            let child = text.split(':').next().and_then(|word| self.owner(word));
            let Some(child) = child.filter(|child| child.mode != Mode::Host) else {
                break;
            };
            let alias = text.rsplit([':', '/']).next();
            if aliases.insert(alias) {
                let child = child.id.clone();
                links.push(Link { child });
            }
        }
        links
    }

    /// A daemon that starts goes by what was typed.
    fn read_links_again(&mut self) {
        let again: Vec<_> = self
            .parties
            .values()
            .map(|party| self.register(&party.typed))
            .collect();
        for (party, links) in self.parties.values_mut().zip(again) {
            party.registered = links;
        }
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
                typed: Vec::new(),
                registered: Vec::new(),
                removes_itself: false,
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

    pub(super) fn written(&self) -> &Written {
        &self.written
    }

    /// Whether a link declares the flow whose child has lost the endpoint that its rules were
    /// written for.
    pub(super) fn has_child_moved(&self, flow: &Flow) -> bool {
        self.misses(flow, |name, parent, child| {
            parent.has_registered(&child.id) && self.written.misses(name, &child.id)
        })
    }

    /// Whether a link declares the flow that Docker knows nothing of.
    pub(super) fn is_link_lost(&self, flow: &Flow) -> bool {
        self.misses(flow, |_, parent, child| !parent.has_registered(&child.id))
    }

    /// Whether a link declares the flow, no rule lets it through, and something is true of both ends.
    fn misses(&self, flow: &Flow, why: impl Fn(&Name, &Party, &Party) -> bool) -> bool {
        let is_written = Grant::needed_by(flow).any(|grant| self.written.has(&grant));
        let parents = flow.source.into_iter().flat_map(|at| self.holders(at));
        let mut parents = parents.filter(|(_, it)| it.mode == Mode::Bridge);
        !is_written
            && self.is_declared(flow)
            && parents.any(|(name, parent)| {
                let mut children = self.holders(flow.destination);
                children.any(|(_, child)| {
                    let declared = |link: &Link| link.child == child.id;
                    parent.links.iter().any(declared) && why(name, parent, child)
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

impl Party {
    /// Its address, if it has its own endpoint on the daemon's bridge.
    fn endpoint(&self) -> Option<Ipv4Addr> {
        self.address
            .filter(|_| self.mode == Mode::Bridge && self.running)
    }

    fn has_registered(&self, child: &str) -> bool {
        self.registered.iter().any(|link| link.child == child)
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
            written,
            asked,
        } = self;
        form.value(&(icc, iptables, bridge, has_daemon, host, exposed));
        form.value(asked);
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
                typed,
                registered,
                removes_itself,
            } = party;
            form.id(id);
            form.value(&(mode, running, address, bridge, exposed, removes_itself));
            form.value(&(links.len(), registered.len(), typed.len()));
            form.value(&shares.is_some());
            if let Some(shared) = shares {
                form.id_or_word(shared);
            }
            for Link { child } in links.iter().chain(registered) {
                form.id(child);
            }
            for text in typed {
                let (child, alias) = text.split_once(':').unwrap_or((text, ""));
                form.id_or_word(child);
                form.text(alias);
            }
        });
        written.write(form);
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
