//! Packet sockets that see all that passes the links of a namespace.

use std::{
    io::IoSliceMut,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use netparity_core::trace::Direction;
use nix::{
    errno::Errno,
    libc,
    sys::socket::{
        AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg, setsockopt,
        socket, sockopt,
    },
};

use crate::{
    error::{Doing, Failure},
    sys,
};

/// Sees every frame of every link of a namespace, both ways, in the order in which they pass.
pub(crate) struct Tap(OwnedFd);

/// A frame that has passed a tap.
pub(crate) struct Seen {
    /// Index of the link.
    pub link: u32,
    pub direction: Direction,
    /// Whether it is for the link's own hardware address.
    pub to_link: bool,
    pub frame: Vec<u8>,
}

/// What frames may take that have not been read yet, in bytes of the kernel's memory. It is a
/// limit only, for the copies of a broadcast to a full bridge.
const LIMIT: usize = 64 << 20;
/// Loopback's largest frame.
const LARGEST: usize = (64 << 10) + 14;

impl Tap {
    /// Opens one in the namespace of the calling thread.
    pub(crate) fn open() -> Result<Self, Failure> {
        const OPEN: &str = "open packet socket";
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let tap = socket(
            AddressFamily::Packet,
            SockType::Raw,
            flags,
            SockProtocol::EthAll,
        )
        .doing(OPEN)?;
        // In a user namespace only the machine's limit can be had (net.core.rmem_max).
        setsockopt(&tap, sockopt::RcvBufForce, &LIMIT)
            .or_else(|_| setsockopt(&tap, sockopt::RcvBuf, &LIMIT))
            .doing(OPEN)?;
        Ok(Self(tap))
    }

    /// Takes all that has been seen and not yet been taken; `buffer` is [room](room) for a frame.
    ///
    /// # Errors
    ///
    /// Where frames found no room.
    pub(crate) fn drain(&self, buffer: &mut [u8], seen: &mut Vec<Seen>) -> Result<(), Failure> {
        while let Some(one) = self.next(buffer)? {
            seen.push(one);
        }
        match sys::dropped_frames(&self.0).doing("read packet socket")? {
            0 => Ok(()),
            lost => Err(Failure::nonsense(format_args!(
                "{lost} captured frames found no room: run as root, or raise net.core.rmem_max"
            ))),
        }
    }

    fn next(&self, buffer: &mut [u8]) -> Result<Option<Seen>, Failure> {
        let mut iov = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let message = match recvmsg::<LinkAddr>(self.0.as_raw_fd(), &mut iov, None, flags) {
            Err(Errno::EAGAIN) => return Ok(None),
            message => message.doing("read packet socket")?,
        };
        let (length, address) = (message.bytes, message.address);
        let Some(address) = address else {
            return Err(Failure::nonsense("a captured frame of no link"));
        };
        let kind = address.pkttype();
        Ok(Some(Seen {
            link: address.ifindex() as u32,
            direction: match kind {
                libc::PACKET_OUTGOING => Direction::Out,
                _ => Direction::In,
            },
            to_link: kind == libc::PACKET_HOST,
            frame: buffer.get(..length).unwrap_or_default().to_vec(),
        }))
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Tap> for OwnedFd {
    fn from(tap: Tap) -> Self {
        tap.0
    }
}

/// Room for the largest frame there is.
pub(crate) fn room() -> Vec<u8> {
    vec![0; LARGEST]
}
