//! The corpus through the functions that the fuzzer calls, without it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and says at which input"
)]

use std::{fs, path::Path};

fn replay(name: &str, read: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let mut inputs = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        // The test's output has the name of the one that fails.
        println!("{}", path.display());
        read(&fs::read(&path).unwrap());
        inputs += 1;
    }
    assert!(inputs > 0, "{} is empty", folder.display());
}

#[test]
fn scenarios() {
    replay("parse", netparity_fuzz::parse);
}

#[test]
fn frames() {
    replay("frames", netparity_fuzz::frames);
}

#[test]
fn netlink() {
    replay("netlink", netparity_fuzz::netlink);
}
