//! Finding out, without a clock, that nothing moves any more.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::{
    errno::Errno,
    sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity},
    sys::{
        resource::{UsageWho, getrusage},
        socket::{
            AddressFamily, MsgFlags, SockFlag, SockType, SockaddrIn, bind, connect, getsockname,
            recv, send, socket,
        },
    },
    unistd::Pid,
};

use crate::{
    error::{Doing, Failure},
    namespace,
};

/// The calling one.
const THREAD: Pid = Pid::from_raw(0);

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
/// CPU, or goes to each in turn if it may have been on several. Whether the queue is worked off within the send or, under load, by ksoftirqd, is all the
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

const PIN: &str = "stay on one CPU";

/// Keeps the calling thread on one CPU, until it is dropped.
pub(crate) struct Pin(CpuSet);

impl Pin {
    /// On the CPU it is on.
    pub(crate) fn new() -> Result<Self, Failure> {
        let before = sched_getaffinity(THREAD).doing(PIN)?;
        let pin = Self(before);
        pin.to(sched_getcpu().doing(PIN)?)?;
        Ok(pin)
    }

    fn to(&self, cpu: usize) -> Result<(), Failure> {
        let mut only = CpuSet::new();
        only.set(cpu).doing(PIN)?;
        sched_setaffinity(THREAD, &only).doing(PIN)
    }

    /// Does something on each CPU that the thread may be on, one after another.
    pub(crate) fn on_each(
        &self,
        mut work: impl FnMut() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for cpu in 0..CpuSet::count() {
            if self.0.is_set(cpu).doing(PIN)? {
                self.to(cpu)?;
                work()?;
            }
        }
        Ok(())
    }
}

/// The CPU that the calling thread is on, and how often it has been taken off one: to be kept on a
/// CPU takes longer than to find out that one has been all the while.
pub(crate) struct Whereabouts {
    cpu: usize,
    switches: i64,
}

impl Whereabouts {
    pub(crate) fn now() -> Result<Self, Failure> {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).doing(PIN)?;
        Ok(Self {
            cpu: sched_getcpu().doing(PIN)?,
            switches: usage.voluntary_context_switches() + usage.involuntary_context_switches(),
        })
    }

    /// Keeps the thread on the CPU it is on, and returns whether it has been there ever since.
    pub(crate) fn pin(self) -> Result<(Pin, bool), Failure> {
        let pin = Pin::new()?;
        let now = Self::now()?;
        let has_stayed = (now.cpu, now.switches) == (self.cpu, self.switches);
        Ok((pin, has_stayed))
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // It was allowed before; that a CPU was taken from the process since is the only way to fail.
        let _ = sched_setaffinity(THREAD, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cpu_is_gone_to_once_and_then_all_are_allowed_again() {
        let allowed = sched_getaffinity(THREAD).expect("affinity");
        let expected: Vec<usize> = (0..CpuSet::count())
            .filter(|cpu| allowed.is_set(*cpu) == Ok(true))
            .collect();
        let mut gone_to = Vec::new();
        let pin = Pin::new().expect("pin");
        let note = || {
            gone_to.push(sched_getcpu().expect("cpu"));
            Ok(())
        };
        pin.on_each(note).expect("visits");
        drop(pin);
        assert_eq!(gone_to, expected);
        assert_eq!(sched_getaffinity(THREAD).expect("affinity"), allowed);
    }

    #[test]
    fn a_thread_that_was_elsewhere_or_off_its_cpu_has_not_stayed() {
        let now = || Whereabouts::now().expect("whereabouts");
        let elsewhere = Whereabouts {
            cpu: now().cpu + 1,
            ..now()
        };
        assert!(!elsewhere.pin().expect("pin").1);
        let taken_off = Whereabouts {
            switches: now().switches - 1,
            ..now()
        };
        assert!(!taken_off.pin().expect("pin").1);
    }
}
