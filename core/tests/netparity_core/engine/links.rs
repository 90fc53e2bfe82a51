use super::*;

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
    stop(&mut model, "webapp");
    assert_eq!(links(&mut model), 0);
    start(&mut model, "webapp");
    stop(&mut model, "redis");
    assert_eq!(
        links(&mut model),
        2,
        "the child's end leaves the parent's rules"
    );
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
fn a_removed_child_is_not_whoever_has_its_name_next_until_the_daemon_restarts() {
    let mut model = daemon(|_| {});
    run(&mut model, exposing("aa", &["80"]));
    run(&mut model, linked("pp", &["aa:x"]));
    remove(&mut model, "aa");
    run(&mut model, exposing("aa", &["81"]));
    let text = refused(&mut model, Command::Restart("pp".into()));
    assert_eq!(
        text,
        "Cannot restart container pp: Cannot link to a non running container: /aa AS /pp/x"
    );
    dockerd(&mut model, |_| {});
    start(&mut model, "aa");
    start(&mut model, "pp");
    let env = container(&mut model, "pp").env;
    assert!(
        env.contains(&"X_PORT=tcp://172.17.0.2:81".to_owned()),
        "{env:?}"
    );

    remove(&mut model, "aa");
    dockerd(&mut model, |_| {});
    start(&mut model, "pp");
    let env = container(&mut model, "pp").env;
    assert!(
        !env.iter().any(|setting| setting.starts_with("X_")),
        "{env:?}"
    );
}

#[test]
fn a_start_refused_for_a_child_that_is_down_has_rewritten_the_hosts_files() {
    let mut model = daemon(|_| {});
    run(&mut model, spec("aa"));
    run(&mut model, spec("bb"));
    run(&mut model, linked("mm", &["aa:x", "bb:y"]));
    run(&mut model, linked("pp", &["mm:m"]));
    let id = |model: &mut Model, name| container(model, name).hostname;
    let (aa, mm, pp) = (
        id(&mut model, "aa"),
        id(&mut model, "mm"),
        id(&mut model, "pp"),
    );
    stop(&mut model, "bb");
    run(&mut model, spec("thief"));
    stop(&mut model, "mm");
    run(&mut model, spec("other"));
    refused(&mut model, Command::Start("mm".into()));
    assert_eq!(
        hosts(&mut model, "mm"),
        [
            format!("172.17.0.2\tx {aa} aa"),
            format!("172.17.0.6\t{mm}")
        ]
    );
    assert_eq!(
        hosts(&mut model, "pp"),
        [
            format!("172.17.0.6\tm {mm} mm"),
            format!("172.17.0.5\t{pp}")
        ]
    );
    model
        .apply(&Command::Create(linked("new", &["bb:y"])))
        .unwrap();
    refused(&mut model, Command::Start("new".into()));
    assert_eq!(container(&mut model, "new").status, Status::Created);
    assert_eq!(hosts(&mut model, "new").len(), 1);
    run(&mut model, spec("free"));
    assert_eq!(address(&mut model, "free").as_deref(), Some("172.17.0.6"));
}

#[test]
fn aliases_are_paths_below_the_parent() {
    let mut model = daemon(|_| {});
    run(&mut model, exposing("aa", &["80"]));
    let id = container(&mut model, "aa").id;
    let short = &id[..12];
    let by_id = format!("{short}:by-id");
    let links = ["aa:", "aa:/x", "aa:x/y", "aa:.", "/aa", &by_id];
    run(&mut model, linked("pp", &links));
    let state = container(&mut model, "pp");
    let names: Vec<&String> = state
        .env
        .iter()
        .filter(|it| it.contains("_NAME="))
        .collect();
    assert_eq!(
        names,
        [
            "X_NAME=/pp/x",
            "Y_NAME=/pp/x/y",
            "AA_NAME=/pp/aa",
            "BY_ID_NAME=/pp/by-id"
        ]
    );
    let lines = hosts(&mut model, "pp");
    assert_eq!(
        lines[..4],
        [
            format!("172.17.0.2\tx {short} aa"),
            format!("172.17.0.2\ty {short} aa"),
            format!("172.17.0.2\taa {short}"),
            format!("172.17.0.2\tby-id {short} aa"),
        ]
    );
}

#[test]
fn without_a_bridge_a_link_gives_an_empty_address_and_still_wants_its_child() {
    let mut model = daemon(|config| config.bridge = BridgeChoice::None);
    run(&mut model, exposing("aa", &["80"]));
    run(&mut model, linked("bb", &["aa:x"]));
    let expected = [
        "X_PORT=tcp://:80",
        "X_PORT_80_TCP=tcp://:80",
        "X_PORT_80_TCP_ADDR=",
        "X_PORT_80_TCP_PORT=80",
        "X_PORT_80_TCP_PROTO=tcp",
        "X_NAME=/bb/x",
    ];
    assert_eq!(container(&mut model, "bb").env[2..8], expected);
    stop(&mut model, "aa");
    let text = refused(&mut model, Command::Restart("bb".into()));
    assert!(
        text.ends_with("Cannot link to a non running container: /aa AS /bb/x"),
        "{text}"
    );
    let alone = ContainerSpec {
        net: NetMode::None,
        ..spec("alone")
    };
    run(&mut model, alone);
    let id = container(&mut model, "alone").id;
    let text = refused(&mut model, Command::Run(linked("cc", &["alone:x"])));
    assert_eq!(
        text,
        format!("container {id} not attached to default bridge network")
    );
}

#[test]
fn a_network_of_ones_own_has_no_links() {
    let mut model = daemon(|_| {});
    let net = NetMode::Network("mine".into());
    let spec = ContainerSpec {
        net,
        ..linked("new", &["nobody:x"])
    };
    model.apply(&Command::Create(spec)).unwrap();
}
