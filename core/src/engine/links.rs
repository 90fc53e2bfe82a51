//! `--link`: what it says, and the environment it gives. Source: moby 20.10's `opts/parse.go`,
//! `daemon/links/links.go`, `daemon/daemon_unix.go` (`registerLinks`).

use std::net::Ipv4Addr;

use super::refusal::{self, Refusal};
use crate::{name::Name, port::Port};

/// A `--link` that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Typed<'a> {
    /// The container it leads to, by name or id.
    pub child: &'a str,
    pub alias: &'a str,
}

impl<'a> Typed<'a> {
    /// Reads `name`, `name:alias`, or `/name:/parent/alias` as `docker inspect` prints it.
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        if text.is_empty() {
            return Err(refusal::empty_link());
        }
        let (child, alias) = match text.split_once(':') {
            None => (text, text),
            Some((_, alias)) if alias.contains(':') => {
                return Err(refusal::bad_link(text));
            }
            Some((child, alias)) => match child.strip_prefix('/') {
                Some(child) => (child, last(alias)),
                None => (child, alias),
            },
        };
        Ok(Self { child, alias })
    }
}

/// A link that a container has: to one container, and not to whoever has its name later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub child: Name,
    /// The child's serial number.
    pub serial: u64,
    /// `/parent/alias`.
    pub path: String,
    /// Whether the child is on the default network, as far as its settings go.
    pub is_on_bridge: bool,
}

impl Link {
    /// What the parent calls the child.
    pub fn alias(&self) -> &str {
        last(&self.path)
    }
}

fn last(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, last)| last)
}

/// `/parent` and the alias, joined as paths are (Go's `path.Join`).
pub(super) fn path(parent: &Name, alias: &str) -> String {
    let mut parts = vec![parent.as_str()];
    for part in alias.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// What a parent is told of a child.
pub(super) struct Child<'a> {
    /// Where it is on the bridge, if it is.
    pub address: Option<Ipv4Addr>,
    /// Sorted, without repetition.
    pub ports: &'a [Port],
    /// The child's own settings, each `KEY=VALUE`.
    pub env: &'a [String],
}

/// The variables that a link gives, in Docker's order (`Link.ToEnv`).
pub(super) fn environment(link: &Link, child: &Child<'_>) -> Vec<String> {
    let prefix = link.alias().replace('-', "_").to_uppercase();
    let address = child.address.map_or_else(String::new, |it| it.to_string());
    let url = |port: &Port| format!("{}://{address}:{}", port.protocol, port.number);
    let key = |port: &Port, of: &Port| {
        format!(
            "{prefix}_PORT_{}_{}",
            port.number,
            of.protocol.as_str().to_uppercase()
        )
    };
    let mut env = Vec::new();
    if let Some(first) = child.ports.first() {
        env.push(format!("{prefix}_PORT={}", url(first)));
    }
    for (start, end) in ranges(child.ports) {
        let first = key(start, start);
        env.push(format!("{first}_START={}", url(start)));
        env.push(format!("{first}_ADDR={address}"));
        env.push(format!("{first}_PROTO={}", start.protocol));
        env.push(format!("{first}_PORT_START={}", start.number));
        let last = key(start, end);
        env.push(format!("{last}_END={}", url(end)));
        env.push(format!("{last}_PORT_END={}", end.number));
    }
    for port in child.ports {
        let key = key(port, port);
        env.push(format!("{key}={}", url(port)));
        env.push(format!("{key}_ADDR={address}"));
        env.push(format!("{key}_PORT={}", port.number));
        env.push(format!("{key}_PROTO={}", port.protocol));
    }
    env.push(format!("{prefix}_NAME={}", link.path));
    for setting in child.env {
        if let Some((name, value)) = setting.split_once('=')
            && name != "HOME"
            && name != "PATH"
        {
            env.push(format!("{prefix}_ENV_{name}={value}"));
        }
    }
    env
}

