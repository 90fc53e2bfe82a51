//! Where on an axis a value is.

/// An axis: values from `low` to `high` between the pixels `start` and `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    start: f64,
    end: f64,
    logarithmic: bool,
}

impl Scale {
    pub(super) fn linear(high: f64, start: f64, end: f64) -> Self {
        Self {
            low: 0.0,
            high,
            start,
            end,
            logarithmic: false,
        }
    }

    pub(super) fn logarithmic((low, high): (f64, f64), start: f64, end: f64) -> Self {
        Self {
            low,
            high,
            start,
            end,
            logarithmic: true,
        }
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        let place = |value: f64| {
            if self.logarithmic {
                value.log10()
            } else {
                value
            }
        };
        let (low, high) = (place(self.low), place(self.high));
        let part = match high > low {
            true => (place(value) - low) / (high - low),
            false => 0.5,
        };
        self.start + part * (self.end - self.start)
    }
}

/// The powers of ten that enclose these values.
pub(super) fn decades(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let logs = values.filter(|value| *value > 0.0).map(f64::log10);
    let (low, high) = logs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value.floor()), high.max(value.ceil()))
    });
    match low.is_finite() {
        true => (10_f64.powf(low), 10_f64.powf(high.max(low + 1.0))),
        false => (1.0, 10.0),
    }
}

/// A power of ten and those up to another, and whether each is one (or but 2 or 5 times one).
pub(super) fn log_ticks((low, high): (f64, f64)) -> Vec<(f64, bool)> {
    let mut ticks = Vec::new();
    let mut decade = low;
    while decade <= high * 1.001 {
        for factor in [1.0, 2.0, 5.0] {
            let value = decade * factor;
            if value <= high * 1.001 {
                ticks.push((value, factor == 1.0));
            }
        }
        decade *= 10.0;
    }
    ticks
}

/// A round step of which there are three to eight up to `high`.
pub(super) fn step(high: f64) -> f64 {
    let decade = 10_f64.powf((high / 3.0).log10().floor());
    let fits = |factor: &&f64| high / (decade * **factor) <= 8.0;
    decade * [1.0, 2.0, 5.0].iter().find(fits).unwrap_or(&10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_where_its_logarithm_is() {
        let scale = Scale::logarithmic((1.0, 100.0), 0.0, 200.0);
        assert_eq!(
            [1.0, 10.0, 100.0].map(|it| scale.at(it)),
            [0.0, 100.0, 200.0]
        );
        let scale = Scale::linear(4.0, 100.0, 0.0);
        assert_eq!([0.0, 1.0, 4.0].map(|it| scale.at(it)), [100.0, 75.0, 0.0]);
    }

    #[test]
    fn decades_enclose() {
        assert_eq!(decades([0.5, 30.0].into_iter()), (0.1, 100.0));
        assert_eq!(decades([1.0].into_iter()), (1.0, 10.0));
        assert_eq!(decades(std::iter::empty()), (1.0, 10.0));
    }

    #[test]
    fn steps_are_round() {
        assert_eq!([0.9, 1.3, 4.0, 10.0].map(step), [0.2, 0.2, 1.0, 2.0]);
    }
}
