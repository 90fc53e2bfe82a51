//! Where an endpoint's time goes.

use super::{
    scale::{Scale, step},
    svg::{Anchor, Svg},
};
use crate::bench::figures::{Figures, Split};

const WIDTH: f64 = 780.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 752.0;
const TOP: f64 = 84.0;
const BAR: f64 = 38.0;
const GAP: f64 = 18.0;
/// The least width of a part that has its number written into it.
const READABLE: f64 = 40.0;

/// Name, colour and nanoseconds of what a bar is made of.
fn parts(split: &Split) -> [(&'static str, &'static str, f64); 6] {
    [
        ("namespace", "netparity", split.namespace),
        ("link", "mininet", split.link),
        ("address", "address", split.address),
        ("route", "route", split.route),
        ("rules of a link", "rules", split.rules),
        ("our own code", "own", split.own),
    ]
}

/// The picture.
pub fn split(figures: &Figures) -> String {
    const TITLE: &str = "Where an endpoint's time goes";
    let total = |split: &Split| parts(split).iter().map(|(.., nanos)| nanos).sum::<f64>() / 1e6;
    let longest = figures.splits.iter().map(total).fold(0.001, f64::max);
    let x = Scale::linear(longest * 1.04, LEFT, RIGHT);
    let rows = figures.splits.len() as f64;
    let bottom = TOP + rows * (BAR + GAP);
    let mut svg = Svg::new(WIDTH, bottom + 58.0);
    svg.text((LEFT, 30.0), Anchor::Start, "title f-ink", TITLE);
    let step = step(longest);
    let ticks = (0..).map(|number| f64::from(number) * step);
    for value in ticks.take_while(|value| *value <= longest * 1.04) {
        let at = x.at(value);
        svg.line((at, TOP - 8.0), (at, bottom), "major s-grid");
        let text = format!("{:.1}", value);
        svg.text((at, bottom + 20.0), Anchor::Middle, "f-ink", &text);
    }
    let below = (f64::midpoint(LEFT, RIGHT), bottom + 44.0);
    svg.text(
        below,
        Anchor::Middle,
        "f-faint",
        "milliseconds per endpoint",
    );
    let beside = (20.0, f64::midpoint(TOP, bottom - GAP));
    svg.upright(beside, "f-faint", "endpoints");
    for (row, split) in figures.splits.iter().enumerate() {
        let at = TOP + (BAR + GAP) * row as f64;
        let count = split.count.to_string();
        svg.text(
            (LEFT - 10.0, at + BAR / 2.0 + 4.5),
            Anchor::End,
            "f-ink",
            &count,
        );
        draw(&mut svg, split, at, x);
    }
    if let Some(split) = figures.splits.first() {
        let mut at = LEFT;
        for (name, colour, _) in parts(split) {
            svg.bar((at, 48.0), 13.0, 13.0, colour);
            svg.text((at + 19.0, 59.0), Anchor::Start, "f-ink", name);
            at += 42.0 + 6.6 * name.chars().count() as f64;
        }
    }
    svg.finish(TITLE)
}

fn draw(svg: &mut Svg, split: &Split, y: f64, x: Scale) {
    let mut before = 0.0;
    for (_, colour, nanos) in parts(split) {
        let millis = nanos / 1e6;
        let (start, end) = (x.at(before), x.at(before + millis));
        svg.bar((start, y), end - start, BAR, colour);
        if end - start >= READABLE {
            let middle = (f64::midpoint(start, end), y + BAR / 2.0 + 4.0);
            let text = format!("{millis:.2}");
            svg.text(middle, Anchor::Middle, "inside f-ground", &text);
        }
        before += millis;
    }
}
