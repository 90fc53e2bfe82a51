//! Kernel parameters: those that plans set, and those that every namespace of ours begins with.

use std::{fs, io, path::Path};

use netparity_core::plan::{ReversePathFilter, Sysctl};

use crate::error::{Doing, Failure};

/// A parameter's file and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    path: String,
    value: String,
}

impl Setting {
    /// Whether the kernel only tries for the lock under which it sets this, that of all changes to
    /// networks, and while another has it tries again and keeps a processor busy
    /// (`devinet_sysctl_forward`).
    pub(crate) fn is_set_in_a_spin(&self) -> bool {
        self.path == IP_FORWARD
    }

    /// Whether both are of the same parameter.
    pub(crate) fn is_of_same(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

/// Bridged IPv4 passes the IPv4 hooks only where this is there.
pub(crate) const BRIDGE_NF_CALL_IPTABLES: &str = "/proc/sys/net/bridge/bridge-nf-call-iptables";
const CONF: &str = "/proc/sys/net/ipv4/conf";

/// Links of a namespace begin without IPv6, and so do not speak unasked.
const DISABLE_IPV6: &str = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
/// Sends every ICMP error, however many there are: an empty mask of what is limited.
const ICMP_RATEMASK: &str = "/proc/sys/net/ipv4/icmp_ratemask";
/// Bridges that snoop do not speak of the group they join (`br_ip4_multicast_join_snoopers`).
const IGMP_LINK_LOCAL_REPORTS: &str = "/proc/sys/net/ipv4/igmp_link_local_mcast_reports";
const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
const RP_FILTER: &str = "/proc/sys/net/ipv4/conf/all/rp_filter";
const TCP_SYNACK_RETRIES: &str = "/proc/sys/net/ipv4/tcp_synack_retries";

/// Where the machine's own settings, which a new namespace begins with (`devinet_init_net`), are
/// not the kernel's defaults: what has to be written to have those. The calling thread has to be
/// in a new namespace.
pub(crate) fn departures() -> Result<Vec<Setting>, Failure> {
    let mut settings = Vec::new();
    for group in ["all", "default", "lo"] {
        let folder = Path::new(CONF).join(group);
        for entry in fs::read_dir(folder).doing("read network settings")? {
            let path = entry.doing("read network settings")?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let value = default_of(group, name);
            // Some cannot be read or, as mc_forwarding, not be written.
            let differs = fs::read_to_string(&path).is_ok_and(|text| text.trim() != value);
            if differs && name != "mc_forwarding" {
                settings.push(Setting {
                    path: path.to_string_lossy().into_owned(),
                    value: value.to_owned(),
                });
            }
        }
    }
    // Forwarding resets others, and so goes first.
    settings.sort_by_key(|setting| (!setting.path.ends_with("/forwarding"), setting.path.clone()));
    Ok(settings)
}

/// net/ipv4/devinet.c's `ipv4_devconf` and `ipv4_devconf_dflt`.
fn default_of(group: &str, name: &str) -> &'static str {
    match name {
        "accept_redirects"
        | "send_redirects"
        | "secure_redirects"
        | "shared_media"
        | "arp_evict_nocarrier" => "1",
        "accept_source_route" if group != "all" => "1",
        "disable_xfrm" | "disable_policy" if group == "lo" => "1",
        "igmpv2_unsolicited_report_interval" => "10000",
        "igmpv3_unsolicited_report_interval" => "1000",
        _ => "0",
    }
}

/// Makes a new namespace, the calling thread's, what every one of ours begins as.
pub(crate) fn prepare(settings: &[Setting]) -> Result<(), Failure> {
    for Setting { path, value } in settings {
        fs::write(path, value).doing("reset network settings")?;
    }
    match fs::write(DISABLE_IPV6, "1") {
        // Without IPv6 in the kernel there is nothing to switch off.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        result => result.doing("switch IPv6 off")?,
    }
    fs::write(ICMP_RATEMASK, "0").doing("lift the limit on ICMP errors")
}

/// Makes a namespace that somebody else has made, the calling thread's, what can be compared with
/// ours: with the kernel's defaults and not the machine's, and quiet. What is in it stays as it is.
pub(crate) fn prepare_adopted(settings: &[Setting]) -> Result<(), Failure> {
    prepare(settings)?;
    let defaults = Path::new(CONF).join("default");
    for entry in fs::read_dir(CONF).doing("read network settings")? {
        let link = entry.doing("read network settings")?;
        if ["all", "default", "lo"]
            .iter()
            .any(|it| link.file_name() == *it)
        {
            continue;
        }
        // It began with the defaults of its namespace.
        for Setting { path, value } in settings {
            if let Ok(name) = Path::new(path).strip_prefix(&defaults) {
                fs::write(link.path().join(name), value).doing("reset network settings")?;
            }
        }
    }
    fs::write(IGMP_LINK_LOCAL_REPORTS, "0").doing("keep bridges silent")
}

/// An unanswered SYN, ACK is not sent again. For the calling thread's namespace.
pub(crate) fn forbid_synack_retries() -> Result<(), Failure> {
    fs::write(TCP_SYNACK_RETRIES, "0").doing("forbid retransmission")
}

/// Sets a parameter in the calling thread's namespace and returns what it was.
pub(crate) fn set(sysctl: Sysctl) -> Result<Setting, Failure> {
    let (path, value) = match sysctl {
        Sysctl::IpForward(on) => (IP_FORWARD, switch(on)),
        Sysctl::BridgeNfCallIptables(on) => (BRIDGE_NF_CALL_IPTABLES, switch(on)),
        Sysctl::ReversePathFilter(filter) => (
            RP_FILTER,
            match filter {
                ReversePathFilter::Off => "0",
                ReversePathFilter::Strict => "1",
                ReversePathFilter::Loose => "2",
            },
        ),
    };
    let exchange = || -> io::Result<String> {
        let old = fs::read_to_string(path)?;
        fs::write(path, value)?;
        Ok(old)
    };
    let old = exchange().doing("set kernel parameter")?;
    Ok(Setting {
        path: path.to_owned(),
        value: old.trim().to_owned(),
    })
}

fn switch(on: bool) -> &'static str {
    if on { "1" } else { "0" }
}

/// Sets a parameter to what it was, in the calling thread's namespace.
pub(crate) fn reset(Setting { path, value }: &Setting) -> Result<(), Failure> {
    fs::write(path, value).doing("reset kernel parameter")
}

/// What a namespace does with packets that are not its own.
pub(crate) struct Policy {
    pub forwards: bool,
    /// Whether it looks at where they come from.
    pub filters_reverse_path: bool,
    /// Whether those that are bridged pass the rules, whole.
    pub filters_bridged: bool,
}

impl Policy {
    /// That of the calling thread's namespace.
    pub(crate) fn read() -> Result<Self, Failure> {
        let is_set = |path: &str| -> Result<bool, Failure> {
            let text = fs::read_to_string(path).doing("read kernel parameter")?;
            Ok(text.trim() != "0")
        };
        Ok(Self {
            forwards: is_set(IP_FORWARD)?,
            filters_reverse_path: is_set(RP_FILTER)?,
            filters_bridged: is_set(BRIDGE_NF_CALL_IPTABLES)?,
        })
    }
}

impl Default for Policy {
    /// That of a new namespace, where nothing was inherited.
    fn default() -> Self {
        Self {
            forwards: false,
            filters_reverse_path: false,
            filters_bridged: true,
        }
    }
}
