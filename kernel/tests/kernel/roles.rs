//! What a test needs a process of its own for, and what watches over one.

use std::{
    fs,
    io::{Read, Write, stdin, stdout},
    os::fd::{AsRawFd, RawFd},
    process::ExitCode,
};

use futures_util::StreamExt;
use netparity_core::{model::Dataplane, probe::Payload};
use netparity_kernel::{Access, Kernel, enter, settle};
use nix::sched::{CloneFlags, unshare};
use rtnetlink::{
    Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, MulticastGroup, new_multicast_connection,
    packet_route::link::{InfoData, InfoKind, InfoVeth},
};
use tokio::runtime::{Builder, Runtime};

use crate::network::*;

pub const ROLE: &str = "NETPARITY_TEST_ROLE";
pub const VICTIM: &str = "victim";
pub const SPENDER: &str = "spender";

pub fn play(role: &str) -> ExitCode {
    let access = enter().unwrap();
    match role {
        VICTIM => victim(&access),
        _ => spender(&access),
    }
}

/// Has a network, says by which descriptors, and waits to be killed in the middle of its work.
fn victim(access: &Access) -> ExitCode {
    let mut kernel = one_bridge(access, 2);
    let names = ["host", "c2", "c3"].map(netns);
    let numbers = names.map(|name| kernel.descriptor(&name).unwrap().as_raw_fd().to_string());
    throw(&mut kernel, &shot("c2", "10.0.0.3", Payload::Icmp));
    println!("{}", numbers.join(" "));
    stdout().flush().unwrap();
    stdin().read_to_end(&mut Vec::new()).unwrap();
    ExitCode::FAILURE
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Has a hundred networks, one after another.
fn spender(access: &Access) -> ExitCode {
    let one = || {
        let mut kernel = one_bridge(access, 2);
        done(
            &mut kernel,
            vec![listen("c3", tcp(80)), listen("c3", udp(80))],
        );
        for payload in [
            Payload::Tcp(80),
            Payload::Udp(80),
            Payload::Icmp,
            Payload::Arp,
        ] {
            throw(&mut kernel, &shot("c2", "10.0.0.3", payload));
        }
        throw(&mut kernel, &shot("c2", "10.77.0.3", Payload::Icmp));
        kernel.snapshot().unwrap();
        done(
            &mut kernel,
            vec![netparity_core::plan::Op::DeleteNetns(netns("c2"))],
        );
        drop::<Kernel>(kernel);
        settle();
    };
    one();
    let before = open_descriptors();
    for _ in 0..100 {
        one();
    }
    match open_descriptors() == before {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// A namespace with near ends of veth pairs, whose far ends are in namespaces of others.
pub struct Observer {
    runtime: Runtime,
    handle: Handle,
    news: Box<dyn futures_util::Stream<Item = ()> + Unpin>,
    ties: u32,
}

impl Observer {
    /// Only in a thread of its own: it moves that into the namespace.
    pub fn new(_: &Access) -> Self {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let runtime = Builder::new_current_thread().enable_io().build().unwrap();
        let (handle, news) = runtime.block_on(async {
            let groups = [MulticastGroup::Link];
            let (connection, handle, news) = new_multicast_connection(&groups).unwrap();
            tokio::spawn(connection);
            (handle, news)
        });
        Self {
            runtime,
            handle,
            news: Box::new(news.map(drop)),
            ties: 0,
        }
    }

    /// Puts a far end into this namespace.
    pub fn tie(&mut self, namespace: RawFd) {
        self.ties += 1;
        let peer = LinkUnspec::new_with_name("witness").setns_by_fd(namespace);
        let link = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
            .name(format!("tie{}", self.ties))
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())));
        let request = self.handle.link().add(link.build());
        self.runtime.block_on(request.execute()).unwrap();
    }

    /// How many near ends there are.
    pub fn count(&mut self) -> usize {
        let links = self.handle.link().get().execute();
        // Less the loopback interface.
        self.runtime.block_on(links.count()) - 1
    }

    /// Waits until none is left, from one piece of news to the next.
    pub fn await_none(&mut self) {
        while self.count() > 0 {
            self.runtime.block_on(self.news.next());
        }
    }
}
