//! What an endpoint costs, against how many there are.

use super::{
    scale::{Scale, decades, log_ticks},
    svg::{Anchor, Svg},
};
use crate::bench::{
    figures::{FLOOR, Figures, KERNEL, What},
    table::{duration, name},
};

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 470.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 590.0;
const TOP: f64 = 52.0;
const BOTTOM: f64 = 410.0;
const LINE: f64 = 24.0;

struct Curve {
    who: &'static str,
    /// How many endpoints, and nanoseconds for each.
    points: Vec<(f64, f64)>,
}

impl Curve {
    fn last(&self) -> f64 {
        self.points.last().map_or(0.0, |(_, nanos)| *nanos)
    }
}

/// The picture.
pub fn cost(figures: &Figures) -> String {
    const TITLE: &str = "Setting up endpoints on a bridge, icc off, rules included";
    let curves = curves(figures);
    let points = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let (counts, nanos) = (
        decades(points().map(|(count, _)| count)),
        decades(points().map(|(_, nanos)| nanos)),
    );
    let x = Scale::logarithmic(counts, LEFT, RIGHT);
    let y = Scale::logarithmic(nanos, BOTTOM, TOP);
    let mut svg = Svg::new(WIDTH, HEIGHT);
    svg.text((LEFT, 30.0), Anchor::Start, "title f-ink", TITLE);
    for (value, is_major) in log_ticks(counts) {
        let at = x.at(value);
        let class = if is_major {
            "major s-grid"
        } else {
            "minor s-grid"
        };
        svg.line((at, TOP), (at, BOTTOM), class);
        if is_major {
            let text = format!("{value:.0}");
            svg.text((at, BOTTOM + 20.0), Anchor::Middle, "f-ink", &text);
        }
    }
    for (value, is_major) in log_ticks(nanos) {
        let at = y.at(value);
        let class = if is_major {
            "major s-grid"
        } else {
            "minor s-grid"
        };
        svg.line((LEFT, at), (RIGHT, at), class);
        if is_major {
            svg.text((LEFT - 8.0, at + 4.5), Anchor::End, "f-ink", &round(value));
        }
    }
    let middle = f64::midpoint(LEFT, RIGHT);
    let below = (middle, BOTTOM + 44.0);
    svg.text(below, Anchor::Middle, "f-faint", "endpoints on the bridge");
    let beside = (20.0, f64::midpoint(TOP, BOTTOM));
    svg.upright(beside, "f-faint", "time per endpoint");
    for (place, curve) in curves.iter().enumerate() {
        draw(&mut svg, curve, place, (x, y));
    }
    svg.finish(TITLE)
}

fn curves(figures: &Figures) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for figure in figures
        .figures
        .iter()
        .filter(|it| it.what == What::Endpoint)
    {
        let point = (figure.count as f64, figure.median);
        match curves.iter_mut().find(|curve| curve.who == figure.who) {
            Some(curve) => curve.points.push(point),
            None => curves.push(Curve {
                who: figure.who,
                points: vec![point],
            }),
        }
    }
    // The legend is in the order in which the curves end.
    curves.sort_by(|one, other| other.last().total_cmp(&one.last()));
    curves
}

fn draw(svg: &mut Svg, curve: &Curve, place: usize, (x, y): (Scale, Scale)) {
    let name = name(curve.who);
    let class = match curve.who {
        KERNEL => "thick",
        FLOOR => "dashed",
        _ => "",
    };
    let points = curve.points.iter();
    let points: Vec<_> = points
        .map(|(count, nanos)| (x.at(*count), y.at(*nanos)))
        .collect();
    svg.curve(&points, class, name);
    let at = TOP + 12.0 + LINE * place as f64;
    let sample = [(RIGHT + 18.0, at), (RIGHT + 48.0, at)];
    svg.curve(&sample, class, name);
    svg.text((RIGHT + 58.0, at + 4.5), Anchor::Start, "f-ink", name);
    let last = duration(curve.last());
    svg.text((WIDTH - 12.0, at + 4.5), Anchor::End, "f-faint", &last);
}

/// A power of ten of nanoseconds.
fn round(nanos: f64) -> String {
    match nanos {
        nanos if nanos < 999.0 => format!("{nanos:.0} ns"),
        nanos if nanos < 999e3 => format!("{:.0} µs", nanos / 1e3),
        nanos if nanos < 999e6 => format!("{:.0} ms", nanos / 1e6),
        _ => format!("{:.0} s", nanos / 1e9),
    }
}
