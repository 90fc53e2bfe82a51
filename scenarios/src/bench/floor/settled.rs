//! Waiting until the kernel has taken down the namespaces that were closed.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
};

use nix::libc::NETLINK_ROUTE;

use super::{links, sys};

/// Waits until the kernel is done with every namespace that nothing holds any more.
///
/// It takes them down in the order in which they were let go, as many at a time as there are
/// (`cleanup_net`). So one more is made, with a link to here, and let go: its link goes together
/// with, or after, all that were before. That of a second one goes when the first is wholly gone.
///
/// # Errors
///
/// The kernel's.
pub fn settled() -> io::Result<()> {
    let home = sys::own_netns()?;
    let waited = (|| {
        sys::unshare()?;
        let here = sys::own_netns()?;
        let watch = sys::link_watch()?;
        for _ in 0..2 {
            sys::unshare()?;
            let socket = sys::netlink(NETLINK_ROUTE)?;
            let marker = links::marker(here.as_raw_fd()).acknowledged();
            sys::send(&socket, &marker)?;
            sys::enter(here.as_fd())?;
            drop(socket);
            sys::wait_for_departure(&watch)?;
        }
        Ok(())
    })();
    sys::enter(home.as_fd())?;
    waited
}
