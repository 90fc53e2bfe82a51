use super::*;

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

fn route(to: &str) -> Route {
    Route {
        to: to.parse().unwrap(),
        via: None,
        link: Some(LinkName::ETH0),
        source: None,
        kernel: true,
    }
}

#[test]
fn docker0_avoids_networks_the_host_has() {
    let mut host = Notebook::default();
    host.host.routes.push(route("172.16.0.0/12"));
    let mut model = Planned::new(host);
    model
        .apply(&Command::Daemon(DaemonConfig::default()))
        .unwrap();
    run(&mut model, spec("one"));
    assert_eq!(address(&mut model, "one").as_deref(), Some("192.168.0.2"));
}

fn config(change: impl FnOnce(&mut DaemonConfig)) -> Command {
    let mut config = DaemonConfig::default();
    change(&mut config);
    Command::Daemon(config)
}

fn bridge(name: &str) -> BridgeChoice {
    BridgeChoice::Existing(name.parse().unwrap())
}

#[test]
fn refused_flags_end_the_running_daemon_and_change_nothing_else() {
    let cases = [
        (
            config(|it| {
                it.bridge = bridge("eth0");
                it.bip = Some("10.0.0.1/8".parse().unwrap());
            }),
            "You specified -b & --bip, mutually exclusive options. Please specify only one",
        ),
        (
            config(|it| (it.icc, it.iptables) = (false, false)),
            "You specified --iptables=false with --icc=false. ICC=false uses iptables to function. Please set --icc or --iptables to true",
        ),
    ];
    for (command, words) in cases {
        let mut model = daemon(|_| {});
        run(&mut model, redis());
        let before = model.dataplane().host.clone();
        let text = refused(&mut model, command);
        assert_eq!(text, format!("failed to start daemon: {words}"));
        assert_eq!(model.dataplane().host, before);
        assert!(model.snapshot().unwrap().containers.is_empty());
        let text = refused(&mut model, Command::Start("redis".into()));
        assert!(
            text.starts_with("Cannot connect to the Docker daemon"),
            "{text}"
        );
        dockerd(&mut model, |_| {});
        assert_eq!(container(&mut model, "redis").status, Status::Exited);
    }
}

#[test]
fn a_network_that_cannot_be_is_refused_when_the_old_one_is_gone() {
    let bip = |text: &str| {
        let bip = text.parse().ok();
        config(move |it| it.bip = bip)
    };
    let cases = [
        (config(|it| it.mtu = Some(-1)), "invalid MTU number: -1"),
        (
            config(|it| it.bridge = bridge("eth0")),
            "bridge device with non default name eth0 must be created manually",
        ),
        (
            config(|it| it.bridge = bridge("veth0")),
            "existing interface veth0 is not a bridge",
        ),
        (
            bip("192.168.227.0/24"),
            "failed to allocate gateway (192.168.227.0): Address already in use",
        ),
        (
            bip("192.168.227.255/24"),
            "failed to allocate gateway (192.168.227.255): Address already in use",
        ),
        (
            bip("10.9.9.1/31"),
            "failed to allocate gateway (10.9.9.1): No available addresses on this pool",
        ),
        (
            bip("0.0.0.0/0"),
            "failed to allocate gateway (0.0.0.0): Address already in use",
        ),
        (bip("10.0.0.1/0"), "ipv4 pool is empty"),
        (
            config(|it| it.fixed_cidr = Some("172.17.0.0/32".parse().unwrap())),
            "failed to allocate gateway (): No available addresses on this pool",
        ),
    ];
    for (command, words) in cases {
        let host = Notebook::default().with_link("veth0", LinkKind::Veth, &["10.7.0.1/24"]);
        let mut model = Planned::new(host);
        let text = refused(&mut model, command.clone());
        let start = "failed to start daemon: Error initializing network controller: Error creating default \"bridge\" network: ";
        assert_eq!(text, format!("{start}{words}"));
        let state = model.dataplane().host.clone();
        assert!(state.ip_forward);
        assert_eq!(
            state.rules.lines(Table::Filter),
            [
                "-P FORWARD DROP",
                "-N DOCKER",
                "-N DOCKER-ISOLATION-STAGE-1",
                "-N DOCKER-ISOLATION-STAGE-2",
                "-N DOCKER-USER",
                "-A FORWARD -j DOCKER-USER",
                "-A DOCKER-ISOLATION-STAGE-1 -j RETURN",
                "-A DOCKER-ISOLATION-STAGE-2 -j RETURN",
                "-A DOCKER-USER -j RETURN",
            ]
        );
        assert_eq!(state.rules.lines(Table::Nat), ["-N DOCKER"]);
        let text = refused(&mut model, Command::Run(spec("aa")));
        assert!(
            text.starts_with("Cannot connect to the Docker daemon"),
            "{text}"
        );
    }
    let mut model = daemon(|_| {});
    refused(&mut model, config(|it| it.bridge = bridge("eth0")));
    assert_eq!(
        rules(&mut model, "FORWARD"),
        ["-j DOCKER-ISOLATION-STAGE-1", "-j DOCKER-USER"]
    );
    assert!(rules(&mut model, "POSTROUTING").is_empty());
    assert_eq!(rules(&mut model, "PREROUTING").len(), 1);
}

