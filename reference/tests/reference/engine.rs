//! Telling dockerd what to do, and reading back what came of it.

use netparity_core::{
    command::{Command, ContainerSpec, DaemonConfig, NetMode},
    engine::identity,
    name::{Name, Netns},
    snapshot::Status,
};
use netparity_reference::Access;

use crate::{Tests, isolated, joining, refused, run, spec};

pub const TESTS: Tests = &[
    (
        "a_link_is_read_back_in_cores_words",
        a_link_is_read_back_in_cores_words,
    ),
    (
        "namespaces_are_named_after_who_made_them",
        namespaces_are_named_after_who_made_them,
    ),
    (
        "what_removes_itself_is_gone_when_the_command_is_done",
        what_removes_itself_is_gone_when_the_command_is_done,
    ),
    (
        "refusals_are_dockers_words_with_cores_ids",
        refusals_are_dockers_words_with_cores_ids,
    ),
    (
        "a_slash_before_a_name_is_dockers_own",
        a_slash_before_a_name_is_dockers_own,
    ),
    (
        "a_restarted_daemon_knows_its_containers",
        a_restarted_daemon_knows_its_containers,
    ),
];

fn redis() -> ContainerSpec {
    ContainerSpec {
        expose: vec!["6379/tcp".parse().unwrap()],
        env: vec!["REDIS_VERSION=7".into()],
        ..spec("redis")
    }
}

fn a_link_is_read_back_in_cores_words(access: Access) {
    let mut docker = isolated(access);
    run(&mut docker, redis());
    let webapp = ContainerSpec {
        links: vec!["redis:db".into()],
        mac: Some("02:00:00:00:00:09".parse().unwrap()),
        hostname: Some("web".into()),
        ..spec("webapp")
    };
    run(&mut docker, webapp);
    let containers = docker.containers().unwrap();
    let (redis, webapp) = (&containers[&"redis".into()], &containers[&"webapp".into()]);
    assert_eq!(redis.id, identity::container_id(0));
    assert_eq!(redis.hostname, redis.id[..12]);
    assert_eq!(webapp.hostname, "web");
    assert_eq!(webapp.status, Status::Running);
    for setting in [
        "HOSTNAME=web",
        "DB_PORT=tcp://172.17.0.1:6379",
        "DB_PORT_6379_TCP_PROTO=tcp",
        "DB_NAME=/webapp/db",
        "DB_ENV_REDIS_VERSION=7",
    ] {
        assert!(
            webapp.env.iter().any(|it| it == setting),
            "{setting}: {:?}",
            webapp.env
        );
    }
    let tail = format!("172.17.0.1\tdb {} redis\n172.17.0.2\tweb\n", redis.hostname);
    assert!(webapp.hosts.ends_with(&tail), "{}", webapp.hosts);

    docker.command(&Command::Stop("redis".into())).unwrap();
    let redis = &docker.containers().unwrap()[&"redis".into()];
    assert_eq!((redis.status, &redis.netns), (Status::Exited, &None));
    assert!(redis.env.is_empty() && redis.hosts.contains("172.17.0.1"));
}

fn namespaces_are_named_after_who_made_them(access: Access) {
    let mut docker = isolated(access);
    run(&mut docker, spec("db"));
    run(&mut docker, joining("side", "db"));
    run(&mut docker, joining("third", "side"));
    let host = ContainerSpec {
        net: NetMode::Host,
        ..spec("open")
    };
    run(&mut docker, host);
    let named = |name: &str| Some(Netns::Named(Name::new(name)));
    let netns = |docker: &netparity_reference::Docker, name: &str| {
        docker.containers().unwrap()[&name.into()].netns.clone()
    };
    assert_eq!(netns(&docker, "third"), named("db"));
    assert_eq!(netns(&docker, "open"), Some(Netns::Host));
    docker.command(&Command::Restart("db".into())).unwrap();
    assert_eq!(netns(&docker, "db"), named("db#2"));
    assert_eq!(netns(&docker, "side"), named("db"));
    docker.netns(&Netns::Named("db#2".into())).unwrap();
    docker.command(&Command::Kill("db".into())).unwrap();
    assert!(docker.netns(&Netns::Named("db#2".into())).is_err());
}

fn what_removes_itself_is_gone_when_the_command_is_done(access: Access) {
    let mut docker = isolated(access);
    let passing = || ContainerSpec {
        auto_remove: true,
        ..spec("passing")
    };
    for end in [
        Command::Stop("passing".into()),
        Command::Kill("passing".into()),
    ] {
        run(&mut docker, passing());
        docker.command(&end).unwrap();
        assert!(docker.containers().unwrap().is_empty());
    }
}

fn refusals_are_dockers_words_with_cores_ids(access: Access) {
    let mut docker = isolated(access);
    run(&mut docker, redis());
    let id = identity::container_id(0);
    assert_eq!(
        refused(&mut docker, Command::Create(redis())),
        format!(
            "Conflict. The container name \"/redis\" is already in use by container \"{id}\". \
             You have to remove (or rename) that container to be able to reuse that name."
        )
    );
    assert_eq!(
        refused(&mut docker, Command::Stop("nobody".into())),
        "No such container: nobody"
    );
    let odd = Command::Start("no/body at all?".into());
    assert_eq!(
        refused(&mut docker, odd),
        "No such container: no/body at all?"
    );
    // The command line looks at links before dockerd looks at anything.
    let odd = ContainerSpec {
        links: vec!["redis:db".into(), "a:b:c".into()],
        ..joining("odd", "")
    };
    assert_eq!(
        refused(&mut docker, Command::Create(odd)),
        "bad format for links: a:b:c"
    );
    // All were refused, and took no number.
    run(&mut docker, ContainerSpec::default());
    let containers = docker.containers().unwrap();
    assert_eq!(
        containers[&"container_2".into()].id,
        identity::container_id(1)
    );
}

fn a_slash_before_a_name_is_dockers_own(access: Access) {
    let mut docker = isolated(access);
    run(&mut docker, spec("/db"));
    docker.command(&Command::Stop("/db".into())).unwrap();
    docker.command(&Command::Start("db".into())).unwrap();
    let containers = docker.containers().unwrap();
    let names: Vec<_> = containers.keys().map(Name::as_str).collect();
    assert_eq!(names, ["db"]);
    let why = refused(&mut docker, Command::Create(spec("//db")));
    assert!(why.starts_with("Invalid container name (//db)"), "{why}");
}

fn a_restarted_daemon_knows_its_containers(access: Access) {
    let mut docker = isolated(access);
    run(&mut docker, redis());
    docker
        .command(&Command::Daemon(DaemonConfig::default()))
        .unwrap();
    let redis = &docker.containers().unwrap()[&"redis".into()];
    assert_eq!(
        (redis.status, &redis.id),
        (Status::Exited, &identity::container_id(0))
    );
    docker.command(&Command::Start("redis".into())).unwrap();
    assert_eq!(
        docker.containers().unwrap()[&"redis".into()].status,
        Status::Running
    );
}
