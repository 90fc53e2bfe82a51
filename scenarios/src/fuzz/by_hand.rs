//! What a fuzzed scenario does by hand.

use std::sync::OnceLock;

use super::Step;
use crate::{
    language::{Action, CommandLine, parse},
    source::Source,
};

/// A bridge of one's own, that lines make and that a daemon may be told to use.
pub(super) const BRIDGE: &str = "bridge0";
/// A namespace of one's own, that lines make.
pub(super) const OUTSIDE: &str = "outside";

/// Lines that stand for themselves. The host's ends of containers' links are those of Docker's
/// first addresses.
const ALONE: &str = "\
ip netns add outside
brctl addbr bridge0
brctl delbr bridge0
ifconfig bridge0 192.168.227.1 netmask 255.255.255.0
ifconfig bridge0 10.1.2.3
ifconfig bridge0 0.0.0.0
ifconfig bridge0 down
ifconfig bridge0 mtu 1280
ip link set bridge0 address 0a:00:00:00:00:02
ip link add bridge0 mtu 1400 up type bridge
ifconfig docker0 down
ifconfig docker0 up
ifconfig docker0 mtu 1300
ifconfig docker0 192.168.5.9 netmask 255.255.255.0
ifconfig docker0 netmask 255.255.255.0
ifconfig docker0 hw ether 0a:00:00:00:00:03
ip link del docker0
brctl delbr docker0
ip link set docker0 mtu 9000
ip link set docker0 master bridge0
ip addr add 172.17.0.200/16 dev docker0
ip addr del 172.17.0.200/16 dev docker0
ip addr del 172.17.0.1/16 dev docker0
ip addr add 10.200.0.1/32 dev docker0
ip addr add 203.0.113.1/31 dev docker0
ip addr add 127.0.0.5/8 dev lo
ip addr add 10.77.0.1/24 dev lo
ip link set lo down
ip link set lo up
ip link set lo mtu 1500
ip route add 203.0.113.0/24 via 172.17.0.2
ip route del 203.0.113.0/24
ip route add default via 172.17.0.3
ip route add default via 198.51.100.2
ip route del default
ip route add 192.0.2.0/24 dev docker0
ip route add 192.0.2.8/29 dev docker0 src 172.17.0.1
ip route add 172.17.0.2 dev docker0
route add -net 10.20.0.0 netmask 255.255.0.0 gw 172.17.0.2
route add -host 203.0.113.9 dev docker0
route del -net 172.17.0.0 netmask 255.255.0.0
sysctl -w net.ipv4.ip_forward=0
sysctl -w net.ipv4.ip_forward=1
sysctl -w net.bridge.bridge-nf-call-iptables=0
sysctl -w net.bridge.bridge-nf-call-iptables=1
sysctl -w net.ipv4.conf.all.rp_filter=1
sysctl -w net.ipv4.conf.all.rp_filter=2
sysctl -w net.ipv4.conf.all.rp_filter=0
brctl addif docker0 out0
brctl addif bridge0 out0
brctl delif docker0 out0
ip link set out0 master docker0
ip link set out0 nomaster
ip link set out0 down
ip link set out0 up
ip link set out0 mtu 600
ip link set out0 address 0a:00:00:00:00:04
ip link del out0
ip -n outside link set eth9 down
ip -n outside link set eth9 mtu 1300
ip -n outside link set eth9 address 0a:00:00:00:00:05
ip -n outside addr add 172.17.0.99/16 dev eth9
ip -n outside addr del 198.51.100.2/24 dev eth9
ip -n outside link del eth9
ip netns exec outside sysctl -w net.ipv4.ip_forward=1
ip netns exec outside sysctl -w net.ipv4.conf.all.rp_filter=1
ip -n outside route add default via 172.17.0.1
ip -n outside route add 172.17.0.0/16 via 198.51.100.1
ip -n outside route add 203.0.113.0/24 dev eth9
ip netns del outside
ip link set vethc110002 down
ip link set vethc110002 up
ip link set vethc110002 mtu 600
ip link set vethc110002 nomaster
ip link set vethc110002 master bridge0
brctl delif docker0 vethc110003
ip link set vethc110003 mtu 1300
ip link set vethc110003 address 0a:00:00:00:00:06
ip addr add 172.17.0.77/32 dev vethc110002
ip route add 172.17.0.3 dev vethc110003
ip link del vethc110003
";

/// Lines that make something together.
const TOGETHER: [&str; 5] = [
    // Somebody beyond the host.
    "\
ip netns add outside
ip link add out0 address 0a:00:00:00:01:01 type veth peer name eth9 netns outside address 0a:00:00:00:01:02
ip addr add 198.51.100.1/24 dev out0
ip link set out0 up
ip -n outside link set lo up
ip -n outside addr add 198.51.100.2/24 dev eth9
ip -n outside link set eth9 up
ip -n outside route add default via 198.51.100.1
",
    // Somebody beside the containers.
    "\
ip netns add outside
ip link add out0 address 0a:00:00:00:01:01 master docker0 up type veth peer name eth9 netns outside address 0a:00:00:00:01:02
ip -n outside addr add 172.17.0.99/16 dev eth9
ip -n outside link set eth9 up
ip -n outside route add default via 172.17.0.1
",
    // Somebody on another bridge.
    "\
brctl addbr bridge0
ip addr add 192.168.227.1/24 dev bridge0
ip link set bridge0 up
ip netns add outside
ip link add out0 address 0a:00:00:00:01:01 type veth peer name eth9 netns outside address 0a:00:00:00:01:02
brctl addif bridge0 out0
ip link set out0 up
ip netns exec outside ifconfig eth9 192.168.227.9 netmask 255.255.255.0
ip netns exec outside route add default gw 192.168.227.1
",
    // A router with two ways to the containers.
    "\
ip netns add outside
ip link add out0 address 0a:00:00:00:01:01 mtu 1400 type veth peer name eth9 netns outside address 0a:00:00:00:01:02 mtu 1400
ifconfig out0 198.51.100.1 netmask 255.255.255.0
ip -n outside addr add 198.51.100.2/24 dev eth9
ip -n outside link set eth9 up
ip link add out1 address 0a:00:00:00:01:03 master docker0 up type veth peer name eth8 netns outside address 0a:00:00:00:01:04
ip -n outside addr add 172.17.0.99/16 dev eth8
ip -n outside link set eth8 up
ip netns exec outside sysctl -w net.ipv4.ip_forward=1
ip route add 203.0.113.0/24 via 198.51.100.2
",
    // A bridge that a daemon may be told to use.
    "\
brctl addbr bridge0
ifconfig bridge0 192.168.227.1 netmask 255.255.255.0
",
];

