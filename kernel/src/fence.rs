//! Finding out, without a clock, that nothing moves any more.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::{
    errno::Errno,
    sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity},
    sys::socket::{
        AddressFamily, MsgFlags, SockFlag, SockType, SockaddrIn, bind, connect, getsockname, recv,
        send, socket,
    },
    unistd::Pid,
};

use crate::{
    error::{Doing, Failure},
    namespace,
};

/// A datagram that is sent behind the frames of a probe, and whose arrival says that those in
/// front of it have been dealt with.
///
/// Why that holds. Every frame that reaches a link of ours from a veth or from loopback is put at
/// the end of one queue: the backlog of the CPU that sent it (`netif_rx`, `enqueue_to_backlog`;
/// veths have no receive queues of their own unless somebody turns on GRO or XDP, and receive
/// packet steering is off for new links). `process_backlog` takes frames from its head, one at a
/// time, and each runs to its end: captured, bridged or routed, filtered, answered, and what
/// comes of it sent, which puts it at the end of the same queue. So does all that a send from user
/// space sets off, on the CPU of the thread that sends, which is why that thread is kept on one
/// CPU. Whether the queue is worked off within the send or, under load, by ksoftirqd, is all the
/// same.
///
/// The fence is a datagram over a loopback link in a namespace of its own, so it passes the same
/// queue and disturbs no tap. When it has come through, everything that was queued before it has
/// been captured where it arrived. If that is nothing new since the fence before, no frame was in
/// the queue when this fence entered it; and as none is made except by one that is worked on or by
/// the thread that waits here, none will be. What can still make one is known and looked for: a
/// server that has been sent a datagram, and a neighbour whose answer is waited for.
pub(crate) struct Fence {
    socket: OwnedFd,
    sent: u64,
}

impl Fence {
    /// Opens one in a namespace whose loopback link is up.
    pub(crate) fn open(netns: BorrowedFd<'_>) -> Result<Self, Failure> {
        const OPEN: &str = "open fence";
        let socket = namespace::visit(netns, || {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            socket(AddressFamily::Inet, SockType::Datagram, flags, None).doing(OPEN)
        })?;
        bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).doing(OPEN)?;
        let own: SockaddrIn = getsockname(socket.as_raw_fd()).doing(OPEN)?;
        connect(socket.as_raw_fd(), &own).doing(OPEN)?;
        Ok(Self { socket, sent: 0 })
    }

    pub(crate) fn send(&mut self) -> Result<(), Failure> {
        self.sent += 1;
        let bytes = self.sent.to_ne_bytes();
        send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty())
            .map(drop)
            .doing("send fence")
    }

    /// Whether the last one sent has come through.
    pub(crate) fn arrived(&self) -> Result<bool, Failure> {
        let mut bytes = [0; 8];
        loop {
            match recv(self.socket.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
                Ok(_) if u64::from_ne_bytes(bytes) == self.sent => return Ok(true),
                Ok(_) => {}
                Err(Errno::EAGAIN) => return Ok(false),
                Err(errno) => return Err(errno).doing("await fence"),
            }
        }
    }
}

impl AsFd for Fence {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Keeps the calling thread on the CPU it is on, until it is dropped.
pub(crate) struct Pin(CpuSet);

impl Pin {
    pub(crate) fn new() -> Result<Self, Failure> {
        const PIN: &str = "stay on one CPU";
        let thread = Pid::from_raw(0);
        let before = sched_getaffinity(thread).doing(PIN)?;
        let mut only = CpuSet::new();
        only.set(sched_getcpu().doing(PIN)?).doing(PIN)?;
        sched_setaffinity(thread, &only).doing(PIN)?;
        Ok(Self(before))
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // It was allowed before; that a CPU was taken from the process since is the only way to fail.
        let _ = sched_setaffinity(Pid::from_raw(0), &self.0);
    }
}
