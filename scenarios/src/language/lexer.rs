//! Lines and words, as a shell has them: quotes, backslashes, comments, continued lines.

use std::ops::Range;

use super::Mistake;

/// A word, with its place in the file.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    /// Without its quotes.
    pub text: String,
    /// In bytes from the file's beginning; with its quotes.
    pub span: Range<usize>,
    /// Whether the text is what stands there.
    plain: bool,
}

impl Word {
    /// Whether it is the `=>` before a verdict or a refusal.
    pub fn is_arrow(&self) -> bool {
        self.plain && self.text == "=>"
    }

    /// A part of the word; its place is the whole word's where quotes are in the way.
    pub fn part(&self, range: Range<usize>) -> Self {
        let span = match self.plain {
            true => self.span.start + range.start..self.span.start + range.end,
            false => self.span.clone(),
        };
        Self {
            text: self.text.get(range).unwrap_or_default().to_owned(),
            span,
            plain: self.plain,
        }
    }

    /// What stands before and behind the first `separator`.
    pub fn split_once(&self, separator: char) -> Option<(Self, Self)> {
        let at = self.text.find(separator)?;
        let behind = at + separator.len_utf8();
        Some((self.part(0..at), self.part(behind..self.text.len())))
    }
}

/// The lines of a file, each with those that continue it.
pub(crate) fn lines(source: &str) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        at += line.len();
        let body = line.trim_end_matches(['\n', '\r']);
        let has_comment =
            body.trim_start().starts_with('#') || body.contains(" #") || body.contains("\t#");
        if body.ends_with('\\') && !has_comment && at < source.len() {
            continue;
        }
        lines.push(start..at);
        start = at;
    }
    lines
}

/// Takes a line's words from its front.
#[derive(Clone, Debug)]
pub(crate) struct Lexer<'a> {
    source: &'a str,
    at: usize,
    end: usize,
}

impl<'a> Lexer<'a> {
    /// The words in this part of the file.
    pub fn new(source: &'a str, range: Range<usize>) -> Self {
        Self {
            source,
            at: range.start,
            end: range.end,
        }
    }

    /// Where the lexer stands, in bytes from the file's beginning.
    pub fn place(&self) -> usize {
        self.at
    }

    fn left(&self) -> &'a str {
        self.source.get(self.at..self.end).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.left().chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Takes a backslash and the end of line behind it.
    fn take_continuation(&mut self) -> bool {
        let found = ["\\\n", "\\\r\n"]
            .into_iter()
            .find(|text| self.left().starts_with(text));
        self.at += found.map_or(0, str::len);
        found.is_some()
    }

    fn skip_space(&mut self) {
        while self.take_continuation() || self.peek().is_some_and(char::is_whitespace) {
            if self.peek().is_some_and(char::is_whitespace) {
                self.take();
            }
        }
    }

    /// Takes `!`, if that comes next.
    pub fn take_bang(&mut self) -> bool {
        self.skip_space();
        let found = self.left().starts_with('!');
        self.at += usize::from(found);
        found
    }

    /// The next word, or nothing at the line's end or a comment.
    pub fn word(&mut self) -> Result<Option<Word>, Mistake> {
        self.skip_space();
        if self.peek().is_none_or(|next| next == '#') {
            self.at = self.end;
            return Ok(None);
        }
        let start = self.at;
        let mut text = String::new();
        loop {
            if self.take_continuation() {
                continue;
            }
            match self.peek() {
                Some(quote @ ('\'' | '"')) => self.quoted(quote, &mut text)?,
                Some('\\') => {
                    self.take();
                    text.extend(self.take());
                }
                Some(next) if !next.is_whitespace() => {
                    self.take();
                    text.push(next);
                }
                _ => break,
            }
        }
        let span = start..self.at;
        let plain = self.source.get(span.clone()) == Some(text.as_str());
        Ok(Some(Word { text, span, plain }))
    }

    fn quoted(&mut self, quote: char, text: &mut String) -> Result<(), Mistake> {
        let start = self.at;
        self.take();
        loop {
            if quote == '"' && self.take_continuation() {
                continue;
            }
            match self.take() {
                Some(next) if next == quote => return Ok(()),
                Some('\\') if quote == '"' => match self.peek() {
                    Some(next @ ('"' | '\\' | '$' | '`')) => {
                        self.take();
                        text.push(next);
                    }
                    _ => text.push('\\'),
                },
                Some(next) if next != '\n' => text.push(next),
                _ => {
                    self.at = self.end;
                    let end = start + quote.len_utf8();
                    return Err(
                        Mistake::new(start..end, "a quote that is not closed").expected(format!(
                            "a second {quote} before the line's end, or \\{quote} for the character itself"
                        )),
                    );
                }
            }
        }
    }

    /// All words up to an arrow; whether there was one.
    pub fn words(&mut self) -> Result<(Vec<Word>, Option<Word>), Mistake> {
        let mut words = Vec::new();
        while let Some(word) = self.word()? {
            if word.is_arrow() {
                return Ok((words, Some(word)));
            }
            words.push(word);
        }
        Ok((words, None))
    }

    /// What is left of the line as it stands, less a comment: quotes mean nothing in it.
    pub fn rest(&mut self) -> Option<Word> {
        self.skip_space();
        let left = self.left();
        let comment = left.char_indices().zip(
            // What stands before each character.
            [' '].into_iter().chain(left.chars()),
        );
        let end = comment
            .filter(|((_, next), before)| *next == '#' && before.is_whitespace())
            .map(|((at, _), _)| at)
            .next()
            .unwrap_or(left.len());
        let text = left[..end].trim_end();
        let span = self.at..self.at + text.len();
        self.at = self.end;
        (!text.is_empty()).then(|| Word {
            text: text.replace("\\\r\n", "").replace("\\\n", ""),
            plain: !text.contains("\\\n") && !text.contains("\\\r\n"),
            span,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        let mut lexer = Lexer::new(line, 0..line.len());
        let (words, _) = lexer.words().unwrap();
        words.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn quotes_are_a_shell_s() {
        assert_eq!(
            texts(r#"a 'b c' "d \"e\" \n" f\ g h'i'"j" '' # k"#),
            ["a", "b c", "d \"e\" \\n", "f g", "hij", ""]
        );
        assert_eq!(texts("a#b  c"), ["a#b", "c"]);
    }

    #[test]
    fn a_backslash_continues_a_line() {
        let source = "one \\\n  two\nthree \\\r\nfour # five \\\nsix\n";
        let ranges = lines(source);
        let words: Vec<_> = ranges
            .iter()
            .map(|range| texts(&source[range.clone()]))
            .collect();
        assert_eq!(
            words,
            [vec!["one", "two"], vec!["three", "four"], vec!["six"]]
        );
    }

    #[test]
    fn the_rest_of_a_line_stands_as_it_is() {
        let line = "a => can't say 'no'  # why";
        let mut lexer = Lexer::new(line, 0..line.len());
        let (words, arrow) = lexer.words().unwrap();
        assert_eq!(words.len(), 1);
        assert!(arrow.is_some());
        assert_eq!(lexer.rest().unwrap().text, "can't say 'no'");
        assert!(lexer.rest().is_none());
    }
}
