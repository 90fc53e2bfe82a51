//! Networks that somebody else makes.

use std::{
    net::Ipv4Addr,
    os::fd::{AsFd, OwnedFd},
    process::{Command, Stdio},
    thread,
};

use netparity_core::{
    engine::identity,
    errno::Errno,
    model::Dataplane,
    name::{LinkName, Netns},
    parity,
    plan::{LinkChange, Op},
    port::Protocol,
    probe::Payload,
    rules::{ChainName, ChainRef, Field, Policy, Rule, Table, Target},
    trace::{Direction, DropCause},
    verdict::Verdict,
};
use netparity_kernel::{Access, Kernel};
use nix::sched::{CloneFlags, setns};

use crate::{network::*, start};

fn descriptor(kernel: &Kernel, name: &str) -> OwnedFd {
    let descriptor = kernel.descriptor(&netns(name)).unwrap();
    descriptor.try_clone_to_owned().unwrap()
}

/// Eyes on `owner`'s host and on these namespaces.
fn eyes_on(access: &Access, owner: &Kernel, names: &[&str]) -> Kernel {
    let mut eyes = Kernel::adopting(access, descriptor(owner, "host")).unwrap();
    for name in names {
        let theirs = descriptor(owner, name);
        eyes.adopt_namespace(netns(name), theirs).unwrap();
    }
    eyes.refresh().unwrap();
    eyes
}

fn veth(last: u8) -> LinkName {
    identity::veth_name(Ipv4Addr::new(10, 0, 0, last))
}

pub fn they_are_seen_as_networks_of_ours(access: &Access) {
    let owner = one_bridge(access, 2);
    let mut eyes = eyes_on(access, &owner, &["c2", "c3"]);
    let mut ours = one_bridge(access, 2);
    for kernel in [&mut eyes, &mut ours] {
        done(kernel, vec![listen("c3", tcp(80)), listen("c3", udp(53))]);
    }
    let told = |line: &String| {
        let line = line.replace(veth(2).as_str(), "v2");
        line.replace(veth(3).as_str(), "v3")
    };
    for payload in [
        Payload::Arp,
        Payload::Icmp,
        Payload::Tcp(80),
        Payload::Tcp(81),
        Payload::Udp(53),
        Payload::Udp(54),
    ] {
        for (from, to) in [
            ("c2", "10.0.0.3"),
            ("c2", "10.0.0.1"),
            ("host", "10.0.0.3"),
            ("c3", "10.0.0.9"),
        ] {
            let shot = shot(from, to, payload);
            let (theirs, ours) = (throw(&mut eyes, &shot), throw(&mut ours, &shot));
            assert_eq!(theirs.verdict, ours.verdict, "{shot:?}");
            let lines = parity::decoded(&theirs);
            let lines: Vec<_> = lines.iter().map(told).collect();
            assert_eq!(lines, parity::decoded(&ours), "{shot:?}");
        }
    }
}

pub fn links_that_come_and_go_are_noted(access: &Access) {
    let mut owner = one_bridge(access, 2);
    let mut eyes = eyes_on(access, &owner, &["c2", "c3"]);
    done(&mut owner, endpoint(0, 4));
    let theirs = descriptor(&owner, "c4");
    eyes.adopt_namespace(netns("c4"), theirs).unwrap();
    eyes.refresh().unwrap();
    // The first broadcast reaches it.
    assert_eq!(
        verdict(&mut eyes, "c2", "10.0.0.4", Payload::Arp),
        Verdict::Reply
    );
    let host = eyes.snapshot().unwrap().netns.remove(&Netns::Host).unwrap();
    let link = &host.links[&veth(4)];
    assert_eq!(link.mac, identity::veth_mac(Ipv4Addr::new(10, 0, 0, 4)));
    assert_eq!((link.up, link.carrier), (true, true));

    done(&mut owner, vec![Op::DeleteNetns(netns("c3"))]);
    eyes.forget_namespace(&netns("c3")).unwrap();
    eyes.refresh().unwrap();
    let trace = throw(&mut eyes, &shot("c2", "10.0.0.3", Payload::Icmp));
    assert_ne!(trace.verdict, Verdict::Reply);
    let asked = seen(&trace, &format!("host/{}", veth(4)), Direction::Out);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(eyes.forget_namespace(&netns("c3")).is_err());
}

