use netparity_core::{
    errno::Errno,
    model::Dataplane,
    plan::{Op, RuleOp, Sysctl},
    port::Protocol,
    probe::Payload,
    rules::{ChainName, ChainRef, Field, Policy, Rule, Table, Target},
};

use super::net::{Net, append, listen, name, net, netns, shot, sysctl};

pub(super) const FORWARD: ChainRef = ChainRef::filter(ChainName::Forward);
const INPUT: ChainRef = ChainRef::filter(ChainName::Input);
const OUTPUT: ChainRef = ChainRef::filter(ChainName::Output);
const DOCKER: ChainRef = ChainRef::filter(ChainName::Docker);

fn drops(home: &mut Net, from: &str, to: &str) -> Vec<String> {
    let trace = home.throw(&shot(from, to, Payload::Icmp));
    trace.drops.iter().map(ToString::to_string).collect()
}

fn drop() -> Rule {
    Rule::new(Target::Drop)
}

#[test]
fn a_bridged_packet_passes_forward_from_the_bridge_to_the_bridge() {
    let mut home = Net::home();
    let rule = drop()
        .when(Field::In(name("br0")))
        .when(Field::Out(name("br0")));
    home.run(vec![append(FORWARD, rule)]);
    let dropped = ["host: filter: -A FORWARD -i br0 -o br0 -j DROP"];
    assert_eq!(drops(&mut home, "a", "10.0.0.3"), dropped);
    assert_eq!(drops(&mut home, "a", "10.1.0.2"), [""; 0]);
    home.run(vec![sysctl("host", Sysctl::BridgeNfCallIptables(false))]);
    assert_eq!(drops(&mut home, "a", "10.0.0.3"), [""; 0]);
}

#[test]
fn input_output_and_forward_see_what_is_theirs() {
    for (chain, dropped) in [
        (INPUT, [true, false, true]),
        (OUTPUT, [true, false, true]),
        (FORWARD, [false, true, false]),
    ] {
        let mut home = Net::home();
        home.run(vec![append(chain, drop())]);
        let ways = [("a", "10.0.0.1"), ("a", "10.1.0.2"), ("host", "10.0.0.2")];
        let seen = ways.map(|(from, to)| !drops(&mut home, from, to).is_empty());
        assert_eq!(seen, dropped, "{chain}");
    }
}

#[test]
fn a_dropped_send_is_refused_to_its_sender() {
    let mut home = Net::home();
    home.run(vec![append(OUTPUT, drop())]);
    let trace = home.throw(&shot("host", "10.0.0.2", Payload::Icmp));
    assert_eq!(trace.verdict.as_str(), "dropped");
    assert!(trace.captures.is_empty());
}

#[test]
fn a_policy_takes_what_runs_off_the_end_and_no_rule_accepted() {
    let mut home = Net::home();
    let accept = Rule::new(Target::Accept).when(Field::Source(net("10.0.0.3/32")));
    home.run(vec![
        Op::Rules(RuleOp::Policy(FORWARD, Policy::Drop)),
        append(FORWARD, accept),
    ]);
    assert_eq!(
        drops(&mut home, "a", "10.1.0.2"),
        ["host: filter: -P FORWARD DROP"]
    );
    let one_way = home.throw(&shot("b", "10.1.0.2", Payload::Icmp));
    assert!(
        one_way
            .captures
            .iter()
            .any(|it| it.tap.link.netns == netns("c"))
    );
}

#[test]
fn jumps_come_back_and_returns_go_back() {
    let mut home = Net::home();
    let jump = Rule::new(Target::Jump(ChainName::Docker));
    let back = Rule::new(Target::Return).when(Field::Source(net("10.0.0.2/32")));
    home.run(vec![
        Op::Rules(RuleOp::NewChain(DOCKER)),
        append(FORWARD, jump),
        append(DOCKER, back),
        append(DOCKER, drop().when(Field::In(name("br0")))),
        append(FORWARD, drop().when(Field::Destination(net("10.1.0.9/32")))),
    ]);
    assert_eq!(home.verdict(&shot("a", "10.1.0.2", Payload::Icmp)), "reply");
    assert_eq!(
        drops(&mut home, "b", "10.1.0.2"),
        ["host: filter: -A DOCKER -i br0 -j DROP"]
    );
    let end = ["host: filter: -A FORWARD -d 10.1.0.9/32 -j DROP"];
    assert_eq!(drops(&mut home, "a", "10.1.0.9"), end);
}

#[test]
fn answers_are_established_and_new_packets_are_not() {
    let mut home = Net::home();
    home.run(vec![
        listen("b", "80/tcp"),
        listen("c", "80/tcp"),
        append(FORWARD, Rule::new(Target::Accept).when(Field::Established)),
        append(FORWARD, drop().when(Field::In(name("vc")))),
    ]);
    assert_eq!(
        home.verdict(&shot("a", "10.1.0.2", Payload::Tcp(80))),
        "open"
    );
    assert_eq!(home.verdict(&shot("a", "10.1.0.2", Payload::Icmp)), "reply");
    assert_eq!(
        home.verdict(&shot("c", "10.0.0.3", Payload::Tcp(80))),
        "dropped"
    );
    // An error about a connection belongs to it.
    let refused = home.verdict(&shot("a", "10.1.0.2", Payload::Udp(9)));
    assert_eq!(refused, "unreachable:port");
}

