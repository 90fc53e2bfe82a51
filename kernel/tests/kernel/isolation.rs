//! Nothing of ours is seen from outside, and nothing is left of it.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::fd::AsRawFd,
    process::{Child, Command, Stdio},
    thread,
};

use netparity_core::{model::Dataplane, parity, probe::Payload};
use netparity_kernel::{Access, Kernel};

use crate::{network::*, roles, start};

fn own_netns() -> std::path::PathBuf {
    fs::read_link("/proc/thread-self/ns/net").unwrap()
}

pub fn the_calling_thread_stays_where_it_is(access: &Access) {
    let before = own_netns();
    let links = fs::read_to_string("/proc/thread-self/net/dev")
        .unwrap()
        .lines()
        .count();
    let mut kernel = two_bridges(access);
    assert_eq!(own_netns(), before);
    refused(
        &mut kernel,
        vec![listen("c2", tcp(80)), listen("c2", tcp(80))],
    );
    done(&mut kernel, vec![forward(), listen("c2", udp(80))]);
    assert_eq!(own_netns(), before);
    for payload in [
        Payload::Tcp(80),
        Payload::Udp(80),
        Payload::Icmp,
        Payload::Arp,
    ] {
        throw(&mut kernel, &shot("c2", "10.0.1.3", payload));
        assert_eq!(own_netns(), before);
    }
    kernel.snapshot().unwrap();
    assert_eq!(own_netns(), before);
    // From a thread in another namespace, too, that namespace is come back to.
    let elsewhere = thread::spawn(move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        let own = own_netns();
        throw(&mut kernel, &shot("c3", "10.0.1.1", Payload::Icmp));
        done(&mut kernel, endpoint(0, 9));
        (own_netns() == own, own != before)
    });
    assert_eq!(elsewhere.join().unwrap(), (true, true));
    let after = fs::read_to_string("/proc/thread-self/net/dev")
        .unwrap()
        .lines()
        .count();
    assert_eq!(after, links);
}

fn play(role: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(roles::ROLE, role);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    start(&mut command).unwrap()
}

/// The namespaces of a process that is killed end: each takes the far end of a veth pair along,
/// whose near end is here, where that can be seen.
pub fn nothing_outlives_the_process(access: &Access) {
    let mut victim = play(roles::VICTIM);
    let mut said = String::new();
    BufReader::new(victim.stdout.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    let descriptors: Vec<_> = said.split_whitespace().collect();
    assert_eq!(descriptors.len(), 3);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut observer = roles::Observer::new(access);
            for number in descriptors {
                let path = format!("/proc/{}/fd/{number}", victim.id());
                let namespace = fs::File::open(path).unwrap();
                observer.tie(namespace.as_raw_fd());
            }
            assert_eq!(observer.count(), 3);
            victim.kill().unwrap();
            victim.wait().unwrap();
            observer.await_none();
        });
    });
}

pub fn no_descriptor_outlives_a_network(_: &Access) {
    // In a process of its own, where nobody else opens any.
    let status = play(roles::SPENDER).wait().unwrap();
    assert!(status.success(), "{status}");
}

pub fn networks_do_not_see_each_other(access: &Access) {
    let work = |access: Access| {
        let mut traces = Vec::new();
        for _ in 0..5 {
            let mut kernel: Kernel = one_bridge(&access, 3);
            done(
                &mut kernel,
                vec![listen("c3", tcp(80)), listen("c3", udp(53))],
            );
            for payload in [
                Payload::Tcp(80),
                Payload::Udp(53),
                Payload::Icmp,
                Payload::Arp,
            ] {
                let trace = throw(&mut kernel, &shot("c2", "10.0.0.3", payload));
                traces.push((trace.verdict, parity::decoded(&trace), trace.drops));
            }
        }
        traces
    };
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let access = access.clone();
            thread::spawn(move || work(access))
        })
        .collect();
    let traces: Vec<_> = threads.into_iter().map(|it| it.join().unwrap()).collect();
    assert!(traces.iter().all(|one| *one == traces[0]));
}
