//! The floor: the system calls that a bridged endpoint cannot do without, and nothing else.
//!
//! A namespace and the socket inside it, a veth pair born with both ends in place, loopback and
//! eth0 up, an address, a default route; once for the bridge, and once for each link, a transaction
//! of rules. Messages are laid out before the clock starts; while it runs only names, addresses and
//! a descriptor are written into them. What can go in one datagram does, and only its last message
//! is acknowledged. No crate but libc.

mod links;
mod message;
mod rules;
mod settled;
mod sys;

use std::{
    io,
    net::Ipv4Addr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use nix::{
    libc::{NETLINK_NETFILTER, NETLINK_ROUTE},
    net::if_::if_nametoindex,
};

use self::message::Message;

pub use self::{settled::settled, sys::allocated};

const BRIDGE: &str = "docker0";
const GATEWAY: [u8; 4] = [10, 0, 0, 1];
const PREFIX: u8 = 8;
/// Where servers listen, and what links lead to.
const PORT: u16 = 80;

/// A private host namespace with a bridge and Docker's rules for it with icc off, and endpoints.
pub struct Floor {
    host: OwnedFd,
    firewall: OwnedFd,
    home: OwnedFd,
    veth: Message,
    inside: Message,
    link: Message,
    endpoints: Vec<Endpoint>,
}

struct Endpoint {
    // The namespace lives as long as its descriptor.
    netns: OwnedFd,
    server: Option<OwnedFd>,
}

/// Where an endpoint's time goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Phases {
    /// The namespace and the socket inside it.
    pub namespace: Duration,
    /// The veth pair, and links up on both sides.
    pub link: Duration,
    /// The address.
    pub address: Duration,
    /// The default route.
    pub route: Duration,
    /// The rules of a link to the endpoint before it, if there is one.
    pub rules: Option<Duration>,
}

impl Floor {
    /// A host with a bridge that is up, and rules. The calling thread stays in a namespace of its
    /// until it is dropped.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn new() -> io::Result<Self> {
        Self::open(Some(&rules::of_bridge()))
    }

    /// The same without rules: everybody may talk to everybody.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn unruled() -> io::Result<Self> {
        Self::open(None)
    }

    fn open(rules: Option<&Message>) -> io::Result<Self> {
        let bridge = links::bridge().acknowledged();
        let inside = links::inside()
            .then(links::inside_address())
            .then(links::inside_route())
            .acknowledged();
        let floor = Self {
            home: sys::own_netns()?,
            host: {
                sys::unshare()?;
                sys::netlink(NETLINK_ROUTE)?
            },
            firewall: sys::netlink(NETLINK_NETFILTER)?,
            veth: links::veth().acknowledged(),
            inside,
            link: rules::of_link(PORT),
            endpoints: Vec::new(),
        };
        sys::send(&floor.host, &bridge)?;
        if let Some(rules) = rules {
            sys::send(&floor.firewall, rules)?;
        }
        Ok(floor)
    }

    /// One more endpoint on the bridge.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn endpoint(&mut self) -> io::Result<()> {
        let number = self.endpoints.len();
        sys::unshare()?;
        let netns = sys::own_netns()?;
        let socket = sys::netlink(NETLINK_ROUTE)?;
        fill_veth(&mut self.veth, number, &netns);
        sys::send(&self.host, &self.veth)?;
        self.inside.fill(&[&address(number).octets()]);
        sys::send(&socket, &self.inside)?;
        self.push(netns);
        Ok(())
    }

    /// One more endpoint, linked to the one before it, in more datagrams than it needs: so as to
    /// see which of them takes how long.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn endpoint_by_phases(&mut self) -> io::Result<Phases> {
        let number = self.endpoints.len();
        let up = links::inside().acknowledged();
        let mut local = links::inside_address().acknowledged();
        let default = links::inside_route().acknowledged();
        local.fill(&[&address(number).octets()]);
        let mut clock = Instant::now();
        let mut lap = || {
            let now = Instant::now();
            now - std::mem::replace(&mut clock, now)
        };
        sys::unshare()?;
        let netns = sys::own_netns()?;
        let socket = sys::netlink(NETLINK_ROUTE)?;
        let namespace = lap();
        fill_veth(&mut self.veth, number, &netns);
        sys::send(&self.host, &self.veth)?;
        sys::send(&socket, &up)?;
        let link = lap();
        sys::send(&socket, &local)?;
        let address = lap();
        sys::send(&socket, &default)?;
        let route = lap();
        self.push(netns);
        let rules = match number.checked_sub(1) {
            Some(child) => {
                self.link(number, child)?;
                Some(lap())
            }
            None => None,
        };
        Ok(Phases {
            namespace,
            link,
            address,
            route,
            rules,
        })
    }

    fn push(&mut self, netns: OwnedFd) {
        self.endpoints.push(Endpoint {
            netns,
            server: None,
        });
    }

    /// The rules of a link from one endpoint to another.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn link(&mut self, parent: usize, child: usize) -> io::Result<()> {
        let (parent, child) = (address(parent).octets(), address(child).octets());
        self.link.fill(&[&parent, &child, &child, &parent]);
        sys::send(&self.firewall, &self.link)
    }
}

