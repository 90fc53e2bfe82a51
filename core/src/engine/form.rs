//! The engine's canonical form.

use super::{
    Engine,
    bridge::Stored,
    container::{Container, Endpoint, Running},
    daemon::{Daemon, Network, Store},
    firewall::{Bridge, Tables},
    link_rules::{Kin, Peer},
    links::Link,
};
use crate::{
    allocator::Allocator,
    command::{ContainerSpec, NetMode},
    form::{Canonical, Form},
};

/// Left out: what Docker draws at random, and the counters it is drawn from, for it is only ever
/// asked whether two of it are the same; hosts files, environments and hostnames, which nothing
/// is decided by.
impl Canonical for Engine {
    fn write<'a>(&'a self, form: &mut Form<'a>) {
        let Self {
            variant,
            daemon,
            containers,
            sandboxes,
            files: _,
            tables,
            store,
            ip_forward,
            created: _,
            endpoints: _,
        } = self;
        for (name, container) in containers {
            form.identify(&container.id, name);
        }
        form.value(&(variant, daemon.is_some()));
        if let Some(Daemon { network }) = daemon {
            form.value(&network.is_some());
            if let Some(network) = network {
                write_network(form, network);
            }
        }
        form.by_name(containers, |form, _, container| {
            self.write_container(form, container);
        });
        form.unordered(sandboxes, |form, (netns, users)| {
            form.netns(netns);
            form.value(users);
        });
        let Tables { chains, links } = tables;
        form.value(chains);
        form.value(links);
        let Store {
            is_made,
            default,
            stale,
        } = store;
        form.value(&(is_made, ip_forward, stale.len()));
        for stored in default.iter().chain(stale) {
            write_stored(form, stored);
        }
    }
}

impl Engine {
    fn write_container<'a>(&'a self, form: &mut Form<'a>, container: &'a Container) {
        let Container {
            serial,
            id: _,
            spec,
            hostname: _,
            ports,
            links,
            parents,
            hosts,
            stale_address,
            has_no_network,
            was_started,
            running,
        } = container;
        write_spec(form, spec);
        form.value(&(ports, stale_address, has_no_network, was_started));
        form.value(&links.len());
        for link in links {
            self.write_link(form, link);
        }
        form.unordered(parents, |form, parent| form.text(parent.as_str()));
        // Whose hosts file it is decides nothing, only whether there is one, and when it goes.
        form.value(&hosts.map(|owner| owner == *serial));
        form.value(&running.is_some());
        if let Some(Running {
            netns,
            endpoint,
            env: _,
            listeners,
        }) = running
        {
            form.netns(netns);
            form.value(listeners);
            form.value(&endpoint.is_some());
            if let Some(Endpoint {
                id: _,
                address,
                kin: Kin { parent, children },
            }) = endpoint
            {
                form.value(address);
                form.value(&parent.is_some());
                form.value(&children.len());
                for peer in parent.iter().chain(children) {
                    self.write_peer(form, peer);
                }
            }
        }
    }

    /// A link to one that is gone leads nowhere, whoever has its name.
    fn write_link(&self, form: &mut Form<'_>, link: &Link) {
        let Link {
            child,
            serial: _,
            path,
            is_on_bridge,
        } = link;
        form.text(child.as_str());
        form.text(path);
        form.value(&(self.child(link).is_some(), is_on_bridge));
    }

    /// An endpoint that is gone does not come back.
    fn write_peer(&self, form: &mut Form<'_>, peer: &Peer) {
        let Peer { name, endpoint: _ } = peer;
        match self.peer(peer) {
            Some(_) => form.text(name.as_str()),
            None => form.value(&0_u8),
        }
    }
}

fn write_network(form: &mut Form<'_>, network: &Network) {
    let Network {
        id: _,
        bridge,
        subnet,
        gateway,
        mtu,
        icc,
        pool,
    } = network;
    form.value(&(bridge, subnet, gateway, mtu, icc));
    form.value(&pool.next());
    form.unordered(pool.leases(), |form, lease| form.value(&lease));
}

fn write_stored(form: &mut Form<'_>, stored: &Stored) {
    let Stored {
        rules:
            Bridge {
                link,
                subnet,
                icc,
                masquerade,
            },
        address,
    } = stored;
    form.value(&(link, subnet, icc, masquerade, address));
}

fn write_spec(form: &mut Form<'_>, spec: &ContainerSpec) {
    let ContainerSpec {
        name: _,
        net,
        expose,
        links,
        env,
        hostname,
        mac,
        auto_remove,
    } = spec;
    form.value(&std::mem::discriminant(net));
    match net {
        NetMode::Container(target) => form.id_or_word(target),
        NetMode::Network(network) => form.value(network),
        NetMode::Bridge | NetMode::Host | NetMode::None => {}
    }
    form.value(&(expose, env, hostname, auto_remove));
    form.value(&mac.map(|mac| mac.octets()));
    form.value(&links.len());
    for link in links {
        form.text(link);
    }
}
