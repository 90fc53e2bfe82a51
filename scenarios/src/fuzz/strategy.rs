//! What is fuzzed: random command lines and packets, the likely ones more often.
//!
//! A step is drawn without regard to what came before it, from a world of few names, ports and
//! addresses, so that things meet: and so that a case stays one whatever is taken out of it.

use std::net::Ipv4Addr;

use netparity_core::{
    MacAddr,
    command::{BridgeChoice, Command, ContainerSpec, DaemonConfig, Destination, NetMode},
    name::{LinkName, Name},
    port::{Port, Protocol},
    probe::{Payload, Probe},
};
use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any, prop_oneof},
    sample::{Index, select, subsequence},
    strategy::{BoxedStrategy, Union},
};

use super::{Step, by_hand, known::Known};

/// What a case may consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    /// How many containers there are names for.
    pub containers: u8,
    /// The most steps of a case.
    pub steps: usize,
    /// Whether packets are drawn too, or are somebody else's business.
    pub probes: bool,
    /// Whether things are done by hand at the host's prompt, hardware addresses chosen too.
    pub by_hand: bool,
    /// Whether icc is always off.
    pub icc_off: bool,
    /// How many different ports containers expose and are probed at.
    pub ports: usize,
}

/// Cases: a daemon's start, most containers, and what follows. Packets and servers are of those only
/// that a line before has made, or the case could not be read as a scenario.
pub fn cases(world: World) -> BoxedStrategy<Vec<Step>> {
    let start = daemon(world).prop_map(Command::Daemon);
    let population: Vec<_> = (1..=world.containers)
        .map(|number| option::weighted(0.8, inhabitant(world, number)))
        .collect();
    let surroundings = match world.by_hand {
        true => option::weighted(0.3, group(world)).boxed(),
        false => Just(None).boxed(),
    };
    let rest = vec(steps(world), 1..=world.steps.max(1));
    (start, surroundings, population, rest)
        .prop_map(|(start, surroundings, population, rest)| {
            let inhabitants = population.into_iter().flatten().flatten();
            let all = std::iter::once(Step::Command(start))
                .chain(surroundings.into_iter().flatten())
                .chain(inhabitants.map(Step::Command))
                .chain(rest.into_iter().flatten());
            let mut known = Known::default();
            all.filter(|step| known.admits(step)).collect()
        })
        .boxed()
}

/// A container that runs, and perhaps listens.
fn inhabitant(world: World, number: u8) -> impl Strategy<Value = Vec<Command>> {
    let port = match world.probes {
        true => option::weighted(0.3, select(ports(world))).boxed(),
        false => Just(None).boxed(),
    };
    (spec(world, number), port).prop_map(move |(spec, port)| {
        let name = container_name(number);
        let listen = port.map(|port| Command::Listen { name, port });
        std::iter::once(Command::Run(spec)).chain(listen).collect()
    })
}

/// One step, or several that belong together.
fn steps(world: World) -> BoxedStrategy<Vec<Step>> {
    let one = step(world).prop_map(|step| vec![step]);
    match world.by_hand {
        true => prop_oneof![80 => one, 2 => group(world), 1 => episode()].boxed(),
        false => one.boxed(),
    }
}

/// Lines that make something together, most of them.
fn group(world: World) -> BoxedStrategy<Vec<Step>> {
    let groups = by_hand::groups();
    let kinds = groups.iter().enumerate().map(|(at, lines)| {
        let lines: Vec<_> = lines
            .iter()
            .map(|(text, line)| option::weighted(0.97, Just(Step::ByHand(text, line.clone()))))
            .collect();
        let lines = lines.prop_map(|lines| lines.into_iter().flatten().collect::<Vec<_>>());
        match at + 1 == groups.len() {
            // Somebody who makes a bridge tells a daemon to use it.
            true => (lines, daemon(world))
                .prop_map(|(mut lines, config)| {
                    let bridge = by_hand::BRIDGE.parse();
                    let bridge = bridge.map_or(BridgeChoice::Docker0, BridgeChoice::Existing);
                    lines.push(Step::Command(Command::Daemon(DaemonConfig {
                        bridge,
                        bip: None,
                        ..config
                    })));
                    lines
                })
                .boxed(),
            false => lines.boxed(),
        }
    });
    Union::new(kinds).boxed()
}

