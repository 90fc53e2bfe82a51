//! The system calls that nix has no safe form of: socket options by number, sending on a packet
//! socket, some ioctls, and a packet socket's ring.
#![allow(
    unsafe_code,
    reason = "each call passes pointers to live, correctly sized memory together with its size"
)]

mod ring;

pub(crate) use ring::Ring;

use std::{
    mem::size_of,
    os::fd::{AsFd, AsRawFd, RawFd},
};

use netparity_core::name::LinkName;
use nix::{
    errno::Errno,
    libc,
    sys::socket::{AddressFamily, SockFlag, SockType, socket},
};

/// Sets an integer socket option.
pub(crate) fn set_option(
    socket: impl AsFd,
    level: i32,
    option: i32,
    value: i32,
) -> nix::Result<()> {
    // SAFETY: the kernel reads size_of::<i32>() bytes from `value`, which lives through the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    Errno::result(result).map(drop)
}

/// Takes back that a socket was connected, and the address that it was given for that.
pub(crate) fn disconnect(socket: impl AsFd) -> nix::Result<()> {
    let nowhere = libc::sockaddr {
        sa_family: libc::AF_UNSPEC as u16,
        sa_data: [0; 14],
    };
    // SAFETY: the kernel reads the whole of `nowhere`, which lives through the call.
    let result = unsafe {
        libc::connect(
            socket.as_fd().as_raw_fd(),
            &raw const nowhere,
            size_of::<libc::sockaddr>() as libc::socklen_t,
        )
    };
    Errno::result(result).map(drop)
}

/// How many frames a packet socket had no room for since this was last asked.
pub(crate) fn dropped_frames(socket: impl AsFd) -> nix::Result<u32> {
    let mut statistics = libc::tpacket_stats {
        tp_packets: 0,
        tp_drops: 0,
    };
    let mut length = size_of::<libc::tpacket_stats>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `statistics`; both live through the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut statistics).cast(),
            &raw mut length,
        )
    };
    Errno::result(result).map(|_| statistics.tp_drops)
}

/// Sends a whole Ethernet frame down the link with this index.
pub(crate) fn send_frame(socket: impl AsFd, index: u32, frame: &[u8]) -> nix::Result<()> {
    let protocol = frame
        .get(12..14)
        .map_or(0, |bytes| u16::from_ne_bytes([bytes[0], bytes[1]]));
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: protocol,
        sll_ifindex: index as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0; 8],
    };
    // SAFETY: the kernel reads `frame.len()` bytes of `frame` and the whole of `address`; both
    // live through the call.
    let result = unsafe {
        libc::sendto(
            socket.as_fd().as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            0,
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    Errno::result(result).map(drop)
}

fn named_request(link: LinkName) -> libc::ifreq {
    // SAFETY: an ifreq is plain integers and pointers, for which all zeros is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(link.as_str().bytes()) {
        *to = from as libc::c_char;
    }
    request
}

/// Makes the link watcher catch up with this link (`linkwatch_sync_dev`), so that its queue and
/// its carrier are what they should be.
pub(crate) fn sync_carrier(socket: RawFd, link: LinkName) -> nix::Result<()> {
    const ETHTOOL_GLINK: u32 = 0x0a;
    ethtool(socket, link, [ETHTOOL_GLINK, 0])
}

/// Has the checksums of what a link sends completed, as a network card would.
pub(crate) fn complete_checksums(socket: RawFd, link: LinkName) -> nix::Result<()> {
    const ETHTOOL_STXCSUM: u32 = 0x17;
    ethtool(socket, link, [ETHTOOL_STXCSUM, 0])
}

fn ethtool(socket: RawFd, link: LinkName, mut value: [u32; 2]) -> nix::Result<()> {
    const SIOCETHTOOL: libc::c_ulong = 0x8946;
    let mut request = named_request(link);
    request.ifr_ifru.ifru_data = value.as_mut_ptr().cast();
    // SAFETY: SIOCETHTOOL reads the ifreq; both commands take a value of eight bytes, to which
    // ifru_data points; both live through the call.
    let result = unsafe { libc::ioctl(socket, SIOCETHTOOL as _, &raw mut request) };
    Errno::result(result).map(drop)
}

/// Removes a bridge as `brctl delbr` does.
pub(crate) fn delete_bridge(socket: RawFd, link: LinkName) -> nix::Result<()> {
    const SIOCBRDELBR: libc::c_ulong = 0x89a1;
    let request = named_request(link);
    // SAFETY: SIOCBRDELBR reads a name of IFNAMSIZ bytes, with which the ifreq begins.
    let result = unsafe { libc::ioctl(socket, SIOCBRDELBR as _, &raw const request) };
    Errno::result(result).map(drop)
}

/// Brings a link of the calling thread's namespace up, before there is a netlink socket to do it.
pub(crate) fn bring_up(link: LinkName) -> nix::Result<()> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let mut request = named_request(link);
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads the ifreq, which lives through the call.
    let result = unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as _,
            &raw const request,
        )
    };
    Errno::result(result).map(drop)
}
