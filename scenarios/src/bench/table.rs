//! What was measured, for people.

use std::io::{self, Write};

use super::figures::{CORE, FLOOR, Figures, KERNEL, SIM, What};

/// Writes the tables.
///
/// # Errors
///
/// Those of writing.
pub fn write(out: &mut dyn Write, figures: &Figures) -> io::Result<()> {
    for (what, title) in [
        (
            What::Endpoint,
            "an endpoint on a bridge, icc off, rules included",
        ),
        (What::TeardownReturned, "taking all of them down, returned"),
        (What::TeardownDone, "taking all of them down, kernel done"),
        (
            What::Linked,
            "the last endpoint, each linked to the one before it",
        ),
        (What::Verdict, "a TCP probe, its verdict (floor: connect)"),
        (What::Trace, "a TCP probe, with all frames"),
        (What::Pair, "a TCP probe, all pairs (floor: connect)"),
        (What::Decision, "docker run and rm, up to the plan"),
        (
            What::Address,
            "an address of a /8, out and back (count: free)",
        ),
        (What::Scenario, "a scenario, simulator and kernel"),
        (What::FuzzedCase, "a fuzzed case, simulator and kernel"),
    ] {
        section(out, figures, what, title)?;
    }
    for (who, why) in &figures.skipped {
        writeln!(out, "{who} was skipped: {why}")?;
    }
    Ok(())
}

fn section(out: &mut dyn Write, figures: &Figures, what: What, title: &str) -> io::Result<()> {
    let counts = figures.counts(what);
    if counts.is_empty() {
        return Ok(());
    }
    writeln!(out, "{title}")?;
    writeln!(
        out,
        "  {:>9}  {:<10} {:>12} {:>9} {:>9} {:>7}",
        "count", "who", "median", "to floor", "to ours", "rounds"
    )?;
    for count in counts {
        let here = figures.figures.iter();
        for figure in here.filter(|it| it.what == what && it.count == count) {
            let who = figure.who;
            let to = |base: &str| {
                let ratio = figures.ratio((what, who, count), (what, base, count));
                ratio
                    .filter(|_| who != base)
                    .map_or_else(String::new, times)
            };
            let ours = match figures.find(what, KERNEL, count) {
                Some(_) => KERNEL,
                None => CORE,
            };
            writeln!(
                out,
                "  {count:>9}  {:<10} {:>12} {:>9} {:>9} {:>7}",
                name(who),
                duration(figure.median),
                to(FLOOR),
                to(ours),
                figure.rounds.len()
            )?;
        }
    }
    writeln!(out)
}

/// What somebody is called where netparity is one of several.
pub(super) fn name(who: &str) -> &str {
    match who {
        KERNEL | CORE => "netparity",
        SIM => "simulator",
        _ => who,
    }
}

fn times(ratio: f64) -> String {
    match ratio {
        ratio if ratio < 0.1 => format!("{ratio:.4}"),
        ratio if ratio < 10.0 => format!("{ratio:.2}"),
        _ => format!("{ratio:.0}"),
    }
}

/// Nanoseconds in the unit that has the fewest digits.
pub(super) fn duration(nanos: f64) -> String {
    match nanos {
        nanos if nanos < 1e3 => format!("{nanos:.0} ns"),
        nanos if nanos < 1e6 => format!("{:.2} µs", nanos / 1e3),
        nanos if nanos < 1e9 => format!("{:.2} ms", nanos / 1e6),
        _ => format!("{:.2} s", nanos / 1e9),
    }
}