/// Steps of which the later show what the earlier have left, most of them.
fn episode() -> impl Strategy<Value = Vec<Step>> {
    let steps = any::<Index>().prop_map(|at| at.get(by_hand::episodes()).clone());
    let some = steps.prop_flat_map(|steps| {
        let kept = |step| option::weighted(0.97, Just(step));
        steps.into_iter().map(kept).collect::<Vec<_>>()
    });
    some.prop_map(|steps| steps.into_iter().flatten().collect())
}

fn step(world: World) -> BoxedStrategy<Step> {
    let command = command(world).prop_map(Step::Command).boxed();
    let mut kinds = vec![(10, command)];
    if world.by_hand {
        let lines = by_hand::lines();
        let line = any::<Index>().prop_map(move |at| {
            let (text, line) = at.get(lines);
            Step::ByHand(text, line.clone())
        });
        kinds.push((5, line.boxed()));
    }
    if world.probes {
        kinds.push((15, probe(world).prop_map(Step::Probe).boxed()));
    }
    Union::new_weighted(kinds).boxed()
}

/// Nothing that an id can begin with: dockerd knows containers by any beginning of their ids too.
fn container_name(number: u8) -> Name {
    Name::new(&format!("n{number}"))
}

fn name(world: World) -> impl Strategy<Value = Name> {
    (1..=world.containers).prop_map(container_name)
}

/// A container, the host, or a namespace of one's own.
fn party(world: World) -> impl Strategy<Value = Name> {
    prop_oneof![
        8 => name(world),
        2 => Just(Name::new(Name::HOST)),
        u32::from(world.by_hand) => Just(Name::new(by_hand::OUTSIDE)),
    ]
}

const PORTS: [(u16, Protocol); 4] = [
    (80, Protocol::Tcp),
    (53, Protocol::Udp),
    (8080, Protocol::Tcp),
    (9, Protocol::Tcp),
];

fn ports(world: World) -> Vec<Port> {
    let ports = PORTS.into_iter().take(world.ports);
    ports
        .filter_map(|(number, protocol)| Port::new(number, protocol))
        .collect()
}

fn command(world: World) -> BoxedStrategy<Command> {
    prop_oneof![
        6 => any_spec(world).prop_map(Command::Run),
        2 => any_spec(world).prop_map(Command::Create),
        4 => name(world).prop_map(Command::Start),
        5 => name(world).prop_map(Command::Stop),
        2 => name(world).prop_map(Command::Kill),
        3 => name(world).prop_map(Command::Restart),
        6 => (name(world), proptest::bool::weighted(0.8)).prop_map(|(name, force)| Command::Remove { name, force }),
        4 => (party(world), select(ports(world))).prop_map(|(name, port)| Command::Listen { name, port }),
        1 => (party(world), select(ports(world))).prop_map(|(name, port)| Command::Unlisten { name, port }),
        1 => daemon(world).prop_map(Command::Daemon),
    ]
    .boxed()
}

