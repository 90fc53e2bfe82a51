//! The report for people: a line a scenario, more where something is wrong.

use std::{
    io::{self, Write},
    time::Duration,
};

use super::{Report, Status, Summary, difference};
use crate::{
    language::Scenario,
    paint::Paint,
    run::{End, Failure, How, Parting, Record, Seen},
};

/// The report for people.
#[derive(Clone, Debug)]
pub struct Text {
    paint: Paint,
    /// Of the longest name.
    width: usize,
}

/// How many lines about one model's failure are shown.
const MOST_LINES: usize = 40;

impl Text {
    /// A report on these scenarios.
    pub fn new(scenarios: &[Scenario], paint: Paint) -> Self {
        let longest = scenarios.iter().map(|it| it.name().chars().count()).max();
        Self {
            paint,
            width: longest.unwrap_or(0),
        }
    }

    fn status(&self, status: Status) -> String {
        let word = format!("{:<8}", status.as_str());
        match status {
            Status::Pass => self.paint.green(&word),
            Status::Diverges | Status::Skip => self.paint.yellow(&word),
            _ => self.paint.red(&word),
        }
    }
}

impl Report for Text {
    fn begin(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn scenario(
        &mut self,
        out: &mut dyn Write,
        scenario: &Scenario,
        record: &Record,
    ) -> io::Result<()> {
        let mut models = record.names().join(", ");
        let skipped: Vec<_> = record.skipped.iter().map(|(model, _)| &**model).collect();
        if !skipped.is_empty() {
            let gap = if models.is_empty() { "" } else { " " };
            models += &format!("{gap}({} skipped)", skipped.join(", "));
        }
        let width = self.width;
        writeln!(
            out,
            "{}  {:<width$}  {models}  {}",
            self.status(Status::of(record)),
            scenario.name(),
            duration(record.time)
        )?;
        for line in shown(scenario, record)
            .into_iter()
            .chain(details(scenario, record))
        {
            writeln!(out, "{}", format!("        {line}").trim_end())?;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
        let diverging = summary.count(Status::Diverges);
        let passed = summary.count(Status::Pass) + diverging;
        let mut parts = vec![format!("{passed} passed")];
        if diverging > 0 {
            parts.push(format!("{diverging} of them by diverging as known"));
        }
        for (status, word) in [
            (Status::Differ, "differ"),
            (Status::Fail, "failed"),
            (Status::Broken, "broken"),
            (Status::Skip, "skipped"),
        ] {
            let count = summary.count(status);
            if count > 0 {
                parts.push(format!("{count} {word}"));
            }
        }
        let total = summary.total();
        let s = if total == 1 { "" } else { "s" };
        let line = format!(
            "{total} scenario{s}: {}, in {}",
            parts.join(", "),
            duration(summary.time)
        );
        writeln!(out, "{}", self.paint.bold(&line))?;
        for (absent, what) in [
            (&summary.recorded, "not run but recorded"),
            (&summary.skipped, "skipped"),
        ] {
            for ((model, why), count) in absent {
                let whether = match summary.missed.contains(model) {
                    true => self
                        .paint
                        .red(&format!("{model} is required and was {what}")),
                    false => self.paint.yellow(&format!("{model} was {what}")),
                };
                writeln!(out, "{whether} ({count} of {total}): {why}")?;
            }
        }
        Ok(())
    }
}

fn duration(time: Duration) -> String {
    match time.as_millis() {
        0..1000 => format!("{} ms", time.as_millis()),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// `file:line: text`.
fn place(scenario: &Scenario, step: usize) -> String {
    match scenario.steps.get(step) {
        Some(step) => format!("{}:{}: {}", scenario.path, step.line, step.text),
        None => scenario.path.clone(),
    }
}

/// What the scenario's own `show` lines show.
fn shown(scenario: &Scenario, record: &Record) -> Vec<String> {
    let mut lines = Vec::new();
    for seen in &record.played.steps {
        let shows = scenario
            .steps
            .get(seen.step)
            .is_some_and(|step| matches!(step.action, crate::language::Action::Show { .. }));
        if !shows {
            continue;
        }
        lines.push(place(scenario, seen.step));
        let views = seen.seen.iter().map(|it| match it {
            Seen::View(Ok(lines)) => lines.clone(),
            Seen::View(Err(why)) => vec![why.clone()],
            _ => Vec::new(),
        });
        for (whose, view) in grouped(record, views.enumerate()) {
            if record.models.len() > 1 {
                lines.push(format!("  {whose}"));
            }
            lines.extend(view.into_iter().map(|line| format!("    {line}")));
        }
    }
    lines
}

/// What several models have, with the names of those that have the same.
fn grouped<T: PartialEq>(
    record: &Record,
    items: impl Iterator<Item = (usize, T)>,
) -> Vec<(String, T)> {
    let mut groups: Vec<(String, T)> = Vec::new();
    for (model, item) in items {
        let name = record.name(model);
        match groups.iter_mut().find(|(_, other)| *other == item) {
            Some((names, _)) => *names += &format!(", {name}"),
            None => groups.push((name, item)),
        }
    }
    groups
}

fn details(scenario: &Scenario, record: &Record) -> Vec<String> {
    match &record.played.end {
        End::Passed => known(scenario, record),
        End::Skipped => Vec::new(),
        End::Differs {
            step,
            models,
            difference,
        } => {
            let [left, right] = models.map(|model| record.name(model));
            let mut lines = vec![place(scenario, *step)];
            lines.extend(difference::lines(difference, [&left, &right]));
            lines
        }
        End::Failed { step, failure } => {
            let mut lines = vec![place(scenario, *step)];
            lines.extend(failed(record, failure));
            lines
        }
        End::Agrees { model } => {
            let mut lines = Vec::new();
            if let Some(known) = scenario.divergence(record.model(*model)) {
                lines.push(format!("{}:{}: {}", scenario.path, known.line, known.text));
            }
            let name = record.name(*model);
            lines.push(format!("{name} no longer diverges: take the line out"));
            lines
        }
        End::Unusable {
            step,
            model,
            path,
            why,
        } => vec![
            place(scenario, *step),
            format!("the recording of {model} is of no use: {path}: {why}"),
        ],
        End::Broken { step, model, why } => {
            let mut lines = vec![place(scenario, *step)];
            let why = format!("{} failed itself: {why}", record.name(*model));
            lines.extend(why.lines().map(str::to_owned));
            lines
        }
    }
}

/// How models went another way, as they are known to.
fn known(scenario: &Scenario, record: &Record) -> Vec<String> {
    let line = |parting: &Parting| {
        let reason = scenario
            .divergence(record.model(parting.model))
            .map(|it| &*it.reason);
        let what = match &parting.how {
            How::Differs(from, difference) => {
                let [left, right] = [*from, parting.model].map(|model| record.name(model));
                format!("{left} | {right}: {difference}")
            }
            How::Failed(failure) => {
                let had = failure.instead.iter().map(|it| it.had.as_str());
                let had = had.collect::<Vec<_>>().join(", ");
                format!("expected {}, had {had}", failure.expected)
            }
        };
        let name = record.name(parting.model);
        [
            format!("{name} diverges: {}", reason.unwrap_or_default()),
            format!("  {}", place(scenario, parting.step)),
            format!("  {what}"),
        ]
    };
    record.played.partings.iter().flat_map(line).collect()
}

fn failed(record: &Record, failure: &Failure) -> Vec<String> {
    let mut lines = vec![format!("expected {}", failure.expected)];
    let instead = failure
        .instead
        .iter()
        .map(|it| (it.model, (&it.had, &it.context)));
    for (whose, (had, context)) in grouped(record, instead) {
        lines.push(format!("  {whose}: {had}"));
        let most = context.iter().take(MOST_LINES);
        lines.extend(most.map(|line| format!("    {line}")));
        if let Some(more @ 1..) = context.len().checked_sub(MOST_LINES) {
            lines.push(format!("    … and {more} more"));
        }
    }
    lines
}
