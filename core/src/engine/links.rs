//! `--link`: what it says, and the environment it gives. Source: moby 20.10's `opts/parse.go`,
//! `daemon/links/links.go`.

use std::net::Ipv4Addr;

use super::refusal::{self, Refusal};
use crate::{name::Name, port::Port};

/// A `--link` that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The container it leads to.
    pub child: Name,
    /// What the parent calls it.
    pub alias: String,
}

impl Link {
    /// Reads `name`, `name:alias`, or `/name:/parent/alias` as `docker inspect` prints it.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.is_empty() {
            return Err(refusal::empty_link());
        }
        let parts: Vec<&str> = text.split(':').collect();
        match parts[..] {
            [name] => Ok(Self {
                child: name.into(),
                alias: name.to_owned(),
            }),
            [name, alias] => {
                let alias = alias
                    .rsplit('/')
                    .next()
                    .filter(|_| name.starts_with('/'))
                    .unwrap_or(alias);
                Ok(Self {
                    child: name.trim_start_matches('/').into(),
                    alias: alias.to_owned(),
                })
            }
            _ => Err(Refusal::new(format!("bad format for links: {text}"))),
        }
    }
}

/// What a parent is told of a child.
pub(super) struct Child<'a> {
    pub address: Ipv4Addr,
    /// Sorted, without repetition.
    pub ports: &'a [Port],
    /// The child's own settings, each `KEY=VALUE`.
    pub env: &'a [String],
}

/// The variables that a link gives, in Docker's order (`Link.ToEnv`).
pub(super) fn environment(parent: &Name, alias: &str, child: &Child<'_>) -> Vec<String> {
    let prefix = alias.replace('-', "_").to_uppercase();
    let url = |port: &Port| format!("{}://{}:{}", port.protocol, child.address, port.number);
    let key = |port: &Port| {
        format!(
            "{prefix}_PORT_{}_{}",
            port.number,
            port.protocol.as_str().to_uppercase()
        )
    };
    let mut env = Vec::new();
    if let Some(first) = child.ports.first() {
        env.push(format!("{prefix}_PORT={}", url(first)));
    }
    for run in ranges(child.ports) {
        if let [start, .., end] = run {
            let key = key(start);
            env.push(format!("{key}_START={}", url(start)));
            env.push(format!("{key}_ADDR={}", child.address));
            env.push(format!("{key}_PROTO={}", start.protocol));
            env.push(format!("{key}_PORT_START={}", start.number));
            env.push(format!("{key}_END={}", url(end)));
            env.push(format!("{key}_PORT_END={}", end.number));
        }
    }
    for port in child.ports {
        let key = key(port);
        env.push(format!("{key}={}", url(port)));
        env.push(format!("{key}_ADDR={}", child.address));
        env.push(format!("{key}_PORT={}", port.number));
        env.push(format!("{key}_PROTO={}", port.protocol));
    }
    env.push(format!("{prefix}_NAME=/{parent}/{alias}"));
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

/// Runs of three or more consecutive port numbers. Docker until 27 mixes protocols in one run.
fn ranges(ports: &[Port]) -> impl Iterator<Item = &[Port]> {
    ports
        .chunk_by(|one, next| one.number.get().checked_add(1) == Some(next.number.get()))
        .filter(|run| run.len() >= 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env_of(ports: &[&str], env: &[&str]) -> Vec<String> {
        let ports: Vec<Port> = ports.iter().map(|port| port.parse().unwrap()).collect();
        let env: Vec<String> = env.iter().map(|item| (*item).to_owned()).collect();
        let child = Child {
            address: Ipv4Addr::new(172, 17, 0, 1),
            ports: &ports,
            env: &env,
        };
        environment(&"webapp".into(), "db-1", &child)
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
    fn links_are_read_as_docker_reads_them() {
        let link = |child: &str, alias: &str| {
            Ok(Link {
                child: child.into(),
                alias: alias.into(),
            })
        };
        assert_eq!(Link::parse("redis:db"), link("redis", "db"));
        assert_eq!(Link::parse("redis"), link("redis", "redis"));
        assert_eq!(Link::parse("/redis:/webapp/db"), link("redis", "db"));
        assert_eq!(
            Link::parse("a:b:c").unwrap_err().as_str(),
            "bad format for links: a:b:c"
        );
        assert_eq!(
            Link::parse("").unwrap_err().as_str(),
            "empty string specified for links"
        );
    }
}
