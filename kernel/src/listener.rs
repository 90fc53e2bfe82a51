//! Servers on `0.0.0.0`.

use std::{
    collections::BTreeSet,
    io::{IoSlice, IoSliceMut},
    net::SocketAddrV4,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use netparity_core::port::{Port, Protocol};
use nix::{
    cmsg_space,
    errno::Errno,
    libc,
    sys::socket::{
        AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
        SockaddrIn, bind, listen, recvmsg, sendmsg, setsockopt, socket, sockopt,
    },
};

use crate::{
    error::{Doing, Failure},
    sysctl,
};

/// A socket that a server has bound.
pub(crate) struct Listener(OwnedFd);

impl Listener {
    /// Opens one in the namespace of the calling thread.
    pub(crate) fn open(port: Port) -> Result<Self, Failure> {
        const LISTEN: &str = "listen";
        let kind = match port.protocol {
            Protocol::Tcp => SockType::Stream,
            Protocol::Udp => SockType::Datagram,
            // Few kernels have it.
            Protocol::Sctp => return Err(Failure::Errno(libc::EOPNOTSUPP, LISTEN)),
        };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Inet, kind, flags, None).doing(LISTEN)?;
        match kind {
            SockType::Stream => setsockopt(&socket, sockopt::ReuseAddr, &true),
            // Two datagram sockets that both reuse addresses could share a port.
            _ => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true),
        }
        .doing(LISTEN)?;
        bind(
            socket.as_raw_fd(),
            &SockaddrIn::new(0, 0, 0, 0, port.number.get()),
        )
        .doing(LISTEN)?;
        if kind == SockType::Stream {
            sysctl::forbid_synack_retries()?;
            listen(&socket, Backlog::MAXCONN).doing(LISTEN)?;
        }
        Ok(Self(socket))
    }

    /// Sends every datagram that has come back to where it came from, but once to each: two servers
    /// would answer each other for ever. Returns whether there was one.
    pub(crate) fn echo(
        &self,
        room: &mut [u8],
        answered: &mut BTreeSet<SocketAddrV4>,
    ) -> Result<bool, Failure> {
        let mut echoed = false;
        loop {
            let mut control = cmsg_space!(libc::in_pktinfo);
            let mut buffers = [IoSliceMut::new(room)];
            let got = match recvmsg::<SockaddrIn>(
                self.0.as_raw_fd(),
                &mut buffers,
                Some(&mut control),
                MsgFlags::empty(),
            ) {
                Err(Errno::EAGAIN) => return Ok(echoed),
                got => got.doing("serve")?,
            };
            echoed = true;
            let info = |message| match message {
                ControlMessageOwned::Ipv4PacketInfo(info) => Some(info),
                _ => None,
            };
            let (length, from) = (got.bytes, got.address);
            if !from.is_some_and(|from| answered.insert(from.into())) {
                continue;
            }
            let Some(mut info) = got.cmsgs().ok().and_then(|mut all| all.find_map(info)) else {
                continue;
            };
            // From the address it was sent to, by whatever link the answer takes; the kernel has put
            // the namespace's own address beside a broadcast one.
            info.ipi_ifindex = 0;
            let answer = [IoSlice::new(room.get(..length).unwrap_or_default())];
            let control = [ControlMessage::Ipv4PacketInfo(&info)];
            // That the answer cannot be sent is not the server's failure: there may be no way back.
            let _ = sendmsg(
                self.0.as_raw_fd(),
                &answer,
                &control,
                MsgFlags::empty(),
                from.as_ref(),
            );
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> Self {
        listener.0
    }
}
