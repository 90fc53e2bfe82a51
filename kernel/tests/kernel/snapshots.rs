//! What a network looks like.

use std::{net::TcpListener, thread};

use netparity_core::{
    model::Dataplane,
    name::Netns,
    plan::{LinkChange, Op},
    probe::Payload,
    snapshot::{LinkKind, Neighbour},
    trace::Station,
};
use netparity_kernel::{Access, Kernel};
use nix::sched::{CloneFlags, setns};

use crate::network::*;

pub fn a_snapshot_says_what_there_is(access: &Access) {
    let mut kernel = two_bridges(access);
    done(
        &mut kernel,
        vec![forward(), listen("c2", tcp(80)), listen("c2", udp(80))],
    );
    let snapshot = kernel.snapshot().unwrap();
    let host = &snapshot.netns[&Netns::Host];
    assert!(host.ip_forward);
    let routes: Vec<_> = host.routes.iter().map(ToString::to_string).collect();
    assert_eq!(
        routes,
        [
            "10.0.0.0/24 dev br0 proto kernel scope link src 10.0.0.1",
            "10.0.1.0/24 dev br1 proto kernel scope link src 10.0.1.1",
        ]
    );
    let v2 = &host.links[&link("v2")];
    assert_eq!(
        (v2.kind, v2.mtu, v2.master),
        (LinkKind::Veth, 1500, Some(link("br0")))
    );
    assert!(v2.up && v2.carrier);
    // A bridge has the lowest address of its ports.
    assert_eq!(host.links[&link("br0")].mac, v2.mac);
    assert!(host.links[&link("br0")].carrier);
    let c2 = &snapshot.netns[&netns("c2")];
    assert!(!c2.ip_forward);
    assert_eq!(
        c2.listeners.iter().copied().collect::<Vec<_>>(),
        [tcp(80), udp(80)]
    );
    let routes: Vec<_> = c2.routes.iter().map(ToString::to_string).collect();
    assert_eq!(
        routes,
        [
            "default via 10.0.0.1 dev eth0",
            "10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.2",
        ]
    );
    assert_eq!(c2.links[&link("eth0")].mac, mac(2));
    assert_eq!(
        c2.links[&link("eth0")].addresses,
        ["10.0.0.2/24".parse().unwrap()]
    );
    done(&mut kernel, vec![set("c2/eth0", LinkChange::Up(false))]);
    let snapshot = kernel.snapshot().unwrap();
    let host = &snapshot.netns[&Netns::Host];
    assert!(host.links[&link("v2")].up && !host.links[&link("v2")].carrier);
    assert!(!host.links[&link("br0")].carrier);
    assert!(snapshot.netns[&netns("c2")].routes.is_empty());
}

pub fn a_bridge_learns_where_stations_are(access: &Access) {
    let mut kernel = one_bridge(access, 3);
    let learned = |kernel: &mut Kernel| {
        let snapshot = kernel.snapshot().unwrap();
        snapshot.netns[&Netns::Host].links[&link("br0")]
            .learned
            .clone()
    };
    assert!(learned(&mut kernel).is_empty());
    verdict(&mut kernel, "c2", "10.0.0.3", Payload::Icmp);
    let expected = [(Station(mac(2)), link("v2")), (Station(mac(3)), link("v3"))];
    assert_eq!(
        learned(&mut kernel).into_iter().collect::<Vec<_>>(),
        expected
    );
    let snapshot = kernel.snapshot().unwrap();
    let neighbour = Neighbour {
        link: link("eth0"),
        address: ip("10.0.0.3"),
    };
    assert_eq!(snapshot.netns[&netns("c2")].neighbours[&neighbour], mac(3));
    done(&mut kernel, vec![set("c2/eth0", LinkChange::Up(false))]);
    assert_eq!(
        learned(&mut kernel).into_keys().collect::<Vec<_>>(),
        [Station(mac(3))]
    );
}

pub fn servers_of_others_are_listed(access: &Access) {
    let mut kernel = one_bridge(access, 1);
    // Somebody else enters the namespace and listens there.
    let descriptor = kernel
        .descriptor(&netns("c2"))
        .unwrap()
        .try_clone_to_owned()
        .unwrap();
    let server = thread::spawn(move || {
        setns(&descriptor, CloneFlags::CLONE_NEWNET).unwrap();
        TcpListener::bind("0.0.0.0:8080").unwrap()
    });
    let server = server.join().unwrap();
    let listeners = |kernel: &mut Kernel| {
        kernel.snapshot().unwrap().netns[&netns("c2")]
            .listeners
            .clone()
    };
    assert_eq!(
        listeners(&mut kernel).into_iter().collect::<Vec<_>>(),
        [tcp(8080)]
    );
    drop(server);
    assert!(listeners(&mut kernel).is_empty());
}

pub fn links_that_are_removed_are_gone_at_once(access: &Access) {
    let mut kernel = one_bridge(access, 10);
    for last in 2..12 {
        done(
            &mut kernel,
            vec![Op::DeleteNetns(netns(&format!("c{last}")))],
        );
        let snapshot = kernel.snapshot().unwrap();
        let host = &snapshot.netns[&Netns::Host];
        let veths = host
            .links
            .values()
            .filter(|link| link.kind == LinkKind::Veth);
        assert_eq!(veths.count(), 11 - usize::from(last));
        assert_eq!(snapshot.netns.len(), 12 - usize::from(last));
        // And can be made again.
        done(&mut kernel, endpoint(0, last));
        done(
            &mut kernel,
            vec![Op::DeleteNetns(netns(&format!("c{last}")))],
        );
    }
}

pub fn what_may_have_changed_is_looked_at_again(access: &Access) {
    let changes = [
        vec![listen("c2", tcp(80))],
        vec![set("c2/eth0", LinkChange::Up(false))],
        vec![up("c2/eth0")],
        vec![address("c3/eth0", "10.0.9.1/24")],
        vec![forward()],
        vec![set("host/br0", LinkChange::Mtu(1400))],
        vec![Op::DeleteNetns(netns("c3"))],
    ];
    for count in 1..=changes.len() {
        let mut kernel = one_bridge(access, 3);
        for ops in &changes[..count] {
            kernel.snapshot().unwrap();
            done(&mut kernel, ops.clone());
            kernel.snapshot().unwrap();
            throw(&mut kernel, &shot("c4", "10.0.0.2", Payload::Icmp));
            kernel
                .verdict(&shot("c4", "10.0.0.99", Payload::Icmp))
                .unwrap();
        }
        let look = kernel.snapshot().unwrap();
        // Where others may change something, everything is looked at.
        assert!(kernel.descriptor(&Netns::Host).is_some());
        assert_eq!(look, kernel.snapshot().unwrap());
    }
}
