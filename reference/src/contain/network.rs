//! The network namespace of a containment, as the kernel's data plane has its host too: loopback
//! up, nothing forwarded, no sources validated, no IPv6.

use std::{io, path::Path};

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkFlags, LinkMessage},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::{doing, write};

/// The kernel gives each namespace's loopback interface this number.
const LOOPBACK_INDEX: u32 = 1;

/// A new namespace takes these over from the machine.
const SYSCTLS: [(&str, &str); 6] = [
    ("ipv4/ip_forward", "0"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv6/conf/all/disable_ipv6", "1"),
    ("ipv6/conf/default/disable_ipv6", "1"),
    ("bridge/bridge-nf-call-iptables", "1"),
];

/// Sets up the namespace that this process is in; `/proc` is to show it.
pub(super) fn set_up() -> Result<(), String> {
    for (name, value) in SYSCTLS {
        let path = Path::new("/proc/sys/net").join(name);
        // Without IPv6 or br_netfilter there is nothing to be said about them.
        if path.exists() {
            write(path, value)?;
        }
    }
    loopback_up().map_err(doing("set lo up"))
}

fn loopback_up() -> io::Result<()> {
    let mut link = LinkMessage::default();
    link.header.index = LOOPBACK_INDEX;
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    let mut message = NetlinkMessage::from(RouteNetlinkMessage::SetLink(link));
    message.header.flags = NLM_F_REQUEST | NLM_F_ACK;
    message.finalize();
    let mut request = vec![0; message.buffer_len()];
    message.serialize(&mut request);

    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.send_to(&request, &SocketAddr::new(0, 0), 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer)
        .map_err(|error| io::Error::other(error.to_string()))?;
    match answer.payload {
        NetlinkPayload::Error(error) if error.code.is_some() => Err(error.to_io()),
        _ => Ok(()),
    }
}