pub fn plans_are_carried_out_in_them(access: &Access) {
    let owner = one_bridge(access, 2);
    let mut eyes = eyes_on(access, &owner, &["c2", "c3"]);
    let near = format!("host/{}", veth(3));
    done(&mut eyes, vec![set(&near, LinkChange::Up(false))]);
    let mut probe = || verdict(&mut eyes, "c2", "10.0.0.3", Payload::Icmp);
    assert_eq!(
        probe(),
        Verdict::Unreachable(netparity_core::verdict::Unreachable::Host)
    );
    done(&mut eyes, vec![up(&near)]);
    assert_eq!(
        verdict(&mut eyes, "c2", "10.0.0.3", Payload::Icmp),
        Verdict::Reply
    );
    // Rolled back with all that was done before.
    let missing = Op::DeleteLink(host("nothing"));
    let ops = vec![set("host/br0", LinkChange::Mtu(900)), missing];
    assert_eq!(refused(&mut eyes, ops), (1, Errno::ENODEV));
    let host = eyes.snapshot().unwrap().netns.remove(&Netns::Host).unwrap();
    assert_eq!(host.links[&link("br0")].mtu, 1500);
}

const FORWARD: ChainRef = ChainRef::filter(ChainName::Forward);

/// Has iptables do something on `kernel`'s host. Returns whether there is one that writes to
/// nf_tables.
fn iptables(kernel: &Kernel, arguments: &str) -> bool {
    let namespace = descriptor(kernel, "host");
    let run = |arguments: &str| {
        let namespace = namespace.as_fd();
        let run = move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
            let mut command = Command::new("iptables");
            command.args(arguments.split_whitespace());
            command.stdin(Stdio::null());
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            start(&mut command)?.wait_with_output()
        };
        thread::scope(|scope| scope.spawn(run).join().unwrap())
    };
    let writes_nf_tables =
        run("--version").is_ok_and(|it| String::from_utf8_lossy(&it.stdout).contains("nf_tables"));
    if !writes_nf_tables {
        println!("not tried for want of iptables-nft: iptables {arguments}");
        return false;
    }
    let output = run(arguments).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "iptables {arguments}: {complaint}");
    true
}

/// One rule for each thing that is asked of packets, plain and negated, and each target.
fn rules() -> Vec<(Table, Rule)> {
    let net = |text: &str| text.parse().unwrap();
    let mut fields: Vec<Vec<Field>> = [
        Field::Source(net("10.1.2.3/32")),
        Field::Source(net("10.1.2.0/24")),
        Field::Source(net("10.2.0.0/15")),
        Field::Destination(net("10.0.0.0/8")),
        Field::Destination(net("128.0.0.0/1")),
        Field::In(link("br0")),
        Field::Out(link("a-long-name.no5")),
        Field::Established,
        Field::SourceIsLocal,
        Field::DestinationIsLocal,
    ]
    .map(|field| vec![field])
    .into();
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
        fields.push(vec![Field::Protocol(protocol)]);
        for port in [Field::SourcePort(1), Field::DestinationPort(65_535)] {
            fields.push(vec![Field::Protocol(protocol), port]);
        }
    }
    let start = Rule::new(Target::Return);
    let mut rules = Vec::new();
    for fields in fields {
        let plain = fields.iter().copied().fold(start.clone(), Rule::when);
        let Some((last, others)) = fields.split_last() else {
            continue;
        };
        let negated = others.iter().copied().fold(start.clone(), Rule::when);
        rules.extend([
            (Table::Filter, plain),
            (Table::Filter, negated.unless(*last)),
        ]);
    }
    for target in [
        Target::Accept,
        Target::Drop,
        Target::Return,
        Target::Jump(ChainName::Docker),
    ] {
        rules.push((Table::Filter, Rule::new(target)));
    }
    let masquerade = Rule::new(Target::Masquerade);
    let masquerade = masquerade.when(Field::Source(net("172.17.0.0/16")));
    rules.push((Table::Nat, masquerade.unless(Field::Out(LinkName::DOCKER0))));
    rules
}

