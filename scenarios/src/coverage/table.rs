//! What was reached, beside what there is.

use std::{collections::BTreeSet, io};

use serde::Serialize;

use super::{Coverage, Item, Topic, universe, unreachable};

/// One thing that there is, or that was reached although nothing knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// It.
    pub item: Item,
    /// How often scenarios have reached it.
    pub scenarios: u64,
    /// How often the fuzzer has.
    pub fuzzer: u64,
    /// Why nothing can, where that is known.
    pub unreachable: Option<&'static str>,
    /// Whether the universe has it.
    pub is_known: bool,
}

impl Row {
    /// Whether anything has reached it.
    pub const fn is_reached(&self) -> bool {
        self.scenarios > 0 || self.fuzzer > 0
    }

    /// What is missing, in a word.
    const fn note(&self) -> &'static str {
        match (self.is_known, self.scenarios, self.fuzzer, self.unreachable) {
            (false, ..) => "unknown",
            (_, 0, 0, Some(_)) => "unreachable",
            (_, _, _, Some(_)) => "reached after all",
            (_, 0, 0, None) => "never",
            (_, 0, _, None) => "by the fuzzer only",
            _ => "",
        }
    }
}

/// Everything that there is, with how often scenarios and the fuzzer have reached it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// By topic, then by name.
    pub rows: Vec<Row>,
}

/// How many items there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// All that there are.
    pub items: usize,
    /// Reached by a scenario.
    pub by_scenarios: usize,
    /// Reached by the fuzzer and by no scenario.
    pub by_the_fuzzer_only: usize,
    /// Reached by nothing, for a known reason.
    pub unreachable: usize,
    /// Reached by nothing.
    pub never: usize,
}

#[derive(Serialize)]
struct Json<'a> {
    items: Vec<JsonRow<'a>>,
    totals: Totals,
}

#[derive(Serialize)]
struct JsonRow<'a> {
    topic: &'static str,
    what: &'a str,
    scenarios: u64,
    fuzzer: u64,
    unreachable: Option<&'static str>,
}

impl<'a> JsonRow<'a> {
    fn of(row: &'a Row) -> Self {
        Self {
            topic: row.item.topic.as_str(),
            what: &row.item.what,
            scenarios: row.scenarios,
            fuzzer: row.fuzzer,
            unreachable: row.unreachable,
        }
    }
}

impl Table {
    /// What these two have reached.
    pub fn new(scenarios: &Coverage, fuzzer: &Coverage) -> Self {
        let known = universe();
        let reached = scenarios.iter().chain(fuzzer.iter());
        let mut all: BTreeSet<Item> = reached.map(|(item, _)| item.clone()).collect();
        all.extend(known.iter().cloned());
        let row = |item: Item| Row {
            scenarios: scenarios.count(&item),
            fuzzer: fuzzer.count(&item),
            unreachable: unreachable::reason(&item),
            is_known: known.contains(&item),
            item,
        };
        Self {
            rows: all.into_iter().map(row).collect(),
        }
    }

    /// How much of it was reached.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for row in &self.rows {
            totals.items += 1;
            match (row.scenarios, row.fuzzer, row.unreachable) {
                (1.., ..) => totals.by_scenarios += 1,
                (0, 1.., _) => totals.by_the_fuzzer_only += 1,
                (0, 0, Some(_)) => totals.unreachable += 1,
                (0, 0, None) => totals.never += 1,
            }
        }
        totals
    }

    /// Writes it for people: a block for each topic, and what is missing once more at the end.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_text(&self, out: &mut dyn io::Write) -> io::Result<()> {
        for topic in Topic::ALL {
            let rows = self.rows.iter().filter(|row| row.item.topic == *topic);
            for (at, row) in rows.enumerate() {
                if at == 0 {
                    writeln!(out, "{}", topic.title())?;
                    writeln!(out, "{:>10} {:>10}", "scenarios", "fuzzer")?;
                }
                let note = match row.note() {
                    "" => String::new(),
                    note => format!("  <- {note}"),
                };
                let (what, often) = (&row.item.what, (row.scenarios, row.fuzzer));
                writeln!(out, "{:>10} {:>10}  {what}{note}", often.0, often.1)?;
            }
            writeln!(out)?;
        }
        self.write_rest(out)
    }

    fn write_rest(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let unreached = || self.rows.iter().filter(|row| !row.is_reached());
        for row in unreached() {
            if let Some(why) = row.unreachable {
                writeln!(out, "cannot be reached: {}\n    {why}", row.item)?;
            }
        }
        for row in unreached().filter(|row| row.unreachable.is_none()) {
            writeln!(out, "reached by nothing: {}", row.item)?;
        }
        let totals = self.totals();
        writeln!(
            out,
            "{} things: {} reached by scenarios, {} by the fuzzer only, {} cannot be reached, {} reached by nothing",
            totals.items,
            totals.by_scenarios,
            totals.by_the_fuzzer_only,
            totals.unreachable,
            totals.never
        )
    }

    /// Writes it for programs.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let items = self.rows.iter().map(JsonRow::of).collect();
        let totals = self.totals();
        serde_json::to_writer_pretty(&mut *out, &Json { items, totals })?;
        writeln!(out)
    }
}
