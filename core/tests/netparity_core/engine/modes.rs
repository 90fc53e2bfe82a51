use super::*;

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

#[test]
fn whom_a_container_joins_is_settled_when_it_is_made() {
    let mut model = daemon(|_| {});
    run(&mut model, spec("aa"));
    let first = container(&mut model, "aa").id;
    for target in ["aa", "/aa", &first, &first[..12]] {
        run(&mut model, joined("bb", target));
        assert_eq!(
            container(&mut model, "bb").netns,
            Some(Netns::Named("aa".into()))
        );
        remove(&mut model, "bb");
    }
    model.apply(&Command::Create(joined("bb", "aa"))).unwrap();
    remove(&mut model, "aa");
    run(&mut model, spec("aa"));
    let start = Command::Start("bb".into());
    assert_eq!(
        refused(&mut model, start),
        format!("No such container: {first}")
    );

    model
        .apply(&Command::Create(joined("early", "late")))
        .unwrap();
    run(&mut model, spec("late"));
    model.apply(&Command::Start("early".into())).unwrap();
    stop(&mut model, "late");
    assert_eq!(
        refused(&mut model, Command::Restart("early".into())),
        "Cannot restart container early: cannot join network of a non running container: late"
    );
}

#[test]
fn who_joins_has_the_others_own_hosts_file() {
    let mut model = daemon(|_| {});
    run(&mut model, spec("aa"));
    run(&mut model, joined("bb", "aa"));
    run(&mut model, joined("cc", "bb"));
    stop(&mut model, "aa");
    run(&mut model, spec("thief"));
    start(&mut model, "aa");
    let text = container(&mut model, "aa").hosts;
    assert!(text.contains("172.17.0.3\t"), "{text}");
    assert_eq!(container(&mut model, "bb").hosts, text);
    stop(&mut model, "bb");
    assert_eq!(container(&mut model, "bb").hosts, text);
    remove(&mut model, "aa");
    assert_eq!(container(&mut model, "bb").hosts, "");
    assert_eq!(container(&mut model, "cc").hosts, text, "it runs");
    stop(&mut model, "cc");
    assert_eq!(container(&mut model, "cc").hosts, "");
}

#[test]
fn a_hostname_that_was_taken_stays() {
    let mut model = daemon(|_| {});
    let hostname = Some("ahost".into());
    run(
        &mut model,
        ContainerSpec {
            hostname,
            ..spec("aa")
        },
    );
    run(&mut model, joined("bb", "aa"));
    stop(&mut model, "bb");
    assert_eq!(container(&mut model, "bb").hostname, "ahost");
    let shares = ContainerSpec {
        net: NetMode::Host,
        ..spec("cc")
    };
    model.apply(&Command::Create(shares)).unwrap();
    assert_eq!(container(&mut model, "cc").hostname, "host");
}

#[test]
fn one_that_was_started_without_a_bridge_never_gets_on_one() {
    let mut model = daemon(|config| config.bridge = BridgeChoice::None);
    run(&mut model, exposing("aa", &["80"]));
    model.apply(&Command::Create(spec("never"))).unwrap();
    dockerd(&mut model, |_| {});
    start(&mut model, "aa");
    assert!(hosts(&mut model, "aa").is_empty());
    start(&mut model, "never");
    assert_eq!(address(&mut model, "never").as_deref(), Some("172.17.0.2"));
    run(&mut model, linked("bb", &["aa:x"]));
    let env = container(&mut model, "bb").env;
    assert!(env.contains(&"X_PORT=tcp://:80".to_owned()), "{env:?}");
    assert_eq!(hosts(&mut model, "bb").len(), 1);
}

#[test]
fn dockers_own_networks_have_names() {
    let mut model = daemon(|_| {});
    for name in ["", "default", "bridge"] {
        let net = NetMode::Network(name.into());
        run(&mut model, ContainerSpec { net, ..spec("aa") });
        assert_eq!(hosts(&mut model, "aa").len(), 1, "{name:?}");
        remove(&mut model, "aa");
    }
    let net = NetMode::Network("container".into());
    let text = refused(
        &mut model,
        Command::Create(ContainerSpec { net, ..spec("aa") }),
    );
    assert_eq!(
        text,
        "Invalid network mode: invalid container format container:<name|id>"
    );
}
