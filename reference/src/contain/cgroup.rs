//! The one thing the kernel does not free by itself: cgroup folders. There is one for everything
//! of a containment, with our mark and its owner's: `netparity-<pid>-<start time>`.
//!
//! It is in the version 2 hierarchy, which every kernel of today has beside version 1's, and is
//! the root of all that the containment sees of cgroups.

use std::{
    fs::{self, File},
    os::fd::AsFd,
    path::{Path, PathBuf},
    process,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::doing;

/// Where the hierarchy is mounted, for the guardian and, from its own cgroup down, in there.
pub(super) const ROOT: &str = "/sys/fs/cgroup";

const MARK: &str = "netparity-";

/// A folder that is removed, with all below it, when this is dropped.
pub(super) struct Cgroup(PathBuf);

impl Cgroup {
    /// Makes the folder of this process.
    pub(super) fn new() -> Result<Self, String> {
        let pid = process::id();
        let start = start_time(pid).ok_or("own start time: not in /proc/self/stat")?;
        let path = Path::new(ROOT).join(format!("{MARK}{pid}-{start}"));
        fs::create_dir(&path).map_err(doing(format_args!("make cgroup {}", path.display())))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        wait_until_empty(&self.0);
        remove(&self.0);
    }
}

/// Removes the folders of guardians that ended before they could.
pub(super) fn sweep() {
    let Ok(entries) = fs::read_dir(ROOT) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(is_orphaned) {
            // One that is not empty has dying processes, and is for the next start.
            remove(&entry.path());
        }
    }
}

/// Whether this is a folder of ours whose owner is gone.
fn is_orphaned(name: &str) -> bool {
    let owner = name
        .strip_prefix(MARK)
        .and_then(|owner| owner.split_once('-'));
    let Some((pid, start)) = owner else {
        return false;
    };
    match (pid.parse(), start.parse()) {
        (Ok(pid), Ok(start)) => start_time(pid) != Some(start),
        _ => false,
    }
}

/// Field 22 of `/proc/PID/stat`: with the number it tells a process from all others.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, whatever is in that.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

/// Init has been reaped, and with it all its namespace; the cgroup hears of it a moment later.
fn wait_until_empty(path: &Path) {
    let events = path.join("cgroup.events");
    let Ok(file) = File::open(&events) else {
        return;
    };
    while fs::read_to_string(&events).is_ok_and(|text| text.contains("populated 1")) {
        let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLPRI)];
        if poll(&mut fds, PollTimeout::NONE).is_err() {
            return;
        }
    }
}

fn remove(path: &Path) {
    let children = fs::read_dir(path).into_iter().flatten().flatten();
    for child in children {
        if child.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&child.path());
        }
    }
    let _ = fs::remove_dir(path);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_folders_without_an_owner_are_orphaned() {
        let pid = process::id();
        let start = start_time(pid).unwrap();
        assert!(!is_orphaned(&format!("netparity-{pid}-{start}")));
        assert!(is_orphaned(&format!("netparity-{pid}-{}", start + 1)));
        assert!(is_orphaned("netparity-4194305-1"), "above any pid_max");
        for not_ours in [
            "docker",
            "netparity",
            "netparity-x-y",
            "netparity-1",
            "system.slice",
        ] {
            assert!(!is_orphaned(not_ours), "{not_ours}");
        }
    }
}
