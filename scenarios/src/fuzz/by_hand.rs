//! What a fuzzed scenario does by hand.

use std::sync::OnceLock;

use crate::{
    language::{Action, CommandLine, parse},
    source::Source,
};

/// A bridge of one's own, that [`lines`] make and that a daemon may be told to use.
pub(super) const BRIDGE: &str = "bridge0";

const TEXT: &str = "\
brctl addbr bridge0
brctl delbr bridge0
ifconfig bridge0 192.168.227.1 netmask 255.255.255.0
ifconfig bridge0 down
ifconfig docker0 down
ifconfig docker0 up
ifconfig docker0 mtu 1300
ip link del docker0
sysctl -w net.ipv4.ip_forward=0
sysctl -w net.ipv4.ip_forward=1
sysctl -w net.bridge.bridge-nf-call-iptables=0
sysctl -w net.bridge.bridge-nf-call-iptables=1
sysctl -w net.ipv4.conf.all.rp_filter=1
ip route add 203.0.113.0/24 via 172.17.0.2
ip route del 203.0.113.0/24
ip addr add 172.17.0.200/16 dev docker0
";

/// The lines, each with what it was read as.
pub(super) fn lines() -> &'static [(&'static str, CommandLine)] {
    static LINES: OnceLock<Vec<(&'static str, CommandLine)>> = OnceLock::new();
    LINES.get_or_init(|| TEXT.lines().filter_map(read).collect())
}

fn read(text: &'static str) -> Option<(&'static str, CommandLine)> {
    let source = Source {
        path: String::new(),
        text: text.to_owned(),
    };
    match parse(&source).ok()?.steps.pop()?.action {
        Action::Command { command, .. } => Some((text, command)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_line_is_of_the_language() {
        assert_eq!(super::lines().len(), super::TEXT.lines().count());
    }
}
