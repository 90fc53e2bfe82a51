//! Routes of the main table, as netlink messages.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{
        RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol,
        RouteScope, RouteType,
    },
};
use netparity_core::plan::Route;
use rtnetlink::RouteMessageBuilder;

use crate::{
    error::Failure,
    netlink::{Netlink, Request},
};

/// A route by the index of its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub to: Ipv4Net,
    pub via: Option<Ipv4Addr>,
    pub link: Option<u32>,
    pub source: Option<Ipv4Addr>,
    pub kernel: bool,
}

impl Entry {
    /// `link` is the index of the link that the route names.
    pub(crate) fn new(route: &Route, link: Option<u32>) -> Self {
        Self {
            to: route.to,
            via: route.via,
            link,
            source: route.source,
            kernel: route.kernel,
        }
    }

    /// Adds it.
    pub(crate) fn add(&self) -> Request {
        Request::create(RouteNetlinkMessage::NewRoute(self.whole()), "add route")
    }

    /// Removes the first that fits.
    pub(crate) fn delete(&self) -> Request {
        let message = self
            .key()
            .scope(RouteScope::NoWhere)
            .protocol(RouteProtocol::Unspec)
            .kind(RouteType::Unspec);
        Request::change(
            RouteNetlinkMessage::DelRoute(message.build()),
            "delete route",
        )
    }

    fn whole(&self) -> RouteMessage {
        let scope = match self.via {
            Some(_) => RouteScope::Universe,
            None => RouteScope::Link,
        };
        let protocol = match self.kernel {
            true => RouteProtocol::Kernel,
            false => RouteProtocol::Boot,
        };
        let message = self.key().scope(scope).protocol(protocol);
        match self.source {
            Some(source) => message.pref_source(source).build(),
            None => message.build(),
        }
    }

    fn key(&self) -> RouteMessageBuilder<Ipv4Addr> {
        let mut message = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(self.to.addr(), self.to.prefix_len());
        if let Some(via) = self.via {
            message = message.gateway(via);
        }
        if let Some(link) = self.link {
            message = message.output_interface(link);
        }
        message
    }
}

/// The main table, in the kernel's order, which is that of `ip route`.
pub(crate) fn list(netlink: &mut Netlink) -> Result<Vec<Entry>, Failure> {
    let mut question = RouteMessage::default();
    question.header.address_family = AddressFamily::Inet;
    question.header.table = RouteHeader::RT_TABLE_MAIN;
    let answers = netlink.dump(RouteNetlinkMessage::GetRoute(question), "list routes");
    match answers {
        // There is no such table before the first route.
        Err(failure) if failure.errno() == Some(nix::libc::ENOENT) => Ok(Vec::new()),
        answers => Ok(answers?.iter().filter_map(read).collect()),
    }
}

pub(crate) fn read(message: &RouteNetlinkMessage) -> Option<Entry> {
    let RouteNetlinkMessage::NewRoute(message) = message else {
        return None;
    };
    let header = &message.header;
    if header.table != RouteHeader::RT_TABLE_MAIN || header.kind != RouteType::Unicast {
        return None;
    }
    let mut listed = Entry {
        to: Ipv4Net::new(Ipv4Addr::UNSPECIFIED, header.destination_prefix_length).ok()?,
        via: None,
        link: None,
        source: None,
        kernel: header.protocol == RouteProtocol::Kernel,
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(to)) => {
                listed.to = Ipv4Net::new(*to, header.destination_prefix_length).ok()?;
            }
            RouteAttribute::Gateway(RouteAddress::Inet(via)) => listed.via = Some(*via),
            RouteAttribute::PrefSource(RouteAddress::Inet(source)) => listed.source = Some(*source),
            RouteAttribute::Oif(link) => listed.link = Some(*link),
            _ => {}
        }
    }
    Some(listed)
}

/// Makes the main table what it was.
pub(crate) fn restore(netlink: &mut Netlink, before: &[Entry]) -> Result<(), Failure> {
    let now = list(netlink)?;
    if now == before {
        return Ok(());
    }
    // The order matters only among routes to the same network.
    let same = |to: Ipv4Net| {
        let those = |routes: &[Entry]| routes.iter().filter(|it| it.to == to).copied().collect();
        let (ours, theirs): (Vec<_>, Vec<_>) = (those(&now), those(before));
        ours == theirs
    };
    let gone = now.iter().filter(|route| !same(route.to));
    let mut back: Vec<_> = before.iter().filter(|route| !same(route.to)).collect();
    back.sort_by_key(|route| route.via.is_some());
    let append = |route: &&Entry| {
        let mut message = route.whole();
        if route.via.is_some() {
            // A route stays when the network of its gateway goes.
            message.header.flags |= RouteFlags::Onlink;
        }
        Request::append(RouteNetlinkMessage::NewRoute(message), "put route back")
    };
    let requests = gone.map(Entry::delete).chain(back.iter().map(append));
    let requests = requests.collect();
    netlink.change(requests).map_err(|(_, failure)| failure)
}

/// Where a packet to `to` would go.
#[derive(Clone, Copy)]
pub(crate) struct Lookup {
    pub link: u32,
    pub source: Ipv4Addr,
    pub local: bool,
}

/// What the kernel's routing decides.
pub(crate) fn look_up(netlink: &mut Netlink, to: Ipv4Addr) -> Result<Lookup, Failure> {
    let mut question = RouteMessage::default();
    question.header.address_family = AddressFamily::Inet;
    question.header.destination_prefix_length = 32;
    question.attributes = vec![RouteAttribute::Destination(RouteAddress::Inet(to))];
    let question = RouteNetlinkMessage::GetRoute(question);
    let answers = netlink.get(vec![question], "look up route")?;
    let Some(RouteNetlinkMessage::NewRoute(message)) = answers.first() else {
        return Err(Failure::nonsense("no answer to a route lookup"));
    };
    let mut lookup = Lookup {
        link: 0,
        source: Ipv4Addr::UNSPECIFIED,
        local: message.header.kind == RouteType::Local,
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(link) => lookup.link = *link,
            RouteAttribute::PrefSource(RouteAddress::Inet(source)) => lookup.source = *source,
            _ => {}
        }
    }
    Ok(lookup)
}
