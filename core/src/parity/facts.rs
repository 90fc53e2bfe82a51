//! A snapshot as facts.

use std::{collections::BTreeMap, fmt, net::Ipv4Addr};

use super::Difference;
use crate::{
    MacAddr,
    name::{LinkName, Netns},
    rules::Table,
    snapshot::{ContainerState, LinkKind, LinkState, NetnsState, Snapshot},
    trace::Station,
};

/// What a network looks like: a value for each place (`host: links: docker0: mtu`). Equal ones are
/// equal for parity.
///
/// A bridge's hardware address is told by whose it is, and so are those of links on the host that
/// Docker names at random; that Docker drew it, where a neighbour is still remembered by one that no
/// link has any more. The order of environment variables does not count, nor that of links in
/// a hosts file and of their packet rules, which dockerd takes from a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts(BTreeMap<String, String>);

impl Facts {
    /// Those of a snapshot.
    pub fn of(snapshot: &Snapshot) -> Self {
        let owners = owners(snapshot);
        let mut facts = Self::default();
        for (netns, state) in &snapshot.netns {
            facts.netns(netns, state, &owners);
        }
        for (name, container) in &snapshot.containers {
            facts.container(&format!("container {name}"), container);
        }
        facts
    }

    /// Every place with what is there.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(place, value)| (&**place, &**value))
    }

    /// What is at a place.
    pub fn get(&self, place: &str) -> Option<&str> {
        self.0.get(place).map(String::as_str)
    }

    /// Has this at the place from now on, or nothing.
    pub fn set(&mut self, place: String, value: Option<String>) {
        match value {
            Some(value) => self.0.insert(place, value),
            None => self.0.remove(&place),
        };
    }

    /// The places at which `next` has something else, with what it has there.
    pub fn changes<'a>(
        &'a self,
        next: &'a Self,
    ) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        let gone = self.iter().filter(|(place, _)| next.get(place).is_none());
        let new = next
            .iter()
            .filter(|(place, value)| self.get(place) != Some(value));
        gone.map(|(place, _)| (place, None))
            .chain(new.map(|(place, value)| (place, Some(value))))
    }

    /// How two models differ in what they look like, if they do.
    pub fn difference(&self, other: &Self) -> Option<Difference> {
        let (place, _) = self.changes(other).min_by_key(|(place, _)| *place)?;
        let said = |facts: &Self| facts.get(place).unwrap_or("absent").to_owned();
        Some(Difference::Snapshot {
            place: place.to_owned(),
            left: said(self),
            right: said(other),
        })
    }

    fn say(&mut self, place: String, value: impl Into<String>) {
        self.0.insert(place, value.into());
    }

    fn netns(&mut self, netns: &Netns, state: &NetnsState, owners: &Owners) {
        self.say(format!("{netns}: forwarding"), state.ip_forward.to_string());
        self.say(format!("{netns}: listeners"), list(&state.listeners));
        self.say(format!("{netns}: routes"), list(&state.routes));
        for table in [Table::Filter, Table::Nat] {
            let place = format!("{netns}: rules: {table}");
            self.lines(&place, rules(state.rules.lines(table)));
        }
        for (neighbour, mac) in &state.neighbours {
            let place = format!(
                "{netns}: neighbours: {} on {}",
                neighbour.address, neighbour.link
            );
            let whose =
                owner(owners, *mac).unwrap_or_else(|| match is_drawn(*mac, neighbour.address) {
                    true => "drawn by Docker".to_owned(),
                    false => mac.to_string(),
                });
            self.say(place, whose);
        }
        for (name, link) in &state.links {
            let mut tell = |what: &str, value: String| {
                self.say(format!("{netns}: links: {name}: {what}"), value)
            };
            tell("kind", format!("{:?}", link.kind));
            tell("mac", mac(netns, state, *name, link));
            tell("mtu", link.mtu.to_string());
            tell("up", link.up.to_string());
            tell("carrier", link.carrier.to_string());
            tell("master", list(link.master));
            tell("addresses", list(&link.addresses));
            for (station, port) in &link.learned {
                let whose = owner(owners, station.0).unwrap_or_else(|| station.0.to_string());
                tell(&format!("learned {whose}"), port.to_string());
            }
        }
    }

    fn container(&mut self, place: &str, container: &ContainerState) {
        self.say(
            format!("{place}: status"),
            format!("{:?}", container.status),
        );
        self.say(format!("{place}: namespace"), list(&container.netns));
        self.say(format!("{place}: hostname"), &*container.hostname);
        if !container.hosts.is_empty() {
            self.lines(&format!("{place}: hosts"), hosts(&container.hosts));
        }
        for variable in &container.env {
            let (key, value) = variable.split_once('=').unwrap_or((variable, ""));
            self.0
                .entry(format!("{place}: env: {key}"))
                .and_modify(|values| *values += &format!(", {value}"))
                .or_insert_with(|| value.to_owned());
        }
    }

    fn lines<T: Into<String>>(&mut self, place: &str, lines: impl IntoIterator<Item = T>) {
        for (at, line) in lines.into_iter().enumerate() {
            self.say(format!("{place}: line {:03}", at + 1), line);
        }
    }
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.is_empty() {
        true => "none".to_owned(),
        false => items.join(", "),
    }
}

