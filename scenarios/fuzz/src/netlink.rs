//! What the kernel answers.

use netparity_kernel::read_back;

/// The shortest message: a header of 16 bytes.
const MESSAGE: usize = 16;

/// Reads any bytes as the kernel's answers, by whatever the first says they are: no more is read than
/// there can be.
pub fn netlink(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    let read = match kind % 4 {
        0 => read_back::rules(bytes, false),
        1 => read_back::rules(bytes, true),
        2 => read_back::network(bytes),
        _ => read_back::servers(bytes),
    };
    assert!(
        read <= bytes.len() / MESSAGE,
        "{read} things in {} bytes",
        bytes.len()
    );
}
