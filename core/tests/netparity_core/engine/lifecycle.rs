use super::*;

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
fn a_restart_keeps_a_container_that_removes_itself() {
    let mut model = daemon(|_| {});
    run(
        &mut model,
        ContainerSpec {
            auto_remove: true,
            ..spec("aa")
        },
    );
    restart(&mut model, "aa");
    assert_eq!(container(&mut model, "aa").status, Status::Running);
    stop(&mut model, "aa");
    assert!(model.snapshot().unwrap().containers.is_empty());
}

#[test]
fn one_whose_restart_is_refused_removes_itself() {
    let mut model = daemon(|_| {});
    run(&mut model, spec("aa"));
    run(
        &mut model,
        ContainerSpec {
            auto_remove: true,
            ..linked("pp", &["aa:x"])
        },
    );
    stop(&mut model, "aa");
    refused(&mut model, Command::Restart("pp".into()));
    assert!(
        !model
            .snapshot()
            .unwrap()
            .containers
            .contains_key(&Name::new("pp"))
    );
}

#[test]
fn a_daemon_that_starts_removes_what_removes_itself() {
    let mut model = daemon(|_| {});
    let gone = ContainerSpec {
        auto_remove: true,
        ..spec("gone")
    };
    model.apply(&Command::Create(gone)).unwrap();
    run(&mut model, spec("kept"));
    dockerd(&mut model, |_| {});
    let containers = model.snapshot().unwrap().containers;
    assert_eq!(
        containers.keys().map(Name::as_str).collect::<Vec<_>>(),
        ["kept"]
    );
}

#[test]
fn the_environment_ends_with_a_home_and_has_every_name_once() {
    let mut model = daemon(|_| {});
    let env = ["A=1", "A=2", "B=", "nothing", "HOSTNAME=own"].map(str::to_owned);
    run(
        &mut model,
        ContainerSpec {
            env: env.into(),
            ..spec("aa")
        },
    );
    assert_eq!(
        container(&mut model, "aa").env[1..],
        ["HOSTNAME=own", "A=2", "B=", "HOME=/"]
    );
    run(&mut model, linked("bb", &["aa:x"]));
    let env = container(&mut model, "bb").env;
    assert_eq!(
        env[2..],
        [
            "X_NAME=/bb/x",
            "X_ENV_A=2",
            "X_ENV_B=",
            "X_ENV_HOSTNAME=own",
            "HOME=/"
        ]
    );
}

#[test]
fn a_hostname_with_a_domain_is_found_without_it_too() {
    let mut model = daemon(|_| {});
    run(
        &mut model,
        ContainerSpec {
            hostname: Some("a.b.c".into()),
            ..spec("aa")
        },
    );
    assert_eq!(hosts(&mut model, "aa"), ["172.17.0.2\ta.b.c a"]);
}

#[test]
fn what_the_kernel_takes_for_no_hostname_or_address_is_refused_when_files_are_written() {
    let mut model = daemon(|_| {});
    let hostname = |length: usize| Some("a".repeat(length));
    run(
        &mut model,
        ContainerSpec {
            hostname: hostname(64),
            ..spec("aa")
        },
    );
    let long = ContainerSpec {
        hostname: hostname(65),
        ..spec("bb")
    };
    for (net, lines) in [(NetMode::Bridge, 1), (NetMode::None, 0)] {
        let text = refused(
            &mut model,
            Command::Run(ContainerSpec {
                net,
                ..long.clone()
            }),
        );
        assert!(
            text.ends_with("sethostname: invalid argument: unknown"),
            "{text}"
        );
        assert_eq!(container(&mut model, "bb").status, Status::Created);
        assert_eq!(hosts(&mut model, "bb").len(), lines);
        remove(&mut model, "bb");
    }
    for mac in [
        "01:00:00:00:00:01",
        "00:00:00:00:00:00",
        "ff:ff:ff:ff:ff:ff",
    ] {
        let spec = ContainerSpec {
            mac: mac.parse().ok(),
            ..long.clone()
        };
        let text = refused(&mut model, Command::Run(spec));
        let words = format!("MAC to \\\"{mac}\\\": cannot assign requested address");
        assert!(text.contains(&words), "{text}");
        remove(&mut model, "bb");
    }
}

#[test]
fn an_mtu_that_no_veth_can_have_is_refused_to_containers() {
    for mtu in [67, 65536] {
        let mut model = daemon(|config| config.mtu = Some(mtu));
        let text = refused(&mut model, Command::Run(spec("aa")));
        assert!(text.starts_with("failed to create endpoint aa on network bridge: failed to set MTU on host interface veth"), "{text}");
        assert_eq!(container(&mut model, "aa").hosts, "");
    }
    for mtu in [68, 65535] {
        let mut model = daemon(|config| config.mtu = Some(mtu));
        run(&mut model, spec("aa"));
    }
}

#[test]
fn without_forwarding_a_container_is_made_with_a_warning() {
    let mut model = daemon(|config| config.ip_forward = false);
    let mut warnings = |net: NetMode| {
        let create = Command::Create(ContainerSpec {
            net,
            ..ContainerSpec::default()
        });
        model.apply(&create).unwrap().warnings
    };
    let warning = ["IPv4 forwarding is disabled. Networking will not work."];
    assert_eq!(warnings(NetMode::Bridge), warning);
    assert_eq!(warnings(NetMode::Container("nobody".into())), warning);
    assert!(warnings(NetMode::Host).is_empty());
    assert!(warnings(NetMode::None).is_empty());
    let forward = |on| {
        let sysctl = Sysctl::IpForward(on);
        let netns = Netns::Host;
        let ops = vec![Op::SetSysctl { netns, sysctl }];
        Command::Host(HostCommand {
            tool: Tool::Sysctl,
            ops,
        })
    };
    let create = Command::Create(ContainerSpec::default());
    model.apply(&forward(true)).unwrap();
    assert!(model.apply(&create).unwrap().warnings.is_empty());
    model.apply(&forward(false)).unwrap();
    assert_eq!(model.apply(&create).unwrap().warnings, warning);
    dockerd(&mut model, |_| {});
    assert!(model.apply(&create).unwrap().warnings.is_empty());
}