#[test]
fn without_a_rule_that_asks_nothing_is_tracked() {
    let mut home = Net::home();
    home.run(vec![
        listen("b", "80/tcp"),
        append(FORWARD, Rule::new(Target::Accept)),
    ]);
    home.throw(&shot("a", "10.0.0.3", Payload::Tcp(80)));
    assert_eq!(home.0.conntrack.len(), 0);
    let tracked = Rule::new(Target::Accept).when(Field::Established);
    home.run(vec![append(FORWARD, tracked.clone())]);
    home.throw(&shot("a", "10.0.0.3", Payload::Tcp(80)));
    assert_eq!(home.0.conntrack.len(), 1);
    let mut another = shot("a", "10.0.0.3", Payload::Tcp(80));
    another.source_port = 7;
    home.run(vec![Op::Rules(RuleOp::Delete(FORWARD, tracked))]);
    home.throw(&another);
    assert_eq!(home.0.conntrack.len(), 1);
}

#[test]
fn a_connection_is_forgotten_with_either_end() {
    let policy = Op::Rules(RuleOp::Policy(FORWARD, Policy::Drop));
    let once = Rule::new(Target::Accept).when(Field::Protocol(Protocol::Udp));
    let tracked = Rule::new(Target::Accept).when(Field::Established);
    for (address, forgets) in [("10.0.0.2", true), ("10.1.0.2", true), ("10.0.0.3", false)] {
        let mut home = Net::home();
        let setup = [
            append(FORWARD, tracked.clone()),
            append(FORWARD, once.clone()),
            policy.clone(),
        ];
        home.run(setup.into_iter().chain([listen("c", "53/udp")]).collect());
        let probe = shot("a", "10.1.0.2", Payload::Udp(53));
        assert_eq!(home.verdict(&probe), "reply");
        home.run(vec![Op::Rules(RuleOp::Delete(FORWARD, once.clone()))]);
        assert_eq!(home.verdict(&probe), "reply", "it goes on");
        home.run(vec![Op::ForgetConnections(address.parse().unwrap())]);
        let expected = if forgets { "dropped" } else { "reply" };
        assert_eq!(home.verdict(&probe), expected, "{address}");
    }
}

#[test]
fn a_refused_plan_forgets_no_connection() {
    let mut home = Net::home();
    let tracked = Rule::new(Target::Accept).when(Field::Established);
    home.run(vec![append(FORWARD, tracked)]);
    home.throw(&shot("a", "10.0.0.3", Payload::Udp(53)));
    let plan = vec![
        Op::ForgetConnections("10.0.0.3".parse().unwrap()),
        Op::DeleteNetns(netns("nobody")),
    ];
    assert!(home.0.execute(&plan.into()).is_err());
    assert_eq!(home.0.conntrack.len(), 1);
    home.run(vec![Op::ForgetConnections("10.0.0.3".parse().unwrap())]);
    assert_eq!(home.0.conntrack.len(), 0);
}

#[test]
fn matches_and_their_negations() {
    let udp = |port| {
        Rule::new(Target::Drop)
            .when(Field::Protocol(Protocol::Udp))
            .when(Field::DestinationPort(port))
    };
    let cases = [
        (drop().when(Field::Source(net("10.0.0.0/24"))), true),
        (drop().unless(Field::Source(net("10.0.0.0/24"))), false),
        (drop().when(Field::Destination(net("10.1.0.2/32"))), true),
        (drop().when(Field::In(name("br0"))), true),
        (drop().unless(Field::Out(name("vc"))), false),
        (drop().when(Field::Protocol(Protocol::Tcp)), false),
        (udp(9), true),
        (udp(10), false),
        (drop().when(Field::DestinationIsLocal), false),
        (drop().unless(Field::SourceIsLocal), true),
    ];
    for (rule, hit) in cases {
        let mut home = Net::home();
        let text = rule.to_string();
        home.run(vec![append(FORWARD, rule)]);
        let arrived = home.at("c/eth0 in", &shot("a", "10.1.0.2", Payload::Udp(9)));
        assert_eq!(arrived.is_empty(), hit, "{text}");
    }
}

#[test]
fn a_table_is_there_once_it_is_touched() {
    let mut home = Net::home();
    let lines = |home: &mut Net, table| {
        let host = home.look().netns.remove(&netns("host")).unwrap();
        host.rules.lines(table)
    };
    assert_eq!(lines(&mut home, Table::Filter), [""; 0]);
    home.run(vec![Op::Rules(RuleOp::NewChain(DOCKER))]);
    let expected = [
        "-P INPUT ACCEPT",
        "-P FORWARD ACCEPT",
        "-P OUTPUT ACCEPT",
        "-N DOCKER",
    ];
    assert_eq!(lines(&mut home, Table::Filter), expected);
    assert_eq!(lines(&mut home, Table::Nat), [""; 0]);
}

#[test]
fn changes_that_make_no_sense_are_refused() {
    let mut home = Net::home();
    let rules = |op| vec![Op::Rules(op)];
    home.run(rules(RuleOp::NewChain(DOCKER)));
    let jump = Rule::new(Target::Jump(ChainName::Docker));
    let user = ChainRef::filter(ChainName::DockerUser);
    assert_eq!(home.refused(rules(RuleOp::NewChain(DOCKER))), Errno::EEXIST);
    assert_eq!(home.refused(rules(RuleOp::Flush(user))), Errno::ENOENT);
    let missing = RuleOp::Delete(FORWARD, jump.clone());
    assert_eq!(home.refused(rules(missing)), Errno::ENOENT);
    home.run(rules(RuleOp::Append(FORWARD, jump)));
    assert_eq!(
        home.refused(rules(RuleOp::DeleteChain(DOCKER))),
        Errno::EBUSY
    );
    let masquerade = RuleOp::Append(FORWARD, Rule::new(Target::Masquerade));
    assert_eq!(home.refused(rules(masquerade)), Errno::EOPNOTSUPP);
}