/// The lines of a table, the rules of links in order: all of them accept.
fn rules(mut lines: Vec<String>) -> Vec<String> {
    let is_of_link = |line: &str| line.starts_with("-A DOCKER ") && line.ends_with(" -j ACCEPT");
    for links in lines.chunk_by_mut(|one, next| is_of_link(one) && is_of_link(next)) {
        links.sort_unstable();
    }
    lines
}

/// The lines of a hosts file, those of links that stand together in order. What is behind the last
/// line's end is a line too, so that every byte counts.
fn hosts(text: &str) -> Vec<&str> {
    // Alias, hostname, and the name where that is not the alias (moby's
    // daemon/container_operations_unix.go, buildSandboxOptions). A container's own line has its
    // hostname and, where that has a domain, what is before it.
    let is_of_link = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [address, alias, hostname, ..] => {
            let is_own = alias.split_once('.').is_some_and(|it| it.0 == hostname);
            address.parse::<Ipv4Addr>().is_ok() && !is_own
        }
        _ => false,
    };
    let mut lines: Vec<_> = text.split('\n').collect();
    for links in lines.chunk_by_mut(|one, next| is_of_link(one) && is_of_link(next)) {
        links.sort_unstable();
    }
    lines
}

/// A link's hardware address, or for a bridge whose it is.
fn mac(netns: &Netns, state: &NetnsState, name: LinkName, link: &LinkState) -> String {
    if link.kind != LinkKind::Bridge {
        return match netns {
            Netns::Host if link.kind == LinkKind::Veth => "its own".to_owned(),
            _ => link.mac.to_string(),
        };
    }
    let mut ports = state
        .links
        .iter()
        .filter(|(_, port)| port.master == Some(name));
    match ports.find(|(_, port)| port.mac == link.mac) {
        Some((port, _)) => format!("{port}'s"),
        None if link.mac == MacAddr::zero() => "none".to_owned(),
        None => "its own".to_owned(),
    }
}

/// The link that has a hardware address.
type Owners<'a> = BTreeMap<Station, (&'a Netns, LinkName)>;

/// Where several links have one address, a bridge comes before its ports.
fn owners(snapshot: &Snapshot) -> Owners<'_> {
    let mut owners = Owners::new();
    for bridges in [true, false] {
        for (netns, state) in &snapshot.netns {
            for (name, link) in &state.links {
                if link.kind != LinkKind::Loopback && (link.kind == LinkKind::Bridge) == bridges {
                    owners.entry(Station(link.mac)).or_insert((netns, *name));
                }
            }
        }
    }
    owners
}

/// Whether Docker drew a neighbour's hardware address, and did not make it from the neighbour's own
/// (`netutils.GenerateRandomMAC`, `GenerateMACFromIP`).
fn is_drawn(mac: MacAddr, neighbour: Ipv4Addr) -> bool {
    let [first, second, rest @ ..] = mac.octets();
    [first, second] == [0x02, 0x42] && rest != neighbour.octets()
}

fn owner(owners: &Owners<'_>, mac: MacAddr) -> Option<String> {
    let (netns, name) = owners.get(&Station(mac))?;
    Some(format!("{netns}/{name}"))
}
