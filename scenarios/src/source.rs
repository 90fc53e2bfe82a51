//! Scenario files: finding and reading them.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::diagnostic::Diagnostic;

/// What the name of a scenario file ends in.
pub const EXTENSION: &str = "scenario";

/// A scenario file's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// As it was given.
    pub path: String,
    /// All of it.
    pub text: String,
}

/// The most bytes of a scenario.
const LIMIT: u64 = 16 << 20;

/// Reads the files among `paths`, and the `.scenario` files in the folders among them and in all
/// folders within, by name.
///
/// # Errors
///
/// Everything that cannot be read.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<Source>, Vec<Diagnostic>> {
    let mut sources = Vec::new();
    let mut diagnostics = Vec::new();
    for path in paths {
        match files(path) {
            Ok(files) => {
                for file in files {
                    match read(&file) {
                        Ok(source) => sources.push(source),
                        Err(diagnostic) => diagnostics.push(diagnostic),
                    }
                }
            }
            Err(diagnostic) => diagnostics.push(diagnostic),
        }
    }
    if diagnostics.is_empty() {
        Ok(sources)
    } else {
        Err(diagnostics)
    }
}

fn files(path: &Path) -> Result<Vec<PathBuf>, Diagnostic> {
    let unreadable = |error: io::Error| cannot_read(path, &error);
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    look_into(path, &mut files)?;
    if files.is_empty() {
        return Err(Diagnostic::of_file(
            &path.display().to_string(),
            "a folder without scenarios",
            format!(
                "files whose names end in .{EXTENSION} are read, in this folder and those within"
            ),
            "",
        ));
    }
    files.sort();
    Ok(files)
}

/// Hidden folders, and those that are links, are passed over.
fn look_into(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Diagnostic> {
    let unreadable = |error: io::Error| cannot_read(folder, &error);
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        if entry.file_type().map_err(unreadable)?.is_dir() {
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                look_into(&path, files)?;
            }
        } else if path.extension().is_some_and(|it| it == EXTENSION) && !path.is_dir() {
            files.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Source, Diagnostic> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes))
        .map_err(|error| cannot_read(path, &error))?;
    decode(name, bytes)
}

/// Takes the bytes of a file as text.
///
/// # Errors
///
/// Where they are not.
pub fn decode(path: String, bytes: Vec<u8>) -> Result<Source, Diagnostic> {
    let refuse = |what: String| {
        let expected = "a scenario is plain text in UTF-8, one command a line";
        Diagnostic::of_file(&path, what, expected, "")
    };
    if bytes.len() as u64 > LIMIT {
        return Err(refuse(format!("a file of more than {} MiB", LIMIT >> 20)));
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(refuse(format!("a binary file: byte {at} is zero")));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source {
            path,
            // Some editors put a byte order mark first.
            text: text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned(),
        }),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let byte = error.as_bytes().get(at).copied().unwrap_or_default();
            Err(refuse(format!(
                "a file that is not UTF-8: byte {at} is {byte:#04x}"
            )))
        }
    }
}

fn cannot_read(path: &Path, error: &io::Error) -> Diagnostic {
    let (what, expected) = match error.kind() {
        io::ErrorKind::NotFound => (
            "no such file or folder".to_owned(),
            "the path of a scenario file, or of a folder of them",
        ),
        _ => (format!("cannot be read: {error}"), ""),
    };
    Diagnostic::of_file(&path.display().to_string(), what, expected, "")
}
