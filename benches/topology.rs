//! What the benchmarks build: a daemon with icc off, and containers on its bridge; and [`floor`],
//! the bare system calls that an endpoint cannot do without.

pub mod floor;

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
