//! A case as a scenario.

use netparity_core::{
    engine::Variant,
    model::{ModelError, NetworkModel},
    trace::Trace,
};

use super::{Finding, Step};

/// The lines of a scenario that does what `steps` do, as `model` took them: what it refused is
/// marked so.
///
/// # Errors
///
/// Where the model fails.
pub fn transcript(model: &mut dyn NetworkModel, steps: &[Step]) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    for step in steps {
        match take(model, step) {
            Ok(_) => lines.push(step.to_string()),
            Err(ModelError::Refused(refusal)) => {
                lines.push(format!("! {step} => {refusal}"));
            }
            Err(ModelError::Broken(why)) => return Err(why),
        }
    }
    Ok(lines)
}

/// Does what a step says, and returns what became of a packet.
///
/// # Errors
///
/// The model's.
pub(crate) fn take(model: &mut dyn NetworkModel, step: &Step) -> Result<Option<Trace>, ModelError> {
    match step {
        Step::Command(command) => model.apply(command).map(|_| None),
        Step::ByHand(_, line) => line.apply(model).map(|_| None),
        Step::Probe(probe) => model.probe(probe).map(Some),
    }
}

/// A scenario's text: its title, what was found, where it came from, whose rules hold, its lines.
pub(super) fn scenario<C>(
    title: &str,
    finding: &Finding<C>,
    engine: Variant,
    lines: &[String],
) -> String {
    let Finding {
        what, number, seed, ..
    } = finding;
    let mut text = format!("# {title}\n#\n# found by fuzzing: seed {seed}, case {number}\n#\n");
    for line in what.lines() {
        text.push_str(&format!("# {line}\n"));
    }
    text.push('\n');
    if engine != Variant::default() {
        text.push_str(&format!("engine {engine}\n"));
    }
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text
}
