//! The guardian: starts init in a PID namespace, outlives it, and removes what the kernel would
//! leave behind.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Stdio, exit},
};

use nix::{
    sched::{CloneFlags, unshare},
    unistd::setsid,
};

use super::{
    INIT, cgroup, doing, mounts, ourselves,
    wire::{Event, Wire},
};

/// The guardian's whole life.
pub(super) fn main() -> ! {
    let wire = adopt_stdin().and_then(|stream| Wire::new(stream, None));
    let Ok(mut wire) = wire else { exit(1) };
    let result = guard(&mut wire);
    if let Err(why) = &result {
        let _ = wire.send(&Event::Failed(why.clone()));
    }
    exit(i32::from(result.is_err()));
}

/// The wire, which both are started with as their standard input.
pub(super) fn adopt_stdin() -> Result<UnixStream, String> {
    use std::os::fd::AsFd;
    let stdin = io::stdin().as_fd().try_clone_to_owned();
    stdin.map(UnixStream::from).map_err(doing("standard input"))
}

fn guard(wire: &mut Wire) -> Result<(), String> {
    // Neither the terminal's interrupt nor its hang-up is for us: init ends with its wire.
    setsid().map_err(doing("setsid"))?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(doing("unshare mount namespace"))?;
    mounts::make_private()?;
    mounts::cgroups()?;
    cgroup::sweep();
    let cgroup = cgroup::Cgroup::new()?;
    unshare(CloneFlags::CLONE_NEWPID).map_err(doing("unshare PID namespace"))?;
    let stdin: OwnedFd = adopt_stdin()?.into();
    let mut init = ourselves(INIT)
        .arg(cgroup.path())
        .stdin(Stdio::from(stdin))
        .spawn()
        .map_err(doing("start init"))?;
    let pid = i32::try_from(init.id()).map_err(doing("init's process number"))?;
    // If nobody is there to hear it, init ends by itself.
    let _ = wire.send(&Event::Init(pid));
    init.wait().map_err(doing("wait for init"))?;
    drop(cgroup);
    Ok(())
}
