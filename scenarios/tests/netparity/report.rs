//! What a run's reports look like.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::{collections::BTreeMap, time::Duration};

use netparity::{
    language::{Scenario, parse},
    paint::Paint,
    report::{Json, Report, Summary, Text},
    run::{Keep, Record, play},
    source::Source,
};
use netparity_core::{
    MacAddr,
    command::Command,
    engine::Refusal,
    model::{ModelError, NetworkModel, Outcome},
    name::{LinkName, LinkRef, Name, Netns},
    probe::{Probe, arp_reply, arp_request},
    rules::{ChainName, ChainRef, Field, Rule, Target},
    snapshot::{NetnsState, Snapshot},
    trace::{Capture, Direction, Drop, DropCause, Station, Tap, Trace},
    verdict::Verdict,
};

/// A model that does as it is told beforehand.
#[derive(Clone)]
struct Puppet {
    name: &'static str,
    outcome: Result<Outcome, ModelError>,
    trace: Result<Trace, ModelError>,
    snapshot: Result<Snapshot, ModelError>,
}

impl NetworkModel for Puppet {
    fn name(&self) -> &str {
        self.name
    }

    fn apply(&mut self, _: &Command) -> Result<Outcome, ModelError> {
        self.outcome.clone()
    }

    fn probe(&mut self, _: &Probe) -> Result<Trace, ModelError> {
        self.trace.clone()
    }

    fn snapshot(&mut self) -> Result<Snapshot, ModelError> {
        self.snapshot.clone()
    }

    fn reset(&mut self) -> Result<(), ModelError> {
        Ok(())
    }
}

const HOST: MacAddr = MacAddr(2, 0x42, 0, 0, 0, 1);
const REDIS: MacAddr = MacAddr(2, 0x42, 172, 17, 0, 2);

fn tap(netns: Netns, name: LinkName, direction: Direction) -> Tap {
    Tap {
        link: LinkRef::new(netns, name),
        direction,
    }
}

/// An ARP request and its answer, seen at both ends.
fn answered() -> Trace {
    let (host, redis) = ([172, 17, 0, 1].into(), [172, 17, 0, 2].into());
    let ask = arp_request(HOST, host, redis);
    let answer = arp_reply((REDIS, redis), (HOST, host));
    let named = Netns::Named(Name::new("redis"));
    let eth0 = |direction| tap(named.clone(), LinkName::ETH0, direction);
    let docker0 = |direction| tap(Netns::Host, LinkName::DOCKER0, direction);
    let seen = |tap, frame: &[u8]| Capture {
        tap,
        frame: frame.to_vec(),
    };
    Trace {
        verdict: Verdict::Reply,
        captures: vec![
            seen(docker0(Direction::Out), &ask),
            seen(eth0(Direction::In), &ask),
            seen(eth0(Direction::Out), &answer),
            seen(docker0(Direction::In), &answer),
        ],
        drops: Vec::new(),
        stations: BTreeMap::from([
            (Station(HOST), LinkRef::host(LinkName::DOCKER0)),
            (Station(REDIS), LinkRef::new(named, LinkName::ETH0)),
        ]),
        timed_out: false,
    }
}

fn unanswered() -> Trace {
    let mut trace = answered();
    trace.captures.truncate(1);
    trace.verdict = Verdict::Dropped;
    let rule = Rule::new(Target::Drop).when(Field::In(LinkName::DOCKER0));
    trace.drops = vec![Drop {
        netns: Netns::Host,
        cause: DropCause::Rule(ChainRef::filter(ChainName::Forward), rule),
    }];
    trace
}

fn puppet(name: &'static str) -> Puppet {
    let host = NetnsState {
        ip_forward: true,
        ..NetnsState::default()
    };
    Puppet {
        name,
        outcome: Ok(Outcome::default()),
        trace: Ok(answered()),
        snapshot: Ok(Snapshot {
            netns: BTreeMap::from([(Netns::Host, host)]),
            ..Snapshot::default()
        }),
    }
}

const SCENARIO: &str = "# Of puppets\ndocker run -d --name redis redis\n";

fn scenario(lines: &str) -> Scenario {
    let source = Source {
        path: "scenarios/puppets.scenario".into(),
        text: format!("{SCENARIO}{lines}\n"),
    };
    parse(&source).unwrap_or_else(|mistakes| panic!("{}", mistakes[0]))
}

fn record(scenario: &Scenario, puppets: &[Puppet], keep: Keep) -> Record {
    let mut models: Vec<Box<dyn NetworkModel>> = Vec::new();
    for puppet in puppets {
        models.push(Box::new(puppet.clone()));
    }
    Record {
        models: puppets.iter().map(|it| it.name.to_owned()).collect(),
        played: play(scenario, &mut models, &[], keep),
        time: Duration::from_millis(12),
        ..Record::default()
    }
}

