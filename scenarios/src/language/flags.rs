//! Flags as Docker's commands take them (pflag): `--flag=value`, `--flag value`, `-f value`,
//! `-fvalue`, `-itd`.

use std::ops::Range;

use super::{Mistake, arguments::Arguments, lexer::Word};
use crate::diagnostic::nearest;

/// A flag that a command has.
pub(crate) struct Flag<T: 'static> {
    /// What it means.
    pub id: T,
    /// With its dashes.
    pub names: &'static [&'static str],
    /// Whether a value follows; else it is a switch, whose value may only follow a `=`.
    pub takes_value: bool,
}

/// A flag that was given.
pub(crate) struct Given<T> {
    /// Which.
    pub id: T,
    /// What it is called.
    pub names: &'static [&'static str],
    /// Its value; for a switch `true` or `false`.
    pub value: Word,
}

impl<T> Given<T> {
    /// Whether a switch is on.
    pub fn is_on(&self) -> bool {
        self.value.text == "true"
    }
}

/// Go's `strconv.ParseBool`.
fn switch(word: &Word) -> Option<&'static str> {
    match word.text.as_str() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some("true"),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some("false"),
        _ => None,
    }
}

/// Takes the flags in front of the first word that is none. `command` is who they are for.
pub(crate) fn take<T: Copy>(
    command: &str,
    flags: &'static [Flag<T>],
    arguments: &mut Arguments<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Given<T>> {
    let mut given = Vec::new();
    while let Some(word) = arguments.peek() {
        if !word.text.starts_with('-') || word.text == "-" {
            break;
        }
        arguments.next();
        if word.text == "--" {
            break;
        }
        let taken = if word.text.starts_with("--") {
            long(command, flags, word, arguments).map(|one| given.push(one))
        } else {
            short(command, flags, word, arguments).map(|some| given.extend(some))
        };
        if let Err(mistake) = taken {
            mistakes.push(mistake);
            // What was meant is read on, so that one mistake does not make others.
            let names = flags.iter().flat_map(|flag| flag.names.iter().copied());
            let meant = nearest(&word.text, names)
                .and_then(|near| flags.iter().find(|flag| flag.names.contains(&near)));
            if let Some(flag) = meant.filter(|flag| flag.takes_value)
                && let Some(value) = arguments.next()
            {
                given.push(Given {
                    id: flag.id,
                    names: flag.names,
                    value: value.clone(),
                });
            }
        }
    }
    given
}

fn long<T: Copy>(
    command: &str,
    flags: &'static [Flag<T>],
    word: &Word,
    arguments: &mut Arguments<'_>,
) -> Result<Given<T>, Mistake> {
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word.clone(), None),
    };
    let flag = flags
        .iter()
        .find(|flag| flag.names.contains(&name.text.as_str()))
        .ok_or_else(|| unknown(command, flags, &name))?;
    finish(flag, word, value, arguments)
}

/// `-d`, `-itd`, `-e KEY=VALUE`, `-eKEY=VALUE`, `-b=bridge0`.
fn short<T: Copy>(
    command: &str,
    flags: &'static [Flag<T>],
    word: &Word,
    arguments: &mut Arguments<'_>,
) -> Result<Vec<Given<T>>, Mistake> {
    let mut given = Vec::new();
    for (at, letter) in word.text.char_indices().skip(1) {
        let name = format!("-{letter}");
        let Some(flag) = flags.iter().find(|flag| flag.names.contains(&&*name)) else {
            return Err(unknown_letter(
                command,
                flags,
                word,
                at..at + letter.len_utf8(),
            ));
        };
        let rest = word.part(at + letter.len_utf8()..word.text.len());
        let behind = match rest.text.strip_prefix('=') {
            Some(_) => Some(rest.part(1..rest.text.len())),
            None => (flag.takes_value && !rest.text.is_empty()).then(|| rest.clone()),
        };
        let ends = behind.is_some();
        given.push(finish(flag, word, behind, arguments)?);
        if ends {
            break;
        }
    }
    Ok(given)
}

fn finish<T: Copy>(
    flag: &Flag<T>,
    word: &Word,
    value: Option<Word>,
    arguments: &mut Arguments<'_>,
) -> Result<Given<T>, Mistake> {
    let (id, names) = (flag.id, flag.names);
    if flag.takes_value {
        let value = match value {
            Some(value) => value,
            None => arguments
                .require(&format!("the value of {}", word.text))?
                .clone(),
        };
        return Ok(Given { id, names, value });
    }
    let name = flag.names.last().copied().unwrap_or_default();
    let Some(mut value) = value else {
        if let Some(next) = arguments.peek()
            && matches!(next.text.as_str(), "true" | "false")
        {
            arguments.next();
            return Err(
                Mistake::in_word(next, format!("{name} takes its value behind a ="))
                    .expected(format!("expected {name}={}", next.text)),
            );
        }
        let mut value = word.clone();
        "true".clone_into(&mut value.text);
        return Ok(Given { id, names, value });
    };
    match switch(&value) {
        Some(text) => text.clone_into(&mut value.text),
        None => {
            return Err(
                Mistake::in_word(&value, format!("bad value: {}", value.text))
                    .expected("expected true or false"),
            );
        }
    }
    Ok(Given { id, names, value })
}

fn unknown<T>(command: &str, flags: &'static [Flag<T>], word: &Word) -> Mistake {
    let names = flags.iter().flat_map(|flag| flag.names.iter().copied());
    Mistake::unknown(word, &format!("flag of {command}"), names)
}

fn unknown_letter<T>(
    command: &str,
    flags: &'static [Flag<T>],
    word: &Word,
    letter: Range<usize>,
) -> Mistake {
    // Docker's first releases took long flags with one dash.
    let long = format!("-{}", word.text);
    let name = long.split('=').next().unwrap_or_default();
    if flags.iter().any(|flag| flag.names.contains(&name)) {
        return unknown(command, flags, word).help(format!("did you mean {long}?"));
    }
    let mut letter = word.part(letter);
    letter.text.insert(0, '-');
    unknown(command, flags, &letter)
}
