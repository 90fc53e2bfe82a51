//! The engine's decisions, seen through a data plane that does nothing but remember.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeMap;

use netparity_core::{
    command::{BridgeChoice, Command, ContainerSpec, DaemonConfig, NetMode},
    engine::Engine,
    errno::Errno,
    model::{Dataplane, DataplaneError, ModelError, NetworkModel, Planned},
    name::{LinkName, LinkRef, Name, Netns},
    plan::{LinkChange, Op, Plan, RuleOp, Sysctl},
    probe::Shot,
    rules::Table,
    snapshot::{LinkKind, LinkState, NetnsState, Snapshot, Status},
    trace::Sighting,
};

/// Keeps what the engine asks about a host, and every operation.
#[derive(Clone, Default)]
struct Notebook {
    host: NetnsState,
    ops: Vec<Op>,
    /// Refuses the next plan at this operation.
    refuse: Option<(usize, Errno)>,
}

impl Dataplane for Notebook {
    fn name(&self) -> &str {
        "notebook"
    }

    fn execute(&mut self, plan: &Plan) -> Result<(), DataplaneError> {
        if let Some((op, errno)) = self.refuse.take() {
            return Err(DataplaneError::Refused { op, errno });
        }
        for op in &plan.ops {
            self.note(op);
        }
        Ok(())
    }

    fn probe(&mut self, _: &Shot) -> Result<Sighting, DataplaneError> {
        Ok(Sighting::default())
    }

    fn snapshot(&mut self) -> Result<Snapshot, DataplaneError> {
        Ok(Snapshot {
            netns: BTreeMap::from([(Netns::Host, self.host.clone())]),
            ..Snapshot::default()
        })
    }
}

impl Notebook {
    fn with_link(mut self, name: &str, kind: LinkKind, addresses: &[&str]) -> Self {
        let link = LinkState {
            kind,
            mac: netparity_core::MacAddr::zero(),
            mtu: 1500,
            up: false,
            carrier: false,
            master: None,
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            learned: BTreeMap::new(),
        };
        self.host.links.insert(name.parse().unwrap(), link);
        self
    }

    fn note(&mut self, op: &Op) {
        self.ops.push(op.clone());
        match op {
            Op::AddBridge { link, .. } => {
                *self = std::mem::take(self).with_link(link.name.as_str(), LinkKind::Bridge, &[])
            }
            Op::AddAddress { link, address } if link.netns == Netns::Host => {
                self.host
                    .links
                    .get_mut(&link.name)
                    .unwrap()
                    .addresses
                    .push(*address);
            }
            Op::DeleteAddress { link, address } => {
                self.host
                    .links
                    .get_mut(&link.name)
                    .unwrap()
                    .addresses
                    .retain(|other| other != address);
            }
            Op::SetSysctl {
                sysctl: Sysctl::IpForward(on),
                ..
            } => self.host.ip_forward = *on,
            Op::Rules(rule_op) => self.note_rules(rule_op),
            _ => {}
        }
    }

    fn note_rules(&mut self, op: &RuleOp) {
        let chains = &mut self.host.rules.chains;
        match op {
            RuleOp::NewChain(at) => assert!(
                chains.insert(*at, Default::default()).is_none(),
                "{at} made twice"
            ),
            RuleOp::DeleteChain(at) => drop(chains.remove(at).unwrap()),
            RuleOp::Flush(at) => chains.entry(*at).or_default().rules.clear(),
            RuleOp::Policy(at, policy) => chains.entry(*at).or_default().policy = *policy,
            RuleOp::Insert(at, rule) => {
                chains.entry(*at).or_default().rules.insert(0, rule.clone())
            }
            RuleOp::Append(at, rule) => chains.entry(*at).or_default().rules.push(rule.clone()),
            RuleOp::Delete(at, rule) => {
                let rules = &mut chains.get_mut(at).unwrap().rules;
                let place = rules.iter().position(|other| other == rule).unwrap();
                rules.remove(place);
            }
        }
    }
}

type Model = Planned<Notebook>;

