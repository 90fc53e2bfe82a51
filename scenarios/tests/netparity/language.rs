//! What lines mean.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use netparity::{
    language::{Action, CommandLine, ProbeEnd, Scenario, parse},
    source::Source,
};
use netparity_core::{
    command::{Command, HostCommand, NetMode},
    engine::Variant,
    plan::{LinkChange, Op},
    snapshot::{LinkKind, LinkState, NetnsState},
};
use proptest::prelude::*;

macro_rules! snapshot {
    ($name:literal, $text:expr) => {
        insta::with_settings!({omit_expression => true}, {
            insta::assert_snapshot!($name, $text);
        })
    };
}

fn read(text: &str) -> Scenario {
    let source = Source {
        path: "folder/it.scenario".into(),
        text: text.into(),
    };
    parse(&source).unwrap_or_else(|mistakes| panic!("{}", mistakes[0]))
}

fn all_commands(text: &str) -> Vec<CommandLine> {
    read(text)
        .steps
        .into_iter()
        .filter_map(|step| match step.action {
            Action::Command { command, .. } => Some(command),
            _ => None,
        })
        .collect()
}

/// The commands of a scenario, less the daemon that it is started with.
fn commands(text: &str) -> Vec<CommandLine> {
    let mut commands = all_commands(&format!("dockerd\n{text}"));
    commands.remove(0);
    commands
}

fn ops(line: &str, host: &NetnsState) -> Vec<Op> {
    let mut ops = Vec::new();
    for command in commands(&format!("ip netns add outside\n{line}\n"))
        .into_iter()
        .skip(1)
    {
        let command = match command {
            CommandLine::Plain(command) => command,
            CommandLine::Observant(it) => it.command(host).unwrap(),
        };
        match command {
            Command::Host(HostCommand { ops: more, .. }) => ops.extend(more),
            other => panic!("{other:?} is no host command"),
        }
    }
    ops
}

/// Operations, a line each.
fn listed(lines: &[&str], host: &NetnsState) -> String {
    let mut text = String::new();
    for line in lines {
        text += &format!("$ {line}\n");
        for op in ops(line, host) {
            text += &format!("  {op:?}\n");
        }
    }
    text
}

fn bridge_with(addresses: &[&str]) -> NetnsState {
    let link = LinkState {
        kind: LinkKind::Bridge,
        mac: netparity_core::MacAddr::zero(),
        mtu: 1500,
        up: false,
        carrier: false,
        master: None,
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        learned: Default::default(),
    };
    let mut host = NetnsState::default();
    host.links.insert("bridge0".parse().unwrap(), link);
    host
}

#[test]
fn host_tools_ask_for_what_they_ask_for() {
    snapshot!(
        "host tools",
        listed(
            &[
                "brctl addbr bridge0",
                "brctl addif bridge0 eth1 eth2",
                "brctl delbr bridge0",
                "route add default gw 10.0.0.1 eth0",
                "route add -net 10.1.0.0 netmask 255.255.0.0 gw 10.0.0.1",
                "route del -host 10.1.2.3",
                "ip link add bridge0 type bridge",
                "ip link add name bridge0 address 02:00:00:00:00:01 mtu 1400 up type bridge",
                "ip link add a mtu 1400 master bridge0 up type veth peer name b netns outside",
                "ip link add a netns outside type veth peer b address 02:00:00:00:00:02 mtu 9000",
                "ip l s dev a up mtu 1400 address 02:00:00:00:00:03 master bridge0",
                "ip link set a nomaster down",
                "ip link del dev a type veth",
                "ip a a 10.0.0.2/24 brd + dev a",
                "ip -n outside addr del 10.0.0.2/24 dev b",
                "ip netns exec outside ip route add default via 10.0.0.1",
                "ip -n outside r d 10.1.0.0/16 dev b",
                "sudo ip netns exec outside ifconfig b up",
                "ip netns del outside",
                "sysctl -w net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=0",
                "ip netns exec outside sysctl net.ipv4.conf.all.rp_filter=1",
            ],
            &NetnsState::default()
        )
    );
}

