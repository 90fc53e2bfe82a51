//! `netparity`: plays container networks on several models and compares them.

use std::process::ExitCode;

fn main() -> ExitCode {
    netparity::bench::cell::divert();
    let access = netparity_reference::enter();
    netparity::cli::main(access)
}