fn daemon(change: impl FnOnce(&mut DaemonConfig)) -> Model {
    let mut model = Planned::new(Notebook::default());
    let mut config = DaemonConfig::default();
    change(&mut config);
    model.apply(&Command::Daemon(config)).unwrap();
    model
}

fn spec(name: &str) -> ContainerSpec {
    ContainerSpec {
        name: Some(name.into()),
        ..ContainerSpec::default()
    }
}

fn run(model: &mut Model, spec: ContainerSpec) {
    model.apply(&Command::Run(spec)).unwrap();
}

fn refused(model: &mut Model, command: Command) -> String {
    match model.apply(&command) {
        Err(ModelError::Refused(refusal)) => refusal.to_string(),
        other => panic!("{command:?} gave {other:?}"),
    }
}

fn address(model: &mut Model, name: &str) -> Option<String> {
    let hosts = model.snapshot().unwrap().containers[&Name::new(name)]
        .hosts
        .clone();
    Some(hosts.lines().last()?.split('\t').next()?.to_owned())
}

fn redis() -> ContainerSpec {
    ContainerSpec {
        expose: vec!["6379/tcp".parse().unwrap()],
        env: vec!["REDIS_VERSION=7".into()],
        ..spec("redis")
    }
}

fn webapp() -> ContainerSpec {
    ContainerSpec {
        links: vec!["redis:db".into()],
        ..spec("webapp")
    }
}

fn isolated() -> Model {
    daemon(|config| {
        config.bip = Some("172.17.42.1/16".parse().unwrap());
        config.icc = false;
    })
}

