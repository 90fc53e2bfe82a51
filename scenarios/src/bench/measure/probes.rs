//! TCP probes from one container to another.

use netparity_core::{
    model::{Dataplane, NetworkModel, Planned},
    probe::Payload,
    verdict::Verdict,
};
use netparity_kernel::Kernel;
use netparity_sim::Sim;

use super::{Options, broken, settle, timed};
use crate::{
    bench::{
        figures::{FLOOR, Figures, KERNEL, SIM, What},
        floor::Floor,
        topology::{containers, listen, probe},
    },
    run::Machine,
};

/// How many at a time, so that reading the clock does not count.
const ON_KERNEL: usize = 500;
const IN_SIMULATOR: usize = 20_000;

pub(super) fn measure(
    options: &Options,
    machine: &Machine,
    figures: &mut Figures,
) -> Result<(), String> {
    let kernel = Kernel::new(machine.kernel()?).map_err(|why| why.to_string())?;
    let mut kernel = two(kernel)?;
    let mut sim = two(Sim::new())?;
    let words = |error| format!("floor: {error}");
    let mut floor = Floor::unruled().map_err(words)?;
    (0..2).try_for_each(|_| floor.endpoint()).map_err(words)?;
    for _ in 0..options.rounds {
        floor.serve().map_err(words)?;
        let connect = || floor.connect(0, std::iter::repeat_n(1, ON_KERNEL));
        let (_, time) = timed(connect)?;
        figures.add(What::Verdict, FLOOR, 2, time, ON_KERNEL);
        many(&mut kernel, KERNEL, ON_KERNEL, figures)?;
        many(&mut sim, SIM, IN_SIMULATOR, figures)?;
    }
    drop((floor, kernel));
    settle()
}

fn two<D: Dataplane>(dataplane: D) -> Result<Planned<D>, String> {
    let mut model = containers(dataplane, true, 2).map_err(broken)?;
    if let Some(command) = listen(1) {
        model.apply(&command).map_err(broken)?;
    }
    Ok(model)
}

fn many<D: Dataplane>(
    model: &mut Planned<D>,
    who: &'static str,
    times: usize,
    figures: &mut Figures,
) -> Result<(), String> {
    let probe = probe(0, 1, Payload::Tcp(80));
    let verdicts = || (0..times).try_for_each(|_| expect_open(model.verdict(&probe)));
    let (_, time) = timed(verdicts)?;
    figures.add(What::Verdict, who, 2, time, times);
    let traces = || {
        let mut trace = || model.probe(&probe).map(|trace| trace.verdict);
        (0..times).try_for_each(|_| expect_open(trace()))
    };
    let (_, time) = timed(traces)?;
    figures.add(What::Trace, who, 2, time, times);
    Ok(())
}

/// What is measured has to be what is meant.
pub(super) fn expect_open<E: std::fmt::Display>(verdict: Result<Verdict, E>) -> Result<(), String> {
    match verdict {
        Ok(Verdict::Open) => Ok(()),
        Ok(verdict) => Err(format!(
            "a probe that should find a port open was {verdict}"
        )),
        Err(error) => Err(error.to_string()),
    }
}
