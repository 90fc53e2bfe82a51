//! What is a little less than a case: fewer lines, then plainer ones.

use netparity_core::{
    command::{Command, ContainerSpec, DaemonConfig},
    probe::Probe,
};

use super::{Step, known::Known};

/// Cases that say less than this one, those that say the least first: without a line, with a line
/// made plainer, without two lines.
pub(super) fn smaller(case: &[Step]) -> impl Iterator<Item = Vec<Step>> {
    let without_one = (0..case.len()).rev().map(move |at| without(case, &[at]));
    let plainer = case.iter().enumerate().flat_map(move |(at, step)| {
        plainer(step).into_iter().map(move |step| {
            let others = case.iter().enumerate();
            others
                .map(|(place, other)| if place == at { &step } else { other }.clone())
                .collect::<Vec<_>>()
        })
    });
    let without_two = (0..case.len()).flat_map(move |second| {
        let pair = move |first| without(case, &[first, second]);
        (0..second).map(pair)
    });
    let all = without_one.chain(plainer).chain(without_two);
    all.filter(|case| can_be_read(case))
}

fn without(case: &[Step], places: &[usize]) -> Vec<Step> {
    let kept = case.iter().enumerate();
    kept.filter(|(at, _)| !places.contains(at))
        .map(|(_, step)| step.clone())
        .collect()
}

/// Whether it says what daemon there is, and every name that is used was made before.
fn can_be_read(case: &[Step]) -> bool {
    let mut known = Known::default();
    matches!(case.first(), Some(Step::Command(Command::Daemon(_))))
        && case.iter().all(|step| known.admits(step))
}

/// The same line with one thing less.
fn plainer(step: &Step) -> Vec<Step> {
    match step {
        Step::Command(Command::Daemon(config)) => plainer_daemons(config)
            .map(|config| Step::Command(Command::Daemon(config)))
            .collect(),
        Step::Command(Command::Run(spec)) => plainer_specs(spec)
            .into_iter()
            .map(|spec| Step::Command(Command::Run(spec)))
            .collect(),
        Step::Command(Command::Create(spec)) => plainer_specs(spec)
            .into_iter()
            .map(|spec| Step::Command(Command::Create(spec)))
            .collect(),
        Step::Probe(probe) => plainer_probes(probe).map(Step::Probe).collect(),
        Step::Command(_) | Step::ByHand(..) => Vec::new(),
    }
}

/// One more thing as it is where nothing is said of it.
fn plainer_daemons(config: &DaemonConfig) -> impl Iterator<Item = DaemonConfig> {
    let fields: [fn(&mut DaemonConfig); 8] = [
        |it| it.bridge = DaemonConfig::default().bridge,
        |it| it.bip = DaemonConfig::default().bip,
        |it| it.fixed_cidr = DaemonConfig::default().fixed_cidr,
        |it| it.mtu = DaemonConfig::default().mtu,
        |it| it.icc = DaemonConfig::default().icc,
        |it| it.iptables = DaemonConfig::default().iptables,
        |it| it.ip_masq = DaemonConfig::default().ip_masq,
        |it| it.ip_forward = DaemonConfig::default().ip_forward,
    ];
    changed(config, fields)
}

fn plainer_specs(spec: &ContainerSpec) -> Vec<ContainerSpec> {
    let fields: [fn(&mut ContainerSpec); 5] = [
        |it| it.net = ContainerSpec::default().net,
        |it| it.env = ContainerSpec::default().env,
        |it| it.hostname = ContainerSpec::default().hostname,
        |it| it.mac = ContainerSpec::default().mac,
        |it| it.auto_remove = ContainerSpec::default().auto_remove,
    ];
    let mut all: Vec<_> = changed(spec, fields).collect();
    for at in 0..spec.expose.len() {
        let mut less = spec.clone();
        less.expose.remove(at);
        all.push(less);
    }
    for (at, link) in spec.links.iter().enumerate() {
        let mut less = spec.clone();
        less.links.remove(at);
        all.push(less);
        if let Some((child, _)) = link.split_once(':') {
            let mut less = spec.clone();
            less.links.splice(at..=at, [child.to_owned()]);
            all.push(less);
        }
    }
    all
}

fn plainer_probes(probe: &Probe) -> impl Iterator<Item = Probe> {
    let fields: [fn(&mut Probe); 4] = [
        |it| it.source_port = None,
        |it| it.ttl = None,
        |it| it.size = None,
        |it| it.dont_fragment = false,
    ];
    changed(probe, fields)
}

/// What is another thing with one of these changes.
fn changed<T: Clone + PartialEq, const N: usize>(
    one: &T,
    changes: [impl Fn(&mut T); N],
) -> impl Iterator<Item = T> {
    changes.into_iter().filter_map(move |change| {
        let mut other = one.clone();
        change(&mut other);
        (other != *one).then_some(other)
    })
}
