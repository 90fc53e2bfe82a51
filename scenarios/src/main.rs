//! `netparity`: plays container networks on several models and compares them.

use std::process::ExitCode;

fn main() -> ExitCode {
    netparity::bench::cell::divert();
    let access = netparity_reference::enter();
    let status = netparity::cli::main(access);
    // Closing side by side is quicker than what the kernel does when the process ends.
    netparity_kernel::settle();
    status
}
