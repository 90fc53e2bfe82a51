//! What is wrong with a word.

use std::ops::Range;

use crate::{
    diagnostic::{Diagnostic, Lines},
    source::Source,
};

use super::lexer::Word;

/// A mistake at a place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    span: Range<usize>,
    what: String,
    expected: String,
    help: String,
}

impl Mistake {
    /// `what` names the mistake in these bytes of the file.
    pub fn new(span: Range<usize>, what: impl Into<String>) -> Self {
        Self {
            span,
            what: what.into(),
            expected: String::new(),
            help: String::new(),
        }
    }

    /// A mistake in this word.
    pub fn in_word(word: &Word, what: impl Into<String>) -> Self {
        Self::new(word.span.clone(), what)
    }

    /// A word that is none of those `known`.
    pub fn unknown(
        word: &Word,
        what: &str,
        known: impl IntoIterator<Item = &'static str> + Clone,
    ) -> Self {
        let nearest = crate::diagnostic::nearest(&word.text, known.clone());
        let known: Vec<_> = known.into_iter().collect();
        Self::in_word(word, format!("unknown {what}: {}", word.text))
            .expected(format!("expected one of {}", known.join(", ")))
            .help(nearest.map_or_else(String::new, |near| format!("did you mean {near}?")))
    }

    /// What would be right there.
    pub fn expected(mut self, text: impl Into<String>) -> Self {
        self.expected = text.into();
        self
    }

    /// What to do.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = text.into();
        self
    }

    /// The mistake, with the file it is in.
    pub fn diagnostic(self, source: &Source, lines: &Lines) -> Diagnostic {
        Diagnostic::of_place(
            source,
            lines,
            self.span,
            self.what,
            self.expected,
            self.help,
        )
    }
}
