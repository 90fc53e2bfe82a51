//! A TCP probe from every container to every other, who know each other's hardware addresses.

use std::{ops::Range, time::Duration};

use netparity_core::{
    model::{Dataplane, NetworkModel, Planned},
    name::Netns,
    probe::Payload,
};
use netparity_kernel::Kernel;
use netparity_sim::Sim;

use super::{Options, broken, probes::expect_open, settle, timed};
use crate::{
    bench::{
        figures::{FLOOR, Figures, Footprint, KERNEL, SIM, What},
        floor::{self, Floor},
        topology::{address, container, containers, listen, probe, squares},
    },
    run::Machine,
};

/// How many pairs, over all rounds, are enough.
const ENOUGH: usize = 100_000;

pub(super) fn measure(
    options: &Options,
    machine: &Machine,
    count: usize,
    figures: &mut Figures,
) -> Result<(), String> {
    let pairs = count * (count - 1);
    let rounds = (ENOUGH / pairs).clamp(1, options.rounds);
    let kernel = Kernel::new(machine.kernel()?).map_err(|why| why.to_string())?;
    let mut kernel = listening(kernel, count)?;
    let mut sim = listening(Sim::new(), count)?;
    let footprint = footprint(sim.dataplane());
    let each = footprint.map(|bytes| Footprint {
        count,
        bytes: bytes / count,
    });
    figures.footprints.extend(each);
    let words = |error| format!("floor: {error}");
    let mut floor = Floor::unruled().map_err(words)?;
    (0..count)
        .try_for_each(|_| floor.endpoint())
        .map_err(words)?;
    for _ in 0..rounds {
        floor.serve().map_err(words)?;
        let (mut bare, mut ours, mut simulated) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        for (from, to) in squares(count) {
            for (these, others) in [(&from, &to), (&to, &from)] {
                for number in these.clone() {
                    floor.know(number, others.clone()).map_err(words)?;
                    know(&mut kernel, number, others.clone())?;
                }
            }
            let connect = || {
                from.clone().try_for_each(|one| {
                    floor.connect(one, to.clone().filter(|other| *other != one))
                })
            };
            bare += timed(connect)?.1;
            ours += all(&mut kernel, &from, &to)?;
            simulated += all(&mut sim, &from, &to)?;
        }
        figures.add(What::Pair, FLOOR, count, bare, pairs);
        figures.add(What::Pair, KERNEL, count, ours, pairs);
        figures.add(What::Pair, SIM, count, simulated, pairs);
    }
    drop((floor, kernel));
    settle()
}

/// As many containers that may talk to each other, and a server in each.
///
/// # Errors
///
/// The model's, in words.
pub fn listening<D: Dataplane>(dataplane: D, count: usize) -> Result<Planned<D>, String> {
    let mut model = containers(dataplane, true, count).map_err(broken)?;
    for command in (0..count).filter_map(listen) {
        model.apply(&command).map_err(broken)?;
    }
    Ok(model)
}

/// How many bytes a copy takes.
fn footprint(sim: &Sim) -> Option<usize> {
    let before = floor::allocated()?;
    let copy = sim.clone();
    let after = floor::allocated()?;
    drop(copy);
    after.checked_sub(before)
}

fn all<D: Dataplane>(
    model: &mut Planned<D>,
    from: &Range<usize>,
    to: &Range<usize>,
) -> Result<Duration, String> {
    let (_, time) = timed(|| {
        for one in from.clone() {
            for other in to.clone().filter(|other| *other != one) {
                expect_open(model.verdict(&probe(one, other, Payload::Tcp(80))))?;
            }
        }
        Ok::<_, String>(())
    })?;
    Ok(time)
}

/// Has a container know others' hardware addresses, and nobody else's.
///
/// # Errors
///
/// The kernel's, in words.
pub fn know(
    model: &mut Planned<Kernel>,
    number: usize,
    others: Range<usize>,
) -> Result<(), String> {
    let netns = Netns::Named(container(number));
    match model.dataplane().descriptor(&netns) {
        Some(netns) => floor::know(netns, others.map(address)).map_err(|error| error.to_string()),
        None => Err(format!("there is no namespace {netns}")),
    }
}
