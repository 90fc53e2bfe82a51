//! The floor: the system calls that a bridged endpoint cannot do without, and nothing else.
//!
//! A namespace and the socket inside it, a veth pair born with both ends in place, loopback and
//! eth0 up, an address, a default route. Messages are laid out before the clock starts; while it
//! runs only indices, addresses and a descriptor are written into them. No crate but libc.
#![allow(
    unsafe_code,
    reason = "each call passes pointers to live, correctly sized locals together with their sizes"
)]

use std::{
    io,
    mem::size_of,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

/// A private host namespace with a bridge, and the endpoints on it.
pub struct Floor {
    host: OwnedFd,
    home: OwnedFd,
    near: Message,
    up: Message,
    inside: Message,
    // A namespace lives as long as its socket.
    endpoints: Vec<OwnedFd>,
}

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE_EXCLUSIVE: u16 = 0x600;
const RTM_NEWLINK: u16 = 16;
const RTM_SETLINK: u16 = 19;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const IFF_UP: u32 = 1;
const LOOPBACK_INDEX: u32 = 1;
const ETH0_INDEX: u32 = 2;
const ADDRESS: u16 = 1;
const BROADCAST_NONE: u16 = 2;
const IFNAME: u16 = 3;
const MTU: u16 = 4;
const MASTER: u16 = 10;
const LINKINFO: u16 = 18;
const AF_SPEC: u16 = 26;
const NET_NS_FD: u16 = 28;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VETH_PEER: u16 = 1;
const INET6_ADDR_GEN_MODE: u16 = 8;
const ADDR_GEN_MODE_NONE: u8 = 1;
const GATEWAY: [u8; 4] = [10, 0, 0, 1];
const PREFIX: u8 = 8;

/// Netlink messages in one buffer, and where in it something is filled in later.
#[derive(Clone, Default)]
struct Message {
    bytes: Vec<u8>,
    acks: usize,
    slots: Vec<usize>,
}

impl Message {
    fn message(mut self, kind: u16, flags: u16, body: impl FnOnce(&mut Self)) -> Self {
        let start = self.bytes.len();
        self.bytes.extend([0; 4]);
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes
            .extend((NLM_F_REQUEST | NLM_F_ACK | flags).to_ne_bytes());
        self.bytes.extend([0; 8]);
        body(&mut self);
        self.close(start, 4);
        self.acks += 1;
        self
    }

    /// Writes the length of what began at `start`, and pads it.
    fn close(&mut self, start: usize, width: usize) {
        let length = (self.bytes.len() - start) as u32;
        self.bytes[start..start + width].copy_from_slice(&length.to_ne_bytes()[..width]);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn link(&mut self, index: u32, flags: u32) {
        self.bytes.extend([0; 4]);
        self.bytes.extend(index.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.nest(kind, |message| message.bytes.extend(value));
    }

    fn nest(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_ne_bytes());
        body(self);
        self.close(start, 2);
    }

    /// An attribute of `width` bytes that [`fill`](Self::fill) fills in.
    fn slot(&mut self, kind: u16, width: usize) {
        self.slots.push(self.bytes.len() + 4);
        self.attribute(kind, &vec![0; width]);
    }

    fn fill(&mut self, slot: usize, value: &[u8]) {
        let at = self.slots[slot];
        self.bytes[at..at + value.len()].copy_from_slice(value);
    }

    fn no_ipv6_addresses(&mut self) {
        self.nest(AF_SPEC, |message| {
            message.nest(libc::AF_INET6 as u16, |message| {
                message.attribute(INET6_ADDR_GEN_MODE, &[ADDR_GEN_MODE_NONE]);
            });
        });
    }
}

impl Floor {
    /// A host with a bridge that is up.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn new() -> io::Result<Self> {
        let home = namespace()?;
        unshare()?;
        let host = netlink()?;
        let bridge = Message::default()
            .message(RTM_NEWLINK, NLM_F_CREATE_EXCLUSIVE, |message| {
                message.link(ETH0_INDEX, IFF_UP);
                message.attribute(IFNAME, b"docker0\0");
                message.nest(LINKINFO, |message| message.attribute(INFO_KIND, b"bridge"));
            })
            .message(RTM_NEWADDR, NLM_F_CREATE_EXCLUSIVE, |message| {
                message.bytes.extend([libc::AF_INET as u8, PREFIX, 0, 0]);
                message.bytes.extend(ETH0_INDEX.to_ne_bytes());
                message.attribute(BROADCAST_NONE, &GATEWAY);
            });
        send(&host, &bridge)?;
        let near = Message::default().message(RTM_NEWLINK, NLM_F_CREATE_EXCLUSIVE, |message| {
            message.link(0, 0);
            message.slot(IFNAME, 12);
            message.attribute(MASTER, &ETH0_INDEX.to_ne_bytes());
            message.attribute(MTU, &1500_u32.to_ne_bytes());
            message.slot(ADDRESS, 6);
            message.nest(LINKINFO, |message| {
                message.attribute(INFO_KIND, b"veth");
                message.nest(INFO_DATA, |message| {
                    message.nest(VETH_PEER, |message| {
                        message.link(0, 0);
                        message.attribute(IFNAME, b"eth0\0");
                        message.attribute(MTU, &1500_u32.to_ne_bytes());
                        message.slot(ADDRESS, 6);
                        message.slot(NET_NS_FD, 4);
                    });
                });
            });
        });
        let set = |message: Message, name: bool, body: fn(&mut Message, u32), index: u32| {
            message.message(RTM_SETLINK, 0, |message| {
                body(message, index);
                if name {
                    message.slot(IFNAME, 12);
                }
            })
        };
        let quiet = |message: &mut Message, index: u32| {
            message.link(index, 0);
            message.no_ipv6_addresses();
        };
        let raise = |message: &mut Message, index: u32| message.link(index, IFF_UP);
        let up = set(Message::default(), true, quiet, 0);
        let up = set(up, true, raise, 0);
        let inside = set(Message::default(), false, raise, LOOPBACK_INDEX);
        let inside = set(inside, false, quiet, ETH0_INDEX);
        let inside = set(inside, false, raise, ETH0_INDEX)
            .message(RTM_NEWADDR, NLM_F_CREATE_EXCLUSIVE, |message| {
                message.bytes.extend([libc::AF_INET as u8, PREFIX, 0, 0]);
                message.bytes.extend(ETH0_INDEX.to_ne_bytes());
                message.slot(BROADCAST_NONE, 4);
            })
            .message(RTM_NEWROUTE, NLM_F_CREATE_EXCLUSIVE, |message| {
                // The main table, by a person (boot), of universal scope, unicast.
                message
                    .bytes
                    .extend([libc::AF_INET as u8, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]);
                message.attribute(5, &GATEWAY);
                message.attribute(4, &ETH0_INDEX.to_ne_bytes());
            });
        Ok(Self {
            host,
            home,
            near,
            up,
            inside,
            endpoints: Vec::new(),
        })
    }

    /// One more endpoint on the bridge.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn endpoint(&mut self) -> io::Result<()> {
        let number = self.endpoints.len() as u32 + 2;
        unshare()?;
        let netns = namespace()?;
        let socket = netlink()?;
        let [_, b, c, d] = number.to_be_bytes();
        let mut name = *b"veth0000000\0";
        for (place, digit) in name[4..11].iter_mut().rev().enumerate() {
            *digit = b"0123456789abcdef"[(number >> (4 * place) & 15) as usize];
        }
        self.near.fill(0, &name);
        self.near.fill(1, &[6, 0x42, 10, b, c, d]);
        self.near.fill(2, &[2, 0x42, 10, b, c, d]);
        self.near.fill(3, &netns.as_raw_fd().to_ne_bytes());
        send(&self.host, &self.near)?;
        self.up.fill(0, &name);
        self.up.fill(1, &name);
        send(&self.host, &self.up)?;
        self.inside.fill(0, &[10, b, c, d]);
        send(&socket, &self.inside)?;
        self.endpoints.push(socket);
        Ok(())
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // SAFETY: setns takes a descriptor and a flag.
        unsafe { libc::setns(self.home.as_raw_fd(), libc::CLONE_NEWNET) };
    }
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

fn owned(descriptor: RawFd) -> io::Result<OwnedFd> {
    let descriptor = check(descriptor.into())? as RawFd;
    // SAFETY: the kernel has just given out this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn unshare() -> io::Result<()> {
    // SAFETY: unshare takes a flag.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) }.into()).map(drop)
}

fn namespace() -> io::Result<OwnedFd> {
    let path = c"/proc/thread-self/ns/net";
    // SAFETY: `path` is a string that ends in a zero.
    owned(unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) })
}

