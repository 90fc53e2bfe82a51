//! A link, as the kernel describes it.

use netlink_packet_route::link::{
    AfSpecInet, AfSpecUnspec, InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netparity_core::{MacAddr, name::LinkName, snapshot::LinkKind};

/// A link as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub index: u32,
    pub name: LinkName,
    pub kind: LinkKind,
    pub mac: MacAddr,
    pub mtu: u32,
    pub up: bool,
    pub carrier: bool,
    pub master: Option<u32>,
    /// Of a veth: the index of its other end, in whatever namespace that is.
    pub peer: Option<u32>,
    pub group: u32,
    /// Whether packets that come in by it are forwarded.
    pub forwarding: bool,
}

impl Link {
    /// Reads it from a message, if it is a link of a kind that plans make.
    pub(crate) fn read(message: &LinkMessage) -> Option<Self> {
        let flags = message.header.flags;
        let mut kind = flags
            .contains(LinkFlags::Loopback)
            .then_some(LinkKind::Loopback);
        let (mut name, mut mac, mut mtu) = (None, MacAddr::zero(), 0);
        let (mut master, mut peer, mut group, mut forwarding) = (None, None, 0, false);
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(text) => name = text.parse().ok(),
                LinkAttribute::Address(bytes) => mac = mac_of(bytes).unwrap_or(mac),
                LinkAttribute::Mtu(bytes) => mtu = *bytes,
                LinkAttribute::Controller(index) => master = Some(*index),
                LinkAttribute::Link(index) => peer = Some(*index),
                LinkAttribute::Group(number) => group = *number,
                LinkAttribute::LinkInfo(infos) => {
                    for info in infos {
                        match info {
                            LinkInfo::Kind(InfoKind::Bridge) => kind = Some(LinkKind::Bridge),
                            LinkInfo::Kind(InfoKind::Veth) => kind = Some(LinkKind::Veth),
                            _ => {}
                        }
                    }
                }
                LinkAttribute::AfSpecUnspec(families) => {
                    forwarding = families.iter().any(forwards);
                }
                _ => {}
            }
        }
        Some(Self {
            index: message.header.index,
            name: name?,
            kind: kind?,
            mac,
            mtu,
            up: flags.contains(LinkFlags::Up),
            carrier: flags.contains(LinkFlags::LowerUp),
            master,
            peer,
            group,
            forwarding,
        })
    }
}

fn forwards(family: &AfSpecUnspec) -> bool {
    let AfSpecUnspec::Inet(parts) = family else {
        return false;
    };
    parts
        .iter()
        .any(|part| matches!(part, AfSpecInet::DevConf(conf) if conf.forwarding != 0))
}

/// The hardware address in these bytes.
pub(crate) fn mac_of(bytes: &[u8]) -> Option<MacAddr> {
    let [a, b, c, d, e, f] = *bytes.first_chunk()?;
    Some(MacAddr::new(a, b, c, d, e, f))
}
