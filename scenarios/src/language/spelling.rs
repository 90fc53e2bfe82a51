//! Commands and probes as lines of a scenario: what [`parse`](super::parse) reads, written.

use std::fmt::Write as _;

use netparity_core::{
    command::{BridgeChoice, Command, ContainerSpec, DaemonConfig, Destination, NetMode},
    probe::{Payload, Probe},
};

/// The line that a command is read from; none for those of the host's tools, which have many.
pub fn command(command: &Command) -> Option<String> {
    Some(match command {
        Command::Daemon(config) => daemon(config),
        Command::Create(spec) => format!("docker create{} image", flags(spec)),
        Command::Run(spec) => format!("docker run -d{} image", flags(spec)),
        Command::Start(name) => format!("docker start {name}"),
        Command::Stop(name) => format!("docker stop {name}"),
        Command::Kill(name) => format!("docker kill {name}"),
        Command::Restart(name) => format!("docker restart {name}"),
        Command::Remove { name, force } => {
            let force = if *force { "-f " } else { "" };
            format!("docker rm {force}{name}")
        }
        Command::Listen { name, port } => format!("listen {name} {port}"),
        Command::Unlisten { name, port } => format!("unlisten {name} {port}"),
        Command::Host(_) => return None,
    })
}

fn daemon(config: &DaemonConfig) -> String {
    let plain = DaemonConfig::default();
    let mut line = "dockerd".to_owned();
    match &config.bridge {
        BridgeChoice::Docker0 => {}
        BridgeChoice::Existing(bridge) => add(&mut line, "-b", bridge),
        BridgeChoice::None => add(&mut line, "-b", "none"),
    }
    if let Some(bip) = config.bip {
        add(&mut line, "--bip", bip);
    }
    if let Some(range) = config.fixed_cidr {
        add(&mut line, "--fixed-cidr", range);
    }
    if let Some(mtu) = config.mtu {
        add(&mut line, "--mtu", mtu);
    }
    for (flag, value, default) in [
        ("--icc", config.icc, plain.icc),
        ("--iptables", config.iptables, plain.iptables),
        ("--ip-masq", config.ip_masq, plain.ip_masq),
        ("--ip-forward", config.ip_forward, plain.ip_forward),
    ] {
        if value != default {
            add(&mut line, flag, value);
        }
    }
    line
}

fn flags(spec: &ContainerSpec) -> String {
    let mut line = String::new();
    if let Some(name) = &spec.name {
        add(&mut line, "--name", name);
    }
    match &spec.net {
        NetMode::Bridge => {}
        NetMode::Host => add(&mut line, "--net", "host"),
        NetMode::None => add(&mut line, "--net", "none"),
        NetMode::Container(target) => add(&mut line, "--net", format_args!("container:{target}")),
        NetMode::Network(network) => add(&mut line, "--net", network),
    }
    for port in &spec.expose {
        add(&mut line, "--expose", port);
    }
    for link in &spec.links {
        add(&mut line, "--link", quoted(link));
    }
    for setting in &spec.env {
        add(&mut line, "-e", quoted(setting));
    }
    if let Some(hostname) = &spec.hostname {
        add(&mut line, "-h", quoted(hostname));
    }
    if let Some(mac) = spec.mac {
        add(&mut line, "--mac-address", mac);
    }
    if spec.auto_remove {
        line.push_str(" --rm");
    }
    line
}

/// Long flags take their value behind `=`, short ones behind a space.
fn add(line: &mut String, flag: &str, value: impl std::fmt::Display) {
    let between = if flag.starts_with("--") { '=' } else { ' ' };
    // Writing to a string does not fail.
    let _ = write!(line, " {flag}{between}{value}");
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.:/=@%+,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// The line that a probe is read from, less what has to become of it.
pub fn probe(probe: &Probe) -> String {
    let to = match &probe.to {
        Destination::Name(name) => name.to_string(),
        Destination::Address(address) => address.to_string(),
    };
    let mut line = format!("probe {} ", probe.from);
    // Writing to a string does not fail.
    let _ = match probe.payload {
        Payload::Tcp(port) => write!(line, "tcp {to}:{port}"),
        Payload::Udp(port) => write!(line, "udp {to}:{port}"),
        Payload::Icmp => write!(line, "icmp {to}"),
        Payload::Arp => write!(line, "arp {to}"),
    };
    for (key, value) in [
        ("sport", probe.source_port),
        ("ttl", probe.ttl.map(u16::from)),
        ("size", probe.size),
    ] {
        if let Some(value) = value {
            let _ = write!(line, " {key}={value}");
        }
    }
    if probe.dont_fragment {
        line.push_str(" df");
    }
    line
}
