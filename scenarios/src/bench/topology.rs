//! What is built to be measured: a daemon, and containers on its bridge.

use std::{net::Ipv4Addr, ops::Range};

use netparity_core::{
    command::{Command, ContainerSpec, DaemonConfig, Destination},
    model::{Dataplane, ModelError, NetworkModel, Planned},
    name::Name,
    port::{Port, Protocol},
    probe::{Payload, Probe},
};

/// The name of the `number`th container.
pub fn container(number: usize) -> Name {
    Name::new(&format!("c{number:04}"))
}

/// `docker run` of the `number`th container, port 80 exposed.
pub fn run(number: usize) -> Command {
    Command::Run(ContainerSpec {
        name: Some(container(number)),
        expose: Port::new(80, Protocol::Tcp).into_iter().collect(),
        ..ContainerSpec::default()
    })
}

/// The same, linked to the one before it.
pub fn run_linked(number: usize) -> Command {
    let child = number.checked_sub(1).map(container);
    Command::Run(ContainerSpec {
        name: Some(container(number)),
        expose: Port::new(80, Protocol::Tcp).into_iter().collect(),
        links: child
            .map(|name| format!("{name}:child"))
            .into_iter()
            .collect(),
        ..ContainerSpec::default()
    })
}

/// `listen` on port 80 of the `number`th container.
pub fn listen(number: usize) -> Option<Command> {
    Some(Command::Listen {
        name: container(number),
        port: Port::new(80, Protocol::Tcp)?,
    })
}

/// A started daemon whose containers may talk to each other if `icc`.
///
/// # Errors
///
/// Those of the data plane.
pub fn daemon<D: Dataplane>(dataplane: D, icc: bool) -> Result<Planned<D>, ModelError> {
    let mut model = Planned::new(dataplane);
    model.apply(&Command::Daemon(DaemonConfig {
        icc,
        ..DaemonConfig::default()
    }))?;
    Ok(model)
}

/// The same, with `count` containers.
///
/// # Errors
///
/// Those of the data plane.
pub fn containers<D: Dataplane>(
    dataplane: D,
    icc: bool,
    count: usize,
) -> Result<Planned<D>, ModelError> {
    let mut model = daemon(dataplane, icc)?;
    for number in 0..count {
        model.apply(&run(number))?;
    }
    Ok(model)
}

/// A probe from one container to another.
pub fn probe(from: usize, to: usize, payload: Payload) -> Probe {
    Probe {
        from: container(from),
        to: Destination::Name(container(to)),
        payload,
        source_port: None,
        ttl: None,
        size: None,
        dont_fragment: false,
    }
}

/// The address of the `number`th container on docker0.
pub fn address(number: usize) -> Ipv4Addr {
    let first = Ipv4Addr::new(172, 17, 0, 2).to_bits();
    Ipv4Addr::from_bits(first.saturating_add(number as u32))
}

/// The containers, in squares that are dealt with one at a time. Every pair of two containers is in
/// one of them, in each direction.
pub fn squares(count: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    const SIDE: usize = 50;
    let part = move |start: usize| start..(start + SIDE).min(count);
    let starts = move || (0..count).step_by(SIDE);
    starts().flat_map(move |from| starts().map(move |to| (part(from), part(to))))
}
