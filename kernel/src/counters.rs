//! The kernel's counters of packets that it drops on its own account.

use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::fs::FileExt},
};

use crate::error::{Doing, Failure};

/// A number in a file of /proc, and what it was when it was last asked for.
pub(crate) struct Counter {
    file: File,
    column: &'static str,
    last: u64,
}

/// Packets for somebody else that came to a namespace which does not forward (`ip_error`).
pub(crate) const NOT_FORWARDED: (&str, &str) = ("/proc/thread-self/net/snmp", "InAddrErrors");
/// Packets by a link that the way back does not use (`ip_rcv_finish_core`).
pub(crate) const REVERSE_PATH: (&str, &str) =
    ("/proc/thread-self/net/netstat", "IPReversePathFilter");
/// Packets from an address that no packet may come from (`ip_handle_martian_source`); of all
/// namespaces together.
pub(crate) const MARTIAN: (&str, &str) = ("/proc/thread-self/net/stat/rt_cache", "in_martian_src");

impl Counter {
    /// Opens a counter of the calling thread's namespace, which was 0 when that was made.
    pub(crate) fn open((path, column): (&'static str, &'static str)) -> Result<Self, Failure> {
        let file = File::open(path).doing("open counters")?;
        Ok(Self {
            file,
            column,
            last: 0,
        })
    }

    /// By how much it has grown since it was last asked.
    pub(crate) fn growth(&mut self) -> Result<u64, Failure> {
        let text = self.read()?;
        self.growth_in(&text)
    }

    /// Counts from now on. Returns what another counter of the same file is at.
    pub(crate) fn start_anew(&mut self, other: &'static str) -> Result<u64, Failure> {
        let text = self.read()?;
        self.growth_in(&text)?;
        need(&text, other)
    }

    fn read(&self) -> Result<String, Failure> {
        read(&self.file).doing("read counters")
    }

    fn growth_in(&mut self, text: &str) -> Result<u64, Failure> {
        let now = need(text, self.column)?;
        let growth = now.wrapping_sub(self.last);
        self.last = now;
        Ok(growth)
    }
}

impl From<Counter> for OwnedFd {
    fn from(counter: Counter) -> Self {
        counter.file.into()
    }
}

fn read(file: &File) -> io::Result<String> {
    let mut bytes = vec![0; 16 << 10];
    let mut length = 0;
    while let Some(room) = bytes.get_mut(length..)
        && let got @ 1.. = file.read_at(room, length as u64)?
    {
        length += got;
    }
    bytes.truncate(length);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn need(text: &str, column: &str) -> Result<u64, Failure> {
    value(text, column).ok_or_else(|| Failure::nonsense(format_args!("no counter {column}")))
}

/// The sum of a column: of the line under its heading, or of all lines, one a CPU, in hexadecimal.
fn value(text: &str, column: &str) -> Option<u64> {
    let mut lines = text.lines();
    let at = loop {
        let heading = lines.next()?;
        if let Some(at) = heading.split_whitespace().position(|word| word == column) {
            break at;
        }
    };
    let cell = |line: &str| line.split_whitespace().nth(at).map(str::to_owned);
    let per_cpu = !text.contains(':');
    if !per_cpu {
        return cell(lines.next()?)?.parse().ok();
    }
    lines
        .map(|line| u64::from_str_radix(&cell(line)?, 16).ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_their_headings() {
        let snmp = "Ip: Forwarding InReceives InAddrErrors\nIp: 2 10 7\nIcmp: InMsgs\nIcmp: 3\n";
        assert_eq!(value(snmp, "InAddrErrors"), Some(7));
        assert_eq!(value(snmp, "InMsgs"), Some(3));
        assert_eq!(value(snmp, "OutMsgs"), None);
        let per_cpu = "entries in_hit in_martian_src\n00000001 00000000 0000000a\n00000001 00000000 00000006\n";
        assert_eq!(value(per_cpu, "in_martian_src"), Some(16));
    }
}
