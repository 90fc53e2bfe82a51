//! The servers of a namespace, as the kernel lists them (sock_diag).

use netlink_sys::{Socket, protocols::NETLINK_SOCK_DIAG};
use netparity_core::port::{Port, Protocol};
use nix::libc;

use crate::error::{Doing, Failure};

/// A sock_diag socket, opened when it is first needed.
#[derive(Default)]
pub(crate) struct SocketList(Option<Socket>);

/// include/uapi/linux/sock_diag.h and inet_diag.h.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;
const NLM_F_REQUEST_DUMP: u16 = 0x301;

/// include/net/tcp_states.h; a bound UDP socket that is not connected counts as closed.
const TCP_CLOSE: u32 = 7;
const TCP_LISTEN: u32 = 10;

impl SocketList {
    pub(crate) fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Opens it in the namespace of the calling thread.
    pub(crate) fn open(&mut self) -> Result<(), Failure> {
        self.0 = Some(Socket::new(NETLINK_SOCK_DIAG).doing("open sock_diag socket")?);
        Ok(())
    }

    /// Every server on `0.0.0.0`, whoever opened it.
    pub(crate) fn servers(&self) -> Result<Vec<Port>, Failure> {
        let mut ports = Vec::new();
        for (protocol, state) in [(Protocol::Tcp, TCP_LISTEN), (Protocol::Udp, TCP_CLOSE)] {
            self.list(protocol, state, &mut ports)?;
        }
        Ok(ports)
    }

    fn list(&self, protocol: Protocol, state: u32, ports: &mut Vec<Port>) -> Result<(), Failure> {
        const LIST: &str = "list sockets";
        let Some(socket) = &self.0 else {
            return Err(Failure::nonsense("sock_diag is not open"));
        };
        socket.send(&request(protocol, state), 0).doing(LIST)?;
        let mut datagram = Vec::with_capacity(32 << 10);
        loop {
            datagram.clear();
            socket.recv(&mut datagram, 0).doing(LIST)?;
            let mut rest = datagram.as_slice();
            while let Some((kind, message)) = split(&mut rest) {
                match kind {
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => {
                        let number = message
                            .first_chunk()
                            .map_or(0, |bytes| i32::from_ne_bytes(*bytes));
                        return Err(Failure::Errno(-number, LIST));
                    }
                    _ => ports.extend(server(protocol, message)),
                }
            }
        }
    }
}

/// How many servers there are in these bytes.
pub(crate) fn read_back(mut bytes: &[u8]) -> usize {
    let messages = std::iter::from_fn(|| split(&mut bytes));
    let servers = messages.filter_map(|(_, message)| server(Protocol::Tcp, message));
    servers.count()
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`.
fn request(protocol: Protocol, state: u32) -> [u8; REQUEST] {
    let mut bytes = [0; REQUEST];
    bytes[..4].copy_from_slice(&(REQUEST as u32).to_ne_bytes());
    bytes[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&NLM_F_REQUEST_DUMP.to_ne_bytes());
    bytes[HEADER] = libc::AF_INET as u8;
    bytes[HEADER + 1] = protocol.number();
    bytes[HEADER + 4..HEADER + 8].copy_from_slice(&(1_u32 << state).to_ne_bytes());
    bytes
}

/// Takes the next message off: its type, and what is behind its header.
fn split<'a>(rest: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    let length = u32::from_ne_bytes(*rest.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*rest.get(4..)?.first_chunk()?);
    let message = rest.get(HEADER..length)?;
    *rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, message))
}

/// `struct inet_diag_msg`: family, state, timer, retransmissions, then source port and
/// destination port, both in network order, and the source address.
fn server(protocol: Protocol, message: &[u8]) -> Option<Port> {
    let number = u16::from_be_bytes(*message.get(4..)?.first_chunk()?);
    let address: &[u8; 4] = message.get(8..)?.first_chunk()?;
    (*address == [0; 4]).then(|| Port::new(number, protocol))?
}