fn netlink() -> io::Result<OwnedFd> {
    // SAFETY: socket takes three numbers.
    owned(unsafe {
        libc::socket(
            libc::AF_NETLINK,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC,
            libc::NETLINK_ROUTE,
        )
    })
}

/// Sends a batch and takes every acknowledgement.
fn send(socket: &OwnedFd, message: &Message) -> io::Result<()> {
    const HEADER: usize = 16;
    let fd = socket.as_raw_fd();
    let bytes = &message.bytes;
    // SAFETY: the kernel reads `bytes.len()` bytes of `bytes`.
    let sent = unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), 0) };
    check(sent as libc::c_long)?;
    let mut answers = [0_u8; 4096];
    let mut left = message.acks;
    while left > 0 {
        // SAFETY: the kernel writes at most `size_of_val(&answers)` bytes to `answers`.
        let got = unsafe { libc::recv(fd, answers.as_mut_ptr().cast(), size_of_val(&answers), 0) };
        let mut rest = &answers[..check(got as libc::c_long)? as usize];
        while rest.len() >= HEADER + size_of::<i32>() {
            let word = |at: usize| {
                i32::from_ne_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]])
            };
            let (length, errno) = (word(0) as usize, word(HEADER));
            if errno != 0 {
                return Err(io::Error::from_raw_os_error(-errno));
            }
            left -= 1;
            rest = &rest[length.next_multiple_of(4).min(rest.len())..];
        }
    }
    Ok(())
}
