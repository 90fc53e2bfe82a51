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
    sys::{self, Ring},
};

/// Sees every frame of every link of a namespace, both ways, in the order in which they pass.
pub(crate) struct Tap {
    ring: Option<Ring>,
    socket: OwnedFd,
}

/// A frame that has passed a tap.
pub(crate) struct Seen {
    /// Index of the link.
    pub link: u32,
    pub direction: Direction,
    /// Whether it came in for the link's own hardware address, or for all or a group.
    pub to_link: bool,
    pub frame: Vec<u8>,
}

impl Seen {
    fn new(link: u32, kind: u8, frame: Vec<u8>) -> Self {
        Self {
            link,
            direction: match kind {
                libc::PACKET_OUTGOING => Direction::Out,
                _ => Direction::In,
            },
            to_link: matches!(
                kind,
                libc::PACKET_HOST | libc::PACKET_BROADCAST | libc::PACKET_MULTICAST
            ),
            frame,
        }
    }
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
        let all = SockProtocol::EthAll;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, all).doing(OPEN)?;
        // In a user namespace only the machine's limit can be had (net.core.rmem_max).
        setsockopt(&socket, sockopt::RcvBufForce, &LIMIT)
            .or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &LIMIT))
            .doing(OPEN)?;
        Ok(Self { ring: None, socket })
    }

    /// Whether frames are copied at the moment they pass, with room for this many as long as this.
    pub(crate) fn copies(&self, frames: usize, longest: usize) -> bool {
        let holds = |ring: &Ring| ring.holds(frames, longest);
        self.ring.as_ref().is_some_and(holds)
    }

    /// Has frames copied at the moment they pass, this many before they are read, save those longer
    /// than `longest`.
    ///
    /// Otherwise the kernel keeps clones, which share their bytes with the frames. It takes care not
    /// to change those while there is a clone, except in one place: the fragments of a packet that
    /// it has put together and passes on get new headers where they are (`ip_fraglist_prepare`). And
    /// it puts them together in another way while there are clones (`skb_try_coalesce`). As getting
    /// at a ring takes some milliseconds, only packets that may be fragmented are worth it.
    pub(crate) fn copy(&mut self, frames: usize, longest: usize) -> Result<(), Failure> {
        self.clone_again()?;
        let ring = Ring::open(self.socket.as_fd(), frames, longest);
        self.ring = Some(ring.doing("open packet ring")?);
        Ok(())
    }

    /// Has frames cloned, as at first. What becomes of their bytes later on shows again.
    pub(crate) fn clone_again(&mut self) -> Result<(), Failure> {
        match self.ring.take() {
            Some(ring) => ring.close(self.socket.as_fd()).doing("close packet ring"),
            None => Ok(()),
        }
    }

    /// Takes all that has been seen and not yet been taken; `buffer` is [room](room) for a frame.
    ///
    /// # Errors
    ///
    /// Where frames found no room.
    pub(crate) fn drain(&mut self, buffer: &mut [u8], seen: &mut Vec<Seen>) -> Result<(), Failure> {
        while let Some(one) = self.next(buffer)? {
            seen.push(one);
        }
        match sys::dropped_frames(&self.socket).doing("read packet socket")? {
            0 => Ok(()),
            lost => Err(Failure::nonsense(format_args!(
                "{lost} captured frames found no room: run as root, or raise net.core.rmem_max"
            ))),
        }
    }

    /// Takes the next frame that has been seen.
    pub(crate) fn next(&mut self, buffer: &mut [u8]) -> Result<Option<Seen>, Failure> {
        let Some(ring) = &mut self.ring else {
            return self.receive(buffer);
        };
        match ring.take() {
            // The copy in the ring is cut short; the whole does not say where it passed.
            Some(it) if it.longer => {
                let whole = self.receive(buffer)?;
                Ok(whole.map(|whole| Seen::new(it.link, it.kind, whole.frame)))
            }
            copied => Ok(copied.map(|it| Seen::new(it.link, it.kind, it.frame))),
        }
    }

    fn receive(&self, buffer: &mut [u8]) -> Result<Option<Seen>, Failure> {
        let mut iov = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let message = match recvmsg::<LinkAddr>(self.socket.as_raw_fd(), &mut iov, None, flags) {
            Err(Errno::EAGAIN) => return Ok(None),
            message => message.doing("read packet socket")?,
        };
        let (length, address) = (message.bytes, message.address);
        let Some(address) = address else {
            return Err(Failure::nonsense("a captured frame of no link"));
        };
        let frame = buffer.get(..length).unwrap_or_default().to_vec();
        let link = address.ifindex() as u32;
        Ok(Some(Seen::new(link, address.pkttype(), frame)))
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl From<Tap> for OwnedFd {
    fn from(tap: Tap) -> Self {
        tap.socket
    }
}

/// Room for the largest frame there is.
pub(crate) fn room() -> Vec<u8> {
    vec![0; LARGEST]
}
