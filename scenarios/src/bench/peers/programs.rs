//! How peers are told what to do. All of this runs in a [`cell`](super::super::cell).
//!
//! Each gets what is kindest to it: namespaces that no program has to be started for, where it
//! does not make them itself; no masquerading; no names to be resolved.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    net::Ipv4Addr,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use serde_json::json;

use super::Peer;

const NAMESPACES: &str = "/run/netns";
const GATEWAY: &str = "10.0.0.1";

/// How long a peer takes for `count` endpoints on a bridge.
///
/// # Errors
///
/// What it had to say.
pub fn endpoints(peer: Peer, count: usize) -> Result<Duration, String> {
    ip(&["link", "set", "lo", "up"])?;
    match peer {
        Peer::Ip => with_bridge(|| (0..count).try_for_each(by_ip)),
        Peer::IpBatch => {
            let host: String = (0..count).map(lines_of_host).collect();
            with_bridge(|| {
                batch(&[], &host)?;
                (0..count)
                    .try_for_each(|number| batch(&["-n", &netns(number)], &lines_inside(number)))
            })
        }
        Peer::Cni => {
            let plugin = peer.path().ok_or("no bridge plugin")?;
            timed(|| (0..count).try_for_each(|number| by_cni(&plugin, number)))
        }
        Peer::Netavark => {
            let netavark = peer.path().ok_or("no netavark")?;
            timed(|| (0..count).try_for_each(|number| by_netavark(&netavark, number)))
        }
        Peer::Mininet => by_mininet(count),
        Peer::Dockerd => Err("dockerd is kept elsewhere".into()),
    }
}

fn timed(work: impl FnOnce() -> Result<(), String>) -> Result<Duration, String> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

/// The bridge is made before the clock starts.
fn with_bridge(work: impl FnOnce() -> Result<(), String>) -> Result<Duration, String> {
    ip(&["link", "add", "docker0", "type", "bridge"])?;
    ip(&["addr", "add", &format!("{GATEWAY}/8"), "dev", "docker0"])?;
    ip(&["link", "set", "docker0", "up"])?;
    timed(work)
}

fn netns(number: usize) -> String {
    format!("c{number}")
}

fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits((10 << 24) + number as u32 + 2)
}

/// Runs a program to its end, with something to read.
pub(super) fn run(command: &mut Command, input: &str) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let words = |error: std::io::Error| format!("{name}: {error}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(words)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends without having read it says why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(words)?;
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(out),
        false => {
            let words = String::from_utf8_lossy(&output.stderr);
            Err(format!("{name}: {}{}", out.trim(), words.trim()).replace('\n', " "))
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    run(Command::new("ip").args(arguments), "").map(drop)
}

fn batch(arguments: &[&str], lines: &str) -> Result<(), String> {
    let mut command = Command::new("ip");
    command.args(arguments).args(["-batch", "-"]);
    run(&mut command, lines).map(drop)
}

fn by_ip(number: usize) -> Result<(), String> {
    let own = netns(number);
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    for line in lines_of_host(number).lines() {
        run(Command::new("ip").args(words(line)), "")?;
    }
    for line in lines_inside(number).lines() {
        run(Command::new("ip").args(["-n", &own]).args(words(line)), "")?;
    }
    Ok(())
}

fn lines_of_host(number: usize) -> String {
    let own = netns(number);
    format!(
        "netns add {own}\n\
         link add veth{number} master docker0 type veth peer name eth0 netns {own}\n\
         link set veth{number} up\n"
    )
}

fn lines_inside(number: usize) -> String {
    let mut lines = String::from("link set lo up\n");
    let _ = writeln!(lines, "addr add {}/8 dev eth0", address(number));
    let _ = writeln!(lines, "link set eth0 up");
    let _ = writeln!(lines, "route add default via {GATEWAY}");
    lines
}

/// A namespace with a name, as `ip netns add` makes it.
fn named_netns(number: usize) -> Result<String, String> {
    let path = format!("{NAMESPACES}/{}", netns(number));
    let make = || {
        fs::create_dir_all(NAMESPACES)?;
        File::create(&path)?;
        unshare(CloneFlags::CLONE_NEWNET)?;
        let own = Path::new("/proc/thread-self/ns/net");
        let none = None::<&str>;
        mount(Some(own), path.as_str(), none, MsFlags::MS_BIND, none)?;
        Ok::<_, std::io::Error>(())
    };
    let made = thread::scope(|scope| scope.spawn(make).join());
    match made {
        Ok(Ok(())) => Ok(path),
        Ok(Err(error)) => Err(format!("make {path}: {error}")),
        Err(_) => Err(format!("make {path}: a thread has panicked")),
    }
}

fn by_cni(plugin: &Path, number: usize) -> Result<(), String> {
    let path = named_netns(number)?;
    let network = json!({
        "cniVersion": "0.4.0",
        "name": "bench",
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": true,
        "ipam": {
            "type": "host-local",
            "subnet": "10.0.0.0/8",
            "dataDir": "/run/cni",
            "routes": [{ "dst": "0.0.0.0/0" }],
        },
    });
    let folder = plugin.parent().unwrap_or(Path::new("/"));
    let mut command = Command::new(plugin);
    command
        .env("CNI_COMMAND", "ADD")
        .env("CNI_CONTAINERID", netns(number))
        .env("CNI_NETNS", path)
        .env("CNI_IFNAME", "eth0")
        .env("CNI_PATH", folder);
    run(&mut command, &network.to_string()).map(drop)
}

fn by_netavark(netavark: &Path, number: usize) -> Result<(), String> {
    let path = named_netns(number)?;
    let options = json!({
        "container_id": netns(number),
        "container_name": netns(number),
        "networks": {
            "bench": {
                "static_ips": [address(number)],
                "interface_name": "eth0",
            },
        },
        "network_info": {
            "bench": {
                "name": "bench",
                "id": format!("{:064}", 1),
                "driver": "bridge",
                "network_interface": "podman0",
                "subnets": [{ "subnet": "10.0.0.0/8", "gateway": GATEWAY }],
                "ipv6_enabled": false,
                "internal": false,
                "dns_enabled": false,
                "ipam_options": { "driver": "host-local" },
            },
        },
    });
    let mut command = Command::new(netavark);
    command.args(["setup", &path]);
    run(&mut command, &options.to_string()).map(drop)
}

/// It tells the time itself, so that starting Python does not count.
fn by_mininet(count: usize) -> Result<Duration, String> {
    const SCRIPT: &str = "
import os, sys, time
from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
start = time.monotonic()
net = Mininet(switch=LinuxBridge, controller=None)
switch = net.addSwitch('s1')
for number in range(int(sys.argv[1])):
    net.addLink(net.addHost('h%d' % number), switch)
net.start()
print(int((time.monotonic() - start) * 1e9), flush=True)
os._exit(0)
";
    let mut command = Command::new(python()?);
    command.args(["-c", SCRIPT, &count.to_string()]);
    let said = run(&mut command, "")?;
    let nanos = said.trim().parse();
    nanos
        .map(Duration::from_nanos)
        .map_err(|_| format!("mininet said {said:?}"))
}

/// The Python that mininet is installed for: that of its own command, which need not be the first
/// on the path.
fn python() -> Result<String, String> {
    let path = Peer::Mininet.path().ok_or("no mn")?;
    let text = fs::read_to_string(&path).map_err(|error| format!("mn: {error}"))?;
    let first = text.lines().next().unwrap_or_default();
    let program = first.strip_prefix("#!").unwrap_or("python3");
    Ok(program
        .trim()
        .trim_start_matches("/usr/bin/env ")
        .to_owned())
}
