//! What a peer is kept in while it is measured: namespaces and mounts of its own, and a process 1
//! with which all of it ends.
//!
//! Two processes stand in between, each our own executable started again. The *guard* is killed
//! with the thread that started it; *process 1* of a PID namespace is killed with the guard, and
//! the kernel then kills whatever runs in there and frees what it made.

use std::{
    io::Write,
    process::{Command, Stdio, exit},
    time::Duration,
};

use ipnet::Ipv4Net;
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::{prctl::set_pdeathsig, signal::Signal},
    unistd::{getpid, getppid},
};

use super::peers::{Peer, host_local, programs};

/// The names under which our own executable is started to be something else.
const GUARD: &str = "netparity-bench-guard";
const FIRST: &str = "netparity-bench-first";

/// What process 1 is asked for.
const ENDPOINTS: &str = "endpoints";
const ADDRESSES: &str = "addresses";

/// Returns at once, unless the process was started to keep a peer: then it does that, and does not
/// return. Call it first thing in `main`.
pub fn divert() {
    let mut arguments = std::env::args();
    let name = arguments.next().unwrap_or_default();
    let arguments: Vec<_> = arguments.collect();
    let result = match name.as_str() {
        GUARD => guard(&arguments),
        FIRST => first(&arguments),
        _ => return,
    };
    if let Err(why) = &result {
        // Whoever asked reads it; where nobody does there is nothing else to do.
        let _ = writeln!(std::io::stderr(), "{why}");
    }
    exit(i32::from(result.is_err()));
}

fn ourselves(name: &str, arguments: &[String]) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new("/proc/self/exe");
    // Where it was started may be hidden by a mount of the cell's own.
    command
        .arg0(name)
        .args(arguments)
        .current_dir("/")
        .stdin(Stdio::null());
    command
}

/// How long a peer takes for `count` endpoints on a bridge of its own making.
///
/// # Errors
///
/// What it had to say last.
pub fn endpoints(peer: Peer, count: usize) -> Result<Duration, String> {
    ask([ENDPOINTS, peer.as_str(), &count.to_string()])
}

/// How long host-local takes for an address, out and back, [`host_local::TURNS`] times, where the
/// first `taken` of a subnet are taken.
///
/// # Errors
///
/// What it had to say last.
pub fn addresses(subnet: Ipv4Net, taken: u32) -> Result<Duration, String> {
    ask([ADDRESSES, &subnet.to_string(), &taken.to_string()])
}

fn ask(task: [&str; 3]) -> Result<Duration, String> {
    let mut arguments = vec![getpid().to_string()];
    arguments.extend(task.map(str::to_owned));
    let output = ourselves(GUARD, &arguments)
        .output()
        .map_err(|error| format!("start {GUARD}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    match said.trim().parse() {
        Ok(nanos) if output.status.success() => Ok(Duration::from_nanos(nanos)),
        _ => {
            let words = String::from_utf8_lossy(&output.stderr);
            let last = words.lines().rev().find(|line| !line.trim().is_empty());
            Err(last.unwrap_or("it ended without a word").to_owned())
        }
    }
}

fn doing<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> String {
    move |error| format!("{what}: {error}")
}

fn guard(arguments: &[String]) -> Result<(), String> {
    die_with_parent()?;
    let starter = arguments.first().map(String::as_str).unwrap_or_default();
    if getppid().to_string() != starter {
        return Err("who started this is gone".into());
    }
    let namespaces = CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    unshare(namespaces).map_err(doing("unshare namespaces"))?;
    let mut child = ourselves(FIRST, arguments.get(1..).unwrap_or_default())
        .spawn()
        .map_err(doing("start process 1"))?;
    let status = child.wait().map_err(doing("wait for process 1"))?;
    match status.success() {
        true => Ok(()),
        // It has said why.
        false => exit(1),
    }
}

fn die_with_parent() -> Result<(), String> {
    set_pdeathsig(Signal::SIGKILL).map_err(doing("PR_SET_PDEATHSIG"))
}

fn first(arguments: &[String]) -> Result<(), String> {
    die_with_parent()?;
    let [task, of, number] = arguments else {
        return Err("expected a task, of whom or what, and a number".into());
    };
    mounts()?;
    let time = match task.as_str() {
        ENDPOINTS => {
            let peer = Peer::named(of).ok_or_else(|| format!("no such peer: {of}"))?;
            let count = number.parse().map_err(doing("number of endpoints"))?;
            programs::endpoints(peer, count)?
        }
        ADDRESSES => {
            let subnet = of.parse().map_err(doing("subnet"))?;
            let taken = number.parse().map_err(doing("number of addresses"))?;
            host_local::addresses(subnet, taken)?
        }
        _ => return Err(format!("no such task: {task}")),
    };
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", time.as_nanos()).map_err(doing("tell the time"))
}

/// What peers write to, in memory; the machine's own is only read.
fn mounts() -> Result<(), String> {
    let none = None::<&str>;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, private, none).map_err(doing("make mounts private"))?;
    for (kind, at) in [
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("tmpfs", "/run"),
        ("tmpfs", "/tmp"),
        ("tmpfs", "/var/lib"),
    ] {
        mount(Some(kind), at, Some(kind), MsFlags::empty(), none)
            .map_err(doing(&format!("mount {kind} on {at}")))?;
    }
    Ok(())
}
