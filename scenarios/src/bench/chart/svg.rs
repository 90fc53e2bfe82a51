//! Writing SVG.

use std::fmt::{self, Display, Write};

/// Where a text is, of the point that it is put at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        })
    }
}

/// A picture. What things look like is said once, by class.
pub(super) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// Ground, text and lines; and the colours of what is shown, each for light and for dark ground.
const COLOURS: [(&str, &str, &str); 17] = [
    ("ground", "#ffffff", "#0d1117"),
    ("ink", "#1f2328", "#e6edf3"),
    ("faint", "#59636e", "#9198a1"),
    ("grid", "#d1d9e0", "#3d444d"),
    ("netparity", "#0969da", "#4493f8"),
    ("floor", "#59636e", "#9198a1"),
    ("simulator", "#1a7f37", "#3fb950"),
    ("ip", "#9a6700", "#d29922"),
    ("ip-batch", "#bc4c00", "#f0883e"),
    ("cni", "#8250df", "#ab7df8"),
    ("netavark", "#bf3989", "#db61a2"),
    ("mininet", "#0b7285", "#3bc9db"),
    ("dockerd", "#cf222e", "#f85149"),
    ("address", "#bf3989", "#db61a2"),
    ("route", "#1a7f37", "#3fb950"),
    ("rules", "#8250df", "#ab7df8"),
    ("own", "#d4a72c", "#e3b341"),
];

const STYLE: &str = "\
    text{font:13px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}\
    .title{font-size:16px;font-weight:600}\
    .inside{font-size:12px}\
    .major{stroke-width:1}\
    .minor{stroke-width:.4}\
    .curve{fill:none;stroke-width:2;stroke-linejoin:round}\
    .thick{stroke-width:3.5}\
    .dashed{stroke-dasharray:7 5}";

impl Svg {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self {
            width,
            height,
            body: String::new(),
        }
    }

    /// Writing to a string cannot fail.
    fn put(&mut self, text: fmt::Arguments<'_>) {
        let _ = self.body.write_fmt(text);
        self.body.push('\n');
    }

    pub(super) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let text = escape(text);
        self.put(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{text}</text>"#
        ));
    }

    /// Text that is read from below.
    pub(super) fn upright(&mut self, (x, y): (f64, f64), class: &str, text: &str) {
        let text = escape(text);
        self.put(format_args!(
            r#"<text transform="translate({x:.1} {y:.1}) rotate(-90)" text-anchor="middle" class="{class}">{text}</text>"#
        ));
    }

    pub(super) fn line(&mut self, (x, y): (f64, f64), (to_x, to_y): (f64, f64), class: &str) {
        self.put(format_args!(
            r#"<path class="{class}" d="M{x:.1} {y:.1}L{to_x:.1} {to_y:.1}"/>"#
        ));
    }

    /// A line through points, in a colour, with a dot at each.
    pub(super) fn curve(&mut self, points: &[(f64, f64)], class: &str, colour: &str) {
        let mut path = String::new();
        for (number, (x, y)) in points.iter().enumerate() {
            let letter = if number == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{x:.1} {y:.1}");
        }
        self.put(format_args!(
            r#"<path class="curve {class} s-{colour}" d="{path}"/>"#
        ));
        for (x, y) in points {
            self.put(format_args!(
                r#"<circle cx="{x:.1}" cy="{y:.1}" r="3.5" class="f-{colour}"/>"#
            ));
        }
    }

    pub(super) fn bar(&mut self, (x, y): (f64, f64), width: f64, height: f64, colour: &str) {
        self.put(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" class="f-{colour}"/>"#
        ));
    }

    pub(super) fn finish(self, title: &str) -> String {
        let Self {
            width,
            height,
            body,
        } = self;
        // Classes and not variables, which not everything that shows SVG knows.
        let [mut light, mut dark] = [String::new(), String::new()];
        for (name, on_light, on_dark) in COLOURS {
            for (style, colour) in [(&mut light, on_light), (&mut dark, on_dark)] {
                let _ = write!(
                    style,
                    ".f-{name}{{fill:{colour}}}.s-{name}{{stroke:{colour}}}"
                );
            }
        }
        let title = escape(title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" role=\"img\">\n\
             <title>{title}</title>\n\
             <style>{STYLE}{light}@media (prefers-color-scheme:dark){{{dark}}}</style>\n\
             <rect width=\"{width}\" height=\"{height}\" rx=\"6\" class=\"f-ground\"/>\n\
             {body}</svg>\n"
        )
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
