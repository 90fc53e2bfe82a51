//! Finding dockerd, and what flags it is started with.

use std::{
    env,
    ffi::OsString,
    io::{self, Read},
    os::{fd::AsFd, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::{ChildStdout, Command, Stdio},
    time::Instant,
};

use netparity_core::command::{BridgeChoice, DaemonConfig};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::{patience::PATIENCE, unavailable::Unavailable};

/// Where root's programs are, which is not always in an ordinary `PATH`.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The oldest that has what is compared.
const OLDEST: (u32, u32) = (20, 10);

const HELP: &str = "install it (Debian and Ubuntu: `apt-get install docker.io`), \
                    or name one with --dockerd";

/// Where dockerd, and dockerd itself, look for programs.
pub(crate) fn search_path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    if !path.is_empty() {
        path.push(":");
    }
    path.push(SYSTEM_PATH);
    path
}

/// The dockerd to use: `given`, or the first one on the search path; of an age that will do.
pub(crate) fn find(given: Option<&Path>) -> Result<PathBuf, Unavailable> {
    let path = match given {
        Some(path) => std::path::absolute(path)
            .map_err(|error| Unavailable::new(format!("{}: {error}", path.display())))?,
        None => env::split_paths(&search_path())
            .map(|folder| folder.join("dockerd"))
            .find(|file| file.is_file())
            .ok_or_else(|| Unavailable::new(format!("there is no dockerd here: {HELP}")))?,
    };
    let text = ask_version(&path)
        .map_err(|error| Unavailable::new(format!("{}: {error}; {HELP}", path.display())))?;
    match version(&text) {
        Some(version) if version >= OLDEST => Ok(path),
        Some(_) => Err(Unavailable::new(format!(
            "{} is too old ({}); 20.10 is needed: {HELP}",
            path.display(),
            text.trim()
        ))),
        None => Err(Unavailable::new(format!(
            "{} --version says {:?}, which is not dockerd's: {HELP}",
            path.display(),
            text.trim()
        ))),
    }
}

/// What `--version` says.
fn ask_version(path: &Path) -> io::Result<String> {
    let mut child = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let said = match child.stdout.take() {
        Some(stdout) => hear(stdout),
        None => Ok(Vec::new()),
    };
    // It has said all it will, or hangs; and so does what it has started.
    if let Ok(pid) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
    child.wait()?;
    Ok(String::from_utf8_lossy(&said?).into_owned())
}

/// All that comes until the end.
fn hear(mut stdout: ChildStdout) -> io::Result<Vec<u8>> {
    let start = Instant::now();
    let mut said = Vec::new();
    let mut piece = [0; 512];
    loop {
        let left = PATIENCE.saturating_sub(start.elapsed());
        let patience = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, patience)? == 0 {
            let seconds = PATIENCE.as_secs();
            return Err(io::Error::other(format!(
                "--version was not answered within {seconds} s"
            )));
        }
        match stdout.read(&mut piece)? {
            0 => return Ok(said),
            length => said.extend_from_slice(&piece[..length]),
        }
    }
}

/// Major and minor number of `Docker version 20.10.24+dfsg1, build 5d6db84`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix("Docker version ")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The flags as a person types them: only what is not Docker's default.
pub(crate) fn flags(config: &DaemonConfig) -> Vec<String> {
    let defaults = DaemonConfig::default();
    let mut flags = Vec::new();
    match &config.bridge {
        BridgeChoice::Docker0 => {}
        BridgeChoice::Existing(name) => flags.push(format!("--bridge={name}")),
        BridgeChoice::None => flags.push("--bridge=none".into()),
    }
    flags.extend(config.bip.map(|net| format!("--bip={net}")));
    flags.extend(config.fixed_cidr.map(|net| format!("--fixed-cidr={net}")));
    flags.extend(config.mtu.map(|mtu| format!("--mtu={mtu}")));
    for (name, value, default) in [
        ("icc", config.icc, defaults.icc),
        ("iptables", config.iptables, defaults.iptables),
        ("ip-masq", config.ip_masq, defaults.ip_masq),
        ("ip-forward", config.ip_forward, defaults.ip_forward),
    ] {
        if value != default {
            flags.push(format!("--{name}={value}"));
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_dockerd_prints_them() {
        assert_eq!(
            version("Docker version 20.10.24+dfsg1, build 5d6db84\n"),
            Some((20, 10))
        );
        assert_eq!(
            version("Docker version 28.2.2, build e6534b4"),
            Some((28, 2))
        );
        assert_eq!(version("dockerd: not found"), None);
        assert_eq!(version("Docker version dev"), None);
    }

    #[test]
    fn only_what_differs_from_the_default_is_a_flag() {
        assert_eq!(flags(&DaemonConfig::default()), [""; 0]);
        let config = DaemonConfig {
            bip: Some("172.17.42.1/16".parse().unwrap()),
            mtu: Some(-1),
            icc: false,
            ..DaemonConfig::default()
        };
        assert_eq!(
            flags(&config),
            ["--bip=172.17.42.1/16", "--mtu=-1", "--icc=false"]
        );
    }
}