#[test]
fn ifconfig_replaces_the_first_address_and_brings_the_link_up() {
    snapshot!(
        "on a bridge without an address",
        listed(
            &[
                "ifconfig bridge0 192.168.227.1 netmask 255.255.255.0",
                "ifconfig bridge0 netmask 255.255.255.0 192.168.227.1",
                "ifconfig bridge0 172.16.0.1/12 down",
                "ifconfig bridge0 10.0.0.1 mtu 1400 hw ether 02:00:00:00:00:01",
                "ifconfig bridge0 down",
            ],
            &bridge_with(&[])
        )
    );
    snapshot!(
        "on one with two",
        listed(
            &[
                "ifconfig bridge0 192.168.227.1",
                "ifconfig bridge0 10.0.0.1",
                "ifconfig bridge0 10.0.0.1/16",
                "ifconfig bridge0 netmask 255.255.255.0",
                "ifconfig bridge0 0.0.0.0",
            ],
            &bridge_with(&["10.0.0.1/24", "10.9.0.1/24"])
        )
    );
}

#[test]
fn tools_that_look_first_refuse_in_their_own_words() {
    let mut host = bridge_with(&[]);
    let mut port = host.links[&"bridge0".parse().unwrap()].clone();
    port.kind = LinkKind::Veth;
    port.master = Some("bridge1".parse().unwrap());
    host.links.insert("eth1".parse().unwrap(), port);
    let refusal = |line: &str| match &commands(line)[..] {
        [CommandLine::Observant(it)] => it.command(&host).unwrap_err().to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refusal("ifconfig bridge0 netmask 255.0.0.0"),
        "SIOCSIFNETMASK: Cannot assign requested address"
    );
    assert_eq!(
        refusal("brctl addif bridge0 eth1"),
        "device eth1 is already a member of a bridge; can't enslave it to bridge bridge0."
    );
    assert_eq!(
        refusal("brctl delif bridge0 eth0"),
        "interface eth0 does not exist!"
    );
    assert_eq!(
        refusal("brctl delif bridge1 bridge0"),
        "bridge bridge1 does not exist!"
    );
    assert_eq!(
        refusal("brctl delif bridge0 bridge0"),
        "device bridge0 is not a slave of bridge0"
    );
}

#[test]
fn docker_run_is_read_as_docker_reads_it() {
    let run = |line: &str| match commands(line).pop() {
        Some(CommandLine::Plain(Command::Run(spec))) => spec,
        other => panic!("{other:?}"),
    };
    let spec = run(
        "docker run -itd --rm=true --name=web --net host --expose 80 --expose=90-92/udp \\\n \
         -e A=1 -eB=2 --env 'C=a b' -h here --mac-address 02-42-AC-11-00-02 ubuntu bash -c 'echo --name x'",
    );
    snapshot!("docker run", format!("{spec:#?}"));
    assert_eq!(run("docker run ubuntu").name, None);
    let mode = |word: &str| {
        run(&format!(
            "docker create --name a i\ndocker run --net={word} i"
        ))
        .net
    };
    assert_eq!(mode("default"), NetMode::Bridge);
    assert_eq!(mode("container:a"), NetMode::Container("a".into()));
    assert_eq!(mode("container"), NetMode::Container(String::new()));
}

#[test]
fn a_scenario_says_whose_rules_hold() {
    let engine = |text: &str| read(&format!("{text}\ndocker run i")).engine;
    assert_eq!(engine(""), Variant::Docker20_10);
    assert_eq!(engine("engine 20.10"), Variant::Docker20_10);
    assert_eq!(engine("# title\nengine strict\ndockerd"), Variant::Strict);
}

#[test]
fn a_scenario_that_does_not_begin_with_a_daemon_finds_one_running() {
    let is_daemon = |it: &CommandLine| matches!(it, CommandLine::Plain(Command::Daemon(_)));
    let daemons = |text: &str| {
        let commands = all_commands(text);
        assert!(is_daemon(&commands[0]), "{text}");
        commands.iter().filter(|it| is_daemon(it)).count()
    };
    assert_eq!(
        daemons("engine 20.10\nifconfig docker0 down\ndocker run i"),
        1
    );
    assert_eq!(daemons("brctl addbr br0\ndockerd -b=br0\ndocker run i"), 2);
    assert_eq!(daemons("engine 20.10\ndockerd -b=none\ndocker run i"), 1);
    assert_eq!(daemons("# x\nDOCKER_OPTS='--icc=false'\ndocker run i"), 1);
    assert_eq!(
        daemons("! dockerd -b=x\n! docker run i => Cannot connect"),
        1
    );
}

#[test]
fn what_diverges_is_about_the_file_and_no_step() {
    let scenario = read(
        "# It\ndiverges docker: it can't # yet\ndiverges sim:  for\\\n one\ndockerd --icc=false\n",
    );
    assert_eq!(scenario.steps.len(), 1, "no daemon is found running");
    let told = |model: &str| scenario.divergence(model).map(|it| (it.line, &*it.reason));
    assert_eq!(told("docker"), Some((2, "it can't")));
    assert_eq!(told("sim"), Some((3, "for one")));
    assert_eq!(told("kernel"), None);
}

