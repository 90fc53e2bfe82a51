use super::*;

#[test]
fn rules_are_those_of_docker_20_10() {
    let mut model = isolated();
    run(&mut model, redis());
    run(&mut model, webapp());
    let rules = &model.dataplane().host.rules;
    let lines = [rules.lines(Table::Filter), rules.lines(Table::Nat)].concat();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn the_same_link_twice_is_one_pair_of_rules() {
    let mut model = isolated();
    run(&mut model, redis());
    run(
        &mut model,
        ContainerSpec {
            links: vec!["redis:db".into(), "redis:cache".into()],
            ..spec("webapp")
        },
    );
    let count = model
        .dataplane()
        .host
        .rules
        .lines(Table::Filter)
        .iter()
        .filter(|line| line.contains("6379"))
        .count();
    assert_eq!(count, 2);
    model.apply(&Command::Restart("webapp".into())).unwrap();
    model
        .apply(&Command::Remove {
            name: "webapp".into(),
            force: true,
        })
        .unwrap();
    assert!(
        !model
            .dataplane()
            .host
            .rules
            .lines(Table::Filter)
            .iter()
            .any(|line| line.contains("6379"))
    );
}

/// The rules of links from parents, each as `parent>child port`, by the last number of an address.
fn open(model: &mut Model) -> Vec<String> {
    let words = |rule: &String, key: &str| {
        let mut words = rule.split(' ').skip_while(|word| *word != key);
        let value = words.nth(1)?.trim_end_matches("/32");
        Some(value.rsplit('.').next()?.to_owned())
    };
    let rules = rules(model, "DOCKER");
    let ports = rules.iter().filter(|rule| rule.contains("--dport"));
    let answers = rules.iter().filter(|rule| rule.contains("--sport"));
    assert_eq!(ports.clone().count(), answers.count());
    let told = ports.map(|rule| {
        let part = |key| words(rule, key).unwrap();
        format!(
            "{}>{} {}/{}",
            part("-s"),
            part("-d"),
            part("--dport"),
            part("-p")
        )
    });
    told.collect()
}

fn isolating() -> Model {
    daemon(|config| config.icc = false)
}

#[test]
fn of_a_child_the_largest_port_comes_first_and_tcp_before_udp() {
    let mut model = isolating();
    run(&mut model, exposing("aa", &["53/udp", "80", "53"]));
    run(&mut model, linked("pp", &["aa"]));
    assert_eq!(open(&mut model), ["3>2 80/tcp", "3>2 53/tcp", "3>2 53/udp"]);
}

#[test]
fn a_child_restarted_since_leaves_its_rules_and_those_behind_it_to_the_next_stop() {
    let mut model = isolating();
    run(&mut model, exposing("aa", &["80"]));
    run(&mut model, exposing("bb", &["81"]));
    run(&mut model, linked("pp", &["aa:x", "bb:y"]));
    let all = ["4>2 80/tcp", "4>3 81/tcp"];
    restart(&mut model, "bb");
    stop(&mut model, "pp");
    assert_eq!(open(&mut model), all[1..]);
    start(&mut model, "pp");
    restart(&mut model, "aa");
    stop(&mut model, "pp");
    assert_eq!(
        open(&mut model).len(),
        2,
        "aa is not found, and bb not looked for"
    );
    start(&mut model, "pp");
    assert_eq!(
        open(&mut model).len(),
        2,
        "what is there is not added again"
    );
    stop(&mut model, "pp");
    assert!(open(&mut model).is_empty());
}

#[test]
fn rules_that_stayed_are_taken_by_whoever_has_the_same_address_next() {
    let mut model = isolating();
    run(&mut model, exposing("aa", &["80"]));
    run(&mut model, linked("pp", &["aa:x"]));
    stop(&mut model, "aa");
    run(&mut model, spec("thief"));
    start(&mut model, "aa");
    stop(&mut model, "pp");
    assert_eq!(open(&mut model), ["3>2 80/tcp"]);
    start(&mut model, "pp");
    assert_eq!(open(&mut model), ["3>2 80/tcp", "3>4 80/tcp"]);
    stop(&mut model, "pp");
    assert_eq!(open(&mut model), ["3>2 80/tcp"]);
}

#[test]
fn a_container_between_two_others_is_open_to_its_own_child() {
    let mut model = isolating();
    run(&mut model, exposing("aa", &["80"]));
    run(
        &mut model,
        ContainerSpec {
            links: vec!["aa:x".into()],
            ..exposing("bb", &["81"])
        },
    );
    assert_eq!(open(&mut model), ["3>2 80/tcp"], "it has no parent yet");
    run(&mut model, linked("cc", &["bb:y"]));
    restart(&mut model, "bb");
    assert_eq!(open(&mut model), ["4>3 81/tcp", "2>3 81/tcp", "3>2 80/tcp"]);
    stop(&mut model, "cc");
    stop(&mut model, "bb");
    assert_eq!(open(&mut model), ["4>3 81/tcp"]);
}

#[test]
fn a_refused_start_takes_back_what_it_added_and_what_was_there() {
    let mut model = isolating();
    run(&mut model, exposing("aa", &["80"]));
    run(&mut model, exposing("bb", &["81"]));
    run(&mut model, linked("pp", &["aa:x", "bb:y"]));
    restart(&mut model, "aa");
    stop(&mut model, "pp");
    stop(&mut model, "bb");
    run(&mut model, spec("thief"));
    assert_eq!(open(&mut model).len(), 2);
    refused(&mut model, Command::Start("pp".into()));
    assert_eq!(open(&mut model), ["4>3 81/tcp"]);
}