#[test]
fn rules_are_those_of_docker_20_10() {
    let mut model = isolated();
    run(&mut model, redis());
    run(&mut model, webapp());
    let rules = &model.dataplane().host.rules;
    let lines = [rules.lines(Table::Filter), rules.lines(Table::Nat)].concat();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_link_tells_the_parent_and_lets_it_through_until_it_stops() {
    let mut model = isolated();
    run(&mut model, redis());
    run(&mut model, webapp());
    let webapp_state = model.snapshot().unwrap().containers[&Name::new("webapp")].clone();
    insta::assert_snapshot!(format!(
        "{}\n{}",
        webapp_state.env.join("\n"),
        webapp_state.hosts
    ));

    let links = |model: &mut Model| {
        model
            .dataplane()
            .host
            .rules
            .lines(Table::Filter)
            .iter()
            .filter(|line| line.contains("6379"))
            .count()
    };
    assert_eq!(links(&mut model), 2);
    model.apply(&Command::Stop("redis".into())).unwrap();
    assert_eq!(
        links(&mut model),
        2,
        "the child's end leaves the parent's rules"
    );
    model.apply(&Command::Stop("webapp".into())).unwrap();
    assert_eq!(links(&mut model), 0);
}

#[test]
fn a_child_that_comes_back_elsewhere_is_found_by_its_alias_alone() {
    let mut model = isolated();
    run(&mut model, redis());
    run(&mut model, webapp());
    model.apply(&Command::Stop("redis".into())).unwrap();
    run(&mut model, spec("thief"));
    model.apply(&Command::Start("redis".into())).unwrap();
    let state = model.snapshot().unwrap().containers[&Name::new("webapp")].clone();
    assert!(state.hosts.contains("172.17.0.3\tdb "), "{}", state.hosts);
    assert!(
        state
            .env
            .contains(&"DB_PORT=tcp://172.17.0.1:6379".to_owned()),
        "{:?}",
        state.env
    );
}

#[test]
fn the_same_link_twice_is_one_pair_of_rules() {
    let mut model = isolated();
    run(&mut model, redis());
    run(
        &mut model,
        ContainerSpec {
            links: vec!["redis:db".into(), "redis:cache".into()],
            ..spec("webapp")
        },
    );
    let count = model
        .dataplane()
        .host
        .rules
        .lines(Table::Filter)
        .iter()
        .filter(|line| line.contains("6379"))
        .count();
    assert_eq!(count, 2);
    model.apply(&Command::Restart("webapp".into())).unwrap();
    model
        .apply(&Command::Remove {
            name: "webapp".into(),
            force: true,
        })
        .unwrap();
    assert!(
        !model
            .dataplane()
            .host
            .rules
            .lines(Table::Filter)
            .iter()
            .any(|line| line.contains("6379"))
    );
}

#[test]
fn the_lowest_free_address_is_handed_out() {
    let mut model = daemon(|_| {});
    for name in ["one", "two", "three"] {
        run(&mut model, spec(name));
    }
    model
        .apply(&Command::Remove {
            name: "two".into(),
            force: true,
        })
        .unwrap();
    run(&mut model, spec("four"));
    assert_eq!(address(&mut model, "four").as_deref(), Some("172.17.0.3"));
}

#[test]
fn a_full_network_leaves_the_container_created_and_its_name_taken() {
    let mut model = daemon(|config| config.bip = Some("192.168.1.1/30".parse().unwrap()));
    run(&mut model, spec("one"));
    let text = refused(&mut model, Command::Run(spec("two")));
    assert!(
        text.starts_with("no available IPv4 addresses on this network's address pools: bridge ("),
        "{text}"
    );
    assert_eq!(
        model.snapshot().unwrap().containers[&Name::new("two")].status,
        Status::Created
    );
    assert!(
        refused(&mut model, Command::Run(spec("two")))
            .starts_with("Conflict. The container name \"/two\"")
    );
    refused(
        &mut model,
        Command::Run(ContainerSpec {
            auto_remove: true,
            ..spec("gone")
        }),
    );
    assert!(
        !model
            .snapshot()
            .unwrap()
            .containers
            .contains_key(&Name::new("gone"))
    );
}

#[test]
fn a_kernel_that_refuses_leaves_the_address_free() {
    let mut model = daemon(|_| {});
    model.dataplane().refuse = None;
    model.apply(&Command::Create(spec("one"))).unwrap();
    model.dataplane().refuse = Some((2, Errno::ENODEV));
    let text = refused(&mut model, Command::Start("one".into()));
    assert!(text.contains("could not find bridge docker0"), "{text}");
    model.apply(&Command::Start("one".into())).unwrap();
    assert_eq!(address(&mut model, "one").as_deref(), Some("172.17.0.2"));
}

#[test]
fn a_joined_namespace_outlives_the_container_it_was_made_for() {
    let mut model = daemon(|_| {});
    run(&mut model, spec("web"));
    run(
        &mut model,
        ContainerSpec {
            net: NetMode::Container("web".into()),
            ..spec("sidecar")
        },
    );
    model.apply(&Command::Restart("web".into())).unwrap();
    let containers = model.snapshot().unwrap().containers;
    assert_eq!(
        containers[&Name::new("sidecar")].netns,
        Some(Netns::Named("web".into()))
    );
    assert_eq!(
        containers[&Name::new("web")].netns,
        Some(Netns::Named("web#2".into()))
    );
    let deleted = |model: &mut Model, name: &str| {
        let op = Op::DeleteNetns(Netns::Named(name.into()));
        model.dataplane().ops.contains(&op)
    };
    assert!(!deleted(&mut model, "web"));
    model.apply(&Command::Stop("sidecar".into())).unwrap();
    assert!(deleted(&mut model, "web"));
}

#[test]
fn a_restarted_daemon_starts_clean() {
    let mut model = isolated();
    run(&mut model, redis());
    run(&mut model, webapp());
    model
        .apply(&Command::Daemon(DaemonConfig::default()))
        .unwrap();
    let restarted = model.dataplane().host.rules.clone();
    let mut fresh = daemon(|config| config.bip = Some("172.17.42.1/16".parse().unwrap()));
    assert_eq!(
        restarted.lines(Table::Filter),
        fresh.dataplane().host.rules.lines(Table::Filter)
    );
    assert_eq!(
        restarted.lines(Table::Nat),
        fresh.dataplane().host.rules.lines(Table::Nat)
    );
    assert_eq!(
        model.snapshot().unwrap().containers[&Name::new("redis")].status,
        Status::Exited
    );
    model.apply(&Command::Start("redis".into())).unwrap();
    assert_eq!(
        address(&mut model, "redis").as_deref(),
        Some("172.17.0.1"),
        "docker0 keeps the address it had"
    );
}

#[test]
fn a_bridge_of_ones_own_gives_network_and_gateway() {
    let host = Notebook::default().with_link("bridge0", LinkKind::Bridge, &["192.168.227.1/24"]);
    let mut model = Planned::new(host);
    let bridge = BridgeChoice::Existing("bridge0".parse().unwrap());
    model
        .apply(&Command::Daemon(DaemonConfig {
            bridge,
            ..DaemonConfig::default()
        }))
        .unwrap();
    run(&mut model, spec("first"));
    assert_eq!(
        address(&mut model, "first").as_deref(),
        Some("192.168.227.2")
    );
    let up = Op::SetLink {
        link: LinkRef::host("bridge0".parse().unwrap()),
        change: LinkChange::Up(true),
    };
    assert!(model.dataplane().ops.contains(&up));
}

#[test]
fn docker0_avoids_networks_the_host_has() {
    let mut host = Notebook::default();
    host.host.routes.push(netparity_core::plan::Route {
        to: "172.16.0.0/12".parse().unwrap(),
        via: None,
        link: Some(LinkName::ETH0),
        source: None,
        kernel: true,
    });
    let mut model = Planned::new(host);
    model
        .apply(&Command::Daemon(DaemonConfig::default()))
        .unwrap();
    run(&mut model, spec("one"));
    assert_eq!(address(&mut model, "one").as_deref(), Some("192.168.0.2"));
}

#[test]
fn refusals_are_in_dockers_words() {
    let none = Engine::default()
        .actions(&Command::Start("one".into()))
        .unwrap_err();
    assert!(
        none.as_str()
            .starts_with("Cannot connect to the Docker daemon")
    );

    let mut model = daemon(|_| {});
    run(&mut model, redis());
    run(
        &mut model,
        ContainerSpec {
            net: NetMode::Host,
            ..spec("shares")
        },
    );
    run(
        &mut model,
        ContainerSpec {
            net: NetMode::None,
            ..spec("alone")
        },
    );
    model.apply(&Command::Create(spec("idle"))).unwrap();
    let redis_id = model.snapshot().unwrap().containers[&Name::new("redis")]
        .id
        .clone();
    let links = |link: &str| ContainerSpec {
        links: vec![link.into()],
        ..spec("new")
    };
    let joins = || ContainerSpec {
        net: NetMode::Container("redis".into()),
        ..spec("new")
    };
    let mac = "02:00:00:00:00:09".parse().ok();
    let create = [
        (
            links("nobody:db"),
            "could not get container for nobody: No such container: nobody",
        ),
        (
            links("new:me"),
            "could not get container for new: No such container: new",
        ),
        (links("a:b:c"), "bad format for links: a:b:c"),
        (links(""), "empty string specified for links"),
        (
            links("shares:db"),
            "conflicting options: host type networking can't be used with links",
        ),
        (
            spec("x"),
            "Invalid container name (x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
        ),
        (
            ContainerSpec {
                net: NetMode::Container(String::new()),
                ..spec("new")
            },
            "invalid container format container:<name|id>",
        ),
        (
            ContainerSpec {
                hostname: Some("h".into()),
                ..joins()
            },
            "conflicting options: hostname and the network mode",
        ),
        (
            ContainerSpec {
                links: vec!["redis:db".into()],
                ..joins()
            },
            "container type network can't be used with links",
        ),
        (
            ContainerSpec { mac, ..joins() },
            "conflicting options: mac-address and the network mode",
        ),
        (
            ContainerSpec {
                expose: vec!["80".parse().unwrap()],
                ..joins()
            },
            "port exposing and the container type network mode",
        ),
        (
            ContainerSpec {
                net: NetMode::Host,
                mac,
                ..spec("new")
            },
            "conflicting options: mac-address and the network mode",
        ),
        (
            ContainerSpec {
                net: NetMode::Host,
                ..links("redis:db")
            },
            "host type networking can't be used with links",
        ),
    ];
    for (spec, words) in create {
        let text = refused(&mut model, Command::Create(spec));
        assert!(text.contains(words), "{text:?} does not say {words:?}");
        assert!(
            !model
                .snapshot()
                .unwrap()
                .containers
                .contains_key(&Name::new("new"))
        );
    }
    let start = [
        (
            links("idle:db"),
            "Cannot link to a non running container: /idle AS /new/db".to_owned(),
        ),
        (
            links("alone:db"),
            "Cannot link to /alone, as it does not belong to the default network".to_owned(),
        ),
        (
            ContainerSpec {
                net: NetMode::Container("idle".into()),
                ..spec("new")
            },
            "cannot join network of a non running container: ".to_owned(),
        ),
        (
            ContainerSpec {
                net: NetMode::Container("nobody".into()),
                ..spec("new")
            },
            "No such container: nobody".to_owned(),
        ),
        (
            ContainerSpec {
                net: NetMode::Container("new".into()),
                ..spec("new")
            },
            "cannot join own network".to_owned(),
        ),
        (
            ContainerSpec {
                net: NetMode::Network("mine".into()),
                ..spec("new")
            },
            "network mine not found".to_owned(),
        ),
    ];
    for (spec, words) in start {
        let text = refused(&mut model, Command::Run(spec));
        assert!(text.contains(&words), "{text:?} does not say {words:?}");
        model
            .apply(&Command::Remove {
                name: "new".into(),
                force: false,
            })
            .unwrap();
    }
    let remove = Command::Remove {
        name: "redis".into(),
        force: false,
    };
    assert!(refused(&mut model, remove).starts_with(&format!(
        "You cannot remove a running container {redis_id}."
    )));
    assert_eq!(
        refused(&mut model, Command::Stop("nobody".into())),
        "No such container: nobody"
    );
}

#[test]
fn refused_flags_leave_the_running_daemon_as_it_was() {
    let config = |change: fn(&mut DaemonConfig)| {
        let mut config = DaemonConfig::default();
        change(&mut config);
        Command::Daemon(config)
    };
    let cases: [(Command, &str); 7] = [
        (
            config(|it| {
                it.bridge = BridgeChoice::Existing(LinkName::ETH0);
                it.bip = Some("10.0.0.1/8".parse().unwrap());
            }),
            "You specified -b & --bip, mutually exclusive options. Please specify only one",
        ),
        (
            config(|it| (it.icc, it.iptables) = (false, false)),
            "You specified --iptables=false with --icc=false. ICC=false uses iptables to function. Please set --icc or --iptables to true",
        ),
        (config(|it| it.mtu = Some(-1)), "invalid MTU number: -1"),
        (
            config(|it| it.bridge = BridgeChoice::Existing(LinkName::ETH0)),
            "bridge device with non default name eth0 must be created manually",
        ),
        (
            config(|it| it.bip = Some("192.168.227.0/24".parse().unwrap())),
            "failed to allocate gateway (192.168.227.0): Address already in use",
        ),
        (
            config(|it| it.bip = Some("192.168.227.255/24".parse().unwrap())),
            "failed to allocate gateway (192.168.227.255): Address already in use",
        ),
        (
            config(|it| it.bip = Some("10.9.9.1/31".parse().unwrap())),
            "failed to allocate gateway (10.9.9.1): No available addresses on this pool",
        ),
    ];
    let mut model = daemon(|_| {});
    run(&mut model, redis());
    let before = model.snapshot().unwrap();
    for (command, words) in cases {
        let text = refused(&mut model, command);
        assert!(
            text.starts_with("failed to start daemon: ") && text.ends_with(words),
            "{text:?}"
        );
        assert_eq!(model.snapshot().unwrap(), before);
    }
}

#[test]
fn without_a_bridge_containers_have_loopback_only() {
    let mut model = daemon(|config| config.bridge = BridgeChoice::None);
    run(&mut model, spec("one"));
    assert!(
        !model
            .dataplane()
            .ops
            .iter()
            .any(|op| matches!(op, Op::AddVeth { .. } | Op::AddBridge { .. }))
    );
    let rules = model.dataplane().host.rules.lines(Table::Filter);
    let jumps: Vec<_> = rules
        .iter()
        .filter(|line| line.starts_with("-A FORWARD"))
        .collect();
    assert_eq!(jumps, ["-A FORWARD -j DOCKER-USER"]);
}
