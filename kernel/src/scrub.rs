//! Making a namespace that was used what it was when it was new.
//!
//! What comes of it is compared with a new one, as the kernel reads both back. What cannot be read
//! back is known by what it leaves behind in a counter. A namespace that differs is given up.

use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::{Duration, Instant},
};

use netlink_packet_route::RouteNetlinkMessage;
use netparity_core::plan::LinkChange;
use tokio::runtime::Runtime;

use crate::{
    access::Access,
    addresses,
    error::{Doing, Failure},
    likeness::Likeness,
    links::{self, Link, Links},
    namespace,
    netlink::Netlink,
    nftables::Firewall,
    settle,
    spares::{self, Spare},
    start_runtime,
    sysctl::{self, Setting},
    tap,
};

/// A namespace that is not used any more.
pub(crate) struct Used {
    pub spare: Spare,
    pub servers: Vec<OwnedFd>,
    /// Parameters that were set, and what they were before.
    pub settings: Vec<Setting>,
    /// Whether there may be packet rules in it.
    pub has_rules: bool,
    /// Whether nobody else can have done anything to it.
    pub is_ours: bool,
}

impl Used {
    /// All that is open of it, the namespace last.
    pub(crate) fn into_descriptors(self) -> Vec<OwnedFd> {
        let mut descriptors = self.servers;
        descriptors.extend(self.spare.into_descriptors());
        descriptors
    }
}

/// How many namespaces of one network are made as new at the most. Of many it takes longer than to
/// make new ones: their links are removed by and by, those of a namespace that ends all at once.
const MOST: usize = 16;

/// What `loopback_setup` gives it.
const LOOPBACK_MTU: u32 = 65536;

/// Leaves namespaces that are not used any more to the background. They are made as new and kept
/// for others; or their sockets are closed, which takes long, and the namespaces end with them.
pub(crate) fn retire(used: Vec<Used>, access: &Access) {
    let access = access.clone();
    if used.len() > MOST || used.iter().any(|one| !one.is_ours) {
        for one in used {
            settle::later(move || drop(one.into_descriptors()));
        }
    } else {
        settle::later(move || recycle(used, &access));
    }
}

/// How long after it has told somebody that there is no way a namespace would tell so as often as a
/// new one (`ip_rt_error_burst`).
const REST: Duration = Duration::from_secs(5);

/// The first has the near ends of the links of all.
fn recycle(used: Vec<Used>, access: &Access) {
    let Ok(runtime) = start_runtime() else {
        return;
    };
    for one in used {
        if let Ok(Some(spare)) = scrub(one, access, &runtime) {
            spares::put(spare);
        }
    }
}

/// Makes one as new, if it can be made so.
fn scrub(used: Used, access: &Access, runtime: &Arc<Runtime>) -> Result<Option<Spare>, Failure> {
    let Used {
        mut spare,
        servers,
        settings,
        has_rules,
        is_ours: _,
    } = used;
    drop(servers);
    spare.senders.close_raw();
    let likeness = access.likeness()?;
    let outside = spare.descriptor.try_clone().doing("clone descriptor")?;
    namespace::visit(outside.as_fd(), move || {
        let mut netlink = Netlink::open(runtime)?;
        clear_links(&mut netlink, spare.has_bridge)?;
        for setting in settings.iter().rev() {
            if setting.is_set_in_a_spin() {
                netlink.await_turn()?;
            }
            sysctl::reset(setting)?;
        }
        if has_rules {
            Firewall::open()?.clear()?;
        }
        let told = spare.suspects.start_anew()?;
        spare.rests_until = told.no_way.then(|| Instant::now() + REST);
        let is_marked = told.another_way || holds_fragments()?;
        spare.tap.clone_again()?;
        spare.tap.drain(&mut tap::room(), &mut Vec::new())?;
        let as_new = !is_marked && likeness.is_of(&mut netlink, spare.has_bridge)?;
        Ok(as_new.then_some(spare))
    })
}

/// Removes all links but loopback and the bridge that is kept, and sets those two aside as they
/// were at first. Whether that was done the comparison with a new one will say.
fn clear_links(netlink: &mut Netlink, has_bridge: bool) -> Result<(), Failure> {
    let kept = |index: u32| index == Links::LOOPBACK || (has_bridge && index == Links::FIRST);
    let mut requests = Vec::new();
    let mut others = false;
    for answer in netlink.dump(links::ask_all(), "list links")? {
        let RouteNetlinkMessage::NewLink(message) = answer else {
            continue;
        };
        let index = message.header.index;
        if !kept(index) {
            requests.push(links::leave(index));
            others = true;
        } else if index == Links::LOOPBACK
            && Link::read(&message).is_some_and(|it| it.mtu != LOOPBACK_MTU)
        {
            requests.push(links::change(index, LinkChange::Mtu(LOOPBACK_MTU), None));
        }
    }
    let answers = netlink.dump(addresses::ask(None), "list addresses")?;
    // Those of the same network go with the first of them, which for that has to be the last.
    let own = answers.iter().rev().filter_map(addresses::read);
    let own = own.filter(|(index, _)| kept(*index));
    requests.extend(own.map(|(index, address)| addresses::delete(index, address)));
    if has_bridge {
        requests.push(links::keep_bridge(Links::FIRST));
    }
    requests.push(links::change(Links::LOOPBACK, LinkChange::Up(false), None));
    // Some may have gone with their other ends.
    let _ = netlink.change(requests);
    if others {
        let _ = netlink.one(links::delete_leaving());
    }
    Ok(())
}

/// Whether there are packets in the calling thread's namespace of which fragments are missing.
fn holds_fragments() -> Result<bool, Failure> {
    let text = fs::read_to_string("/proc/thread-self/net/sockstat").doing("read socket counts")?;
    Ok(!text.lines().any(|line| line == "FRAG: inuse 0 memory 0"))
}

/// What a new namespace is like, from one that is made for it.
pub(crate) fn likeness(settings: &[Setting]) -> Result<Likeness, Failure> {
    let runtime = start_runtime()?;
    namespace::make(|| {
        sysctl::prepare(settings)?;
        let mut netlink = Netlink::open(&runtime)?;
        let requests = links::bridge(Links::FIRST, netparity_core::name::LinkName::DOCKER0, None);
        netlink.change(requests).map_err(|(_, failure)| failure)?;
        netlink.one(links::keep_bridge(Links::FIRST))?;
        Likeness::read(&mut netlink)
    })
}
