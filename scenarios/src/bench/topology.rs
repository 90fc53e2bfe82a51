//! What is built to be measured: a daemon, and containers on its bridge.

use std::ops::Range;

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

/// The containers, in squares of few enough pairs that the neighbours they come to know have a
/// place: the kernel's table of neighbours is the machine's, and of 1,024 by default. Every ordered
/// pair of two different containers is in one of the squares.
pub fn squares(count: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    const SIDE: usize = 16;
    let part = move |start: usize| start..(start + SIDE).min(count);
    let starts = move || (0..count).step_by(SIDE);
    starts().flat_map(move |from| starts().map(move |to| (part(from), part(to))))
}
