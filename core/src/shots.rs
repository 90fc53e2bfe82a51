//! From a probe as it is written to a shot.

use std::net::Ipv4Addr;

use crate::{
    command::Destination,
    engine::{Engine, Refusal, look_up, refusal},
    model::{DataplaneError, ModelError},
    name::{Name, Netns},
    probe::{Probe, Shot},
    snapshot::{LinkKind, Snapshot},
};

/// What an engine knows of the names in a probe.
pub trait Directory {
    /// The namespace that `name` is in: a running container's, or the one called so.
    ///
    /// # Errors
    ///
    /// Where it is a container that does not run.
    fn netns_of(&self, name: &Name) -> Result<Netns, Refusal>;

    /// The address that `name` has for the program running in `from`: by its hosts file, or as a
    /// container's name, or as `host`, which is the bridge's address.
    fn resolve(&self, from: &Name, name: &Name) -> Option<Ipv4Addr>;

    /// Whether `name` is a container's.
    fn knows(&self, name: &Name) -> bool;
}

/// The address that `name` has for a program with this hosts file. `gateway` is the bridge's address,
/// and `address` that of the container called `name`.
pub fn resolve_name(
    hosts: &str,
    name: &Name,
    gateway: Option<Ipv4Addr>,
    address: impl FnOnce() -> Option<Ipv4Addr>,
) -> Option<Ipv4Addr> {
    match look_up(hosts, name.as_str()) {
        Some(address) => Some(address),
        None if name.as_str() == "localhost" => Some(Ipv4Addr::LOCALHOST),
        None if name.as_str() == Name::HOST => gateway,
        None => address(),
    }
}

impl Directory for Engine {
    fn netns_of(&self, name: &Name) -> Result<Netns, Refusal> {
        self.netns_of(name)
    }

    fn resolve(&self, from: &Name, name: &Name) -> Option<Ipv4Addr> {
        self.resolve(from, name)
    }

    fn knows(&self, name: &Name) -> bool {
        self.knows(name)
    }
}

/// Makes shots of probes, the same in every model that gets the same probes.
#[derive(Clone, Debug, Default)]
pub struct Shots {
    made: u16,
}

/// Source ports of probes that name none start here: above Linux's ephemeral range (32768 to 60999).
const FIRST_SOURCE_PORT: u16 = 61_000;

impl Shots {
    /// The probe with its name resolved and every choice made; none where its sender does not
    /// know the name. `look` is asked for namespaces of the scenario's own making.
    ///
    /// # Errors
    ///
    /// [`ModelError::Refused`] where the sender does not run, and whatever `look` has.
    pub fn make(
        &mut self,
        probe: &Probe,
        directory: &impl Directory,
        look: impl FnOnce() -> Result<Snapshot, DataplaneError>,
    ) -> Result<Option<Shot>, ModelError> {
        let netns = directory.netns_of(&probe.from)?;
        let Some(to) = resolve(probe, directory, look)? else {
            return Ok(None);
        };
        let serial = self.made;
        self.made = (self.made + 1) % (u16::MAX - FIRST_SOURCE_PORT);
        Ok(Some(Shot {
            netns,
            to,
            payload: probe.payload,
            source_port: probe.source_port.unwrap_or(FIRST_SOURCE_PORT + serial),
            ttl: probe.ttl.unwrap_or(64),
            size: probe.size,
            dont_fragment: probe.dont_fragment,
        }))
    }
}

fn resolve(
    probe: &Probe,
    directory: &impl Directory,
    look: impl FnOnce() -> Result<Snapshot, DataplaneError>,
) -> Result<Option<Ipv4Addr>, ModelError> {
    let name = match &probe.to {
        Destination::Address(address) => return Ok(Some(*address)),
        Destination::Name(name) => name,
    };
    if let Some(address) = directory.resolve(&probe.from, name) {
        return Ok(Some(address));
    }
    let netns = match name.as_str() {
        Name::HOST => Netns::Host,
        _ if directory.knows(name) => return Ok(None),
        _ => Netns::Named(name.clone()),
    };
    let snapshot = look()?;
    // Its first address.
    let address = snapshot.netns.get(&netns).and_then(|state| {
        let mut links = state
            .links
            .values()
            .filter(|link| link.kind != LinkKind::Loopback);
        links.find_map(|link| link.addresses.first())
    });
    Ok(address.map(|net| net.addr()))
}

/// Why a probe was not sent.
pub fn unsent(probe: &Probe, error: DataplaneError) -> ModelError {
    match error {
        DataplaneError::Refused { errno, .. } => refusal::no_sender(&probe.from, errno).into(),
        broken => broken.into(),
    }
}
