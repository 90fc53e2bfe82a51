//! Ratios that must not get worse: of the quickest rounds, so that they hold on a busy machine too.

use std::collections::BTreeMap;

use super::figures::{BTREE_SET, CORE, FLOOR, Figures, KERNEL, SIM, What};

/// Ratios by their names. The smaller the better.
pub type Ratios = BTreeMap<String, f64>;

/// A loss of more than a third.
const LOSS: f64 = 4.0 / 3.0;

/// The ratios of what was measured that say something about this program: to the floor, to itself
/// with fewer containers, and between its parts.
pub fn ratios(figures: &Figures) -> Ratios {
    let mut ratios = Ratios::new();
    let mut put = |name: String, one: (What, &str, usize), base: (What, &str, usize)| {
        if let Some(ratio) = figures.best_ratio(one, base) {
            ratios.insert(name, ratio);
        }
    };
    let to_floor = [
        (What::Endpoint, "endpoint"),
        (What::TeardownDone, "teardown"),
        (What::Verdict, "probe"),
        (What::Pair, "pair"),
    ];
    for (what, name) in to_floor {
        if let Some(most) = figures.counts(what).pop() {
            let name = format!("{name} of {most}, to floor");
            put(name, (what, KERNEL, most), (what, FLOOR, most));
        }
    }
    let with_count = [
        (What::Endpoint, KERNEL, "endpoint"),
        (What::Linked, KERNEL, "linked endpoint"),
        (What::Pair, KERNEL, "pair"),
        (What::Endpoint, SIM, "simulated endpoint"),
        (What::Pair, SIM, "simulated pair"),
        (What::Decision, CORE, "decision"),
    ];
    for (what, who, name) in with_count {
        let counts = figures.counts(what);
        if let [.., few, many] = counts[..] {
            let name = format!("{name} of {many}, to {few}");
            put(name, (what, who, many), (what, who, few));
        }
    }
    for (what, name) in [(What::Verdict, "verdict"), (What::Trace, "trace")] {
        let name = format!("simulated {name}, to kernel");
        put(name, (what, SIM, 2), (what, KERNEL, 2));
    }
    if let Some(least) = figures.counts(What::Address).first() {
        let name = "address of a full /8, to a set".to_owned();
        let of = |who| (What::Address, who, *least);
        put(name, of(CORE), of(BTREE_SET));
    }
    ratios
}

/// What has become worse by more than a third, and what is not there any more; one line each.
pub fn losses(kept: &Ratios, now: &Ratios) -> Vec<String> {
    let loss = |(name, before): (&String, &f64)| match now.get(name) {
        None => Some(format!("{name}: was {before:.3}, and was not measured now")),
        Some(now) if *now > before * LOSS => Some(format!(
            "{name}: was {before:.3} and is {now:.3}, worse by more than a third"
        )),
        Some(_) => None,
    };
    kept.iter().filter_map(loss).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn of(pairs: &[(&str, f64)]) -> Ratios {
        let owned = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value));
        owned.collect()
    }

    #[test]
    fn a_third_is_borne_and_more_is_not() {
        let kept = of(&[("pair", 0.9), ("probe", 3.0)]);
        assert_eq!(
            losses(&kept, &of(&[("pair", 1.19), ("probe", 0.1)])),
            [""; 0]
        );
        let lost = losses(&kept, &of(&[("pair", 1.21)]));
        assert_eq!(
            lost,
            [
                "pair: was 0.900 and is 1.210, worse by more than a third",
                "probe: was 3.000, and was not measured now",
            ]
        );
    }

    #[test]
    fn ratios_are_to_the_floor_and_to_fewer() {
        let mut figures = Figures::default();
        for (who, count, micros) in [
            (FLOOR, 10, 10),
            (KERNEL, 10, 11),
            (FLOOR, 100, 10),
            (KERNEL, 100, 22),
        ] {
            let time = Duration::from_micros(micros);
            figures.add(What::Endpoint, who, count, time, 1);
        }
        let expected = of(&[
            ("endpoint of 100, to floor", 2.2),
            ("endpoint of 100, to 10", 2.0),
        ]);
        assert_eq!(ratios(&figures), expected);
    }
}
