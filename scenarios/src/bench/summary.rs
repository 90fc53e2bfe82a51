//! The figures that count, as a table in Markdown.

use std::fmt::Write;

use super::{
    figures::{CORE, FLOOR, Figure, Figures, HOST_LOCAL, KERNEL, SIM, What},
    peers::Peer,
    table::duration,
};

/// The table. What was not measured is not in it.
pub fn markdown(figures: &Figures) -> String {
    let mut table = String::from("| what | figure |\n|---|---|\n");
    let rows = endpoints(figures)
        .into_iter()
        .chain(against(figures))
        .chain(teardown(figures))
        .chain(linked(figures))
        .chain(probes(figures))
        .chain(pairs(figures))
        .chain(addresses(figures))
        .chain(alone(figures));
    for (what, figure) in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(table, "| {what} | {figure} |");
    }
    table
}

type Rows = Vec<(String, String)>;

/// The sizes that are compared: from ten on.
fn sizes(figures: &Figures, what: What) -> Vec<usize> {
    let mut counts = figures.counts(what);
    counts.retain(|count| *count >= 10);
    counts
}

fn endpoints(figures: &Figures) -> Rows {
    let row = |count: &usize| {
        let median = figures.find(What::Endpoint, KERNEL, *count)?.median;
        let of = |who| (What::Endpoint, who, *count);
        let ratio = figures.ratio(of(KERNEL), of(FLOOR))?;
        Some((
            format!("an endpoint on a bridge, icc off, rules included, {count} of them"),
            format!("{}, {ratio:.2} times the floor", duration(median)),
        ))
    };
    sizes(figures, What::Endpoint)
        .iter()
        .filter_map(row)
        .collect()
}

fn against(figures: &Figures) -> Rows {
    let row = |peer: &Peer| {
        let faster = |count: &usize| {
            let of = |who| (What::Endpoint, who, *count);
            let ratio = figures.ratio(of(peer.as_str()), of(KERNEL))?;
            Some(format!("{ratio:.1} times faster at {count}"))
        };
        let all: Vec<_> = sizes(figures, What::Endpoint)
            .iter()
            .filter_map(faster)
            .collect();
        let name = peer.as_str();
        (!all.is_empty()).then(|| (format!("against {name}"), all.join(", ")))
    };
    Peer::ALL.iter().filter_map(row).collect()
}

fn teardown(figures: &Figures) -> Rows {
    let row = |count: &usize| {
        let returned = figures.find(What::TeardownReturned, KERNEL, *count)?.median;
        let done = figures.find(What::TeardownDone, KERNEL, *count)?.median;
        let of = |who| (What::TeardownDone, who, *count);
        let ratio = figures.ratio(of(KERNEL), of(FLOOR))?;
        Some((
            format!("teardown of {count}"),
            format!(
                "returned after {}, done after {}, {ratio:.2} times the floor",
                duration(returned),
                duration(done)
            ),
        ))
    };
    sizes(figures, What::TeardownDone)
        .iter()
        .filter_map(row)
        .collect()
}

fn linked(figures: &Figures) -> Rows {
    let [few, .., many] = sizes(figures, What::Linked)[..] else {
        return Vec::new();
    };
    let of = |count| (What::Linked, KERNEL, count);
    let ratio = figures.ratio(of(many), of(few));
    let row = |ratio: f64| {
        (
            format!("container {many} with its link rules, against container {few}"),
            format!("{ratio:.2} times"),
        )
    };
    ratio.map(row).into_iter().collect()
}

fn rate(figure: &Figure) -> String {
    format!("{:.0} a second", 1e9 / figure.median)
}

