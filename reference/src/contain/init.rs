//! Process 1 of a containment.

use std::{
    fs::{self, File, OpenOptions},
    os::{fd::AsFd, unix::net::UnixDatagram},
    path::{Path, PathBuf},
    process::{Command, Stdio, exit},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sched::{CloneFlags, unshare},
    sys::{
        prctl::set_pdeathsig,
        signal::{SigSet, Signal, kill},
        signalfd::{SfdFlags, SignalFd},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use super::{
    cgroup, doing, guardian, mounts, network,
    wire::{Event, Request, Wire},
    write,
};
use crate::dockerd;

/// Dockerd's socket, seen from `/`.
pub(super) const SOCKET: &str = "/run/docker.sock";
/// What dockerd writes to its standard error, since it was last started.
pub(super) const LOG: &str = "/run/netparity/dockerd.log";
/// Where dockerd and containerd say that they are ready (`sd_notify`).
const NOTIFY: &str = "/run/netparity/notify";

/// Flags that put dockerd where nothing of the machine is. Images are copied (`vfs`): they are
/// tiny, and it needs nothing of the kernel.
const FLAGS: [&str; 7] = [
    "--host=unix:///run/docker.sock",
    "--data-root=/run/docker-data",
    "--exec-root=/run/docker",
    "--pidfile=/run/docker.pid",
    "--containerd=/run/netparity/containerd.sock",
    "--storage-driver=vfs",
    "--log-level=warn",
];

/// A containerd of ours is kept while dockerd comes and goes: of its own one dockerd waits for a
/// whole second when it ends (`monitorDaemon` polls). It is configured as dockerd does it.
const CONTAINERD: [&str; 4] = ["--config", CONTAINERD_CONFIG, "--log-level", "warn"];
const CONTAINERD_CONFIG: &str = "/run/netparity/containerd.toml";
const CONTAINERD_SETTINGS: &str = "\
version = 2
root = \"/run/docker-data/containerd/daemon\"
state = \"/run/docker/containerd/daemon\"
disabled_plugins = [\"io.containerd.grpc.v1.cri\"]
[grpc]
address = \"/run/netparity/containerd.sock\"
";

/// Init's whole life. It ends with the wire; the kernel does the rest.
pub(super) fn main() -> ! {
    let wire = guardian::adopt_stdin().and_then(|stream| Wire::new(stream, None));
    let Ok(mut wire) = wire else { exit(1) };
    let result = set_up().and_then(|init| init.serve(&mut wire));
    if let Err(why) = &result {
        let _ = wire.send(&Event::Failed(why.clone()));
    }
    exit(i32::from(result.is_err()));
}

struct Init {
    /// Children that ended.
    ended: SignalFd,
    notify: UnixDatagram,
    containerd: Option<Daemon>,
    dockerd: Option<Daemon>,
    /// What dockerd to start once containerd is ready.
    wanted: Option<(PathBuf, Vec<String>)>,
}

struct Daemon {
    pid: Pid,
    is_up: bool,
}

fn set_up() -> Result<Init, String> {
    // Without the guardian nobody would remove the cgroup.
    set_pdeathsig(Signal::SIGKILL).map_err(doing("PR_SET_PDEATHSIG"))?;
    let cgroup = std::env::args_os().nth(1).unwrap_or_default();
    write(Path::new(&cgroup).join("cgroup.procs"), "0")?;
    let namespaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    unshare(namespaces).map_err(doing("unshare namespaces"))?;
    mounts::engine()?;
    // Only a cgroup without processes can have controllers for those below it.
    let leaf = Path::new(cgroup::ROOT).join("engine");
    fs::create_dir(&leaf).map_err(doing("make cgroup"))?;
    write(leaf.join("cgroup.procs"), "0")?;
    network::set_up()?;
    write(CONTAINERD_CONFIG, CONTAINERD_SETTINGS)?;
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    signals.thread_block().map_err(doing("block SIGCHLD"))?;
    Ok(Init {
        ended: SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map_err(doing("signalfd"))?,
        notify: UnixDatagram::bind(NOTIFY).map_err(doing("notify socket"))?,
        containerd: None,
        dockerd: None,
        wanted: None,
    })
}

impl Init {
    fn serve(mut self, wire: &mut Wire) -> Result<(), String> {
        wire.send(&Event::Ready)?;
        loop {
            let ready = |fd: &PollFd<'_>| fd.any().unwrap_or(true);
            let [asked, ended, notified] = {
                let mut fds = [
                    PollFd::new(wire.stream().as_fd(), PollFlags::POLLIN),
                    PollFd::new(self.ended.as_fd(), PollFlags::POLLIN),
                    PollFd::new(self.notify.as_fd(), PollFlags::POLLIN),
                ];
                match poll(&mut fds, PollTimeout::NONE) {
                    Ok(_) => {}
                    Err(Errno::EINTR) => continue,
                    Err(errno) => return Err(doing("poll")(errno)),
                }
                [ready(&fds[0]), ready(&fds[1]), ready(&fds[2])]
            };
            // Ready before ended: dockerd may have been both.
            if notified {
                self.hear(wire)?;
            }
            if ended {
                self.reap(wire)?;
            }
            if asked {
                self.answer(wire)?;
                while wire.has_more() {
                    self.answer(wire)?;
                }
            }
        }
    }

    fn hear(&mut self, wire: &mut Wire) -> Result<(), String> {
        let mut text = [0; 512];
        let length = self
            .notify
            .recv(&mut text)
            .map_err(doing("notify socket"))?;
        let is_ready = text[..length]
            .split(|byte| *byte == b'\n')
            .any(|line| line == b"READY=1");
        match (&mut self.containerd, &mut self.dockerd) {
            // One is started when the other is ready, and so this is of the one that is not.
            (Some(containerd), None) if is_ready && !containerd.is_up => {
                containerd.is_up = true;
                self.start_wanted(wire)
            }
            (_, Some(dockerd)) if is_ready && !dockerd.is_up => {
                dockerd.is_up = true;
                wire.send(&Event::Up)
            }
            _ => Ok(()),
        }
    }

    fn reap(&mut self, wire: &mut Wire) -> Result<(), String> {
        while let Ok(Some(_)) = self.ended.read_signal() {}
        loop {
            let status = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(_) => return Ok(()),
                Ok(status) => status,
            };
            let how = match status {
                WaitStatus::Exited(_, code) => format!("exit status {code}"),
                WaitStatus::Signaled(_, signal, _) => format!("killed by {signal}"),
                other => format!("{other:?}"),
            };
            let is = |daemon: &Option<Daemon>| status.pid() == daemon.as_ref().map(|it| it.pid);
            if is(&self.dockerd) {
                self.dockerd = None;
                wire.send(&Event::Ended(how))?;
            } else if is(&self.containerd) {
                self.containerd = None;
                if let Some(dockerd) = &self.dockerd {
                    // It would tell of a fault of ours in words of its own.
                    kill(dockerd.pid, Signal::SIGKILL).map_err(doing("kill dockerd"))?;
                } else if self.wanted.take().is_some() {
                    wire.send(&Event::Ended(format!("containerd: {how}")))?;
                }
            }
        }
    }

    fn answer(&mut self, wire: &mut Wire) -> Result<(), String> {
        match wire.receive()? {
            Request::Ping => wire.send(&Event::Ready),
            Request::Start { dockerd, flags } => {
                self.wanted = Some((dockerd, flags));
                // Of those before, whose end has been told.
                File::create(LOG).map_err(doing(LOG))?;
                match &self.containerd {
                    Some(containerd) if containerd.is_up => self.start_wanted(wire),
                    Some(_) => Ok(()),
                    None => match start(Path::new("containerd"), CONTAINERD) {
                        Ok(daemon) => {
                            self.containerd = Some(daemon);
                            Ok(())
                        }
                        Err(why) => {
                            self.wanted = None;
                            wire.send(&Event::Ended(why))
                        }
                    },
                }
            }
            Request::Stop => match &self.dockerd {
                Some(dockerd) => kill(dockerd.pid, Signal::SIGTERM).map_err(doing("stop dockerd")),
                None => Ok(()),
            },
        }
    }

    fn start_wanted(&mut self, wire: &mut Wire) -> Result<(), String> {
        let Some((program, flags)) = self.wanted.take() else {
            return Ok(());
        };
        let flags = flags.iter().map(String::as_str);
        match start(&program, FLAGS.into_iter().chain(flags)) {
            Ok(daemon) => {
                self.dockerd = Some(daemon);
                Ok(())
            }
            Err(why) => wire.send(&Event::Ended(why)),
        }
    }
}

fn start<'a>(program: &Path, flags: impl IntoIterator<Item = &'a str>) -> Result<Daemon, String> {
    // Two write to it.
    let log = OpenOptions::new().create(true).append(true).open(LOG);
    let log = log.map_err(doing(LOG))?;
    let child = Command::new(program)
        .args(flags)
        .env_clear()
        .env("PATH", dockerd::search_path())
        .env("NOTIFY_SOCKET", NOTIFY)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(doing(LOG))?)
        .stderr(log)
        .spawn()
        .map_err(doing(format_args!("start {}", program.display())))?;
    let pid = i32::try_from(child.id()).map_err(doing("dockerd's process number"))?;
    Ok(Daemon {
        pid: Pid::from_raw(pid),
        is_up: false,
    })
}
