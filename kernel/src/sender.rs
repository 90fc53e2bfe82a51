//! The sockets that probes leave a namespace by.

use std::{
    net::Ipv4Addr,
    os::fd::{AsRawFd, OwnedFd},
};

use netparity_core::{errno::Errno, probe::Shot};
use nix::{
    libc,
    sys::socket::{
        AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, connect,
        getsockname, sendto, setsockopt, socket, sockopt,
    },
};

use crate::{
    error::{Doing, Failure},
    sys,
};

/// What goes in an IPv4 packet.
#[derive(Clone, Copy)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
    Icmp,
}

/// Sockets of a namespace, each opened when it is first needed.
#[derive(Default)]
pub(crate) struct Senders {
    tcp: Option<Sender>,
    udp: Option<Sender>,
    icmp: Option<Sender>,
    /// What is connected to find out where packets are sent from. Not one of those above: who takes
    /// back that it is connected gets no more errors, and the kernel learns the path's MTU by them
    /// (`raw_err`).
    pub lookups: Option<OwnedFd>,
    /// A packet socket for ARP, which is not the tap because that would not see what it sends itself.
    pub frames: Option<OwnedFd>,
}

impl Senders {
    /// The place of the raw socket for this protocol.
    pub(crate) fn raw(&mut self, protocol: Protocol) -> &mut Option<Sender> {
        match protocol {
            Protocol::Tcp => &mut self.tcp,
            Protocol::Udp => &mut self.udp,
            Protocol::Icmp => &mut self.icmp,
        }
    }

    /// Closes those that are handed errors, of which a new namespace has none: the kernel heeds a
    /// redirect only where there is one (`raw_err`).
    pub(crate) fn close_raw(&mut self) {
        (self.tcp, self.udp, self.icmp) = (None, None, None);
    }

    pub(crate) fn into_descriptors(self) -> impl Iterator<Item = OwnedFd> {
        let raw = [self.tcp, self.udp, self.icmp].into_iter().flatten();
        let raw = raw.map(|sender| sender.socket);
        raw.chain(self.lookups).chain(self.frames)
    }
}

const OPEN: &str = "open raw socket";
const FLAGS: SockFlag = SockFlag::SOCK_CLOEXEC.union(SockFlag::SOCK_NONBLOCK);

/// Opens a packet socket in the namespace of the calling thread.
pub(crate) fn open_for_frames() -> Result<OwnedFd, Failure> {
    socket(AddressFamily::Packet, SockType::Raw, FLAGS, None).doing(OPEN)
}

/// Opens a socket to [ask](source) with, in the namespace of the calling thread. It is handed nothing.
pub(crate) fn open_for_lookups() -> Result<OwnedFd, Failure> {
    let socket =
        socket(AddressFamily::Inet, SockType::Raw, FLAGS, SockProtocol::Raw).doing(OPEN)?;
    setsockopt(&socket, sockopt::Broadcast, &true).doing(OPEN)?;
    Ok(socket)
}

/// The address that the kernel sends from: the one that it binds a socket to which is connected
/// (`ip_route_connect`), which takes a tenth of the time of a question by netlink.
///
/// It says so of addresses of single machines only: for others, connecting goes on to look for the
/// link that has the source.
pub(crate) fn source(lookups: &OwnedFd, to: Ipv4Addr) -> nix::Result<Ipv4Addr> {
    let socket = lookups.as_raw_fd();
    connect(socket, &socket_address(to))?;
    let source = getsockname::<SockaddrIn>(socket);
    // Otherwise the next lookup would be one from this address.
    sys::disconnect(lookups)?;
    Ok(source?.ip())
}

/// A raw socket: the kernel makes the IPv4 header.
pub(crate) struct Sender {
    socket: OwnedFd,
    /// How it is set, if that is known.
    ttl: Option<u8>,
    dont_fragment: Option<bool>,
}

impl Sender {
    /// Opens one in the namespace of the calling thread.
    pub(crate) fn open(protocol: Protocol) -> Result<Self, Failure> {
        let protocol = match protocol {
            Protocol::Tcp => SockProtocol::Tcp,
            Protocol::Udp => SockProtocol::Udp,
            Protocol::Icmp => SockProtocol::Icmp,
        };
        let socket = socket(AddressFamily::Inet, SockType::Raw, FLAGS, protocol).doing(OPEN)?;
        // It only sends. What the kernel hands it is left lying, and soon not handed to it.
        setsockopt(&socket, sockopt::RcvBuf, &0).doing(OPEN)?;
        setsockopt(&socket, sockopt::Broadcast, &true).doing(OPEN)?;
        Ok(Self {
            socket,
            ttl: None,
            dont_fragment: None,
        })
    }

    /// Sends the segment of a tcp, udp or icmp probe.
    pub(crate) fn send(&mut self, shot: &Shot, source: Ipv4Addr) -> nix::Result<()> {
        self.set(shot)?;
        let to = socket_address(shot.to);
        let segment = shot.segment(source);
        sendto(self.socket.as_raw_fd(), &segment, &to, MsgFlags::empty()).map(drop)
    }

    fn set(&mut self, shot: &Shot) -> nix::Result<()> {
        if self.ttl != Some(shot.ttl) {
            self.ttl = None;
            for option in [libc::IP_TTL, libc::IP_MULTICAST_TTL] {
                sys::set_option(&self.socket, libc::IPPROTO_IP, option, shot.ttl.into())?;
            }
            self.ttl = Some(shot.ttl);
        }
        if self.dont_fragment != Some(shot.dont_fragment) {
            let discover = match shot.dont_fragment {
                true => libc::IP_PMTUDISC_DO,
                false => libc::IP_PMTUDISC_DONT,
            };
            self.dont_fragment = None;
            let option = libc::IP_MTU_DISCOVER;
            sys::set_option(&self.socket, libc::IPPROTO_IP, option, discover)?;
            self.dont_fragment = Some(shot.dont_fragment);
        }
        Ok(())
    }
}

fn socket_address(address: Ipv4Addr) -> SockaddrIn {
    let [a, b, c, d] = address.octets();
    SockaddrIn::new(a, b, c, d, 0)
}

/// A failure as the answer that the sender got, if core knows it.
pub(crate) fn refusal(failure: Failure) -> Result<Errno, Failure> {
    let errno = failure.errno().and_then(Errno::from_number);
    errno.ok_or(failure)
}
