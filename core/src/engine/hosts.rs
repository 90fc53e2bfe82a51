//! `/etc/hosts`. Source: libnetwork 20.10's `etchosts` and `sandbox_dns_unix.go`.

use std::{collections::BTreeMap, fmt::Write as _, net::Ipv4Addr};

/// The hosts files there are, by the serial number of the container each was made for. One that
/// joins another's network has the other's own file.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    files: BTreeMap<u64, File>,
}

#[derive(Clone, Debug, Default)]
struct File {
    text: String,
    /// Running containers that have it from another: they keep it when the other is removed.
    readers: usize,
    is_removed: bool,
}

impl Files {
    pub fn write(&mut self, owner: u64, text: String) {
        self.files.entry(owner).or_default().text = text;
    }

    /// The file's text; nothing where it is gone for those that do not run.
    pub fn read(&self, owner: u64, by_running: bool) -> &str {
        match self.files.get(&owner) {
            Some(file) if by_running || !file.is_removed => &file.text,
            _ => "",
        }
    }

    pub fn join(&mut self, owner: u64) {
        if let Some(file) = self.files.get_mut(&owner) {
            file.readers += 1;
        }
    }

    pub fn leave(&mut self, owner: u64) {
        if let Some(file) = self.files.get_mut(&owner) {
            file.readers = file.readers.saturating_sub(1);
        }
        self.clear(owner);
    }

    pub fn remove(&mut self, owner: u64) {
        if let Some(file) = self.files.get_mut(&owner) {
            file.is_removed = true;
        }
        self.clear(owner);
    }

    fn clear(&mut self, owner: u64) {
        let is_unused = |file: &File| file.is_removed && file.readers == 0;
        if self.files.get(&owner).is_some_and(is_unused) {
            self.files.remove(&owner);
        }
    }
}

/// The lines every container's file begins with.
pub(super) const DEFAULTS: &str = "127.0.0.1\tlocalhost\n\
    ::1\tlocalhost ip6-localhost ip6-loopback\n\
    fe00::0\tip6-localnet\n\
    ff00::0\tip6-mcastprefix\n\
    ff02::1\tip6-allnodes\n\
    ff02::2\tip6-allrouters\n";

/// A line for a linked container: its alias, its hostname, and its name where that is not the alias.
pub(super) fn link_line(address: Ipv4Addr, alias: &str, hostname: &str, name: &str) -> String {
    let mut line = format!("{address}\t{alias} {hostname}");
    if name != alias {
        let _ = write!(line, " {name}");
    }
    line.push('\n');
    line
}

/// The line with which a container finds itself; a hostname with a domain also without it
/// (`etchosts.Build`).
pub(super) fn own_line(address: Ipv4Addr, hostname: &str) -> String {
    match hostname.split_once('.') {
        Some((host, _)) => format!("{address}\t{hostname} {host}\n"),
        None => format!("{address}\t{hostname}\n"),
    }
}

/// Gives `alias` another address where it is the first name on its line (`etchosts.Update`).
pub(super) fn update(file: &str, alias: &str, address: Ipv4Addr) -> String {
    let mut updated = String::with_capacity(file.len());
    for line in file.split_inclusive('\n') {
        let rest = line
            .split_once('\t')
            .map(|(_, names)| names)
            .filter(|names| {
                names
                    .strip_prefix(alias)
                    .is_some_and(|tail| tail.starts_with(|c: char| c.is_whitespace() || c == '.'))
            });
        match rest {
            Some(names) => {
                let _ = write!(updated, "{address}\t{names}");
            }
            None => updated.push_str(line),
        }
    }
    updated
}

/// The first IPv4 address that the file gives for `name`.
pub(crate) fn look_up(file: &str, name: &str) -> Option<Ipv4Addr> {
    file.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|word| word == name).then_some(address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_touches_the_alias_and_not_its_namesakes() {
        let file = format!(
            "{DEFAULTS}172.17.0.1\tdb 7dfe4b1f9266 redis\n172.17.0.2\tdb2 1234\n172.17.0.3\tself\n"
        );
        let updated = update(&file, "db", Ipv4Addr::new(172, 17, 0, 9));
        assert_eq!(updated, file.replace("172.17.0.1\tdb ", "172.17.0.9\tdb "));
        assert_eq!(
            look_up(&updated, "redis"),
            Some(Ipv4Addr::new(172, 17, 0, 9))
        );
        assert_eq!(look_up(&updated, "db2"), Some(Ipv4Addr::new(172, 17, 0, 2)));
        assert_eq!(look_up(&updated, "ip6-localnet"), None);
    }
}