impl Floor {
    /// A new TCP server in each namespace: connections to the old one are gone.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn serve(&mut self) -> io::Result<()> {
        for endpoint in &mut self.endpoints {
            sys::enter(endpoint.netns.as_fd())?;
            endpoint.server = None;
            endpoint.server = Some(sys::listen(PORT)?);
        }
        Ok(())
    }

    /// Connects from one endpoint to each of others, one after another.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn connect(&self, from: usize, to: impl IntoIterator<Item = usize>) -> io::Result<()> {
        sys::enter(self.find(from)?.netns.as_fd())?;
        to.into_iter()
            .try_for_each(|to| sys::connect(address(to), PORT))
    }

    /// Has an endpoint know these others, and nobody else: see [`know`].
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn know(&self, endpoint: usize, others: impl Iterator<Item = usize>) -> io::Result<()> {
        know(self.find(endpoint)?.netns.as_fd(), others.map(address))
    }

    fn find(&self, endpoint: usize) -> io::Result<&Endpoint> {
        let found = self.endpoints.get(endpoint);
        found.ok_or_else(|| io::Error::other(format!("there is no endpoint {endpoint}")))
    }
}

/// Has eth0 of a namespace know these neighbours, and nobody else, so that it does not ask for them:
/// every port of a bridge hears the question. Such neighbours do not count in the kernel's table,
/// which is the machine's, and small.
///
/// # Errors
///
/// The kernel's.
pub fn know(netns: BorrowedFd<'_>, neighbours: impl Iterator<Item = Ipv4Addr>) -> io::Result<()> {
    let home = sys::own_netns()?;
    sys::enter(netns)?;
    let told = (|| {
        let index = if_nametoindex("eth0")?;
        let socket = sys::netlink(NETLINK_ROUTE)?;
        let neighbours = links::neighbours(index, neighbours);
        let all = links::no_neighbours(index).then(neighbours).acknowledged();
        sys::send(&socket, &all)
    })();
    sys::enter(home.as_fd())?;
    told
}

/// The `number`th endpoint's.
fn address(number: usize) -> Ipv4Addr {
    let [_, b, c, d] = (number as u32 + 2).to_be_bytes();
    let [a, ..] = GATEWAY;
    Ipv4Addr::new(a, b, c, d)
}

fn fill_veth(veth: &mut Message, number: usize, netns: &OwnedFd) {
    let [a, b, c, d] = address(number).octets();
    let mut name = *b"veth0000000\0";
    let digits = name.get_mut(4..11).unwrap_or_default();
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        let nibble = (number >> (4 * place) & 15) as u32;
        *digit = char::from_digit(nibble, 16).map_or(b'0', |digit| digit as u8);
    }
    veth.fill(&[
        &name,
        &[6, 0x42, a, b, c, d],
        &[2, 0x42, a, b, c, d],
        &netns.as_raw_fd().to_ne_bytes(),
        &name,
        &name,
    ]);
}

impl Drop for Floor {
    fn drop(&mut self) {
        // It cannot fail where the way out did not: the same right, and a namespace that is there.
        let _ = sys::enter(self.home.as_fd());
    }
}
