use super::*;

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
fn a_name_may_begin_with_a_slash_and_is_told_as_typed() {
    let mut model = daemon(|_| {});
    let create = |name: &str| Command::Create(spec(name));
    model.apply(&create("/aa")).unwrap();
    assert_eq!(container(&mut model, "aa").status, Status::Created);
    let text = refused(&mut model, create("/aa"));
    assert!(
        text.starts_with("Conflict. The container name \"/aa\""),
        "{text}"
    );
    let text = refused(&mut model, create("//aa"));
    assert!(
        text.starts_with("Invalid container name (//aa), only"),
        "{text}"
    );
}

#[test]
fn whom_a_command_is_for_is_said_as_the_command_says_it() {
    let mut model = daemon(|_| {});
    let nobody = || Name::new("nobody");
    assert_eq!(
        refused(&mut model, Command::Kill(nobody())),
        "Cannot kill container: nobody: No such container: nobody"
    );
    assert_eq!(
        refused(&mut model, Command::Restart(nobody())),
        "No such container: nobody"
    );
    let links = |link: &str| Command::Create(linked("new", &[link]));
    assert_eq!(
        refused(&mut model, links(":x")),
        "could not get container for : invalid name or ID supplied: \"\""
    );
    model.apply(&Command::Create(joined("lost", "zz"))).unwrap();
    assert_eq!(
        refused(&mut model, links("lost:x")),
        "Could not get container for zz: No such container: zz"
    );
    let env = vec!["=x".to_owned()];
    assert_eq!(
        refused(
            &mut model,
            Command::Create(ContainerSpec { env, ..spec("new") })
        ),
        "invalid environment variable: =x"
    );
}

#[test]
fn a_kernel_that_refuses_a_restart_is_told_as_one() {
    let mut model = daemon(|_| {});
    model.apply(&Command::Create(spec("aa"))).unwrap();
    model.dataplane().refuse = Some((2, Errno::ENODEV));
    let text = refused(&mut model, Command::Restart("aa".into()));
    assert!(
        text.starts_with("Cannot restart container aa: failed to create endpoint aa"),
        "{text}"
    );
}

#[test]
fn containers_that_join_each_other_in_a_circle_cannot_be_linked_to() {
    let mut model = daemon(|_| {});
    model.apply(&Command::Create(joined("aa", "bb"))).unwrap();
    model.apply(&Command::Create(joined("bb", "aa"))).unwrap();
    let text = refused(&mut model, Command::Create(linked("new", &["aa:x"])));
    assert!(text.starts_with("dockerd never answers"), "{text}");
}
