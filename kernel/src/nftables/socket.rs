//! A netfilter netlink socket.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use crate::{
    error::{Doing, Failure},
    namespace,
};
use netlink_sys::{Socket as NetlinkSocket, protocols::NETLINK_NETFILTER};
use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, getsockopt, recv, setsockopt, sockopt},
};

use super::message::{Message, Messages};

/// What a transaction and what the answers to it may take, in bytes of the kernel's memory. It is
/// a limit only, for some ten thousands of rules.
const LIMIT: usize = 64 << 20;
/// More than any datagram has: a dump comes in pieces of 32 KiB.
const DATAGRAM: usize = 64 << 10;

/// Dropped, it waits until nothing is left of removed rules.
///
/// The kernel destroys what a transaction removed some milliseconds later, and only then lets go of
/// conntrack; but before a netfilter socket is closed (`nft_rcv_nl_event` in
/// `net/netfilter/nf_tables_api.c`).
pub(super) struct Barrier {
    _socket: NetlinkSocket,
}

/// A socket that speaks for the namespace it was opened in.
pub(super) struct Socket {
    namespace: OwnedFd,
    socket: NetlinkSocket,
    room: usize,
    datagram: Box<[u8]>,
}

impl Socket {
    /// Opens one in the namespace of the calling thread.
    pub(super) fn open() -> Result<Self, Failure> {
        let opened = "open netfilter socket";
        let socket = NetlinkSocket::new(NETLINK_NETFILTER).doing(opened)?;
        socket.set_cap_ack(true).doing(opened)?;
        // In a user namespace only the machine's limit can be had (net.core.wmem_max, rmem_max).
        setsockopt(&socket, sockopt::SndBufForce, &LIMIT)
            .or_else(|_| setsockopt(&socket, sockopt::SndBuf, &LIMIT))
            .doing(opened)?;
        setsockopt(&socket, sockopt::RcvBufForce, &LIMIT)
            .or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &LIMIT))
            .doing(opened)?;
        let buffer = getsockopt(&socket, sockopt::SndBuf).doing(opened)?;
        Ok(Self {
            namespace: namespace::own()?,
            socket,
            // What netlink_sendmsg (net/netlink/af_netlink.c) keeps for itself.
            room: buffer.saturating_sub(32),
            datagram: vec![0; DATAGRAM].into_boxed_slice(),
        })
    }

    /// A second socket in the same namespace, to be dropped behind a transaction.
    pub(super) fn barrier(&self) -> Result<Barrier, Failure> {
        namespace::visit(self.namespace.as_fd(), || {
            let opened = "open netfilter socket";
            let mut socket = NetlinkSocket::new(NETLINK_NETFILTER).doing(opened)?;
            socket.bind_auto().doing(opened)?;
            Ok(Barrier { _socket: socket })
        })
    }

    /// How many bytes can be sent at once.
    pub(super) fn room(&self) -> usize {
        self.room
    }

    /// Sends `request` and gives every message that answers it to `take`. Returns whether answers were
    /// lost for want of room.
    ///
    /// The kernel carries requests out within the send, so that all answers (of a dump: the next
    /// piece) are there when it returns.
    pub(super) fn exchange(
        &mut self,
        request: &[u8],
        mut take: impl FnMut(&Message<'_>) -> Result<(), Failure>,
    ) -> Result<bool, Failure> {
        self.socket.send(request, 0).doing("send to nf_tables")?;
        let mut lost = false;
        let mut outcome = Ok(());
        loop {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
            let length = match recv(self.socket.as_raw_fd(), &mut self.datagram, flags) {
                Err(Errno::EAGAIN) => return outcome.map(|()| lost),
                Err(Errno::ENOBUFS) => {
                    lost = true;
                    continue;
                }
                Err(Errno::EINTR) => continue,
                received => received.doing("receive from nf_tables")?,
            };
            let datagram = self
                .datagram
                .get(..length)
                .ok_or_else(|| Failure::nonsense("netlink datagram cut short"))?;
            // What follows a failure is taken off the socket all the same.
            outcome =
                outcome.and_then(|()| Messages(datagram).try_for_each(|message| take(&message?)));
        }
    }
}