fn daemon(world: World) -> BoxedStrategy<DaemonConfig> {
    let net = |text: &str| text.parse().unwrap_or_default();
    let bips = [
        "172.17.42.1/16",
        "192.168.5.1/24",
        "10.9.9.2/30",
        "10.0.0.1/29",
    ]
    .map(net);
    let ranges = ["172.17.42.0/30", "10.0.0.4/30", "192.168.5.128/31"].map(net);
    let bridge = prop_oneof![
        24 => Just(BridgeChoice::Docker0),
        1 => Just(BridgeChoice::None),
        1 => Just(by_hand::BRIDGE.parse::<LinkName>().map_or(BridgeChoice::Docker0, BridgeChoice::Existing)),
    ];
    let flag = |often: u32| prop_oneof![often => Just(true), 1 => Just(false)];
    let icc = match world.icc_off {
        true => Just(false).boxed(),
        false => any::<bool>().boxed(),
    };
    (
        bridge,
        option::weighted(0.3, select(bips.to_vec())),
        option::weighted(0.1, select(ranges.to_vec())),
        option::weighted(0.2, select(vec![1400_i64, 600, 1300, 1400, 600, 0, -1])),
        icc,
        flag(12),
        flag(6),
        flag(6),
    )
        .prop_map(
            |(bridge, bip, fixed_cidr, mtu, icc, iptables, ip_masq, ip_forward)| DaemonConfig {
                bridge,
                bip,
                fixed_cidr,
                mtu,
                icc,
                iptables,
                ip_masq,
                ip_forward,
            },
        )
        .boxed()
}

/// As typed behind `--link`: one of the first `containers`, with an alias or without.
fn link(containers: u8) -> impl Strategy<Value = String> {
    (older(containers), select(vec!["", "db", "web"])).prop_map(|(child, alias)| match alias {
        "" => child.to_string(),
        alias => format!("{child}:{alias}"),
    })
}

/// One of the first `containers`.
fn older(containers: u8) -> impl Strategy<Value = Name> {
    (1..=containers.max(1)).prop_map(container_name)
}

fn any_spec(world: World) -> impl Strategy<Value = ContainerSpec> {
    (1..=world.containers).prop_flat_map(move |number| spec(world, number))
}

/// The container with this number. It refers to those before it, mostly.
fn spec(world: World, number: u8) -> BoxedStrategy<ContainerSpec> {
    let before = number - 1;
    let others = prop_oneof![
        12 => Just(before),
        1 => Just(world.containers),
    ];
    others
        .prop_flat_map(move |others| spec_among(world, number, others))
        .boxed()
}

/// The same, which refers to the first `others`, if it refers to any.
fn spec_among(world: World, number: u8, others: u8) -> BoxedStrategy<ContainerSpec> {
    let joining = u32::from(others > 0) * 2;
    let linking = u32::from(others > 0) * 3;
    let net = prop_oneof![
        14 => Just(NetMode::Bridge),
        1 => Just(NetMode::Host),
        1 => Just(NetMode::None),
        joining => older(others).prop_map(|target| NetMode::Container(target.to_string())),
    ];
    let links = prop_oneof![
        3 => Just(Vec::new()),
        linking => vec(link(others), 1),
        linking / 3 => vec(link(others), 2),
    ];
    let macs = vec![
        MacAddr::new(2, 0x42, 0xac, 0x11, 0, 9),
        MacAddr::new(0x0a, 0, 0, 0, 0, 1),
    ];
    let mac = match world.by_hand {
        true => option::weighted(0.03, select(macs)).boxed(),
        false => Just(None).boxed(),
    };
    (
        Just(container_name(number)),
        net,
        subsequence(ports(world), 0..=ports(world).len().min(3)),
        links,
        subsequence(
            vec![
                "A=1".to_owned(),
                "B=x=y".to_owned(),
                "HOSTNAME=me".to_owned(),
            ],
            0..=1,
        ),
        option::weighted(0.05, Just("box".to_owned())),
        mac,
        proptest::bool::weighted(0.05),
    )
        .prop_map(
            |(name, net, expose, links, env, hostname, mac, auto_remove)| ContainerSpec {
                name: Some(name),
                net,
                expose,
                links,
                env,
                hostname,
                mac,
                auto_remove,
            },
        )
        .prop_flat_map(|spec| {
            // Most of what has no network of its own asks for none.
            let modest = match &spec.net {
                NetMode::Container(_) | NetMode::Host => ContainerSpec {
                    expose: Vec::new(),
                    links: Vec::new(),
                    hostname: None,
                    mac: None,
                    ..spec.clone()
                },
                _ => spec.clone(),
            };
            prop_oneof![4 => Just(modest), 1 => Just(spec)]
        })
        .boxed()
}