#[test]
fn names_live_as_long_as_what_has_them() {
    read("docker run --name a i\ndocker rm -f a\ndocker run --name a i");
    read("docker run --rm --name a i\ndocker stop a\ndocker run --name a i");
    read("docker run --rm --name a i\ndockerd\ndocker run --name a i");
    read("! docker run --name a i\ndocker run --name a i\n! docker run --name a i");
    read("docker run i\nprobe container_1 icmp host");
    read(
        "docker run --name a i\ndocker run --name e -h b --link a:c i\nprobe a icmp b\nprobe a icmp c\nprobe a icmp d => no-name",
    );
    read("ip netns add a\nip netns del a\nip netns add a");
}

#[test]
fn a_line_is_kept_as_it_was_written() {
    let scenario = read(
        "# A title\ndocker run -d --name a \\\n  redis  # why\n! docker stop b => No 'such' container: b\n\
         probe a icmp host => reply\n! expect host rules a  b",
    );
    assert_eq!(scenario.title, "A title");
    assert_eq!(scenario.name(), "it");
    let lines: Vec<_> = scenario
        .steps
        .iter()
        .map(|step| (step.line, step.text.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            (2, "dockerd"),
            (2, "docker run -d --name a   redis"),
            (4, "! docker stop b => No 'such' container: b"),
            (5, "probe a icmp host => reply"),
            (6, "! expect host rules a  b"),
        ]
    );
    match &scenario.steps[2].action {
        Action::Command { refusal, .. } => {
            assert_eq!(refusal.as_deref(), Some("No 'such' container: b"));
        }
        other => panic!("{other:?}"),
    }
    match (&scenario.steps[3].action, &scenario.steps[4].action) {
        (Action::Probe { end, .. }, Action::Expect(it)) => {
            assert!(matches!(end, ProbeEnd::Verdict(_)));
            assert!(!it.holds);
            assert_eq!(it.text, "a  b");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn link_changes_come_in_the_kernel_s_order() {
    let changes: Vec<_> = ops(
        "ip link set a up master b mtu 68 address 02:00:00:00:00:01",
        &NetnsState::default(),
    )
    .into_iter()
    .map(|op| match op {
        Op::SetLink { change, .. } => change,
        other => panic!("{other:?}"),
    })
    .collect();
    assert!(matches!(
        changes[..],
        [
            LinkChange::Mac(_),
            LinkChange::Mtu(68),
            LinkChange::Master(Some(_)),
            LinkChange::Up(true)
        ]
    ));
}

/// A scenario with a line of every kind.
const EVERYTHING: &str = include_str!("everything.txt");

fn survives(text: String) {
    let source = Source {
        path: "it".into(),
        text,
    };
    if let Err(mistakes) = parse(&source) {
        assert!(!mistakes.is_empty());
        for mistake in mistakes {
            assert!(!mistake.to_string().is_empty());
        }
    }
}

#[test]
fn everything_is_read() {
    assert!(read(EVERYTHING).steps.len() >= EVERYTHING.lines().count());
}

proptest! {
    #[test]
    fn any_text_is_read_or_told_what_is_wrong(text in any::<String>()) {
        survives(text);
    }

    #[test]
    fn any_words_are_read_or_told_what_is_wrong(
        words in prop::collection::vec(
            prop_oneof![
                prop::sample::select(EVERYTHING.split([' ', '\n']).collect::<Vec<_>>()),
                Just("=>"), Just("!"), Just("\\\n"), Just("'"), Just("\""), Just("#"), Just("é\u{301}"), Just(""),
            ],
            0..60,
        ),
        newlines in prop::collection::vec(any::<bool>(), 60),
    ) {
        let mut text = String::new();
        for (word, newline) in words.iter().zip(newlines) {
            text += word;
            text.push(if newline { '\n' } else { ' ' });
        }
        survives(text);
    }

    #[test]
    fn a_changed_scenario_is_read_or_told_what_is_wrong(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..4, any::<char>()), 1..8),
    ) {
        let mut text: Vec<char> = EVERYTHING.chars().collect();
        for (place, kind, c) in edits {
            let at = place.index(text.len());
            match kind {
                0 if text.len() > 1 => drop(text.remove(at)),
                0 | 1 => text.insert(at, c),
                2 => text[at] = c,
                _ => text.truncate(at.max(1)),
            }
        }
        survives(text.into_iter().collect());
    }
}
