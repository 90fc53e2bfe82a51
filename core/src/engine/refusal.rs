//! The words for what is not done: Docker 20.10's, and those of the host's tools.
//!
//! Every text of the engine stands in one list here, so that [`TEXTS`] has all of them.

use std::fmt;

use serde::Serialize;

/// A refusal, in the words of whoever refuses. Equal ones have equal words.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Refusal {
    words: String,
    #[serde(skip)]
    texts: Vec<&'static str>,
}

impl Refusal {
    /// A refusal in words that were heard from somebody else.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            words: text.into(),
            texts: Vec::new(),
        }
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.words
    }

    /// Those of [`TEXTS`] that the words were made of, outermost first; none where they were heard
    /// from somebody else.
    pub fn texts(&self) -> &[&'static str] {
        &self.texts
    }

    /// Whether it stands for an answer that a real dockerd never gives.
    pub fn is_silence(&self) -> bool {
        let silent = |text: &&str| text.starts_with("dockerd never answers");
        self.texts.iter().any(silent)
    }

    /// The refusal, which passes on another one.
    pub(crate) fn passing_on(mut self, other: &Self) -> Self {
        self.texts.extend(&other.texts);
        self
    }
}

impl PartialEq for Refusal {
    fn eq(&self, other: &Self) -> bool {
        self.words == other.words
    }
}

impl Eq for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for Refusal {}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident($($argument:ident),*) = $text:literal;)*) => {
        $(
            #[doc = concat!("`", $text, "`.")]
            $(#[$doc])*
            pub fn $name($($argument: impl fmt::Display),*) -> Refusal {
                Refusal {
                    words: format!($text),
                    texts: vec![$text],
                }
            }
        )*

        /// Every text that the engine and the host's tools have, with the names of what is filled
        /// in in braces.
        pub const TEXTS: &[&str] = &[$($text,)*];
    };
}

