//! Any bytes as frames into the simulator.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| netparity_fuzz::frames(bytes));
