//! A frame's bytes in hexadecimal, with the long payload of a probe written short.

use std::fmt;

/// From how many on it is worth counting bytes.
const WORTH: usize = 16;
/// The most that can be counted: no frame is longer.
const LIMIT: usize = 1 << 17;

/// Bytes in hexadecimal. `0f(20)` is the byte 0x0f and twenty more, each one more than the one
/// before it, as they are in the payload of probes.
pub(super) struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0;
        while let Some((first, rest)) = left.split_first() {
            write!(f, "{first:02x}")?;
            let pairs = left.iter().zip(rest);
            let more = pairs
                .take_while(|(one, next)| one.wrapping_add(1) == **next)
                .count();
            left = rest;
            if more >= WORTH {
                write!(f, "({more})")?;
                left = rest.get(more..).unwrap_or_default();
            }
        }
        Ok(())
    }
}

/// The bytes that [`Hex`] has written; nothing where it would not have.
pub(super) fn parse(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut left = text;
    while !left.is_empty() {
        let (digits, rest) = left.split_at_checked(2)?;
        // A sign would be a number too.
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let mut byte = u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
        bytes.push(byte);
        left = rest;
        if let Some(count) = rest.strip_prefix('(') {
            let (count, rest) = count.split_once(')')?;
            let count: usize = count.parse().ok().filter(|it| *it <= LIMIT)?;
            for _ in 0..count {
                byte = byte.wrapping_add(1);
                bytes.push(byte);
            }
            left = rest;
        }
        if bytes.len() > LIMIT {
            return None;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_written_comes_back() {
        let payload: Vec<u8> = (0..1480).map(|at| at as u8).collect();
        for (bytes, text) in [
            (&[][..], ""),
            (&[0x45, 0, 0xff], "4500ff"),
            (&payload[..17], "00(16)"),
            (&payload[..3], "000102"),
            (&payload, "00(1479)"),
            (&[&[9], &payload[3..60], &[0, 0]].concat(), "0903(56)0000"),
        ] {
            assert_eq!(Hex(bytes).to_string(), text);
            assert_eq!(parse(text).as_deref(), Some(bytes), "{text}");
        }
        for text in [
            "0",
            "0g",
            "+1",
            "00(",
            "00(x)",
            "(1)",
            "00(999999999)",
            "é0",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
