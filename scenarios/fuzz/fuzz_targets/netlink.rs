//! Any bytes as what the kernel answers.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| netparity_fuzz::netlink(bytes));
