//! `kill -9` while another program is measured.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{self, Command, Stdio},
};

use libtest_mimic::Failed;
use netparity::bench::{cell, peers::Peer};

/// The argument with which this program is a victim.
const DRIVE: &str = "drive";

/// Stands before the real `ip` on the path. Once that has made an endpoint, it leaves whatever a
/// program can leave, says so, and goes on for ever.
const IP: &str = r#"#!/bin/sh
set -e
PATH=${PATH#*:}
ip "$@"
case "$*" in *"route add"*) ;; *) exit ;; esac
ip link add "$MARK" type bridge
mkdir "/run/$MARK"
mount -t tmpfs "$MARK" "/run/$MARK"
setsid tail -f /dev/null &
echo made >&9
exec tail -f /dev/null
"#;

/// The folder is handed on open, as a cell has mounts of its own over where it may be.
const VICTIM: &str = r#"
exec 8<"$1" 9>&1 >/dev/null
export PATH="/proc/self/fd/8:$PATH"
exec "$0" "$2"
"#;

/// Does not return where this program was started as a victim.
pub fn divert() {
    cell::divert();
    if env::args().nth(1).as_deref() == Some(DRIVE) {
        netparity_reference::enter();
        let ended = cell::endpoints(Peer::Ip, 1);
        eprintln!("the cell has ended: {ended:?}");
        process::exit(1);
    }
}

/// Whoever is in a cell has the pipe open that the victim was given: when it ends, nobody is left.
pub fn nothing_outlives_a_killed_measurement() -> Result<(), Failed> {
    let mark = format!("np-{}", process::id());
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let ip = folder.path().join("ip");
    fs::write(&ip, IP)?;
    fs::set_permissions(&ip, fs::Permissions::from_mode(0o755))?;
    let mut victim = Command::new("sh")
        .args(["-c", VICTIM])
        .args([&env::current_exe()?, folder.path(), Path::new(DRIVE)])
        .env("MARK", &mark)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut pipe = BufReader::new(victim.stdout.take().ok_or("no pipe")?);
    let mut said = String::new();
    pipe.read_line(&mut said)?;
    victim.kill()?;
    victim.wait()?;
    pipe.read_to_string(&mut said)?;
    if said != "made\n" {
        return Err(format!("there was no endpoint to be killed over: {said:?}").into());
    }
    let link = Path::new("/sys/class/net").join(&mark);
    let folder = Path::new("/run").join(&mark);
    for left in [link, folder] {
        if left.exists() {
            return Err(format!("{} is left", left.display()).into());
        }
    }
    match fs::read_to_string("/proc/self/mounts")?.contains(&mark) {
        true => Err("a mount is left".into()),
        false => Ok(()),
    }
}
