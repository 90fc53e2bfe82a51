//! A case as a scenario.

use netparity_core::model::{ModelError, NetworkModel, Outcome};

use super::{Finding, Step};
use crate::language::CommandLine;

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
            Ok(()) => lines.push(step.to_string()),
            Err(ModelError::Refused(refusal)) => {
                lines.push(format!("! {step} => {refusal}"));
            }
            Err(ModelError::Broken(why)) => return Err(why),
        }
    }
    Ok(lines)
}

/// Does what a step says.
///
/// # Errors
///
/// The model's.
pub(super) fn take(model: &mut dyn NetworkModel, step: &Step) -> Result<(), ModelError> {
    match step {
        Step::Command(command) => model.apply(command).map(drop),
        Step::ByHand(_, line) => by_hand(model, line).map(drop),
        Step::Probe(probe) => model.probe(probe).map(drop),
    }
}

/// Does what a person at the host's prompt says.
///
/// # Errors
///
/// The model's.
pub(super) fn by_hand(
    model: &mut dyn NetworkModel,
    line: &CommandLine,
) -> Result<Outcome, ModelError> {
    match line {
        CommandLine::Plain(command) => model.apply(command),
        CommandLine::Observant(it) => {
            let mut snapshot = model.snapshot()?;
            let state = snapshot.netns.remove(it.netns()).unwrap_or_default();
            model.apply(&it.command(&state)?)
        }
    }
}

/// A scenario's text: its title, what was found, where it came from, its lines.
pub(super) fn scenario<C>(title: &str, finding: &Finding<C>, lines: &[String]) -> String {
    let Finding {
        what, number, seed, ..
    } = finding;
    let mut text = format!("# {title}\n#\n# found by fuzzing: seed {seed}, case {number}\n#\n");
    for line in what.lines() {
        text.push_str(&format!("# {line}\n"));
    }
    text.push('\n');
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text
}
