//! dockerd as a network model.

use netparity_core::{
    command::{Command, ContainerSpec, DaemonConfig, Destination, HostCommand, Tool},
    engine::identity,
    model::{ModelError, NetworkModel, Planned},
    name::{LinkName, LinkRef, Name, Netns},
    parity,
    plan::{LinkChange, Op},
    probe::{Payload, Probe},
    trace::Trace,
    verdict::Verdict,
};
use netparity_kernel::Kernel;
use netparity_reference::{Access, Options, Reference};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{Tests, joining, spec, traces};

pub const TESTS: Tests = &[
    (
        "it_looks_and_behaves_as_cores_engine_on_the_kernel",
        it_looks_and_behaves_as_cores_engine_on_the_kernel,
    ),
    (
        "servers_end_with_their_containers_and_no_sooner",
        servers_end_with_their_containers_and_no_sooner,
    ),
    (
        "the_hosts_tools_work_beside_dockerd",
        the_hosts_tools_work_beside_dockerd,
    ),
    (
        "names_are_known_after_a_daemon_that_did_not_start",
        names_are_known_after_a_daemon_that_did_not_start,
    ),
    ("a_dockerd_that_dies_is_told", a_dockerd_that_dies_is_told),
];

fn reference(access: Access) -> Reference {
    let kernel = netparity_kernel::enter().unwrap();
    Reference::new(&access, &kernel, &Options::default()).unwrap()
}

fn done(model: &mut dyn NetworkModel, command: Command) {
    model.apply(&command).unwrap();
}

fn refused(model: &mut dyn NetworkModel, command: Command) -> String {
    match model.apply(&command) {
        Err(ModelError::Refused(refusal)) => refusal.to_string(),
        other => panic!("{command:?} gave {other:?}"),
    }
}

fn listen(name: &str, port: &str) -> Command {
    Command::Listen {
        name: name.into(),
        port: port.parse().unwrap(),
    }
}

fn probe(from: &str, to: &str, payload: Payload) -> Probe {
    Probe {
        from: from.into(),
        to: Destination::Name(to.into()),
        payload,
        source_port: None,
        ttl: None,
        size: None,
        dont_fragment: false,
    }
}

fn throw(model: &mut dyn NetworkModel, probe: &Probe) -> Trace {
    let trace = model.probe(probe).unwrap();
    assert!(!trace.timed_out, "the safety net fired");
    trace
}

fn isolating() -> Command {
    Command::Daemon(DaemonConfig {
        icc: false,
        ..DaemonConfig::default()
    })
}

fn it_looks_and_behaves_as_cores_engine_on_the_kernel(access: Access) {
    let mut docker = reference(access);
    let kernel = Kernel::new(&netparity_kernel::enter().unwrap()).unwrap();
    let mut ours = Planned::new(kernel);
    let webapp = ContainerSpec {
        links: vec!["redis:db".into()],
        ..spec("webapp")
    };
    let redis = ContainerSpec {
        expose: vec!["6379/tcp".parse().unwrap()],
        ..spec("redis")
    };
    let commands = [
        isolating(),
        Command::Run(redis),
        listen("redis", "6379/tcp"),
        Command::Run(webapp),
        Command::Run(spec("other")),
        Command::Stop("other".into()),
        Command::Restart("webapp".into()),
    ];
    let mut models: [&mut dyn NetworkModel; 2] = [&mut docker, &mut ours];
    for command in commands {
        models.iter_mut().for_each(|it| done(*it, command.clone()));
        let [one, other] = models.each_mut().map(|it| it.snapshot().unwrap());
        assert_eq!(parity::snapshots(&one, &other), None, "{command:?}");
    }
    for (from, to, payload, verdict) in [
        ("webapp", "db", Payload::Tcp(6379), Verdict::Open),
        ("webapp", "db", Payload::Icmp, Verdict::Dropped),
        ("redis", "host", Payload::Icmp, Verdict::Reply),
        ("host", "webapp", Payload::Tcp(1), Verdict::Refused),
        ("redis", "db", Payload::Icmp, Verdict::NoName),
    ] {
        let probe = probe(from, to, payload);
        let [one, other] = models.each_mut().map(|it| throw(*it, &probe));
        assert_eq!(one.verdict, verdict, "{probe:?}");
        assert_eq!(parity::traces(&one, &other), None, "{probe:?}");
    }
}

