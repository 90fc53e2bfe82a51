//! Labels of enums. A variant without a label does not compile.

use netparity_core::{
    command::{Command, Destination, NetMode},
    probe::Payload,
    rules::Field,
    trace::DropCause,
    verdict::{Unreachable, Verdict},
};

macro_rules! labels {
    ($function:ident, $all:ident: $type:ty { $($pattern:pat => $label:literal,)* }) => {
        /// Every label, in order.
        pub(super) const $all: &[&str] = &[$($label,)*];

        labels!($function: $type { $($pattern => $label,)* });
    };
    ($function:ident: $type:ty { $($pattern:pat => $label:literal,)* }) => {
        pub(super) const fn $function(it: &$type) -> &'static str {
            match it {
                $($pattern => $label,)*
            }
        }
    };
}

labels!(command, COMMANDS: Command {
    Command::Daemon(_) => "dockerd",
    Command::Create(_) => "docker create",
    Command::Run(_) => "docker run",
    Command::Start(_) => "docker start",
    Command::Stop(_) => "docker stop",
    Command::Kill(_) => "docker kill",
    Command::Restart(_) => "docker restart",
    Command::Remove { force: false, .. } => "docker rm",
    Command::Remove { force: true, .. } => "docker rm -f",
    Command::Host(_) => "host tool",
    Command::Listen { .. } => "listen",
    Command::Unlisten { .. } => "unlisten",
});

labels!(mode, MODES: NetMode {
    NetMode::Bridge => "bridge",
    NetMode::Host => "host",
    NetMode::Container(_) => "container",
    NetMode::None => "none",
    NetMode::Network(_) => "network",
});

labels!(payload, PAYLOADS: Payload {
    Payload::Tcp(_) => "tcp",
    Payload::Udp(_) => "udp",
    Payload::Icmp => "icmp",
    Payload::Arp => "arp",
});

labels!(destination, DESTINATIONS: Destination {
    Destination::Name(_) => "to a name",
    Destination::Address(_) => "to an address",
});

labels!(verdict, VERDICTS: Verdict {
    Verdict::Open => "open",
    Verdict::Refused => "refused",
    Verdict::Reply => "reply",
    Verdict::Dropped => "dropped",
    Verdict::Unreachable(Unreachable::Net) => "unreachable:net",
    Verdict::Unreachable(Unreachable::Host) => "unreachable:host",
    Verdict::Unreachable(Unreachable::Port) => "unreachable:port",
    Verdict::Unreachable(Unreachable::Prohibited) => "unreachable:prohibited",
    Verdict::Unreachable(Unreachable::FragNeeded) => "unreachable:frag-needed",
    Verdict::TtlExceeded => "ttl-exceeded",
    Verdict::NoRoute => "no-route",
    Verdict::NoName => "no-name",
});

/// The label of what a person does at the host's prompt.
pub(super) const HOST_TOOL: &str = "host tool";
/// The label of what dropped without a rule or a policy.
pub(super) const BY_RULE: &str = "by a rule";
/// The label of a policy that dropped.
pub(super) const BY_POLICY: &str = "by a policy";

labels!(cause, CAUSES: DropCause {
    DropCause::Rule(..) => "by a rule",
    DropCause::Policy(_) => "by a policy",
    DropCause::NotForwarding => "does not forward",
    DropCause::Source => "source address not acceptable",
    DropCause::TooLong(_) => "longer than the port takes",
});

labels!(field: Field {
    Field::Source(_) => "-s …",
    Field::Destination(_) => "-d …",
    Field::In(_) => "-i …",
    Field::Out(_) => "-o …",
    Field::Protocol(_) => "-p …",
    Field::SourcePort(_) => "--sport …",
    Field::DestinationPort(_) => "--dport …",
    Field::Established => "--ctstate RELATED,ESTABLISHED",
    Field::SourceIsLocal => "--src-type LOCAL",
    Field::DestinationIsLocal => "--dst-type LOCAL",
});