/// Whom packets are sent to that no name stands for.
fn address() -> impl Strategy<Value = Ipv4Addr> {
    let likely = [
        [172, 17, 0, 1],
        [172, 17, 0, 2],
        [172, 17, 0, 3],
        [172, 17, 0, 4],
    ];
    let likely = likely.map(Ipv4Addr::from);
    let rare = [
        // Others in the networks of the bridges, and everybody there.
        [172, 17, 0, 99],
        [172, 17, 0, 200],
        [172, 17, 0, 0],
        [172, 17, 255, 255],
        [172, 17, 42, 1],
        [192, 168, 5, 1],
        [192, 168, 5, 2],
        [192, 168, 5, 255],
        [10, 9, 9, 1],
        [192, 168, 227, 1],
        [192, 168, 227, 2],
        [192, 168, 227, 9],
        [192, 168, 227, 255],
        // Outside, by routes of one's own, and nowhere.
        [198, 51, 100, 1],
        [198, 51, 100, 2],
        [198, 51, 100, 255],
        [203, 0, 113, 9],
        [192, 0, 2, 9],
        [10, 200, 0, 1],
        [10, 77, 0, 1],
        [10, 77, 0, 9],
        [8, 8, 8, 8],
        // Nobody's.
        [127, 0, 0, 1],
        [127, 0, 0, 5],
        [127, 255, 255, 255],
        [224, 0, 0, 1],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
        [0, 0, 0, 0],
    ];
    let rare = rare.map(Ipv4Addr::from);
    prop_oneof![1 => select(likely.to_vec()), 1 => select(rare.to_vec())]
}

/// How long a packet is made: about the MTUs there are, or anything.
fn size(least: u16) -> impl Strategy<Value = u16> {
    let edges = vec![
        576_u16, 600, 601, 608, 1200, 1280, 1281, 1300, 1301, 1400, 1401, 1472, 1500, 1501, 2980,
        4000,
    ];
    prop_oneof![
        4 => select(edges),
        2 => least..=1600,
        1 => least..=9000,
    ]
}

fn probe(world: World) -> BoxedStrategy<Probe> {
    let to = prop_oneof![
        8 => party(world).prop_map(Destination::Name),
        1 => select(vec![Name::new("db"), Name::new("web")]).prop_map(Destination::Name),
        6 => address().prop_map(Destination::Address),
    ];
    let port = || select(PORTS.map(|(number, _)| number).to_vec());
    let payload = prop_oneof![
        4 => port().prop_map(Payload::Tcp),
        3 => port().prop_map(Payload::Udp),
        2 => Just(Payload::Icmp),
        1 => Just(Payload::Arp),
    ];
    (
        party(world),
        to,
        payload,
        option::weighted(0.3, port()),
        option::weighted(
            0.15,
            prop_oneof![4 => 1..=4_u8, 1 => any::<u8>().prop_map(|ttl| ttl.max(1))],
        ),
        option::weighted(0.25, size(40)),
        proptest::bool::weighted(0.2),
    )
        .prop_map(
            |(from, to, payload, source_port, ttl, size, dont_fragment)| {
                // An ARP request is what it is.
                let plain = payload == Payload::Arp;
                Probe {
                    from,
                    to,
                    payload,
                    source_port: source_port.filter(|_| !plain),
                    ttl: ttl.filter(|_| !plain),
                    size: size.filter(|_| !plain),
                    dont_fragment: dont_fragment && !plain,
                }
            },
        )
        .boxed()
}
