//! Everything that can be reached is reached, by a scenario or by the fuzzer.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use netparity::{
    coverage::{Coverage, Row, Survey, Table},
    language::parse,
    source::{self, Source},
};

/// dockerd never answers the last line, so this is no scenario for all models. Nobody asks here
/// whether a line is refused: behind a `!` the language takes names that nothing has made.
const ENDLESS: &str = "\
! docker create --name one --net container:two base
! docker create --name two --net container:one base
! docker run --link one:it base => the network of one leads back to itself
";

fn table() -> Table {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).to_owned();
    let mut scenarios = Coverage::default();
    let mut sources = source::read_all(&[folder]).unwrap();
    sources.push(Source {
        path: "endless".to_owned(),
        text: ENDLESS.to_owned(),
    });
    for source in sources {
        let scenario = parse(&source).unwrap();
        Survey::scenario(&source.text, &scenario, &mut scenarios).unwrap();
    }
    Table::new(&scenarios, &Survey::cases(1, 500).unwrap())
}

#[test]
fn everything_is_reached_or_known_to_be_out_of_reach() {
    let table = table();
    let all = |is: fn(&Row) -> bool| -> Vec<String> {
        let rows = table.rows.iter().filter(|row| is(row));
        rows.map(|row| row.item.to_string()).collect()
    };
    let none: Vec<String> = Vec::new();
    assert_eq!(
        all(|row| !row.is_known),
        none,
        "reached, and not in the universe"
    );
    let missing = all(|row| !row.is_reached() && row.unreachable.is_none());
    assert_eq!(missing, none, "reached by nothing");
    let after_all = all(|row| row.is_reached() && row.unreachable.is_some());
    assert_eq!(after_all, none, "said to be out of reach");
}