#[test]
fn where_every_pool_is_used_the_pools_are_named() {
    let mut host = Notebook::default();
    for to in ["172.16.0.0/12", "192.168.0.0/16"] {
        host.host.routes.push(route(to));
    }
    let text = refused(&mut Planned::new(host), config(|_| {}));
    assert!(text.starts_with("failed to start daemon: Error initializing network controller: list bridge addresses failed: PredefinedLocalScopeDefaultNetworks List: [172.17.0.0/16 172.18.0.0/16 "), "{text}");
    assert!(
        text.ends_with(" 192.168.224.0/20 192.168.240.0/20]: no available network"),
        "{text}"
    );
}

#[test]
fn the_address_that_a_bridge_had_comes_back_with_the_next_daemon() {
    let docker0 = LinkName::DOCKER0;
    let addresses =
        |model: &mut Model, link: LinkName| model.dataplane().host.links[&link].addresses.clone();
    let bip = "10.0.0.1/24".parse().unwrap();
    let other = "10.7.0.1/24".parse().unwrap();

    let mut model = daemon(|it| it.bip = Some(bip));
    model.dataplane().host.links.remove(&docker0);
    dockerd(&mut model, |_| {});
    assert_eq!(addresses(&mut model, docker0), [bip]);

    model
        .dataplane()
        .host
        .links
        .get_mut(&docker0)
        .unwrap()
        .addresses = vec![other];
    dockerd(&mut model, |_| {});
    assert_eq!(addresses(&mut model, docker0), [bip]);
    run(&mut model, spec("aa"));
    assert_eq!(address(&mut model, "aa").as_deref(), Some("10.0.0.2"));

    let own: LinkName = "bridge0".parse().unwrap();
    let host = Notebook::default().with_link("bridge0", LinkKind::Bridge, &["10.0.0.1/24"]);
    let mut model = Planned::new(host);
    dockerd(&mut model, |it| it.bridge = BridgeChoice::Existing(own));
    model
        .dataplane()
        .host
        .links
        .get_mut(&own)
        .unwrap()
        .addresses = vec![other];
    dockerd(&mut model, |_| {});
    assert_eq!(addresses(&mut model, own), [bip]);
    assert_eq!(
        addresses(&mut model, docker0),
        ["172.17.0.1/16".parse().unwrap()]
    );
}

#[test]
fn rules_of_a_bridge_that_is_gone_stay_until_it_is_back_and_wanted() {
    let own: LinkName = "bridge0".parse().unwrap();
    let host = Notebook::default().with_link("bridge0", LinkKind::Bridge, &["192.168.227.1/24"]);
    let mut model = Planned::new(host);
    let own_bridge = || config(|it| it.bridge = BridgeChoice::Existing(own));
    model.apply(&own_bridge()).unwrap();
    let link = model.dataplane().host.links.remove(&own).unwrap();
    refused(&mut model, own_bridge());
    dockerd(&mut model, |_| {});
    let about = |model: &mut Model, link: &str| {
        let chains = [
            "FORWARD",
            "POSTROUTING",
            "DOCKER",
            "DOCKER-ISOLATION-STAGE-1",
        ];
        let about = |chain| {
            rules(model, chain)
                .iter()
                .filter(|rule| rule.contains(link))
                .count()
        };
        chains.map(about)
    };
    assert_eq!(about(&mut model, "bridge0"), [4, 1, 0, 0]);
    assert_eq!(about(&mut model, "docker0"), [4, 1, 1, 1]);
    model.dataplane().host.links.insert(own, link);
    dockerd(&mut model, |_| {});
    assert_eq!(about(&mut model, "bridge0"), [4, 1, 1, 1]);
    model.apply(&own_bridge()).unwrap();
    dockerd(&mut model, |_| {});
    assert_eq!(about(&mut model, "bridge0"), [0, 0, 0, 0]);
}

#[test]
fn a_range_without_an_address_gives_the_bridge_its_first() {
    let mut model = daemon(|it| it.fixed_cidr = Some("172.17.5.128/25".parse().unwrap()));
    run(&mut model, spec("aa"));
    assert_eq!(address(&mut model, "aa").as_deref(), Some("172.17.5.129"));
    let docker0 = &model.dataplane().host.links[&LinkName::DOCKER0];
    assert_eq!(docker0.addresses, ["172.17.5.128/16".parse().unwrap()]);
}

#[test]
fn of_several_addresses_that_in_the_range_is_chosen() {
    let first = |range: &str| {
        let addresses = ["192.168.227.1/24", "10.9.0.1/16"];
        let mut model =
            Planned::new(Notebook::default().with_link("bridge0", LinkKind::Bridge, &addresses));
        dockerd(&mut model, |it| {
            it.bridge = bridge("bridge0");
            it.fixed_cidr = range.parse().ok();
        });
        run(&mut model, spec("aa"));
        address(&mut model, "aa").unwrap()
    };
    assert_eq!(first("10.9.0.0/24"), "10.9.0.2");
    assert_eq!(first("10.9.3.0/24"), "192.168.227.2");
}

#[test]
fn without_a_bridge_the_jumps_of_the_one_before_stay() {
    let mut model = daemon(|_| {});
    dockerd(&mut model, |it| it.bridge = BridgeChoice::None);
    assert_eq!(
        rules(&mut model, "FORWARD"),
        ["-j DOCKER-ISOLATION-STAGE-1", "-j DOCKER-USER"]
    );
    assert_eq!(rules(&mut model, "PREROUTING").len(), 1);
    assert_eq!(rules(&mut model, "OUTPUT").len(), 1);
    assert!(rules(&mut model, "POSTROUTING").is_empty());
    assert!(
        !model
            .dataplane()
            .host
            .links
            .contains_key(&LinkName::DOCKER0)
    );
}