pub fn rules_of_iptables_are_read(access: &Access) {
    let owner = Kernel::new(access).unwrap();
    let mut eyes = eyes_on(access, &owner, &[]);
    if !iptables(&owner, "-N DOCKER") {
        return;
    }
    let mut read = || {
        let host = eyes.snapshot().unwrap().netns.remove(&Netns::Host).unwrap();
        host.rules
    };
    // All built-in chains of a table that iptables has touched, as `iptables -S` lists them.
    assert_eq!(
        read().lines(Table::Filter),
        [
            "-P INPUT ACCEPT",
            "-P FORWARD ACCEPT",
            "-P OUTPUT ACCEPT",
            "-N DOCKER"
        ]
    );
    assert!(read().lines(Table::Nat).is_empty());
    let mut written: Vec<(ChainRef, Vec<Rule>)> = Vec::new();
    for (table, rule) in rules() {
        let chain = match table {
            Table::Filter => ChainName::Forward,
            Table::Nat => ChainName::Postrouting,
        };
        iptables(&owner, &format!("-t {table} -A {chain} {rule}"));
        let at = ChainRef { table, chain };
        match written.iter_mut().find(|(chain, _)| *chain == at) {
            Some((_, rules)) => rules.push(rule),
            None => written.push((at, vec![rule])),
        }
    }
    let read = read();
    for (at, rules) in written {
        let lines = |rules: &[Rule]| rules.iter().map(Rule::to_string).collect::<Vec<_>>();
        assert_eq!(lines(&read.chains[&at].rules), lines(&rules));
    }
}

pub fn what_rules_of_iptables_drop_is_named(access: &Access) {
    let owner = one_bridge(access, 2);
    let mut eyes = eyes_on(access, &owner, &["c2", "c3"]);
    if !iptables(&owner, "-A FORWARD -i br0 -p tcp --dport 80 -j DROP") {
        return;
    }
    iptables(&owner, "-A FORWARD -i br0 -p tcp -j ACCEPT");
    iptables(&owner, "-P FORWARD DROP");
    eyes.refresh().unwrap();
    let rule = Rule::new(Target::Drop)
        .when(Field::In(link("br0")))
        .when(Field::Protocol(Protocol::Tcp))
        .when(Field::DestinationPort(80));
    let by_rule = DropCause::Rule(FORWARD, rule);
    let by_policy = DropCause::Policy(FORWARD);
    for (payload, cause) in [
        (Payload::Tcp(80), Some(&by_rule)),
        (Payload::Icmp, Some(&by_policy)),
        (Payload::Tcp(81), None),
        (Payload::Tcp(80), Some(&by_rule)),
        (Payload::Udp(80), Some(&by_policy)),
    ] {
        let trace = throw(&mut eyes, &shot("c2", "10.0.0.3", payload));
        let causes: Vec<_> = trace.drops.iter().map(|drop| &drop.cause).collect();
        assert_eq!(causes, Vec::from_iter(cause), "{payload:?}");
    }
    // That policies are counted is nothing that a snapshot shows.
    let host = eyes.snapshot().unwrap().netns.remove(&Netns::Host).unwrap();
    assert_eq!(host.rules.chains[&FORWARD].policy, Policy::Drop);
}

pub fn rules_that_are_not_known_are_told(access: &Access) {
    let owner = Kernel::new(access).unwrap();
    let mut eyes = eyes_on(access, &owner, &[]);
    if iptables(&owner, "-A FORWARD -m ttl --ttl-eq 1 -j DROP") {
        let error = eyes.snapshot().unwrap_err();
        assert!(error.to_string().contains("nf_tables' "), "{error}");
    }
}
