//! The engine alone: `docker run` to plan, with few containers and with many.

use std::hint::black_box;

use netparity_core::{
    command::{Command, DaemonConfig},
    engine::{Engine, Refusal},
    snapshot::NetnsState,
};

use super::{Options, timed};
use crate::bench::{
    figures::{CORE, Figures, What},
    topology::{container, run},
};

/// How many at a time, so that reading the clock does not count.
const TIMES: usize = 1000;

pub(super) fn measure(options: &Options, figures: &mut Figures) -> Result<(), String> {
    let build = |count: usize| {
        let mut engine = Engine::default();
        let daemon = Command::Daemon(DaemonConfig {
            icc: false,
            ..DaemonConfig::default()
        });
        carry_out(&mut engine, &daemon)?;
        (0..count).try_for_each(|number| carry_out(&mut engine, &run(number)))?;
        Ok::<_, Refusal>(engine)
    };
    for _ in 0..options.rounds {
        for count in [10, 1000] {
            let mut engine = build(count).map_err(|refusal| refusal.to_string())?;
            let run = run(count);
            let remove = Command::Remove {
                name: container(count),
                force: true,
            };
            let (_, time) = timed(|| {
                (0..TIMES).try_for_each(|_| {
                    carry_out(&mut engine, &run)?;
                    carry_out(&mut engine, &remove)
                })
            })?;
            figures.add(What::Decision, CORE, count, time, TIMES);
        }
    }
    Ok(())
}

/// As a model does, but for the plan, which nobody carries out.
fn carry_out(engine: &mut Engine, command: &Command) -> Result<(), Refusal> {
    let host = NetnsState::default();
    for action in engine.actions(command)? {
        let decision = engine.decide(&action, &host)?;
        drop(engine.commit(black_box(decision)));
    }
    Ok(())
}
