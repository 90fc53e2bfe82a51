//! A difference between two models, side by side.

use netparity_core::parity::{Difference, FrameDifference};

/// Lines for people: each part of a difference with a line for each of the `models`.
pub(super) fn lines(difference: &Difference, models: [&str; 2]) -> Vec<String> {
    let mut page = Page {
        lines: Vec::new(),
        models,
        width: models[0].len().max(models[1].len()).max("both".len()),
    };
    match difference {
        Difference::Outcome { left, right } => page.part("outcome", left, right),
        Difference::Snapshot { place, left, right } => page.part(place, left, right),
        Difference::Drops { left, right } => page.drops(left, right),
        Difference::Frames(frames) => page.frames(frames),
        Difference::Verdict {
            left,
            right,
            frames,
            left_drops,
            right_drops,
        } => {
            page.part("verdict", left.as_str(), right.as_str());
            if left_drops != right_drops {
                page.drops(left_drops, right_drops);
            }
            if let Some(frames) = frames {
                page.frames(frames);
            }
        }
    }
    page.lines
}

struct Page<'a> {
    lines: Vec<String>,
    models: [&'a str; 2],
    width: usize,
}

/// How many frames are shown around the first that differs.
const CONTEXT: usize = 3;

impl Page<'_> {
    fn part(&mut self, title: &str, left: &str, right: &str) {
        self.lines.push(format!("{title}:"));
        let [one, other] = self.models;
        self.row("", one, left);
        self.row("", other, right);
    }

    fn row(&mut self, number: &str, whose: &str, text: &str) {
        let width = self.width;
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        self.lines
            .push(format!("  {number:>2} {whose:<width$}  {first}"));
        for more in lines {
            self.lines
                .push(format!("  {:>2} {:<width$}  {more}", "", ""));
        }
    }

    fn drops(&mut self, left: &[String], right: &[String]) {
        let said = |drops: &[String]| match drops {
            [] => "nobody".to_owned(),
            _ => drops.join("\n"),
        };
        self.part("dropped by", &said(left), &said(right));
    }

    /// The frames at the tap where the first difference was seen, around it.
    fn frames(&mut self, frames: &FrameDifference) {
        let here = format!("{}: ", frames.tap);
        let at_tap = |all: &[String]| -> Vec<String> {
            all.iter()
                .filter_map(|line| line.strip_prefix(&here).map(str::to_owned))
                .collect()
        };
        let lefts = at_tap(&frames.left_frames);
        let rights = at_tap(&frames.right_frames);
        self.lines.push(format!(
            "frames at {}, around the first that differs:",
            frames.tap
        ));
        let index = frames.index;
        for (at, line) in lefts.iter().enumerate().take(index) {
            if at + CONTEXT >= index {
                self.row(&(at + 1).to_string(), "both", line);
            }
        }
        let [one, other] = self.models;
        for at in index..(index + CONTEXT).min(lefts.len().max(rights.len()).max(index + 1)) {
            let said = |lines: &[String]| {
                let line = lines.get(at).map_or("nothing", String::as_str);
                line.to_owned()
            };
            let (mut left, mut right) = (said(&lefts), said(&rights));
            if at == index && left == right {
                // They differ where the decoded line does not show it.
                for (text, frame) in [(&mut left, &frames.left), (&mut right, &frames.right)] {
                    if let Some(frame) = frame {
                        text.push('\n');
                        text.push_str(&frame.hex());
                    }
                }
            }
            let number = (at + 1).to_string();
            if left == right {
                self.row(&number, "both", &left);
            } else {
                self.row(&number, one, &left);
                self.row("", other, &right);
            }
        }
    }
}
