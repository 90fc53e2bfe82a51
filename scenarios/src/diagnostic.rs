//! What is wrong with a scenario file, where, and what to do about it.

use std::{fmt, ops::Range};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::{paint::Paint, source::Source};

/// A mistake in a scenario file, or why it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    path: String,
    place: Option<Box<Place>>,
    what: String,
    expected: String,
    help: String,
}

/// Where in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// From 1.
    line: usize,
    /// In characters, from 1.
    column: usize,
    /// The line, fit to be printed.
    text: String,
    /// Columns of a terminal before the mistake, and under it.
    underline: (usize, usize),
}

impl Diagnostic {
    /// A mistake that is not at any one place.
    pub fn of_file(
        path: &str,
        what: impl Into<String>,
        expected: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            place: None,
            what: what.into(),
            expected: expected.into(),
            help: help.into(),
        }
    }

    /// A mistake in these bytes of a file. `expected` and `help` may be empty.
    pub fn of_place(
        source: &Source,
        lines: &Lines,
        span: Range<usize>,
        what: impl Into<String>,
        expected: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            place: Some(Box::new(Place::new(&source.text, lines, span))),
            ..Self::of_file(&source.path, what, expected, help)
        }
    }

    /// The line, from 1.
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(|place| place.line)
    }

    /// The line and the column in it, both from 1, where it is in one place.
    pub fn place(&self) -> Option<(usize, usize)> {
        let place = self.place.as_ref()?;
        Some((place.line, place.column))
    }

    /// The diagnostic as it is printed.
    pub fn render(&self, paint: Paint) -> String {
        let mut text = format!("{}: {}\n", paint.red("error"), paint.bold(&self.what));
        let Some(place) = &self.place else {
            text += &format!("  {} {}\n", paint.blue("-->"), self.path);
            for note in [&self.expected, &self.help] {
                if !note.is_empty() {
                    text += &format!("   {} {note}\n", paint.blue("="));
                }
            }
            return text;
        };
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        let (before, under) = place.underline;
        let (bar, arrow) = (paint.blue("|"), paint.blue("-->"));
        text += &format!(
            "{margin}{arrow} {}:{}:{}\n",
            self.path, place.line, place.column
        );
        text += &format!("{margin} {bar}\n");
        text += &format!("{} {bar} {}\n", paint.blue(&number), place.text);
        let marks = format!("{} {}", "^".repeat(under), self.expected);
        text += &format!(
            "{margin} {bar} {}{}\n",
            " ".repeat(before),
            paint.red(marks.trim_end())
        );
        if !self.help.is_empty() {
            text += &format!("{margin} {} {}\n", paint.blue("="), self.help);
        }
        text
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Paint::NONE))
    }
}

/// Where the lines of a text begin.
#[derive(Clone, Debug)]
pub struct Lines(Vec<usize>);

impl Lines {
    /// Those of this text.
    pub fn new(text: &str) -> Self {
        let behind = text.match_indices('\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(behind).collect())
    }

    /// The number of the line that the byte `at` is in, from 1, and the place where it begins.
    fn find(&self, at: usize) -> (usize, usize) {
        let number = self.0.partition_point(|start| *start <= at).max(1);
        let start = self.0.get(number - 1).copied().unwrap_or(0);
        (number, start)
    }
}

impl Place {
    fn new(source: &str, lines: &Lines, span: Range<usize>) -> Self {
        let (number, start) = lines.find(span.start);
        let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        let line = first(source.get(start..).unwrap_or_default());
        let ahead = source.get(start..span.start).unwrap_or_default();
        let marked = first(source.get(span.clone()).unwrap_or_default());
        Self {
            line: number,
            column: ahead.chars().count() + 1,
            text: printable(&line),
            underline: (printable(ahead).width(), printable(&marked).width().max(1)),
        }
    }
}

/// The line with tabs spelled out and nothing in it that would move a terminal's cursor.
fn printable(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\t' => text.push_str("    "),
            c if c.is_control() || c.width().is_none() => text.push(char::REPLACEMENT_CHARACTER),
            c => text.push(c),
        }
    }
    text
}

/// The known word that is most like `word`, if one is like it at all.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = word.trim_start_matches('-').chars().count() / 3;
    // The distance is never less than the difference of lengths, which is cheap to tell.
    let length = word.chars().count();
    let alike = |other: &&str| length.abs_diff(other.chars().count()) <= limit;
    known
        .into_iter()
        .filter(alike)
        .map(|other| (strsim::damerau_levenshtein(word, other), other))
        .filter(|(distance, _)| (1..=limit).contains(distance))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["--name", "--net", "--link"];
        assert_eq!(nearest("--nmae", known), Some("--name"));
        assert_eq!(nearest("--volume", known), None);
        assert_eq!(nearest("--name", ["--name"]), None);
        assert_eq!(nearest("-p", ["-t"]), None);
    }

    #[test]
    fn wide_and_control_characters_keep_the_underline_in_place() {
        let source = Source {
            path: "x".into(),
            text: "日\t\u{1b}[31m bad".into(),
        };
        let at = source.text.find("bad").unwrap();
        let lines = Lines::new(&source.text);
        let text = Diagnostic::of_place(&source, &lines, at..at + 3, "w", "", "").to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[3], "1 | 日    \u{fffd}[31m bad");
        assert_eq!(lines[4], "  |             ^^^");
    }
}
