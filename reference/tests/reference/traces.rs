//! What a containment could leave on the machine.

use std::{
    collections::BTreeSet,
    fs,
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
};

use netparity_core::name::Netns;
use netparity_reference::Docker;

/// Where dockerd and containerd keep things on a machine that is theirs.
const PLACES: [&str; 9] = [
    "/etc/docker",
    "/run/containerd",
    "/run/docker",
    "/run/docker-data",
    "/run/docker.pid",
    "/run/docker.sock",
    "/run/netparity",
    "/run/xtables.lock",
    "/var/lib/docker",
];

/// What of the machine dockerd could change for good.
#[derive(Debug, PartialEq, Eq)]
pub struct Machine {
    mounts: String,
    places: Vec<(&'static str, Option<i64>)>,
    links: BTreeSet<String>,
}

impl Machine {
    pub fn now() -> Self {
        let changed = |place| fs::symlink_metadata(place).ok().map(|it| it.mtime());
        let links = fs::read_dir("/sys/class/net").unwrap().flatten();
        Self {
            mounts: fs::read_to_string("/proc/self/mountinfo").unwrap(),
            places: PLACES
                .into_iter()
                .map(|place| (place, changed(place)))
                .collect(),
            links: links
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect(),
        }
    }
}

/// What one containment consists of while it is there.
#[derive(Debug)]
pub struct Traces {
    pub netns: u64,
    /// The cgroup folder's name.
    pub mark: String,
    pub processes: Vec<u32>,
}

impl Traces {
    pub fn of(docker: &Docker) -> Self {
        let netns = docker.netns(&Netns::Host).unwrap();
        let netns = fs::metadata(format!("/proc/self/fd/{}", netns.as_raw_fd()))
            .unwrap()
            .ino();
        let is_in = |pid: &u32| {
            fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|it| it.ino() == netns)
        };
        let init = processes().find(is_in).unwrap();
        let mark = mark_of(init).unwrap();
        let processes = processes()
            .filter(|pid| mark_of(*pid).as_ref() == Some(&mark))
            .collect();
        Self {
            netns,
            mark,
            processes,
        }
    }

    /// The process that runs this program.
    pub fn process(&self, program: &str) -> u32 {
        let runs = |pid: &&u32| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|it| it.trim() == program)
        };
        *self.processes.iter().find(runs).unwrap()
    }

    pub fn assert_gone(&self) {
        let left: Vec<u32> = processes()
            .filter(|pid| mark_of(*pid).as_ref() == Some(&self.mark))
            .collect();
        assert!(
            left.is_empty(),
            "processes {left:?} of {} are left",
            self.mark
        );
        assert!(!cgroups().contains(&self.mark), "{} is left", self.mark);
    }
}

pub fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The folder of ours that a process is in.
fn mark_of(pid: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let first = path.split('/').next()?;
    first.starts_with("netparity-").then(|| first.to_owned())
}

/// All folders of ours.
pub fn cgroups() -> BTreeSet<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let root: PathBuf = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|fields| fields[2] == "cgroup2")
        .map(|fields| Path::new(fields[1]).to_owned())
        .unwrap();
    let folders = fs::read_dir(root).unwrap().flatten();
    folders
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("netparity-"))
        .collect()
}
