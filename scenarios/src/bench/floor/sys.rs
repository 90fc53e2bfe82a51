//! The system calls.
#![allow(
    unsafe_code,
    reason = "each call passes pointers to live, correctly sized locals together with their sizes"
)]

use std::{
    io,
    mem::size_of,
    net::Ipv4Addr,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use nix::libc;

use super::message::Message;

const NETLINK_HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

fn owned(descriptor: RawFd) -> io::Result<OwnedFd> {
    check(descriptor.into())?;
    // SAFETY: the kernel has just given out this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// How many bytes this program has allocated, where its C library says so.
pub fn allocated() -> Option<usize> {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: mallinfo2 takes nothing and returns numbers.
        let info = unsafe { libc::mallinfo2() };
        Some(info.uordblks + info.hblkhd)
    }
    #[cfg(not(target_env = "gnu"))]
    None
}

/// Moves the calling thread to a new network namespace.
pub(super) fn unshare() -> io::Result<()> {
    // SAFETY: unshare takes a flag.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) }.into()).map(drop)
}

/// Moves the calling thread to a network namespace.
pub(super) fn enter(netns: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: setns takes a descriptor and a flag.
    check(unsafe { libc::setns(netns.as_raw_fd(), libc::CLONE_NEWNET) }.into()).map(drop)
}

/// The network namespace that the calling thread is in.
pub(super) fn own_netns() -> io::Result<OwnedFd> {
    let path = c"/proc/thread-self/ns/net";
    // SAFETY: `path` is a string that ends in a zero.
    owned(unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) })
}

/// A netlink socket of one of the `NETLINK_…` protocols.
pub(super) fn netlink(protocol: libc::c_int) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes three numbers.
    owned(unsafe { libc::socket(libc::AF_NETLINK, kind, protocol) })
}

/// A netlink socket that hears of links that come and go.
pub(super) fn link_watch() -> io::Result<OwnedFd> {
    let socket = netlink(libc::NETLINK_ROUTE)?;
    // SAFETY: a sockaddr_nl of zeros is one.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    address.nl_groups = libc::RTMGRP_LINK as u32;
    let length = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
    // SAFETY: the kernel reads a sockaddr_nl, which `address` is.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) }.into())?;
    Ok(socket)
}

/// Sends messages in one datagram. The kernel acknowledges the last and answers to others where it
/// refuses them; a refusal comes before the acknowledgement.
pub(super) fn send(socket: &OwnedFd, message: &Message) -> io::Result<()> {
    let bytes = message.bytes();
    let fd = socket.as_raw_fd();
    // SAFETY: the kernel reads `bytes.len()` bytes of `bytes`.
    check(unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), 0) } as libc::c_long)?;
    let mut answer = [0; 4096];
    let answer = receive(socket, &mut answer)?;
    match kind_and_number(answer) {
        Some((NLMSG_ERROR, 0)) => Ok(()),
        Some((NLMSG_ERROR, number)) => Err(io::Error::from_raw_os_error(-number)),
        _ => Err(io::Error::other("the kernel's answer is none")),
    }
}

/// Waits for a link to go.
pub(super) fn wait_for_departure(watch: &OwnedFd) -> io::Result<()> {
    const RTM_DELLINK: u16 = 17;
    let mut news = [0; 8192];
    loop {
        match kind_and_number(receive(watch, &mut news)?) {
            Some((RTM_DELLINK, _)) => return Ok(()),
            _ => continue,
        }
    }
}

fn receive<'a>(socket: &OwnedFd, room: &'a mut [u8]) -> io::Result<&'a [u8]> {
    // SAFETY: the kernel writes at most `room.len()` bytes to `room`.
    let got = unsafe { libc::recv(socket.as_raw_fd(), room.as_mut_ptr().cast(), room.len(), 0) };
    let got = check(got as libc::c_long)?;
    Ok(room.get(..got as usize).unwrap_or_default())
}

fn kind_and_number(answer: &[u8]) -> Option<(u16, i32)> {
    let kind = answer.get(4..)?.first_chunk()?;
    let number = answer.get(NETLINK_HEADER..)?.first_chunk()?;
    Some((u16::from_ne_bytes(*kind), i32::from_ne_bytes(*number)))
}

fn address(address: Ipv4Addr, port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(address.octets()),
        },
        sin_zero: [0; 8],
    }
}

const ADDRESS_LENGTH: libc::socklen_t = size_of::<libc::sockaddr_in>() as libc::socklen_t;

fn tcp() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes three numbers.
    owned(unsafe { libc::socket(libc::AF_INET, kind, 0) })
}

/// A TCP server in the calling thread's namespace. Nobody accepts what comes.
pub(super) fn listen(port: u16) -> io::Result<OwnedFd> {
    let socket = tcp()?;
    let fd = socket.as_raw_fd();
    let any = address(Ipv4Addr::UNSPECIFIED, port);
    // SAFETY: the kernel reads a sockaddr_in, which `any` is; listen takes two numbers.
    unsafe {
        check(libc::bind(fd, (&raw const any).cast(), ADDRESS_LENGTH).into())?;
        check(libc::listen(fd, 4096).into())?;
    }
    Ok(socket)
}

/// Connects from the calling thread's namespace, and hangs up by RST, which leaves nothing behind.
pub(super) fn connect(to: Ipv4Addr, port: u16) -> io::Result<()> {
    let socket = tcp()?;
    let fd = socket.as_raw_fd();
    let to = address(to, port);
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // SAFETY: the kernel reads a sockaddr_in and a linger, which `to` and `linger` are.
    unsafe {
        check(libc::connect(fd, (&raw const to).cast(), ADDRESS_LENGTH).into())?;
        let (at, length) = (&raw const linger, size_of::<libc::linger>());
        let set = libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            at.cast(),
            length as libc::socklen_t,
        );
        check(set.into()).map(drop)
    }
}
