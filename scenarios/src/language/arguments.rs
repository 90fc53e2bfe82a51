//! A command's words, taken one by one.

use super::{Mistake, lexer::Word};

/// The words of a command, from some place on.
#[derive(Clone, Debug)]
pub(crate) struct Arguments<'a> {
    words: &'a [Word],
    at: usize,
}

impl<'a> Arguments<'a> {
    pub fn new(words: &'a [Word]) -> Self {
        Self { words, at: 0 }
    }

    pub fn peek(&self) -> Option<&'a Word> {
        self.words.get(self.at)
    }

    pub fn next(&mut self) -> Option<&'a Word> {
        let word = self.peek()?;
        self.at += 1;
        Some(word)
    }

    /// Takes the next word if it is this one.
    pub fn take(&mut self, text: &str) -> bool {
        let found = self.peek().is_some_and(|word| word.text == text);
        self.at += usize::from(found);
        found
    }

    /// The word taken last.
    pub fn last(&self) -> Option<&'a Word> {
        self.words.get(self.at.checked_sub(1)?)
    }

    /// The next word, which has to be there: `what` says what it is.
    pub fn require(&mut self, what: &str) -> Result<&'a Word, Mistake> {
        self.next().ok_or_else(|| self.missing(what))
    }

    /// The mistake of saying nothing where `what` should be.
    pub fn missing(&self, what: &str) -> Mistake {
        let end = self.last().map_or(0, |word| word.span.end);
        let after = self.last().map_or("", |word| word.text.as_str());
        Mistake::new(end..end + 1, format!("something is missing after {after}"))
            .expected(format!("expected {what}"))
    }

    /// Refuses a word that is left over.
    pub fn end(&self) -> Result<(), Mistake> {
        match self.peek() {
            None => Ok(()),
            Some(word) => Err(
                Mistake::in_word(word, format!("one word too many: {}", word.text))
                    .expected("the command ends before it"),
            ),
        }
    }

    /// All words that are left.
    pub fn rest(&mut self) -> &'a [Word] {
        let rest = self.words.get(self.at..).unwrap_or_default();
        self.at = self.words.len();
        rest
    }
}
