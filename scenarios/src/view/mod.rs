//! What a network looks like, in the formats that people know: one renderer over [`Snapshot`],
//! the same for every model.

mod links;
mod routes;

use netparity_core::{
    name::{Name, Netns},
    rules::Table,
    snapshot::{ContainerState, NetnsState, Snapshot},
};

use crate::language::View;

/// Why there is nothing to be seen: `redis does not run`.
pub type Absent = String;

/// The lines of `name`'s view: a container's, a namespace's, or the host's.
///
/// # Errors
///
/// Where `name` stands for nothing that has a namespace now.
pub fn lines(snapshot: &Snapshot, name: &Name, view: View) -> Result<Vec<String>, Absent> {
    let container = snapshot.containers.get(name);
    let of_container = |lines: fn(&ContainerState) -> Vec<String>| match container {
        Some(container) => Ok(lines(container)),
        None => Err(format!("{name} is no container")),
    };
    match view {
        View::Env => of_container(|it| it.env.clone()),
        View::Hosts => of_container(|it| it.hosts.lines().map(str::to_owned).collect()),
        _ => {
            let netns = match container {
                Some(container) => container
                    .netns
                    .clone()
                    .ok_or_else(|| format!("{name} does not run"))?,
                None if name.as_str() == Name::HOST => Netns::Host,
                None => Netns::Named(name.clone()),
            };
            let state = snapshot
                .netns
                .get(&netns)
                .ok_or_else(|| format!("there is no {name}"))?;
            Ok(of_netns(state, view))
        }
    }
}

fn of_netns(state: &NetnsState, view: View) -> Vec<String> {
    match view {
        View::Env | View::Hosts => Vec::new(),
        View::Ip => links::ip_addr(state),
        View::Mac => links::macs(state),
        View::Mtu => links::mtus(state),
        View::Links => links::brief(state),
        View::Bridge => links::bridges(state),
        View::Ifconfig => links::ifconfig(state),
        View::Route => routes::ip_route(state),
        View::RouteN => routes::route_n(state),
        View::Rules => rules(state),
        View::Neigh => {
            let line = |(at, mac): (&netparity_core::snapshot::Neighbour, _)| {
                format!("{} dev {} lladdr {mac}", at.address, at.link)
            };
            state.neighbours.iter().map(line).collect()
        }
    }
}

/// `iptables -S`, table by table, under names as `iptables-save` writes them.
fn rules(state: &NetnsState) -> Vec<String> {
    let mut lines = Vec::new();
    for table in [Table::Filter, Table::Nat] {
        let rules = state.rules.lines(table);
        if !rules.is_empty() {
            lines.push(format!("*{table}"));
            lines.extend(rules);
        }
    }
    lines
}
