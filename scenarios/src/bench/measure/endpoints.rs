//! Setting up endpoints on a bridge, icc off and rules included, and taking them down.

use std::time::Duration;

use netparity_core::{
    command::Command,
    model::{NetworkModel, Planned},
};
use netparity_kernel::{Access, Kernel};
use netparity_sim::Sim;

use super::{Options, PATIENCE, broken, settle, sizes, timed};
use crate::{
    bench::{
        figures::{FLOOR, Figures, KERNEL, SIM, Split, What, median},
        floor::{Floor, Phases},
        peers::Peer,
        topology::{container, containers, daemon, run_linked},
    },
    run::Machine,
};

pub(super) fn measure(
    options: &Options,
    machine: &Machine,
    figures: &mut Figures,
    tell: &mut dyn FnMut(&str),
) -> Result<(), String> {
    let access = machine.kernel()?;
    let mut peers: Vec<(Peer, Duration)> = Vec::new();
    for peer in &options.against {
        match peer.missing(&options.dockerd) {
            Some(why) => drop(figures.skipped.insert(peer.as_str().into(), why)),
            None => peers.push((*peer, Duration::ZERO)),
        }
    }
    let mut size_before = 1;
    for count in sizes(options.count) {
        // What a peer takes grows with the endpoints, or faster.
        let growth = (count / size_before).max(1) as u32;
        peers.retain(|(peer, last)| {
            let is_quick = *last * growth <= PATIENCE;
            if !is_quick {
                let why = format!("not measured at {count}, where a round would take too long");
                figures.skipped.insert(peer.as_str().into(), why);
            }
            is_quick
        });
        for round in 0..options.rounds {
            tell(&format!(
                "{count} endpoints, round {} of {}",
                round + 1,
                options.rounds
            ));
            // Neither is always the one that comes after the other.
            for turn in [round, round + 1] {
                match turn % 2 {
                    0 => floor(count, figures)?,
                    _ => kernel(access, count, figures)?,
                }
            }
            simulator(count, figures)?;
            for (peer, last) in &mut peers {
                // A slow one is not asked as often.
                if round > 0 && *last * (round as u32) > PATIENCE / 4 {
                    continue;
                }
                tell(&format!("{count} endpoints by {}", peer.as_str()));
                settle()?;
                match peer.endpoints(count, &options.dockerd) {
                    Ok(time) => {
                        figures.add(What::Endpoint, peer.as_str(), count, time, count);
                        *last = time;
                    }
                    Err(why) => {
                        figures.skipped.insert(peer.as_str().into(), why);
                        *last = Duration::MAX;
                    }
                }
            }
            peers.retain(|(_, last)| *last < Duration::MAX);
        }
        // Of a single one little is its own.
        if !options.only_ratios && count > 1 {
            split(count, options.rounds, figures)?;
        }
        size_before = count;
    }
    let sizes = [options.count.min(10), options.count];
    tell("linked endpoints");
    linked(access, sizes, options.rounds, figures)
}

fn floor(count: usize, figures: &mut Figures) -> Result<(), String> {
    settle()?;
    let build = || {
        let mut floor = Floor::new()?;
        (0..count).try_for_each(|_| floor.endpoint())?;
        Ok::<_, std::io::Error>(floor)
    };
    let (floor, time) = timed(build).map_err(|why| format!("floor: {why}"))?;
    figures.add(What::Endpoint, FLOOR, count, time, count);
    teardown(floor, FLOOR, count, figures)
}

fn kernel(access: &Access, count: usize, figures: &mut Figures) -> Result<(), String> {
    settle()?;
    let kernel = || Kernel::new(access).map_err(|why| why.to_string());
    let build = || kernel().and_then(|kernel| containers(kernel, false, count).map_err(broken));
    let (model, time) = timed(build)?;
    figures.add(What::Endpoint, KERNEL, count, time, count);
    teardown(model, KERNEL, count, figures)
}

fn teardown<T>(
    network: T,
    who: &'static str,
    count: usize,
    figures: &mut Figures,
) -> Result<(), String> {
    let (rest, returned) = timed(|| {
        drop(network);
        Ok::<_, String>(())
    })?;
    let (_, rest) = timed(|| {
        let () = rest;
        settle()
    })?;
    figures.add(What::TeardownReturned, who, count, returned, 1);
    figures.add(What::TeardownDone, who, count, returned + rest, 1);
    Ok(())
}

fn simulator(count: usize, figures: &mut Figures) -> Result<(), String> {
    let (_, time) = timed(|| containers(Sim::new(), false, count))?;
    figures.add(What::Endpoint, SIM, count, time, count);
    Ok(())
}

/// Where an endpoint's time goes: the bare calls one by one, and what this program takes on top.
fn split(count: usize, rounds: usize, figures: &mut Figures) -> Result<(), String> {
    let mut phases: Vec<Phases> = Vec::new();
    for _ in 0..rounds {
        settle()?;
        let words = |error| format!("floor: {error}");
        let mut floor = Floor::new().map_err(words)?;
        for _ in 0..count {
            phases.push(floor.endpoint_by_phases().map_err(words)?);
        }
    }
    let middle = |of: fn(&Phases) -> Option<Duration>| {
        let nanos = |phase: Duration| phase.as_nanos() as f64;
        median(&phases.iter().filter_map(of).map(nanos).collect::<Vec<_>>())
    };
    let of = |who| figures.find(What::Endpoint, who, count);
    let (Some(floor), Some(kernel)) = (of(FLOOR), of(KERNEL)) else {
        return Ok(());
    };
    let pairs = kernel.rounds.iter().zip(&floor.rounds);
    let on_top: Vec<_> = pairs.map(|(kernel, floor)| kernel - floor).collect();
    figures.splits.push(Split {
        count,
        namespace: middle(|it| Some(it.namespace)),
        link: middle(|it| Some(it.link)),
        address: middle(|it| Some(it.address)),
        route: middle(|it| Some(it.route)),
        rules: middle(|it| it.rules),
        own: median(&on_top).max(0.0),
    });
    Ok(())
}

/// The last endpoint of few and of many, each linked to the one before it.
fn linked(
    access: &Access,
    sizes: [usize; 2],
    rounds: usize,
    figures: &mut Figures,
) -> Result<(), String> {
    let build = |count: usize| {
        let kernel = Kernel::new(access).map_err(|why| why.to_string())?;
        let mut model = daemon(kernel, false).map_err(broken)?;
        for number in 0..count - 1 {
            model.apply(&run_linked(number)).map_err(broken)?;
        }
        Ok::<_, String>(model)
    };
    let mut models: Vec<(usize, Planned<Kernel>)> = Vec::new();
    for count in sizes {
        models.push((count, build(count)?));
    }
    // One container is quickly made: more rounds cost little.
    for _ in 0..4 * rounds {
        settle()?;
        for (count, model) in &mut models {
            let last = *count - 1;
            let (_, time) = timed(|| model.apply(&run_linked(last)))?;
            figures.add(What::Linked, KERNEL, *count, time, 1);
            let remove = Command::Remove {
                name: container(last),
                force: true,
            };
            model.apply(&remove).map_err(broken)?;
        }
    }
    drop(models);
    settle()
}
