use super::*;

fn strict() -> Model {
    let mut model = Planned::of(Variant::Strict, Notebook::default());
    dockerd(&mut model, |config| config.icc = false);
    model
}

/// The rules of links, each as `parent>child port`, by the last number of an address.
fn open(model: &mut Model) -> Vec<String> {
    let rules = rules(model, "DOCKER");
    let links = rules.iter().filter(|rule| rule.contains("--dport"));
    let told = links.map(|rule| {
        let after = |key: &str| {
            let mut words = rule.split(' ').skip_while(|word| *word != key);
            words.nth(1).unwrap().trim_end_matches("/32")
        };
        let last = |key| after(key).rsplit('.').next().unwrap();
        format!(
            "{}>{} {}/{}",
            last("-s"),
            last("-d"),
            after("--dport"),
            after("-p")
        )
    });
    let told: Vec<String> = told.collect();
    assert_eq!(told.len() + 1, rules.len(), "{rules:?}");
    told
}

#[test]
fn a_link_is_one_rule_for_each_port_while_both_ends_run() {
    let mut model = strict();
    run(&mut model, exposing("aa", &["80", "53/udp"]));
    run(&mut model, linked("pp", &["aa:x", "aa:y"]));
    let both = ["3>2 53/udp", "3>2 80/tcp"];
    let mut found = open(&mut model);
    found.sort();
    assert_eq!(found, both);
    for end in ["aa", "pp"] {
        stop(&mut model, end);
        assert!(open(&mut model).is_empty());
        start(&mut model, end);
        assert_eq!(open(&mut model).len(), 2);
    }
    remove(&mut model, "pp");
    assert!(open(&mut model).is_empty());
}

#[test]
fn rules_follow_a_child() {
    let mut model = strict();
    run(&mut model, exposing("aa", &["80"]));
    run(&mut model, linked("pp", &["aa"]));
    stop(&mut model, "aa");
    run(&mut model, exposing("thief", &["80"]));
    assert!(open(&mut model).is_empty());
    start(&mut model, "aa");
    assert_eq!(open(&mut model), ["3>4 80/tcp"]);
    stop(&mut model, "pp");
    assert!(open(&mut model).is_empty());
}

#[test]
fn a_container_between_two_others_is_not_open_to_its_own_child() {
    let mut model = strict();
    run(&mut model, exposing("aa", &["80"]));
    let middle = ContainerSpec {
        links: vec!["aa".into()],
        ..exposing("bb", &["81"])
    };
    run(&mut model, middle);
    run(&mut model, linked("cc", &["bb"]));
    restart(&mut model, "bb");
    let mut found = open(&mut model);
    found.sort();
    assert_eq!(found, ["3>2 80/tcp", "4>3 81/tcp"]);
}

#[test]
fn a_daemon_that_starts_leads_no_link_to_a_stranger() {
    let mut model = strict();
    run(&mut model, exposing("aa", &["80"]));
    run(&mut model, exposing("bb", &["81"]));
    run(&mut model, linked("pp", &["bb", "aa"]));
    run(&mut model, linked("qq", &["bb"]));
    remove(&mut model, "aa");
    run(&mut model, exposing("aa", &["80"]));
    dockerd(&mut model, |config| config.icc = false);
    for name in ["aa", "bb", "qq"] {
        start(&mut model, name);
    }
    assert_eq!(open(&mut model), ["4>3 81/tcp"]);
    let refusal = refused(&mut model, Command::Start("pp".into()));
    let expected = "Cannot link to a non running container: /aa AS /pp/aa";
    assert!(refusal.contains(expected), "{refusal}");
    assert_eq!(open(&mut model), ["4>3 81/tcp"]);
}

#[test]
fn with_icc_on_there_are_no_rules_of_links() {
    let mut model = Planned::of(Variant::Strict, Notebook::default());
    dockerd(&mut model, |_| {});
    run(&mut model, exposing("aa", &["80"]));
    run(&mut model, linked("pp", &["aa"]));
    assert!(open(&mut model).is_empty());
}

#[test]
fn it_stays_what_it_is_when_it_begins_anew() {
    let mut model = strict();
    model.reset().unwrap();
    dockerd(&mut model, |config| config.icc = false);
    run(&mut model, exposing("aa", &["80"]));
    run(&mut model, linked("pp", &["aa"]));
    assert_eq!(open(&mut model), ["3>2 80/tcp"]);
}