/// First and last of each run of three ports or more, as Docker until 27 sees them: its protocols
/// are mixed, and the next port belongs to it unless it is above the first one's number and the
/// count so far (`nextContiguous`).
fn ranges(mut ports: &[Port]) -> Vec<(&Port, &Port)> {
    let mut ranges = Vec::new();
    while let [start, following @ ..] = ports {
        let highest = (u32::from(start.number.get()) + 1)..;
        let more = following
            .iter()
            .zip(highest)
            .take_while(|(port, highest)| u32::from(port.number.get()) <= *highest)
            .count();
        ports = match following.get(..more) {
            Some([_, .., end]) => {
                ranges.push((start, end));
                following.get(more..).unwrap_or_default()
            }
            _ => following,
        };
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env_of(ports: &[&str], env: &[&str]) -> Vec<String> {
        let ports: Vec<Port> = ports.iter().map(|port| port.parse().unwrap()).collect();
        let env: Vec<String> = env.iter().map(|item| (*item).to_owned()).collect();
        let child = Child {
            address: Some(Ipv4Addr::new(172, 17, 0, 1)),
            ports: &ports,
            env: &env,
        };
        let link = Link {
            child: "redis".into(),
            serial: 0,
            path: path(&"webapp".into(), "db-1"),
            is_on_bridge: true,
        };
        environment(&link, &child)
    }

    #[test]
    fn one_port_as_docker_20_10_prints_it() {
        let expected = [
            "DB_1_PORT=tcp://172.17.0.1:6379",
            "DB_1_PORT_6379_TCP=tcp://172.17.0.1:6379",
            "DB_1_PORT_6379_TCP_ADDR=172.17.0.1",
            "DB_1_PORT_6379_TCP_PORT=6379",
            "DB_1_PORT_6379_TCP_PROTO=tcp",
            "DB_1_NAME=/webapp/db-1",
            "DB_1_ENV_VERSION=7=a",
            "DB_1_ENV_e=",
        ];
        assert_eq!(
            env_of(
                &["6379"],
                &["VERSION=7=a", "HOME=/", "PATH=/bin", "bare", "e="]
            ),
            expected
        );
    }

    #[test]
    fn no_port_leaves_the_name() {
        assert_eq!(env_of(&[], &[]), ["DB_1_NAME=/webapp/db-1"]);
    }

    #[test]
    fn three_in_a_row_are_a_range_and_two_are_not() {
        let starts = |ports: &[&str]| {
            env_of(ports, &[])
                .iter()
                .filter(|item| item.contains("_START="))
                .count()
        };
        assert_eq!(starts(&["6379", "6380"]), 0);
        assert_eq!(starts(&["6379", "6380", "6381"]), 2);
        assert_eq!(
            env_of(&["6379", "6380", "6381"], &[])[5],
            "DB_1_PORT_6379_TCP_END=tcp://172.17.0.1:6381"
        );
    }

    #[test]
    fn a_port_of_another_protocol_counts_as_one_more_of_a_range() {
        let ranges = |ports: &[&str]| {
            let env = env_of(ports, &[]);
            let parts = env
                .iter()
                .filter(|item| item.contains("_START=tcp://") || item.contains("_END=tcp://"));
            parts.cloned().collect::<Vec<_>>()
        };
        assert_eq!(
            ranges(&["80/tcp", "80/udp", "82/tcp"]),
            [
                "DB_1_PORT_80_TCP_START=tcp://172.17.0.1:80",
                "DB_1_PORT_80_TCP_END=tcp://172.17.0.1:82"
            ]
        );
        assert_eq!(ranges(&["80/tcp", "80/udp", "83/tcp"]), [""; 0]);
        assert_eq!(
            ranges(&["65533", "65534", "65535"])[1],
            "DB_1_PORT_65533_TCP_END=tcp://172.17.0.1:65535"
        );
    }

    #[test]
    fn links_are_read_as_docker_reads_them() {
        let link = |child, alias| Ok(Typed { child, alias });
        assert_eq!(Typed::parse("redis:db"), link("redis", "db"));
        assert_eq!(Typed::parse("redis"), link("redis", "redis"));
        assert_eq!(Typed::parse("/redis"), link("/redis", "/redis"));
        assert_eq!(Typed::parse("/redis:/webapp/db"), link("redis", "db"));
        assert_eq!(
            Typed::parse("a:b:c").unwrap_err().as_str(),
            "bad format for links: a:b:c"
        );
        assert_eq!(
            Typed::parse("").unwrap_err().as_str(),
            "empty string specified for links"
        );
    }

    #[test]
    fn aliases_are_paths() {
        let path = |alias| path(&"web".into(), alias);
        assert_eq!(path("db"), "/web/db");
        assert_eq!(path("/db"), "/web/db");
        assert_eq!(path("x//y/"), "/web/x/y");
        assert_eq!(path(""), "/web");
        assert_eq!(path("../../db"), "/db");
    }
}