fn servers_end_with_their_containers_and_no_sooner(access: Access) {
    let mut docker = reference(access);
    done(&mut docker, Command::Daemon(DaemonConfig::default()));
    done(&mut docker, Command::Run(spec("web")));
    done(&mut docker, Command::Run(joining("beside", "web")));
    done(&mut docker, listen("web", "80/tcp"));
    done(&mut docker, listen("beside", "81/tcp"));
    let words = refused(&mut docker, listen("beside", "80/tcp"));
    assert_eq!(words, "listen tcp 0.0.0.0:80: bind: address already in use");
    let answer = |docker: &mut Reference, port| {
        throw(docker, &probe("beside", "localhost", Payload::Tcp(port))).verdict
    };
    assert_eq!(answer(&mut docker, 80), Verdict::Open);
    done(&mut docker, Command::Stop("web".into()));
    assert_eq!(answer(&mut docker, 80), Verdict::Refused);
    assert_eq!(answer(&mut docker, 81), Verdict::Open);
    done(&mut docker, Command::Start("web".into()));
    done(&mut docker, Command::Restart("beside".into()));
    assert_eq!(answer(&mut docker, 81), Verdict::Refused);
}

fn the_hosts_tools_work_beside_dockerd(access: Access) {
    let mut docker = reference(access);
    done(&mut docker, Command::Daemon(DaemonConfig::default()));
    done(&mut docker, Command::Run(spec("web")));
    let set = |link: LinkName, up| {
        Command::Host(HostCommand {
            tool: Tool::Ip,
            ops: vec![Op::SetLink {
                link: LinkRef::host(link),
                change: LinkChange::Up(up),
            }],
        })
    };
    // Under the name that core's engine gives it, whatever Docker has drawn.
    let veth = identity::veth_name([172, 17, 0, 2].into());
    let ping = probe("host", "web", Payload::Icmp);
    done(&mut docker, set(veth, false));
    assert_ne!(throw(&mut docker, &ping).verdict, Verdict::Reply);
    done(&mut docker, set(veth, true));
    assert_eq!(throw(&mut docker, &ping).verdict, Verdict::Reply);
    let words = refused(&mut docker, set(LinkName::ETH0, true));
    assert_eq!(words, "Cannot find device \"eth0\"");
    let snapshot = docker.snapshot().unwrap();
    assert!(snapshot.netns[&Netns::Host].links[&veth].up);
}

fn names_are_known_after_a_daemon_that_did_not_start(access: Access) {
    let mut docker = reference(access);
    done(&mut docker, isolating());
    done(&mut docker, Command::Run(spec("web")));
    let contradictory = Command::Daemon(DaemonConfig {
        icc: false,
        iptables: false,
        ..DaemonConfig::default()
    });
    assert!(refused(&mut docker, contradictory).contains("ICC=false uses iptables"));
    let error = docker
        .probe(&probe("web", "host", Payload::Icmp))
        .unwrap_err();
    assert!(error.to_string().ends_with("is not running"), "{error}");
    assert!(docker.snapshot().unwrap().containers.is_empty());
    done(&mut docker, isolating());
    done(&mut docker, Command::Start("web".into()));
    let snapshot = docker.snapshot().unwrap();
    let web = &snapshot.containers[&Name::new("web")];
    assert_eq!(web.netns, Some(Netns::Named("web".into())));
}

fn a_dockerd_that_dies_is_told(access: Access) {
    let mut docker = reference(access);
    done(&mut docker, Command::Daemon(DaemonConfig::default()));
    let dockerd = traces::Traces::of(docker.docker()).process("dockerd");
    let dockerd = Pid::from_raw(i32::try_from(dockerd).unwrap());
    kill(dockerd, Signal::SIGKILL).unwrap();
    for error in [
        docker.apply(&Command::Run(spec("web"))).unwrap_err(),
        docker.snapshot().unwrap_err(),
    ] {
        let ModelError::Broken(why) = error else {
            panic!("{error}");
        };
        assert!(why.starts_with("dockerd does not answer"), "{why}");
    }
}