/// What only shows where one thing follows the other.
const EPISODES: [&str; 3] = [
    // Who comes to have the address of somebody that stopped has none of the connections.
    "\
dockerd --icc=false
docker run -d --name=n1 image
docker rm -f n1
docker run -d --name=n2 image
docker rm -f n2
docker run -d --name=n3 image
docker rm -f n3
docker run -d --name=n1 --expose=53/udp image
listen n1 53/udp
docker run -d --name=n2 --link=n1 image
probe n2 udp n1:53 sport=53
docker stop n2
docker run -d --name=n3 image
probe n3 udp n1:53 sport=53
",
    // A packet that must not be cut comes to a link that is too narrow for it.
    "\
docker run -d --name=n1 image
ip netns add outside
ip link add out0 address 0a:00:00:00:01:01 type veth peer name eth9 netns outside address 0a:00:00:00:01:02
ip addr add 198.51.100.1/24 dev out0
ip link set out0 mtu 600
ip link set out0 up
ip -n outside addr add 198.51.100.2/24 dev eth9
ip -n outside link set eth9 up
ip -n outside route add default via 198.51.100.1
probe n1 icmp 198.51.100.2 size=1280 df
probe n1 udp 198.51.100.2:53 size=1280
",
    // A daemon finds that bridged packets pass no rules.
    "\
sysctl -w net.bridge.bridge-nf-call-iptables=0
dockerd --icc=false
docker run -d --name=n1 image
docker rm -f n1
docker run -d --name=n2 image
docker rm -f n2
docker run -d --name=n1 image
docker run -d --name=n2 image
probe n1 icmp n2
",
];

/// A line, with what it was read as.
pub(super) type Line = (&'static str, CommandLine);

/// The lines that stand for themselves.
pub(super) fn lines() -> &'static [Line] {
    static LINES: OnceLock<Vec<Line>> = OnceLock::new();
    LINES.get_or_init(|| read(ALONE))
}

/// Lines that make something together; the last make [`BRIDGE`], and nothing else.
pub(super) fn groups() -> &'static [Vec<Line>] {
    static GROUPS: OnceLock<Vec<Vec<Line>>> = OnceLock::new();
    GROUPS.get_or_init(|| TOGETHER.into_iter().map(read).collect())
}

/// Steps of which the later show what the earlier have left.
pub(super) fn episodes() -> &'static [Vec<Step>] {
    static EPISODES_READ: OnceLock<Vec<Vec<Step>>> = OnceLock::new();
    EPISODES_READ.get_or_init(|| EPISODES.into_iter().map(read_steps).collect())
}

fn read(text: &'static str) -> Vec<Line> {
    let lines = actions(text).filter_map(|(line, action)| match action {
        Action::Command { command, .. } => Some((line, command)),
        _ => None,
    });
    lines.collect()
}

fn read_steps(text: &'static str) -> Vec<Step> {
    let steps = actions(text).filter_map(|(line, action)| match action {
        Action::Command {
            command: CommandLine::Plain(command),
            ..
        } if line.starts_with("docker") || line.starts_with("listen") => {
            Some(Step::Command(command))
        }
        Action::Command { command, .. } => Some(Step::ByHand(line, command)),
        Action::Probe { probe, .. } => Some(Step::Probe(probe)),
        _ => None,
    });
    steps.collect()
}

/// Every line with what it was read as; nothing where a line is not of the language.
fn actions(text: &'static str) -> impl Iterator<Item = (&'static str, Action)> {
    let source = Source {
        path: String::new(),
        text: format!("dockerd\n{text}"),
    };
    let steps = parse(&source).map_or_else(|_| Vec::new(), |scenario| scenario.steps);
    text.lines()
        .zip(steps.into_iter().skip(1).map(|step| step.action))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_of_the_language() {
        assert_eq!(lines().len(), ALONE.lines().count());
        for (text, group) in TOGETHER.into_iter().zip(groups()) {
            assert_eq!(group.len(), text.lines().count());
        }
        for (text, episode) in EPISODES.into_iter().zip(episodes()) {
            assert_eq!(episode.len(), text.lines().count());
        }
    }

    #[test]
    fn interfaces_of_containers_are_those_of_the_first_addresses() {
        for last in [2, 3] {
            let name = netparity_core::engine::identity::veth_name([172, 17, 0, last].into());
            assert!(ALONE.contains(name.as_str()));
        }
    }
}
