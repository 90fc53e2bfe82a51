//! What was measured, for people.

use std::io::{self, Write};

use super::figures::{CORE, FLOOR, Figures, Footprint, KERNEL, SIM, What};

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
        (
            What::SmallPoolAddress,
            "an address of a /24, out and back (count: free)",
        ),
        (What::Scenario, "a scenario, simulator and kernel"),
        (What::FuzzedCase, "a fuzzed case, simulator and kernel"),
    ] {
        section(out, figures, what, title)?;
    }
    for footprint in &figures.footprints {
        let Footprint { count, bytes } = footprint;
        writeln!(
            out,
            "the simulator takes {bytes} bytes for each of {count} containers"
        )?;
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

/// Nanoseconds, three digits of them.
pub(super) fn duration(nanos: f64) -> String {
    let (value, unit) = match nanos {
        nanos if nanos < 999.5 => (nanos, "ns"),
        nanos if nanos < 999.5e3 => (nanos / 1e3, "µs"),
        nanos if nanos < 999.5e6 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    let places = match value {
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.places$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        let nanos = [7.0, 999.6, 15_432.0, 1_230_000.0, 64.87e6, 232.79e6, 1.5e9];
        assert_eq!(
            nanos.map(duration),
            [
                "7.00 ns", "1.00 µs", "15.4 µs", "1.23 ms", "64.9 ms", "233 ms", "1.50 s"
            ]
        );
    }
}