fn probes(figures: &Figures) -> Rows {
    let row = |(what, name): &(What, &str)| {
        let of = |who| (*what, who, 2);
        let sim = figures.find(*what, SIM, 2)?;
        let kernel = figures.find(*what, KERNEL, 2)?;
        let ratio = figures.ratio(of(KERNEL), of(SIM))?;
        Some((
            format!("TCP probes, {name}"),
            format!(
                "simulator {}, kernel {} ({ratio:.0} times)",
                rate(sim),
                rate(kernel)
            ),
        ))
    };
    let kinds = [
        (What::Verdict, "verdict only"),
        (What::Trace, "with all frames"),
    ];
    kinds.iter().filter_map(row).collect()
}

fn pairs(figures: &Figures) -> Rows {
    let row = |count: &usize| {
        let of = |who| (What::Pair, who, *count);
        let kernel = figures.find(What::Pair, KERNEL, *count)?.median;
        let ratio = figures.ratio(of(KERNEL), of(FLOOR))?;
        let sim = figures.find(What::Pair, SIM, *count)?.median;
        let all = sim * (count * (count - 1)) as f64;
        Some((
            format!("all pairs of {count} by TCP"),
            format!(
                "kernel {} a pair, {ratio:.2} times a bare connect; simulator {} in all",
                duration(kernel),
                duration(all)
            ),
        ))
    };
    sizes(figures, What::Pair).iter().filter_map(row).collect()
}

fn addresses(figures: &Figures) -> Rows {
    let mut rows = Rows::new();
    for (what, prefix) in [(What::Address, 8), (What::SmallPoolAddress, 24)] {
        for count in figures.counts(what).into_iter().rev() {
            let median = |who| Some(duration(figures.find(what, who, count)?.median));
            let Some(mut figure) = median(CORE) else {
                continue;
            };
            if let Some(theirs) = median(HOST_LOCAL) {
                figure += &format!(", {HOST_LOCAL} {theirs}");
            }
            let what = format!("an address out and back, {count} free in a /{prefix}");
            rows.push((what, figure));
        }
    }
    rows
}

/// What is compared with nothing.
fn alone(figures: &Figures) -> Rows {
    let of_kind = |what: What, who: &str| {
        let all = figures.figures.iter();
        all.filter(move |it| it.what == what && it.who == who)
            .map(|it| (it.count, it))
            .collect::<Vec<_>>()
    };
    let mut rows = Rows::new();
    for (count, figure) in of_kind(What::Decision, CORE) {
        let what = format!("docker run and rm up to the plan, {count} containers there");
        rows.push((what, duration(figure.median)));
    }
    for footprint in figures.footprints.iter().filter(|it| it.count >= 10) {
        let what = format!("the simulator's memory, {} containers", footprint.count);
        rows.push((what, format!("{} bytes a container", footprint.bytes)));
    }
    for (_, figure) in of_kind(What::FuzzedCase, KERNEL) {
        let what = "parity fuzzing, simulator against kernel".to_owned();
        rows.push((what, format!("{} on one thread", rate(figure))));
    }
    for (count, figure) in of_kind(What::Scenario, KERNEL) {
        let what = format!("a scenario of the {count} of the suite, simulator and kernel");
        rows.push((what, duration(figure.median)));
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_measured_is_in_it_and_nothing_else() {
        let mut figures = Figures::default();
        for (who, micros) in [(FLOOR, 1000), (KERNEL, 1150), ("ip", 11_500)] {
            let time = Duration::from_micros(micros);
            figures.add(What::Endpoint, who, 100, time, 1);
        }
        for (who, micros) in [(CORE, 1), (HOST_LOCAL, 7000)] {
            let time = Duration::from_micros(micros);
            figures.add(What::SmallPoolAddress, who, 25, time, 1);
        }
        let expected = "\
            | what | figure |\n\
            |---|---|\n\
            | an endpoint on a bridge, icc off, rules included, 100 of them | 1.15 ms, 1.15 times the floor |\n\
            | against ip | 10.0 times faster at 100 |\n\
            | an address out and back, 25 free in a /24 | 1.00 µs, host-local 7.00 ms |\n";
        assert_eq!(markdown(&figures), expected);
    }
}