fn written(mut report: impl Report, scenario: &Scenario, record: &Record) -> (String, u8) {
    let mut out = Vec::new();
    let mut summary = Summary {
        time: Duration::from_millis(1234),
        ..Summary::default()
    };
    summary.add(record);
    report.begin(&mut out).unwrap();
    report.scenario(&mut out, scenario, record).unwrap();
    report.end(&mut out, &summary).unwrap();
    (String::from_utf8(out).unwrap(), summary.exit_status())
}

/// The text report on a scenario of these lines, and the exit status.
fn text(lines: &str, puppets: &[Puppet]) -> (String, u8) {
    let scenario = scenario(lines);
    let record = record(&scenario, puppets, Keep::Shown);
    let report = Text::new(std::slice::from_ref(&scenario), Paint::NONE);
    written(report, &scenario, &record)
}

fn pair(change: impl FnOnce(&mut Puppet)) -> [Puppet; 2] {
    let mut other = puppet("kernel");
    change(&mut other);
    [puppet("sim"), other]
}

macro_rules! snapshot {
    ($text:expr) => {
        insta::with_settings!({omit_expression => true}, {
            insta::assert_snapshot!($text);
        })
    };
}

#[test]
fn a_pass() {
    let (text, status) = text("probe host arp redis => reply", &pair(|_| {}));
    snapshot!(text);
    assert_eq!(status, 0);
}

#[test]
fn what_is_shown() {
    let same = text("show host rules\nshow host route-n", &pair(|_| {})).0;
    let differing = text(
        "show redis ip",
        &pair(|other| {
            let mut snapshot = other.snapshot.clone().unwrap();
            let netns = Netns::Named(Name::new("redis"));
            snapshot.netns.insert(netns, NetnsState::default());
            other.snapshot = Ok(snapshot);
        }),
    );
    snapshot!(format!("{same}\n{}", differing.0));
}

#[test]
fn a_different_outcome() {
    let (text, status) = text(
        "",
        &pair(|it| it.outcome = Err(Refusal::new("No such device").into())),
    );
    snapshot!(text);
    assert_eq!(status, 1);
}

#[test]
fn a_different_verdict() {
    let (text, status) = text(
        "probe host arp redis",
        &pair(|it| it.trace = Ok(unanswered())),
    );
    snapshot!(text);
    assert_eq!(status, 1);
}

#[test]
fn different_frames() {
    let twice = pair(|it| {
        let mut trace = answered();
        let last = trace.captures[3].clone();
        trace.captures.push(last);
        it.trace = Ok(trace);
    });
    let padded = pair(|it| {
        let mut trace = answered();
        trace.captures[3].frame.push(7);
        it.trace = Ok(trace);
    });
    let one = text("probe host arp redis", &twice).0;
    let other = text("probe host arp redis", &padded).0;
    snapshot!(format!("{one}\n{other}"));
}

#[test]
fn different_drops() {
    let mut puppets = pair(|it| it.trace = Ok(unanswered()));
    let mut unexplained = unanswered();
    unexplained.drops.clear();
    puppets[0].trace = Ok(unexplained);
    snapshot!(text("probe host arp redis", &puppets).0);
}

#[test]
fn different_looks() {
    let puppets = pair(|it| {
        let mut snapshot = it.snapshot.clone().unwrap();
        snapshot.netns.insert(Netns::Host, NetnsState::default());
        it.snapshot = Ok(snapshot);
    });
    snapshot!(text("probe host arp redis", &puppets).0);
}

#[test]
fn what_was_not_expected() {
    let mut told = String::new();
    let mut tell = |lines: &str, puppets: &[Puppet]| {
        let (text, status) = text(lines, puppets);
        assert_eq!(status, 1, "{text}");
        told += &format!("{text}\n");
    };
    let dropped = |name| Puppet {
        trace: Ok(unanswered()),
        ..puppet(name)
    };
    let refusing = |name| Puppet {
        outcome: Err(Refusal::new("No such device").into()),
        ..puppet(name)
    };
    tell(
        "probe host arp redis => reply",
        &[dropped("sim"), dropped("kernel")],
    );
    tell("expect host rules DROP", &[puppet("sim"), puppet("kernel")]);
    tell("expect redis ip 172.17.0.2", &[puppet("sim")]);
    tell("! docker stop redis => is not running", &[puppet("sim")]);
    tell("", &[refusing("sim"), refusing("kernel")]);
    tell(
        "! probe redis icmp host => is not running",
        &[puppet("sim")],
    );
    snapshot!(told);
}

