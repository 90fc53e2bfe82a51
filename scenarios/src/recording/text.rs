//! Words in a line of a recording: escaped, so that whatever they are they stay in their place.

use std::fmt::{self, Write};

/// `text` with what would be taken for something else escaped as in Rust: backslashes, control
/// characters, spaces at the end, and these `reserved` ones.
pub(super) struct Escaped<'a> {
    pub text: &'a str,
    pub reserved: &'static [char],
}

impl<'a> Escaped<'a> {
    /// Words that end their line.
    pub fn rest(text: &'a str) -> Self {
        Self {
            text,
            reserved: &[],
        }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.text.trim_end().len();
        for (at, c) in self.text.char_indices() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                _ if c.is_control() || at >= end || self.reserved.contains(&c) => {
                    write!(f, "{}", c.escape_unicode())?;
                }
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// What [`Escaped`] has written; nothing where it would not have.
pub(super) fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split('\\');
    plain.push_str(parts.next()?);
    while let Some(part) = parts.next() {
        let mut rest = part.chars();
        match rest.next() {
            // Two backslashes have nothing between them.
            None => {
                plain.push('\\');
                plain.push_str(parts.next()?);
                continue;
            }
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('u') => {
                let (code, behind) = rest.as_str().strip_prefix('{')?.split_once('}')?;
                plain.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
                rest = behind.chars();
            }
            Some(_) => return None,
        }
        plain.push_str(rest.as_str());
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_escaped_comes_back() {
        for text in [
            "",
            " ",
            "plain words",
            "a\\b\\\\c\\",
            "\\n\\u{41}",
            "127.0.0.1\tlocalhost\nx\r",
            "ends in space \u{a0}",
            "a = b ",
            "日本\u{1b}[0m",
        ] {
            for reserved in [&[][..], &[' ', '=', '#']] {
                let escaped = Escaped { text, reserved }.to_string();
                assert_eq!(unescape(&escaped).as_deref(), Some(text), "{escaped}");
                assert!(!escaped.contains(['\n', '\t']) && escaped.trim_end() == escaped);
                assert!(!escaped.contains(reserved), "{escaped}");
            }
        }
        for text in ["\\", "\\x", "\\u{", "\\u{110000}", "\\u{g}"] {
            assert_eq!(unescape(text), None, "{text}");
        }
    }
}