// runconfig/errors.go, daemon/*.go and client/errors.go of moby 20.10; libnetwork's
// drivers/bridge; runc.
texts! {
    no_daemon() = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?";
    bridge_and_bip() = "failed to start daemon: You specified -b & --bip, mutually exclusive options. Please specify only one";
    icc_without_iptables() = "failed to start daemon: You specified --iptables=false with --icc=false. ICC=false uses iptables to function. Please set --icc or --iptables to true";
    no_free_pool(pools) = "failed to start daemon: Error initializing network controller: list bridge addresses failed: PredefinedLocalScopeDefaultNetworks List: [{pools}]: no available network";
    default_network(why) = "failed to start daemon: Error initializing network controller: Error creating default \"bridge\" network: {why}";
    not_a_bridge(link) = "existing interface {link} is not a bridge";
    foreign_bridge_missing(bridge) = "bridge device with non default name {bridge} must be created manually";
    pool_is_empty() = "ipv4 pool is empty";
    invalid_mtu(mtu) = "invalid MTU number: {mtu}";
    gateway_in_use(gateway) = "failed to allocate gateway ({gateway}): Address already in use";
    gateway_not_free(gateway) = "failed to allocate gateway ({gateway}): No available addresses on this pool";

    container_format() = "Invalid network mode: invalid container format container:<name|id>";
    hostname_and_network() = "conflicting options: hostname and the network mode";
    container_and_links() = "conflicting options: container type network can't be used with links. This would result in undefined behavior";
    host_and_links() = "conflicting options: host type networking can't be used with links. This would result in undefined behavior";
    mac_and_network() = "conflicting options: mac-address and the network mode";
    expose_and_container() = "conflicting options: port exposing and the container type network mode";
    invalid_variable(setting) = "invalid environment variable: {setting}";
    invalid_name(name) = "Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed";
    name_in_use(name, id) = "Conflict. The container name \"/{name}\" is already in use by container \"{id}\". You have to remove (or rename) that container to be able to reuse that name.";
    empty_link() = "empty string specified for links";
    bad_link(link) = "bad format for links: {link}";
    no_child(name, why) = "could not get container for {name}: {why}";
    no_owner_of_child(name, why) = "Could not get container for {name}: {why}";
    /// For a link to containers that join each other's networks in a circle. dockerd 20.10
    /// follows it (`registerLinks`) and never answers; a person gives up.
    endless_link(name) = "dockerd never answers: the network of {name} leads back to itself";

    empty_name() = "Container name cannot be empty";
    no_page() = "page not found";
    no_name() = "invalid name or ID supplied: \"\"";
    unknown_container(name) = "No such container: {name}";
    not_running(id) = "Container {id} is not running";
    cannot_restart(name, why) = "Cannot restart container {name}: {why}";
    cannot_kill(name, why) = "Cannot kill container: {name}: {why}";
    running(id) = "You cannot remove a running container {id}. Stop the container before attempting removal or force remove";

    no_network(network) = "network {network} not found";
    join_self() = "cannot join own network";
    join_stopped(container) = "cannot join network of a non running container: {container}";
    no_free_address(network) = "no available IPv4 addresses on this network's address pools: bridge ({network})";
    link_off_bridge(child) = "Cannot link to /{child}, as it does not belong to the default network";
    link_to_stopped(child, path) = "Cannot link to a non running container: /{child} AS {path}";
    child_off_bridge(id) = "container {id} not attached to default bridge network";
    endpoint(name, why) = "failed to create endpoint {name} on network bridge: {why}";
    stale_endpoint(name, endpoint) = "driver failed programming external connectivity on endpoint {name} ({endpoint}): invalid endpoint id: {endpoint}";
    veth_mtu(veth) = "failed to set MTU on host interface {veth}: invalid argument";
    no_bridge(veth, bridge) = "adding interface {veth} to bridge {bridge} failed: could not find bridge {bridge}: route ip+net: no such network interface";
    sethostname() = "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: sethostname: invalid argument: unknown";
    /// With the program that runc starts to join the network; that one says when, which is the
    /// beginning of time here.
    mac_address(veth, mac) = "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: error running hook #0: error running hook: exit status 1, stdout: , stderr: time=\"1970-01-01T00:00:00Z\" level=fatal msg=\"failed to add interface {veth} to sandbox: error setting interface \\\"{veth}\\\" MAC to \\\"{mac}\\\": cannot assign requested address\": unknown";
    errno(why) = "{why}";

    // As a program in Go says it.
    listen(protocol, number, why) = "listen {protocol} 0.0.0.0:{number}: bind: {why}";
    not_listening(name, port) = "{name} does not listen on {port}";
    no_sender(name, why) = "Cannot open network namespace \"{name}\": {why}";
    // procps' sysctl.c.
    sysctl(why) = "sysctl: setting key: {why}";
    // iproute2's libnetlink.c, ipnetns.c and ll_map.c.
    netns_exists(netns, why) = "Cannot create namespace file \"/var/run/netns/{netns}\": {why}";
    netns_missing(netns, why) = "Cannot remove namespace file \"/var/run/netns/{netns}\": {why}";
    no_device(link) = "Cannot find device \"{link}\"";
    rtnetlink(why) = "RTNETLINK answers: {why}";
    // bridge-utils' brctl_cmd.c.
    bridge_exists(bridge) = "device {bridge} already exists; can't create bridge with the same name";
    add_bridge(why) = "add bridge failed: {why}";
    bridge_missing(bridge) = "bridge {bridge} doesn't exist; can't delete it";
    bridge_up(bridge) = "bridge {bridge} is still up; can't delete it";
    delete_bridge(bridge, why) = "can't delete bridge {bridge}: {why}";
    no_port(port) = "interface {port} does not exist!";
    no_bridge_for_port(bridge) = "bridge {bridge} does not exist!";
    enslaved(port, bridge) = "device {port} is already a member of a bridge; can't enslave it to bridge {bridge}.";
    port_is_bridge(port) = "device {port} is a bridge device itself; can't enslave a bridge device to a bridge device.";
    enslave(port, bridge, why) = "can't add {port} to bridge {bridge}: {why}";
    not_enslaved(port, bridge) = "device {port} is not a slave of {bridge}";
    release(port, why) = "can't delete {port} from its bridge: {why}";
    // net-tools' ifconfig.c and inet_sr.c.
    set_address(link, why) = "{link}: SIOCSIFADDR: {why}";
    set_netmask(why) = "SIOCSIFNETMASK: {why}";
    get_flags(link, why) = "{link}: ERROR while getting interface flags: {why}";
    set_flags(why) = "SIOCSIFFLAGS: {why}";
    set_mtu(why) = "SIOCSIFMTU: {why}";
    set_mac(why) = "SIOCSIFHWADDR: {why}";
    add_route(why) = "SIOCADDRT: {why}";
    delete_route(why) = "SIOCDELRT: {why}";
}

/// The words for a container that there is not.
pub(super) fn no_such_container(word: &str) -> Refusal {
    match word {
        "" => no_name(),
        word => unknown_container(word),
    }
}

/// The words for a daemon that did not start because of its default network.
pub(super) fn no_default_network(why: &Refusal) -> Refusal {
    default_network(why).passing_on(why)
}
