//! Where dockerd lives: namespaces, mounts and a cgroup of its own, gone when this process is.
//!
//! Two processes stand between this one and dockerd, each our own executable started again:
//!
//! - the *guardian* makes the cgroup, starts init, waits for its end however that comes, removes
//!   the cgroup and ends;
//! - *init* is process 1 of the PID namespace. It makes the mounts, starts and stops dockerd on
//!   request and reaps what is orphaned. When it ends, the kernel kills all that is left in there.
//!
//! Init holds one end of a socket pair of which this process has the other. However this process
//! ends, the kernel closes its end, and init ends with it. That, unlike `PR_SET_PDEATHSIG`, does
//! not depend on which thread started what, nor on a moment between fork and prctl.

mod cgroup;
mod guardian;
mod init;
mod mounts;
mod network;
mod wire;

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
};

use self::wire::{Event, Request, Wire};
use crate::{patience::PATIENCE, unavailable::Unavailable};

/// The names under which our own executable is started to be something else.
const GUARDIAN: &str = "netparity-guardian";
const INIT: &str = "netparity-init";

/// How much of dockerd's log is reported, from its end.
const LOG_TAIL: u64 = 64 << 10;

/// Becomes guardian or init where this process was started to be one; returns where it was not.
pub(crate) fn divert() {
    let name = std::env::args_os().next().unwrap_or_default();
    if name == GUARDIAN {
        guardian::main();
    } else if name == INIT {
        init::main();
    }
}

/// Our own executable, even where its file has been replaced. The wire is its standard input.
fn ourselves(name: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0(name)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// A place for one dockerd at a time. Dropping it ends everything in there.
pub(crate) struct Containment {
    // Dropped first: that is what ends init.
    wire: Wire,
    /// `/` as seen in there: whatever is reached through it is in there too.
    root: OwnedFd,
    _guardian: Guardian,
    running: bool,
    log: Option<File>,
}

/// The guardian's end is waited for: then all of the containment is gone.
struct Guardian(Child);

impl Drop for Guardian {
    fn drop(&mut self) {
        let _ = self.0.wait();
    }
}

/// What became of an attempt to start dockerd.
pub(crate) enum Start {
    /// It answers.
    Up,
    /// It ended, with these last words.
    Ended(String),
}

impl Containment {
    /// Makes one, with nothing running in it.
    pub(crate) fn new() -> Result<Self, Unavailable> {
        Self::make().map_err(|why| {
            Unavailable::new(format!(
                "dockerd cannot have a place of its own ({why}): \
                 run as root, outside of a container that forbids mounts"
            ))
        })
    }

    fn make() -> Result<Self, String> {
        let (ours, theirs) = UnixStream::pair().map_err(|error| format!("socket pair: {error}"))?;
        let guardian = ourselves(GUARDIAN)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .map_err(|error| format!("start {GUARDIAN}: {error}"))?;
        let guardian = Guardian(guardian);
        let mut wire = Wire::new(ours, Some(PATIENCE))?;
        let (mut init, mut is_ready) = (None, false);
        let init = loop {
            match (init, is_ready) {
                (Some(init), true) => break init,
                _ => match wire.receive()? {
                    Event::Init(pid) => init = Some(pid),
                    Event::Ready => is_ready = true,
                    other => return Err(other.to_string()),
                },
            }
        };
        // Init cannot have ended, and its number cannot be somebody else's, as long as it answers.
        let path = format!("/proc/{init}/root");
        let root = open(
            path.as_str(),
            OFlag::O_PATH | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
        .map_err(|errno| format!("open {path}: {errno}"))?;
        wire.send(&Request::Ping)?;
        match wire.receive()? {
            Event::Ready => Ok(Self {
                wire,
                root,
                _guardian: guardian,
                running: false,
                log: None,
            }),
            other => Err(other.to_string()),
        }
    }

    /// Starts dockerd and waits until it answers or ends. One that runs is stopped first.
    pub(crate) fn start(&mut self, dockerd: &Path, flags: &[String]) -> Result<Start, String> {
        self.stop()?;
        self.wire.send(&Request::Start {
            dockerd: dockerd.to_owned(),
            flags: flags.to_vec(),
        })?;
        let event = self.wire.receive();
        self.log = File::open(self.path(init::LOG)).ok();
        match event? {
            Event::Up => {
                self.running = true;
                Ok(Start::Up)
            }
            Event::Ended(how) => {
                let log = self.log();
                Ok(Start::Ended(last_words(&log).map_or(how, str::to_owned)))
            }
            other => Err(other.to_string()),
        }
    }

    /// Stops dockerd as `systemctl stop` does, and waits for its end.
    pub(crate) fn stop(&mut self) -> Result<(), String> {
        if !std::mem::take(&mut self.running) {
            return Ok(());
        }
        self.wire.send(&Request::Stop)?;
        match self.wire.receive()? {
            Event::Ended(_) => Ok(()),
            other => Err(other.to_string()),
        }
    }

    /// The end of what dockerd has written to its standard error since it was last started.
    pub(crate) fn log(&self) -> String {
        let tail = |file: &File| -> io::Result<String> {
            use std::os::unix::fs::FileExt;
            let size = file.metadata()?.len();
            let mut bytes = vec![0; usize::try_from(size.min(LOG_TAIL)).unwrap_or(0)];
            file.read_exact_at(&mut bytes, size.saturating_sub(LOG_TAIL))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        self.log
            .as_ref()
            .and_then(|file| tail(file).ok())
            .unwrap_or_default()
    }

    /// Where dockerd's socket is, for this process.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path(init::SOCKET)
    }

    /// The name that a path in there has for this process.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!(
            "/proc/self/fd/{}/{}",
            self.root.as_raw_fd(),
            inside.trim_start_matches('/')
        ))
    }
}

/// Why dockerd ended: what it says to its caller, behind which there may be log lines still.
fn last_words(log: &str) -> Option<&str> {
    let is_logged = |line: &str| line.starts_with("time=\"");
    let mut words = log.lines().rev().filter(|line| !line.trim().is_empty());
    let last = words.clone().next();
    words.find(|line| !is_logged(line)).or(last)
}

/// What went wrong, and at what.
fn doing<E: std::fmt::Display>(what: impl std::fmt::Display) -> impl FnOnce(E) -> String {
    move |error| format!("{what}: {error}")
}

fn write(path: impl AsRef<Path>, text: &str) -> Result<(), String> {
    let path = path.as_ref();
    fs::write(path, text).map_err(doing(format_args!("write {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_not_those_of_the_log() {
        let log = "time=\"2026\" level=info msg=up\nfailed to start daemon: no\n\n\
                   time=\"2026\" level=warning msg=reconnecting\n";
        assert_eq!(last_words(log), Some("failed to start daemon: no"));
        let logged = "time=\"2026\" level=info msg=up\n";
        assert_eq!(last_words(logged), logged.lines().next());
        assert_eq!(last_words("\n"), None);
    }
}
