//! What a scenario's author is told of a mistake.

use netparity::{
    diagnostic::Diagnostic,
    language::parse,
    source::{Source, decode},
};

fn mistakes(text: &str) -> Vec<Diagnostic> {
    let source = Source {
        path: "it.scenario".into(),
        text: text.into(),
    };
    parse(&source).err().unwrap_or_default()
}

/// Every line is a scenario of its own, behind what makes a container, a namespace and a link.
fn told(lines: &[&str]) -> String {
    const BEFORE: &str = "docker run -d --name redis redis\nip netns add outside\n";
    let mut told = String::new();
    for line in lines {
        let found = mistakes(&format!("{BEFORE}{line}\n"));
        assert!(!found.is_empty(), "nothing is wrong with {line}");
        for diagnostic in found {
            told += &diagnostic.to_string();
            told.push('\n');
        }
    }
    told
}

#[track_caller]
fn snapshot(told: &str) {
    let test = std::thread::current();
    let path = test.name().unwrap_or_default();
    let name = path.rsplit("::").next().unwrap_or_default().to_owned();
    insta::with_settings!({omit_expression => true}, {
        insta::assert_snapshot!(name, told);
    });
}

#[test]
fn files_that_are_no_scenarios() {
    let bytes = |bytes: &[u8]| decode("it.scenario".into(), bytes.into());
    let mut told = String::new();
    for text in [&b"caf\xe9"[..], b"\x7fELF\0"] {
        told += &bytes(text).unwrap_err().to_string();
    }
    for text in ["", "\n# only a title\n"] {
        told += &mistakes(text)[0].to_string();
    }
    snapshot(&told);
    assert_eq!(bytes("\u{feff}x".as_bytes()).unwrap().text, "x");
}

#[test]
fn commands_that_are_none() {
    snapshot(&told(&[
        "dokcer run -d redis",
        "docker rnu -d redis",
        "docker",
        "docker network create mine",
        "brctl addbridge br0",
        "route append default gw 10.0.0.1",
        "ip lnik add br0 type bridge",
        "ip neigh add 10.0.0.1 dev eth0",
        "ip link add br0 type bond",
        "ip link add br0",
        "ip netns exec outside ping 10.0.0.1",
        "sysctl -w net.ipv4.ip_forwrd=1",
        "engine 0.11",
        "engine",
        "engine strict",
        "sudo",
        "!",
    ]));
}

#[test]
fn flags_that_are_none() {
    snapshot(&told(&[
        "docker run --nmae web redis",
        "docker run -p 80:80 redis",
        "docker run -dx redis",
        "docker create -d redis",
        "docker rm -q redis",
        "dockerd -icc=false",
        "dockerd --icc false",
        "dockerd --icc=maybe",
        "dockerd --bip",
        "dockerd extra",
        "DOCKER_OPTS=\"--bip=10.0.0.1/24 --icc=flase\"",
    ]));
}

#[test]
fn values_that_are_bad() {
    snapshot(&told(&[
        "dockerd --bip=172.17.42.1",
        "dockerd --bip=172.17.42.1/33",
        "dockerd --fixed-cidr 172.17.300.0/24",
        "dockerd --mtu=big",
        "dockerd -b=a-name-of-16-char",
        "docker run --mac-address 02:42:ac:11:00 redis",
        "docker run --mac-address 03:42:ac:11:00:02 redis",
        "docker run --expose 0 redis",
        "docker run --expose 70000/tcp redis",
        "docker run --expose 20-10 redis",
        "docker run --expose 80/icmp redis",
        "docker run -e VERSION redis",
        "docker run --net bridged redis",
        "ifconfig bridge0 192.168.227.1 netmask 255.0.255.0",
        "ifconfig bridge0 192.168.227.1 up mtu 1e3",
        "ifconfig bridge0 224.0.0.1",
        "ifconfig bridge0 hw ether 02:42",
        "route add -net 10.0.0.1 netmask 255.255.255.0 gw 10.0.0.2",
        "ip route add 10.0.0.1/24 via 10.0.0.2",
        "ip link set eth0 mtu -1",
        "ip addr add 10.0.0/8 dev eth0",
        "sysctl -w net.ipv4.conf.all.rp_filter=3",
        "listen redis 6379-6380/tcp",
        "listen redis 6379/sctp",
    ]));
}

#[test]
fn probes_that_are_wrong() {
    snapshot(&told(&[
        "probe redis tcp host => open",
        "probe redis tcp host: => open",
        "probe redis icmp host:80 => reply",
        "probe redis http host:80 => open",
        "probe redis tcp host:80 ttl=0",
        "probe redis tcp host:80 size=39",
        "probe redis udp host:80 size=70000",
        "probe redis tcp host:80 tos=3",
        "probe redis tcp host:80 sport",
        "probe redis arp 172.17.0.1 df",
        "probe redis tcp 172.17.0.256:80",
        "probe redis tcp host:80 => closed",
        "probe redis tcp host:80 => unreachable:prot",
        "probe redis udp host:80 => refused",
        "probe redis icmp host =>",
        "probe redis",
    ]));
}

#[test]
fn names_that_nobody_has() {
    snapshot(&told(&[
        "probe web icmp host => reply",
        "probe redis icmp rediss => reply",
        "listen rdeis 80/tcp",
        "docker stop web",
        "docker run --link web:web redis",
        "docker run --net container:web redis",
        "expect outside env HOME=/",
        "expect redis hots redis",
        "show host al",
        "ip netns exec inside ip link set lo up",
        "ip -n redis link set lo up",
    ]));
}

#[test]
fn names_that_are_taken() {
    snapshot(&told(&[
        "docker run --name redis redis",
        "docker create --name outside redis",
        "docker run --name host redis",
        "ip netns add redis",
    ]));
}

#[test]
fn what_is_missing_or_too_much() {
    snapshot(&told(&[
        "docker run -d --name web",
        "docker run --name",
        "docker run -d --name 'web redis",
        "docker stop",
        "! docker stop one two => x",
        "docker stop redis => No such container",
        "! docker stop redis =>",
        "! show host ip",
        "brctl addif bridge0",
        "brctl addbr bridge0 bridge1",
        "ifconfig bridge0",
        "ifconfig bridge0 hw",
        "ifconfig bridge0 broadcast",
        "route add default",
        "ip addr add 10.0.0.1/8",
        "ip link set eth0",
        "ip link set eth0 netns outside",
        "ip link set eth0 name eth1",
        "ip link add a type veth",
        "ip link add a type veth peer netns outside",
        "ip link add a type veth peer name b up",
        "ip netns add",
        "expect redis",
        "expect redis env",
    ]));
}

#[test]
fn divergences_that_are_none() {
    snapshot(&told(&[
        "diverges",
        "diverges kernel",
        "diverges kernel:",
        "diverges kernel: # because",
        "diverges kernel because",
        "diverges kernel:because",
        "diverges kernle: it drops",
        "diverges all: they drop",
        "! diverges kernel: it drops",
        "diverges kernel: it drops\ndiverges kernel: it sends",
    ]));
}

#[test]
fn every_mistake_is_told_and_makes_no_others() {
    let found = mistakes(
        "dockerd --bip=1\ndocker run --nmae x --name web --expose 0 i\nlisten web 80/tcp\nprobe web icmp db\n",
    );
    let lines: Vec<_> = found.iter().filter_map(Diagnostic::line).collect();
    assert_eq!(lines, [1, 2, 2, 4]);
}
