//! The environment of a container's program. Source: moby 20.10's `createDaemonEnvironment` and
//! `ReplaceOrAppendEnvValues`, and what runc's init then makes of it.

use std::collections::BTreeMap;

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the program is given: Docker's variables, those of the links, the container's own, and a
/// home.
pub(super) fn of_program(hostname: &str, links: Vec<String>, own: &[String]) -> Vec<String> {
    let mut env = vec![PATH.to_owned(), format!("HOSTNAME={hostname}")];
    env.extend(links);
    override_with(&mut env, own);
    let mut env = collapse(env);
    match env.iter_mut().find(|setting| key(setting) == "HOME") {
        Some(home) if home == "HOME=" => home.push('/'),
        Some(_) => {}
        None => env.push("HOME=/".to_owned()),
    }
    env
}

/// A name without a value unsets what would be there without it.
fn override_with(env: &mut Vec<String>, own: &[String]) {
    if own.is_empty() {
        return;
    }
    let place = |(place, setting): (usize, &String)| (key(setting).to_owned(), place);
    let places: BTreeMap<String, usize> = env.iter().enumerate().map(place).collect();
    for setting in own {
        let old = places
            .get(key(setting))
            .and_then(|place| env.get_mut(*place));
        match old {
            Some(old) if setting.contains('=') => setting.clone_into(old),
            Some(old) => old.clear(),
            None if setting.contains('=') => env.push(setting.clone()),
            None => {}
        }
    }
    env.retain(|setting| !setting.is_empty());
}

/// Of two settings of a name the last holds, in the place of the first.
fn collapse(env: Vec<String>) -> Vec<String> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut collapsed: Vec<String> = Vec::with_capacity(env.len() + 1);
    for setting in env {
        match places
            .get(key(&setting))
            .and_then(|place| collapsed.get_mut(*place))
        {
            Some(first) => *first = setting,
            None => {
                places.insert(key(&setting).to_owned(), collapsed.len());
                collapsed.push(setting);
            }
        }
    }
    collapsed
}

fn key(setting: &str) -> &str {
    setting.split_once('=').map_or(setting, |(key, _)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(links: &[&str], own: &[&str]) -> Vec<String> {
        let owned = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        let own: Vec<String> = owned(own);
        of_program("h", owned(links), &own)
    }

    #[test]
    fn home_comes_last_unless_it_is_given() {
        assert_eq!(env(&[], &[]), [PATH, "HOSTNAME=h", "HOME=/"]);
        assert_eq!(
            env(&[], &["HOME=", "A=1"]),
            [PATH, "HOSTNAME=h", "HOME=/", "A=1"]
        );
    }

    #[test]
    fn of_two_settings_the_last_holds_in_the_place_of_the_first() {
        assert_eq!(
            env(&["X=1", "X=2"], &["A=1", "X=3", "A=2", "PATH=/bin"]),
            ["PATH=/bin", "HOSTNAME=h", "X=3", "A=2", "HOME=/"]
        );
    }

    #[test]
    fn a_name_alone_unsets_what_is_not_the_containers_own() {
        assert_eq!(
            env(&["X=1"], &["X", "HOSTNAME", "A=1", "A", "none"]),
            [PATH, "A=1", "HOME=/"]
        );
    }
}
