//! The report for programs. Its form is in this folder's README.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use netparity_core::{
    model::{ModelError, Outcome},
    parity::{self, Difference},
    snapshot::Snapshot,
    trace::{Drop, Station, Tap, Trace},
};
use serde::Serialize;

use super::{Absent, Report, Status, Summary};
use crate::{
    language::Scenario,
    run::{End, Failure, How, Parting, Record, Seen, StandIn, StepRecord},
};

/// The version of the report's form. It changes where a program that reads it would have to.
const VERSION: u32 = 1;

/// The report for programs: one JSON object, written scenario by scenario.
#[derive(Clone, Debug, Default)]
pub struct Json {
    written: usize,
}

impl Report for Json {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{{\"version\":{VERSION},\"scenarios\":[")
    }

    fn scenario(
        &mut self,
        out: &mut dyn Write,
        scenario: &Scenario,
        record: &Record,
    ) -> io::Result<()> {
        let comma = if self.written > 0 { "," } else { "" };
        self.written += 1;
        writeln!(out, "{comma}")?;
        serde_json::to_writer(out, &of_scenario(scenario, record))?;
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
        write!(out, "\n],\"summary\":")?;
        serde_json::to_writer(&mut *out, &of_summary(summary))?;
        writeln!(out, "}}")
    }
}

#[derive(Serialize)]
struct JsonScenario<'a> {
    file: &'a str,
    title: &'a str,
    status: Status,
    seconds: f64,
    models: &'a [String],
    #[serde(skip_serializing_if = "<[StandIn]>::is_empty")]
    recorded: &'a [StandIn],
    skipped: Vec<JsonSkipped<'a>>,
    steps: Vec<JsonStep<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diverges: Vec<JsonParting<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<JsonEnd<'a>>,
}

#[derive(Serialize)]
struct JsonSkipped<'a> {
    model: &'a str,
    why: &'a str,
}

#[derive(Serialize)]
struct JsonStep<'a> {
    line: usize,
    text: &'a str,
    seen: BTreeMap<&'a str, JsonSeen<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    snapshots: BTreeMap<&'a str, &'a Snapshot>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum JsonSeen<'a> {
    Done(&'a Outcome),
    Refused(String),
    Probe(JsonTrace<'a>),
    View(&'a [String]),
    Absent(&'a str),
}

#[derive(Serialize)]
struct JsonTrace<'a> {
    verdict: &'static str,
    drops: &'a [Drop],
    frames: Vec<JsonFrame<'a>>,
    stations: &'a BTreeMap<Station, netparity_core::name::LinkRef>,
}

#[derive(Serialize)]
struct JsonFrame<'a> {
    #[serde(flatten)]
    tap: &'a Tap,
    bytes: String,
    decoded: String,
}

#[derive(Serialize)]
struct JsonParting<'a> {
    model: &'a str,
    reason: &'a str,
    #[serde(flatten)]
    end: Option<JsonEnd<'a>>,
}

#[derive(Serialize)]
struct JsonEnd<'a> {
    line: usize,
    text: &'a str,
    #[serde(flatten)]
    why: JsonWhy<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum JsonWhy<'a> {
    Difference {
        models: [String; 2],
        #[serde(flatten)]
        difference: &'a Difference,
    },
    Failure {
        expected: &'a str,
        instead: BTreeMap<String, &'a str>,
    },
    Agrees {
        model: String,
    },
    Recording {
        model: &'a str,
        path: &'a str,
        why: &'a str,
    },
    Broken {
        model: String,
        why: &'a str,
    },
}

#[derive(Serialize)]
struct JsonSummary<'a> {
    scenarios: usize,
    #[serde(flatten)]
    counts: BTreeMap<&'static str, usize>,
    skipped: Vec<JsonSkipped<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recorded: Vec<JsonSkipped<'a>>,
    seconds: f64,
    exit_status: u8,
}

fn of_scenario<'a>(scenario: &'a Scenario, record: &'a Record) -> JsonScenario<'a> {
    JsonScenario {
        file: &scenario.path,
        title: &scenario.title,
        status: Status::of(record),
        seconds: record.time.as_secs_f64(),
        models: &record.models,
        recorded: &record.recorded,
        skipped: skipped(record.skipped.iter().map(|(model, why)| (model, why))),
        steps: record
            .played
            .steps
            .iter()
            .filter_map(|step| of_step(scenario, record, step))
            .collect(),
        diverges: record
            .played
            .partings
            .iter()
            .map(|it| of_parting(scenario, record, it))
            .collect(),
        end: of_end(scenario, record),
    }
}

fn absent(models: &Absent) -> Vec<JsonSkipped<'_>> {
    skipped(models.keys().map(|(model, why)| (model, why)))
}

fn skipped<'a>(items: impl Iterator<Item = (&'a String, &'a String)>) -> Vec<JsonSkipped<'a>> {
    items
        .map(|(model, why)| JsonSkipped { model, why })
        .collect()
}

