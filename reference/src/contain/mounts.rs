//! The mounts of a containment.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nix::mount::{MsFlags, mount};

use super::{cgroup, doing, write};

/// What the private host is called, in the words of core's engine.
const HOSTNAME: &str = "host";

/// Mounts made from now on are this namespace's own.
pub(super) fn make_private() -> Result<(), String> {
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
        .map_err(doing("make mounts private"))
}

/// The version 2 cgroups, from the root of the cgroup namespace down, whatever is mounted there
/// on the machine.
pub(super) fn cgroups() -> Result<(), String> {
    fresh("cgroup2", cgroup::ROOT)
}

/// Everything of the file system that dockerd reads of the machine or writes to, its own.
pub(super) fn engine() -> Result<(), String> {
    make_private()?;
    fresh("proc", "/proc")?;
    fresh("sysfs", "/sys")?;
    cgroups()?;
    // Here is all of dockerd's and containerd's data, and iptables' lock.
    fresh("tmpfs", "/run")?;
    etc()
}

fn fresh(kind: &str, at: &str) -> Result<(), String> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    // Images, and what starts containers, are in /run.
    let flags = match kind {
        "tmpfs" => MsFlags::empty(),
        _ => flags,
    };
    mount(Some(kind), at, Some(kind), flags, None::<&str>)
        .map_err(doing(format_args!("mount {kind} on {at}")))
}

/// The machine's `/etc`, because programs are found by way of it, without its names, its
/// nameservers and its configuration of Docker; what is written goes to memory.
fn etc() -> Result<(), String> {
    let base = Path::new("/run/netparity");
    let layer = |name: &str| -> Result<PathBuf, String> {
        let path = base.join(name);
        fs::create_dir_all(&path).map_err(doing(format_args!("make {}", path.display())))?;
        Ok(path)
    };
    let (upper, work) = (layer("etc")?, layer("etc-work")?);
    let options = format!(
        "lowerdir=/etc,upperdir={},workdir={}",
        upper.display(),
        work.display()
    );
    mount(
        Some("overlay"),
        "/etc",
        Some("overlay"),
        MsFlags::empty(),
        Some(options.as_str()),
    )
    .map_err(doing("mount overlay on /etc"))?;
    for (file, text) in [
        ("hosts", "127.0.0.1\tlocalhost\n"),
        ("hostname", "host\n"),
        ("resolv.conf", ""),
    ] {
        let path = Path::new("/etc").join(file);
        // It may be a link to somewhere that is not there any more.
        let _ = fs::remove_file(&path);
        write(&path, text)?;
    }
    fs::create_dir_all("/etc/docker").map_err(doing("make /etc/docker"))?;
    fresh("tmpfs", "/etc/docker")?;
    nix::unistd::sethostname(HOSTNAME).map_err(doing("set hostname"))
}
