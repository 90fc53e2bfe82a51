//! The sockets that probes leave a namespace by.

use std::os::fd::{AsRawFd, OwnedFd};

use netparity_core::{
    errno::Errno,
    probe::{Payload, Shot},
};
use nix::{
    libc,
    sys::socket::{
        AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, setsockopt,
        socket, sockopt,
    },
};

use crate::{
    error::{Doing, Failure},
    sys,
};

/// Sockets of a namespace, each opened when it is first needed.
#[derive(Default)]
pub(crate) struct Senders {
    tcp: Option<OwnedFd>,
    udp: Option<OwnedFd>,
    icmp: Option<OwnedFd>,
    frames: Option<OwnedFd>,
}

impl Senders {
    /// The socket for this kind of probe.
    pub(crate) fn get(&self, payload: Payload) -> Option<&OwnedFd> {
        match payload {
            Payload::Tcp(_) => self.tcp.as_ref(),
            Payload::Udp(_) => self.udp.as_ref(),
            Payload::Icmp => self.icmp.as_ref(),
            Payload::Arp => self.frames.as_ref(),
        }
    }

    pub(crate) fn put(&mut self, payload: Payload, socket: OwnedFd) {
        let place = match payload {
            Payload::Tcp(_) => &mut self.tcp,
            Payload::Udp(_) => &mut self.udp,
            Payload::Icmp => &mut self.icmp,
            Payload::Arp => &mut self.frames,
        };
        *place = Some(socket);
    }

    pub(crate) fn into_descriptors(self) -> impl Iterator<Item = OwnedFd> {
        [self.tcp, self.udp, self.icmp, self.frames]
            .into_iter()
            .flatten()
    }
}

/// Opens the socket for a kind of probe in the namespace of the calling thread: a raw one, or a
/// packet socket for ARP, which is not the tap because that would not see what it sends itself.
pub(crate) fn open(payload: Payload) -> Result<OwnedFd, Failure> {
    const OPEN: &str = "open raw socket";
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let protocol = match payload {
        Payload::Tcp(_) => SockProtocol::Tcp,
        Payload::Udp(_) => SockProtocol::Udp,
        Payload::Icmp => SockProtocol::Icmp,
        Payload::Arp => {
            return socket(AddressFamily::Packet, SockType::Raw, flags, None).doing(OPEN);
        }
    };
    let socket = socket(AddressFamily::Inet, SockType::Raw, flags, protocol).doing(OPEN)?;
    // It only sends. What the kernel hands it is left lying, and soon not handed to it.
    setsockopt(&socket, sockopt::RcvBuf, &0).doing(OPEN)?;
    setsockopt(&socket, sockopt::Broadcast, &true).doing(OPEN)?;
    Ok(socket)
}

/// Sends the segment of a tcp, udp or icmp probe; the kernel makes the IPv4 header.
pub(crate) fn send_segment(socket: &OwnedFd, shot: &Shot, segment: &[u8]) -> nix::Result<()> {
    let discover = match shot.dont_fragment {
        true => libc::IP_PMTUDISC_DO,
        false => libc::IP_PMTUDISC_DONT,
    };
    for option in [libc::IP_TTL, libc::IP_MULTICAST_TTL] {
        sys::set_option(socket, libc::IPPROTO_IP, option, shot.ttl.into())?;
    }
    sys::set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, discover)?;
    let [a, b, c, d] = shot.to.octets();
    let to = SockaddrIn::new(a, b, c, d, 0);
    sendto(socket.as_raw_fd(), segment, &to, MsgFlags::empty()).map(drop)
}

/// A failure as the answer that the sender got, if core knows it.
pub(crate) fn refusal(failure: Failure) -> Result<Errno, Failure> {
    let errno = failure.errno().and_then(Errno::from_number);
    errno.ok_or(failure)
}