#[test]
fn a_model_that_fails() {
    let broken = pair(|it| it.snapshot = Err(ModelError::Broken("no descriptor left".into())));
    let (one, status) = text("", &broken);
    assert_eq!(status, 3);
    let late = pair(|it| {
        it.trace = Ok(Trace {
            timed_out: true,
            ..answered()
        });
    });
    let (other, status) = text("probe host arp redis", &late);
    assert_eq!(status, 3);
    snapshot!(format!("{one}\n{other}"));
}

#[test]
fn models_that_cannot_run() {
    let scenario = scenario("");
    let mut record = record(&scenario, &[puppet("sim")], Keep::Shown);
    record
        .skipped
        .push(("kernel".into(), "no user namespace: run as root".into()));
    let report = || Text::new(std::slice::from_ref(&scenario), Paint::NONE);
    let (partly, status) = written(report(), &scenario, &record);
    assert_eq!(status, 0);
    record.models.clear();
    record.played.end = netparity::run::End::Skipped;
    let (wholly, status) = written(report(), &scenario, &record);
    assert_eq!(status, 0);
    let mut summary = Summary::default();
    summary.add(&record);
    summary.missed.push("kernel".into());
    assert_eq!(summary.exit_status(), 3);
    let mut out = Vec::new();
    report().end(&mut out, &summary).unwrap();
    snapshot!(format!(
        "{partly}\n{wholly}\n{}",
        String::from_utf8(out).unwrap()
    ));
}

#[test]
fn what_is_known_to_diverge() {
    let refusing = pair(|it| it.outcome = Err(Refusal::new("No such device").into()));
    let mut told = String::new();
    let mut tell = |lines: &str, puppets: &[Puppet], expected: u8| {
        let (text, status) = text(lines, puppets);
        assert_eq!(status, expected, "{text}");
        told += &format!("{text}\n");
    };
    tell("diverges kernel: it has no such device # yet", &refusing, 0);
    // Whoever stands first.
    let parting = pair(|it| it.trace = Ok(unanswered()));
    tell(
        "diverges sim: it answers\nprobe host arp redis",
        &parting,
        0,
    );
    // What the others do still counts.
    let mut three = refusing.to_vec();
    three.push(Puppet {
        trace: Ok(unanswered()),
        ..puppet("docker")
    });
    let probe = "diverges kernel: it has no such device\nprobe host arp redis";
    tell(probe, &three, 1);
    // From what the scenario says, alone.
    let alone = "diverges kernel: it drops\nprobe host arp redis => reply";
    let dropping = Puppet {
        trace: Ok(unanswered()),
        ..puppet("kernel")
    };
    tell(alone, std::slice::from_ref(&dropping), 0);
    tell(alone, &[puppet("sim"), dropping], 0);
    // Where nobody is beside it, there is nobody to agree with.
    tell(alone, &[puppet("kernel")], 0);
    tell(alone, &[puppet("sim"), puppet("kernel")], 1);
    snapshot!(told);
}

#[test]
fn json_has_what_is_known_to_diverge() {
    let scenario = scenario("diverges kernel: it drops\nprobe host arp redis");
    let mut told = String::new();
    let dropping = pair(|it| it.trace = Ok(unanswered()));
    for puppets in [dropping, pair(|_| {})] {
        let record = record(&scenario, &puppets, Keep::Shown);
        let (text, _) = written(Json::default(), &scenario, &record);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        told += &serde_json::to_string_pretty(&value["scenarios"][0]).unwrap();
        told += &format!("\n{}\n", value["summary"]);
    }
    snapshot!(told);
}

#[test]
fn json_has_all_of_it() {
    let lines = "probe host arp redis\n! docker stop redis => x\nexpect host rules DROP";
    let scenario = scenario(lines);
    let record = record(&scenario, &pair(|_| {}), Keep::Everything);
    let (text, status) = written(Json::default(), &scenario, &record);
    assert_eq!(status, 1);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    snapshot!(serde_json::to_string_pretty(&value).unwrap());
}

#[test]
fn json_has_the_difference() {
    let scenario = scenario("probe host arp redis");
    let puppets = pair(|it| it.trace = Ok(unanswered()));
    let record = record(&scenario, &puppets, Keep::Everything);
    let (text, _) = written(Json::default(), &scenario, &record);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    snapshot!(serde_json::to_string_pretty(&value["scenarios"][0]["end"]).unwrap());
}

#[test]
fn colours_are_put_on_what_matters() {
    let scenario = scenario("probe host arp redis => reply");
    let record = record(&scenario, &pair(|_| {}), Keep::Shown);
    let report = Text::new(std::slice::from_ref(&scenario), Paint::ALWAYS);
    let (text, _) = written(report, &scenario, &record);
    assert!(text.starts_with("\x1b[32mpass"), "{text:?}");
}
