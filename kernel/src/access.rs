//! Getting at namespaces, with root's rights or without.

use std::{
    fmt, fs,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::{Arc, OnceLock},
};

use ipnet::Ipv4Net;
use netparity_core::{
    MacAddr,
    model::Dataplane,
    name::{LinkName, LinkRef, Name, Netns},
    plan::{Op, Plan, RuleOp, VethEnd},
    rules::{ChainName, ChainRef, Field, Rule, Target},
};
use nix::{
    sched::{CloneFlags, unshare},
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd::{getegid, geteuid},
};

use crate::{
    Kernel,
    error::{Doing, Failure},
    likeness::Likeness,
    namespace, scrub, sys,
    sysctl::{self, BRIDGE_NF_CALL_IPTABLES, Setting},
};

/// The right to make private networks. [`enter`] gives it.
#[derive(Clone, Debug)]
pub struct Access(Arc<Machine>);

/// What all networks of a process share.
#[derive(Debug)]
struct Machine {
    /// A namespace with nothing but a loopback link that is up, for fences.
    quiet: OwnedFd,
    /// What makes a new namespace what the kernel's defaults would.
    settings: Vec<Setting>,
    /// What a new namespace is like, once that was asked for.
    likeness: OnceLock<Likeness>,
}

impl Access {
    pub(crate) fn quiet_netns(&self) -> BorrowedFd<'_> {
        self.0.quiet.as_fd()
    }

    pub(crate) fn settings(&self) -> &[Setting] {
        &self.0.settings
    }

    /// What a new namespace is like.
    pub(crate) fn likeness(&self) -> Result<&Likeness, Failure> {
        if let Some(likeness) = self.0.likeness.get() {
            return Ok(likeness);
        }
        let likeness = scrub::likeness(self.settings())?;
        Ok(self.0.likeness.get_or_init(|| likeness))
    }

    fn new() -> Result<Self, Failure> {
        namespace::make(|| {
            // Before the loopback link comes up and has anything to do with them.
            let settings = sysctl::departures()?;
            sys::bring_up(LinkName::LOOPBACK).doing("bring up loopback")?;
            let quiet = namespace::own()?;
            Ok(Self(Arc::new(Machine {
                quiet,
                settings,
                likeness: OnceLock::new(),
            })))
        })
    }
}

/// Why there can be no private network here, and what helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(String);

impl Unavailable {
    pub(crate) fn new(why: String) -> Self {
        Self(why)
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unavailable {}

const CAP_NET_ADMIN: u64 = 1 << 12;
const CAP_NET_RAW: u64 = 1 << 13;
const CAP_SYS_ADMIN: u64 = 1 << 21;
const NEEDED: u64 = CAP_NET_ADMIN | CAP_NET_RAW | CAP_SYS_ADMIN;

/// Gets the right to make private networks, and finds out whether the kernel has what they need.
///
/// Without root's capabilities the process moves into a user namespace of its own, and that the
/// kernel allows only to a process of one thread: call this first thing in `main`.
///
/// # Errors
///
/// [`Unavailable`] says what is missing and how to get it.
pub fn enter() -> Result<Access, Unavailable> {
    if effective_capabilities() & NEEDED != NEEDED {
        become_root_of_own_namespace()?;
    }
    raise_descriptor_limit();
    let access = Access::new().map_err(|failure| {
        Unavailable(format!(
            "no network namespace can be made here ({failure}): run as root"
        ))
    })?;
    try_out(&access)?;
    Ok(access)
}

fn effective_capabilities() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0)
}

fn become_root_of_own_namespace() -> Result<(), Unavailable> {
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)
        .map_err(|errno| no_user_namespace(errno.desc()))?;
    let write = |path: &str, text: String| {
        fs::write(path, text).map_err(|error| no_user_namespace(&format!("{path}: {error}")))
    };
    write("/proc/self/setgroups", "deny".into())?;
    write("/proc/self/uid_map", format!("0 {user} 1"))?;
    write("/proc/self/gid_map", format!("0 {group} 1"))
}

fn no_user_namespace(why: &str) -> Unavailable {
    let is =
        |path: &str, value: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    let threads = fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let help = if threads > 1 {
        "the process already has several threads: netparity_kernel::enter() has to come first in main"
    } else if is(
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
    ) {
        "AppArmor keeps them from ordinary users: run as root, or \
         `sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`"
    } else if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        "they are switched off: run as root, or `sudo sysctl -w kernel.unprivileged_userns_clone=1`"
    } else if is("/proc/sys/user/max_user_namespaces", "0") {
        "they are switched off: run as root, or `sudo sysctl -w user.max_user_namespaces=15000`"
    } else {
        "run as root, or outside of the sandbox (a container's seccomp profile, say) that forbids them"
    };
    Unavailable(format!("no user namespace ({why}): {help}"))
}

fn raise_descriptor_limit() {
    // A namespace takes four descriptors. With fewer the plan that runs out of them says so.
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Makes a little of everything.
fn try_out(access: &Access) -> Result<(), Unavailable> {
    if !Path::new(BRIDGE_NF_CALL_IPTABLES).exists() {
        return Err(Unavailable(
            "bridged packets do not pass iptables' rules here: `sudo modprobe br_netfilter`".into(),
        ));
    }
    let mut kernel = Kernel::new(access)?;
    let far = Netns::Named(Name::new("far"));
    let end = |link| VethEnd {
        link,
        mac: MacAddr::new(2, 0, 0, 0, 0, 1),
        mtu: None,
        master: None,
        up: false,
    };
    let forward = ChainRef::filter(ChainName::Forward);
    let steps = [
        (
            Op::AddNetns(far.clone()),
            "network namespaces (CONFIG_NET_NS)",
        ),
        (
            Op::AddBridge {
                link: LinkRef::host(LinkName::DOCKER0),
                mac: None,
            },
            "bridges: `sudo modprobe bridge`",
        ),
        (
            Op::AddVeth {
                near: end(LinkRef::host(LinkName::ETH0)),
                far: end(LinkRef::new(far, LinkName::ETH0)),
            },
            "veth pairs: `sudo modprobe veth`",
        ),
        (
            Op::Rules(RuleOp::Append(forward, Rule::new(Target::Accept))),
            "nf_tables with counters: `sudo modprobe nf_tables`",
        ),
        (
            Op::Rules(RuleOp::Append(
                forward,
                Rule::new(Target::Accept).when(Field::Established),
            )),
            "connection tracking in nf_tables: `sudo modprobe nft_ct`",
        ),
        (
            Op::Rules(RuleOp::Append(
                ChainRef::nat(ChainName::Prerouting),
                Rule::new(Target::Return).when(Field::DestinationIsLocal),
            )),
            "address types in nf_tables: `sudo modprobe nft_fib_ipv4`",
        ),
        (
            Op::Rules(RuleOp::Append(
                ChainRef::nat(ChainName::Postrouting),
                Rule::new(Target::Masquerade).when(Field::Source(Ipv4Net::default())),
            )),
            "masquerading in nf_tables: `sudo modprobe nft_masq`",
        ),
    ];
    for (op, what) in steps {
        kernel
            .execute(&Plan::from(vec![op]))
            .map_err(|error| Unavailable(format!("this kernel lacks {what} ({error})")))?;
    }
    Ok(())
}
