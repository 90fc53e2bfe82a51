//! `netparity`: plays container networks on several models and compares them.

use std::process::ExitCode;

fn main() -> ExitCode {
    netparity::cli::main()
}
