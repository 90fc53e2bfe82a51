//! The messages about links, addresses and routes.

use std::net::Ipv4Addr;

use nix::libc;

use super::{GATEWAY, PREFIX, message::Message};

const NLM_F_CREATE_EXCLUSIVE: u16 = 0x600;
const NLM_F_CREATE_REPLACE: u16 = 0x500;
const RTM_NEWLINK: u16 = 16;
const RTM_SETLINK: u16 = 19;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const IFF_UP: u32 = 1;
const LOOPBACK: u32 = 1;
const BRIDGE: u32 = 2;
/// The first link of a namespace that has but a loopback link.
const ETH0: u32 = 2;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const NAME: usize = 12;
const MAC: usize = 6;

/// A bridge that is up and has an address.
pub(super) fn bridge() -> Message {
    let bridge = Message::default().message(RTM_NEWLINK, NLM_F_CREATE_EXCLUSIVE, |message| {
        header(message, BRIDGE, IFF_UP);
        message.text(IFLA_IFNAME, super::BRIDGE);
        message.nest(IFLA_LINKINFO, |message| {
            message.attribute(IFLA_INFO_KIND, b"bridge");
        });
    });
    bridge.then(address(BRIDGE, |message| {
        message.attribute(IFA_LOCAL, &GATEWAY);
    }))
}

/// A veth pair with both ends in place, the near one up. Slots: name and hardware address of the
/// near end, hardware address and namespace of the far one, and the name twice again.
pub(super) fn veth() -> Message {
    let near = Message::default().message(RTM_NEWLINK, NLM_F_CREATE_EXCLUSIVE, |message| {
        header(message, 0, 0);
        message.slot(IFLA_IFNAME, NAME);
        message.attribute(IFLA_MASTER, &BRIDGE.to_ne_bytes());
        message.attribute(IFLA_MTU, &1500_u32.to_ne_bytes());
        message.slot(IFLA_ADDRESS, MAC);
        message.nest(IFLA_LINKINFO, |message| {
            message.attribute(IFLA_INFO_KIND, b"veth");
            message.nest(IFLA_INFO_DATA, |message| {
                message.nest(VETH_INFO_PEER, |message| {
                    header(message, 0, 0);
                    message.attribute(IFLA_IFNAME, b"eth0\0");
                    message.attribute(IFLA_MTU, &1500_u32.to_ne_bytes());
                    message.slot(IFLA_ADDRESS, MAC);
                    message.slot(IFLA_NET_NS_FD, 4);
                });
            });
        });
    });
    let by_name = |message: &mut Message| message.slot(IFLA_IFNAME, NAME);
    near.then(quiet(0, by_name)).then(up(0, by_name))
}

/// The links inside, up.
pub(super) fn inside() -> Message {
    up(LOOPBACK, |_| ())
        .then(quiet(ETH0, |_| ()))
        .then(up(ETH0, |_| ()))
}

/// The address inside. Slot: the address.
pub(super) fn inside_address() -> Message {
    address(ETH0, |message| message.slot(IFA_LOCAL, 4))
}

/// The default route inside.
pub(super) fn inside_route() -> Message {
    Message::default().message(RTM_NEWROUTE, NLM_F_CREATE_EXCLUSIVE, |message| {
        // Family, two prefix lengths, tos, the main table, by a person, universal scope, unicast.
        message.raw(&[libc::AF_INET as u8, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]);
        message.attribute(RTA_GATEWAY, &GATEWAY);
        message.attribute(RTA_OIF, &ETH0.to_ne_bytes());
    })
}

/// A veth pair with both ends in the calling thread's namespace.
pub(super) fn marker(netns: i32) -> Message {
    Message::default().message(RTM_NEWLINK, NLM_F_CREATE_EXCLUSIVE, |message| {
        header(message, 0, 0);
        message.nest(IFLA_LINKINFO, |message| {
            message.attribute(IFLA_INFO_KIND, b"veth");
            message.nest(IFLA_INFO_DATA, |message| {
                message.nest(VETH_INFO_PEER, |message| {
                    header(message, 0, 0);
                    message.attribute(IFLA_NET_NS_FD, &netns.to_ne_bytes());
                });
            });
        });
    })
}

/// Neighbours of a link that need not be asked for, whose hardware addresses are those that Docker
/// gives: `02:42` and the address.
pub(super) fn neighbours(index: u32, addresses: impl Iterator<Item = Ipv4Addr>) -> Message {
    const RTM_NEWNEIGH: u16 = 28;
    const NUD_PERMANENT: u16 = 0x80;
    const NDA_DST: u16 = 1;
    const NDA_LLADDR: u16 = 2;
    addresses.fold(Message::default(), |messages, address| {
        messages.message(RTM_NEWNEIGH, NLM_F_CREATE_REPLACE, |message| {
            message.raw(&[libc::AF_INET as u8, 0, 0, 0]);
            message.raw(&index.to_ne_bytes());
            message.raw(&NUD_PERMANENT.to_ne_bytes());
            message.raw(&[0, 0]);
            let [a, b, c, d] = address.octets();
            message.attribute(NDA_DST, &[a, b, c, d]);
            message.attribute(NDA_LLADDR, &[2, 0x42, a, b, c, d]);
        })
    })
}

/// Every neighbour that a link knows, forgotten: a change of whether it asks for addresses does
/// that (`arp_netdev_event`).
pub(super) fn no_neighbours(index: u32) -> Message {
    const IFF_NOARP: u32 = 0x80;
    let set = |messages: Message, flags: u32| {
        messages.message(RTM_SETLINK, 0, |message| {
            message.raw(&[0; 4]);
            message.raw(&index.to_ne_bytes());
            message.raw(&flags.to_ne_bytes());
            message.raw(&IFF_NOARP.to_ne_bytes());
        })
    };
    set(set(Message::default(), IFF_NOARP), 0)
}

/// An `ifinfomsg` that sets these flags.
fn header(message: &mut Message, index: u32, flags: u32) {
    message.raw(&[0; 4]);
    message.raw(&index.to_ne_bytes());
    message.raw(&flags.to_ne_bytes());
    message.raw(&flags.to_ne_bytes());
}

fn up(index: u32, name: impl FnOnce(&mut Message)) -> Message {
    Message::default().message(RTM_SETLINK, 0, |message| {
        header(message, index, IFF_UP);
        name(message);
    })
}

/// No IPv6 address and so no IPv6 packet of its own accord.
fn quiet(index: u32, name: impl FnOnce(&mut Message)) -> Message {
    Message::default().message(RTM_SETLINK, 0, |message| {
        header(message, index, 0);
        message.nest(IFLA_AF_SPEC, |message| {
            message.nest(libc::AF_INET6 as u16, |message| {
                message.attribute(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE]);
            });
        });
        name(message);
    })
}

fn address(index: u32, local: impl FnOnce(&mut Message)) -> Message {
    Message::default().message(RTM_NEWADDR, NLM_F_CREATE_EXCLUSIVE, |message| {
        message.raw(&[libc::AF_INET as u8, PREFIX, 0, 0]);
        message.raw(&index.to_ne_bytes());
        local(message);
    })
}
