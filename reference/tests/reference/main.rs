//! The contained dockerd: that it works, and that nothing of it stays.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and what is skipped is said"
)]

mod containment;
mod engine;
mod kill;
mod model;
mod traces;

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};
use netparity_core::{
    command::{Command, ContainerSpec, DaemonConfig, NetMode},
    model::{ModelError, Outcome},
};
use netparity_reference::{Access, Docker, Options, enter};

/// The tests, each with its name.
type Tests = &'static [(&'static str, fn(Access))];

fn main() {
    let access = enter();
    if std::env::args().nth(1).as_deref() == Some(kill::DRIVE) {
        kill::drive(access);
    }
    let mut arguments = Arguments::from_args();
    // They count processes and mounts, and two of them are as much as two cores do well.
    arguments.test_threads = Some(1);
    let missing = Docker::check(&access, &Options::default()).err();
    let is_required = std::env::var("NETPARITY_REQUIRE").is_ok_and(|it| it.contains("docker"));
    if let Some(why) = missing.as_ref().filter(|_| !is_required) {
        println!("skipped, and not passed: {why}");
    }
    let trial = |(name, test): &(&str, fn(Access))| {
        let (test, missing) = (*test, missing.clone());
        let skip = missing.is_some() && !is_required;
        let run = move || match missing {
            Some(why) => Err(Failed::from(why)),
            None => {
                test(access);
                Ok(())
            }
        };
        Trial::test(*name, run).with_ignored_flag(skip)
    };
    let tests = [containment::TESTS, engine::TESTS, model::TESTS, kill::TESTS];
    let trials = tests.into_iter().flatten().map(trial).collect();
    let conclusion: Conclusion = libtest_mimic::run(&arguments, trials);
    conclusion.exit();
}

fn start(access: Access) -> Docker {
    Docker::start(&access, &Options::default()).unwrap()
}

/// A dockerd that isolates its containers, with the bridge of Docker's first years.
fn isolated(access: Access) -> Docker {
    let mut docker = start(access);
    let config = DaemonConfig {
        bip: Some("172.17.42.1/16".parse().unwrap()),
        icc: false,
        ..DaemonConfig::default()
    };
    docker.command(&Command::Daemon(config)).unwrap();
    docker
}

fn spec(name: &str) -> ContainerSpec {
    ContainerSpec {
        name: Some(name.into()),
        ..ContainerSpec::default()
    }
}

fn joining(name: &str, target: &str) -> ContainerSpec {
    ContainerSpec {
        net: NetMode::Container(target.into()),
        ..spec(name)
    }
}

fn run(docker: &mut Docker, spec: ContainerSpec) -> Outcome {
    docker.command(&Command::Run(spec)).unwrap()
}

fn refused(docker: &mut Docker, command: Command) -> String {
    match docker.command(&command) {
        Err(ModelError::Refused(refusal)) => refusal.to_string(),
        other => panic!("{command:?} gave {other:?}"),
    }
}

fn broken(docker: &mut Docker, command: Command) -> String {
    match docker.command(&command) {
        Err(ModelError::Broken(why)) => why,
        other => panic!("{command:?} gave {other:?}"),
    }
}
