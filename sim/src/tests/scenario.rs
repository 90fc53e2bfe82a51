//! What the README shows.

use netparity_core::{
    command::{Command, ContainerSpec, DaemonConfig, Destination},
    model::{Dataplane, NetworkModel, Planned},
    name::Name,
    probe::{Payload, Probe},
    trace::Trace,
    verdict::Verdict,
};

use crate::Sim;

fn probe(from: &str, to: &str, payload: Payload) -> Probe {
    Probe {
        from: Name::new(from),
        to: Destination::Name(Name::new(to)),
        payload,
        source_port: None,
        ttl: None,
        size: None,
        dont_fragment: false,
    }
}

/// redis with 6379 exposed and listening, and webapp linked to it, isolated otherwise.
fn linked() -> Planned<Sim> {
    let mut model = Planned::new(Sim::new());
    let daemon = DaemonConfig {
        bip: Some("172.17.42.1/16".parse().unwrap()),
        icc: false,
        ..DaemonConfig::default()
    };
    let redis = ContainerSpec {
        name: Some(Name::new("redis")),
        expose: vec!["6379".parse().unwrap()],
        ..ContainerSpec::default()
    };
    let webapp = ContainerSpec {
        name: Some(Name::new("webapp")),
        links: vec!["redis:db".to_owned()],
        ..ContainerSpec::default()
    };
    let commands = [
        Command::Daemon(daemon),
        Command::Run(redis),
        Command::Listen {
            name: Name::new("redis"),
            port: "6379/tcp".parse().unwrap(),
        },
        Command::Run(webapp),
    ];
    for command in &commands {
        model.apply(command).unwrap();
    }
    model
}

fn drops(trace: &Trace) -> Vec<String> {
    trace.drops.iter().map(ToString::to_string).collect()
}

#[test]
fn a_link_opens_one_port_and_no_other() {
    let mut model = linked();
    let mut throw = |from, to, payload| model.probe(&probe(from, to, payload)).unwrap();

    let open = throw("webapp", "db", Payload::Tcp(6379));
    assert_eq!(open.verdict, Verdict::Open);
    assert_eq!(drops(&open), [""; 0]);

    let isolated = ["host: filter: -A FORWARD -i docker0 -o docker0 -j DROP"];
    for (from, to, payload) in [
        ("webapp", "db", Payload::Tcp(80)),
        ("webapp", "db", Payload::Icmp),
        ("webapp", "db", Payload::Udp(6379)),
        ("redis", "webapp", Payload::Tcp(80)),
    ] {
        let trace = throw(from, to, payload);
        assert_eq!(trace.verdict, Verdict::Dropped, "{from} {payload:?}");
        assert_eq!(drops(&trace), isolated);
    }

    assert_eq!(throw("webapp", "db", Payload::Arp).verdict, Verdict::Reply);
    assert_eq!(
        throw("webapp", "host", Payload::Icmp).verdict,
        Verdict::Reply
    );
    assert_eq!(
        throw("host", "redis", Payload::Tcp(6379)).verdict,
        Verdict::Open
    );
    assert_eq!(
        throw("host", "redis", Payload::Tcp(80)).verdict,
        Verdict::Refused
    );
}

#[test]
fn a_verdict_alone_is_that_of_the_trace() {
    let mut traced = linked();
    let mut judged = traced.clone();
    for payload in [Payload::Tcp(6379), Payload::Tcp(80), Payload::Icmp] {
        let whole = traced.probe(&probe("webapp", "redis", payload)).unwrap();
        let shot = netparity_core::probe::Shot {
            netns: netparity_core::name::Netns::Named(Name::new("webapp")),
            to: [172, 17, 0, 1].into(),
            payload,
            source_port: 61_000,
            ttl: 64,
            size: None,
            dont_fragment: false,
        };
        assert_eq!(judged.dataplane().verdict(&shot), Ok(whole.verdict));
    }
}
