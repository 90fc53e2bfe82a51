//! What is explored.

use std::fmt;

use clap::ValueEnum;
use netparity_core::{
    command::{Command, ContainerSpec, DaemonConfig, NetMode},
    engine::Variant,
    model::Planned,
    name::Name,
    port::{Port, Protocol},
};
use netparity_sim::Sim;

/// What is explored: every sequence of these commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Whose rules hold.
    pub engine: Variant,
    /// How many containers there are names for.
    pub containers: u8,
    /// The most commands after the daemon's first start.
    pub depth: u8,
    /// The most links of one container.
    pub links: u8,
    /// How daemons are started.
    pub icc: Icc,
}

/// How daemons are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Icc {
    /// Always with `--icc=false`.
    Off,
    /// Always with `--icc=true`.
    On,
    /// With either, each time.
    Both,
}

/// What a container exposes if it exposes anything.
const EXPOSED: u16 = 6379;

impl Scope {
    /// A simulated network with nothing in it.
    pub fn empty(&self) -> Planned<Sim> {
        Planned::of(self.engine, Sim::new())
    }

    /// The containers' names.
    pub fn names(&self) -> Vec<Name> {
        let name = |number| Name::new(&format!("c{number}"));
        (1..=self.containers).map(name).collect()
    }

    /// The daemon's starts: what every sequence begins with, and what may come again.
    pub fn daemons(&self) -> Vec<Command> {
        let icc: &[bool] = match self.icc {
            Icc::Off => &[false],
            Icc::On => &[true],
            Icc::Both => &[false, true],
        };
        let daemon = |icc: &bool| {
            Command::Daemon(DaemonConfig {
                icc: *icc,
                ..DaemonConfig::default()
            })
        };
        icc.iter().map(daemon).collect()
    }

    /// Every command.
    pub fn commands(&self) -> Vec<Command> {
        let names = self.names();
        let mut commands = self.daemons();
        for name in &names {
            let others: Vec<&Name> = names.iter().filter(|other| *other != name).collect();
            commands.extend(self.runs(name, &others));
            let name = || name.clone();
            commands.extend([
                Command::Start(name()),
                Command::Stop(name()),
                Command::Restart(name()),
                Command::Remove {
                    name: name(),
                    force: true,
                },
            ]);
        }
        commands
    }

    /// Every `docker run` of a container.
    fn runs(&self, name: &Name, others: &[&Name]) -> Vec<Command> {
        let plain = ContainerSpec {
            name: Some(name.clone()),
            ..ContainerSpec::default()
        };
        let exposed: Vec<Port> = Port::new(EXPOSED, Protocol::Tcp).into_iter().collect();
        let mut specs = Vec::new();
        for links in selections(others, self.links) {
            for expose in [Vec::new(), exposed.clone()] {
                specs.push(ContainerSpec {
                    links: links.clone(),
                    expose,
                    ..plain.clone()
                });
            }
        }
        let joined = others
            .iter()
            .map(|other| NetMode::Container(other.to_string()));
        let modes = [NetMode::Host, NetMode::None].into_iter().chain(joined);
        specs.extend(modes.map(|net| ContainerSpec {
            net,
            ..plain.clone()
        }));
        specs.into_iter().map(Command::Run).collect()
    }

    /// How many sequences of exactly so many commands there are.
    pub fn sequences(&self, depth: u8) -> u128 {
        let commands = self.commands().len() as u128;
        let following = commands.saturating_pow(depth.into());
        (self.daemons().len() as u128).saturating_mul(following)
    }
}

/// Every choice of at most so many of `others`, in every order.
fn selections(others: &[&Name], most: u8) -> Vec<Vec<String>> {
    let mut selections: Vec<Vec<String>> = vec![Vec::new()];
    let mut longest = 0;
    for _ in 0..most {
        let shorter = selections.split_off(longest);
        longest += shorter.len();
        let mut longer = Vec::new();
        for links in &shorter {
            for other in others.iter().map(|other| other.to_string()) {
                if !links.contains(&other) {
                    longer.push([links.as_slice(), &[other]].concat());
                }
            }
        }
        selections.extend(shorter);
        selections.extend(longer);
    }
    selections
}

/// What it takes in, and what it leaves out.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            engine,
            containers,
            depth,
            links,
            icc,
        } = self;
        let icc = match icc {
            Icc::Off => "--icc=false",
            Icc::On => "--icc=true",
            Icc::Both => "--icc=false or --icc=true",
        };
        let links = match links {
            0 => "no --link".to_owned(),
            1 => "no --link or one".to_owned(),
            most => format!("up to {most} --link in any order"),
        };
        write!(
            f,
            "engine {engine}, up to {depth} commands after dockerd's first start, {containers} container names, \
             {commands} commands:\n\
             \x20 dockerd {icc}, all else as it is by default, and the same as a restart;\n\
             \x20 docker run with a network of its own, {links} to others, with --expose {EXPOSED} or without;\n\
             \x20 docker run --net host, --net none, --net container: of any other;\n\
             \x20 docker start, stop, restart, rm -f.\n\
             Every flow between any two, as the first packet of all: icmp; tcp and udp to and from \
             every port ever exposed, to one that was not, from one of no meaning.\n\
             Not covered: other flags and daemons, other ports, docker create, kill and rm without -f, \
             commands of the host, what earlier packets leave behind (connection tracking), more \
             containers, longer sequences.",
            commands = self.commands().len(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_chosen_in_every_order() {
        let names = ["a", "b", "c"].map(Name::new);
        let names: Vec<&Name> = names.iter().collect();
        let count = |most| selections(&names, most).len();
        assert_eq!([count(0), count(1), count(2), count(3)], [1, 4, 10, 16]);
        assert_eq!(
            selections(&names[..2], 2),
            [&[][..], &["a"], &["b"], &["a", "b"], &["b", "a"]]
        );
    }
}
