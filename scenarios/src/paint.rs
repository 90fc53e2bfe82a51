//! Colour, where it is wanted.

/// Whether to colour what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint(bool);

impl Paint {
    /// No colour.
    pub const NONE: Self = Self(false);
    /// Colour, wherever it goes.
    pub const ALWAYS: Self = Self(true);

    /// Colour for a stream that is a terminal, unless `NO_COLOR` is set.
    pub fn for_terminal(is_terminal: bool) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(is_terminal && !unwanted)
    }

    fn with(self, code: &str, text: &str) -> String {
        match self.0 {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    /// For what is wrong.
    pub fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    /// For what is right.
    pub fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// For what was not done.
    pub fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    /// For what leads the eye.
    pub fn blue(self, text: &str) -> String {
        self.with("34", text)
    }

    /// For what matters most.
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }
}