fn of_step<'a>(
    scenario: &'a Scenario,
    record: &'a Record,
    seen: &'a StepRecord,
) -> Option<JsonStep<'a>> {
    let step = scenario.steps.get(seen.step)?;
    let models = || record.models.iter().map(String::as_str);
    Some(JsonStep {
        line: step.line,
        text: &step.text,
        seen: models().zip(seen.seen.iter().map(of_seen)).collect(),
        snapshots: models().zip(&seen.snapshots).collect(),
    })
}

fn of_seen(seen: &Seen) -> JsonSeen<'_> {
    let refused = |error: &ModelError| match error {
        ModelError::Refused(refusal) => refusal.to_string(),
        ModelError::Broken(why) => why.clone(),
    };
    match seen {
        Seen::Command(Ok(outcome)) => JsonSeen::Done(outcome),
        Seen::Command(Err(error)) | Seen::Probe(Err(error)) => JsonSeen::Refused(refused(error)),
        Seen::Probe(Ok(trace)) => JsonSeen::Probe(of_trace(trace)),
        Seen::View(Ok(lines)) => JsonSeen::View(lines),
        Seen::View(Err(why)) => JsonSeen::Absent(why),
    }
}

fn of_trace(trace: &Trace) -> JsonTrace<'_> {
    let frame = |(seen, decoded): (&'_ netparity_core::trace::Capture, String)| {
        let hex = seen.frame.iter().map(|byte| format!("{byte:02x}"));
        let text = decoded.strip_prefix(&format!("{}: ", seen.tap));
        (hex.collect::<String>(), text.unwrap_or(&decoded).to_owned())
    };
    let decoded = parity::decoded(trace);
    JsonTrace {
        verdict: trace.verdict.as_str(),
        drops: &trace.drops,
        frames: trace
            .captures
            .iter()
            .zip(decoded)
            .map(|(seen, decoded)| {
                let (bytes, decoded) = frame((seen, decoded));
                JsonFrame {
                    tap: &seen.tap,
                    bytes,
                    decoded,
                }
            })
            .collect(),
        stations: &trace.stations,
    }
}

fn of_parting<'a>(
    scenario: &'a Scenario,
    record: &'a Record,
    parting: &'a Parting,
) -> JsonParting<'a> {
    let model = record.model(parting.model);
    let why = match &parting.how {
        How::Differs(from, difference) => of_difference(record, [*from, parting.model], difference),
        How::Failed(failure) => of_failure(record, failure),
    };
    JsonParting {
        model,
        reason: reason(scenario, model),
        end: at_step(scenario, parting.step, why),
    }
}

fn reason<'a>(scenario: &'a Scenario, model: &str) -> &'a str {
    scenario.divergence(model).map_or("", |it| &it.reason)
}

fn of_end<'a>(scenario: &'a Scenario, record: &'a Record) -> Option<JsonEnd<'a>> {
    let (step, why) = match &record.played.end {
        End::Passed | End::Skipped => return None,
        End::Differs {
            step,
            models,
            difference,
        } => (*step, of_difference(record, *models, difference)),
        End::Failed { step, failure } => (*step, of_failure(record, failure)),
        End::Agrees { model } => {
            let divergence = scenario.divergence(record.model(*model))?;
            return Some(JsonEnd {
                line: divergence.line,
                text: &divergence.text,
                why: JsonWhy::Agrees {
                    model: record.name(*model),
                },
            });
        }
        End::Unusable {
            step,
            model,
            path,
            why,
        } => (*step, JsonWhy::Recording { model, path, why }),
        End::Broken { step, model, why } => {
            let model = record.name(*model);
            (*step, JsonWhy::Broken { model, why })
        }
    };
    at_step(scenario, step, why)
}

fn at_step<'a>(scenario: &'a Scenario, step: usize, why: JsonWhy<'a>) -> Option<JsonEnd<'a>> {
    let step = scenario.steps.get(step)?;
    Some(JsonEnd {
        line: step.line,
        text: &step.text,
        why,
    })
}

fn of_difference<'a>(
    record: &Record,
    models: [usize; 2],
    difference: &'a Difference,
) -> JsonWhy<'a> {
    let models = models.map(|model| record.name(model));
    JsonWhy::Difference { models, difference }
}

fn of_failure<'a>(record: &Record, failure: &'a Failure) -> JsonWhy<'a> {
    let instead = failure.instead.iter();
    JsonWhy::Failure {
        expected: &failure.expected,
        instead: instead
            .map(|it| (record.name(it.model), it.had.as_str()))
            .collect(),
    }
}

fn of_summary(summary: &Summary) -> JsonSummary<'_> {
    JsonSummary {
        scenarios: summary.total(),
        counts: Status::ALL
            .map(|it| (it.as_str(), summary.count(it)))
            .into(),
        skipped: absent(&summary.skipped),
        recorded: absent(&summary.recorded),
        seconds: summary.time.as_secs_f64(),
        exit_status: summary.exit_status(),
    }
}
