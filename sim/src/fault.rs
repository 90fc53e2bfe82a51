//! Deliberate mistakes, to prove that a comparison with a right model notices them.

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One thing that a simulator does wrongly.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $($(#[$doc])* $name,)*
        }

        impl Fault {
            /// Every fault there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

faults! {
    /// A bridge forwards broadcasts to one port only.
    FloodsToOnePort,
    /// A bridge sends what it floods back to where it came from, too.
    FloodsBack,
    /// A bridge learns nothing.
    LearnsNothing,
    /// A bridge learns every address behind its first port.
    LearnsWrongPort,
    /// A bridge's MTU does not follow its ports'.
    KeepsBridgeMtu,
    /// A bridge forwards what is longer than its port takes.
    ForwardsTooLong,
    /// Bridged packets pass no rules.
    BridgedSkipHooks,
    /// An ARP request is answered whoever's address it asks for.
    AnswersForOthers,
    /// A neighbour's address is learned from the target of its request instead of the sender.
    LearnsTarget,
    /// The source of an ARP request is not learned.
    LearnsNoSender,
    /// A neighbour that does not answer is not reported.
    HostUnreachableMissing,
    /// The shortest prefix wins.
    ShortestPrefix,
    /// An address brings no connected route.
    ConnectedRouteMissing,
    /// A packet without a route is dropped without a word.
    NetUnreachableMissing,
    /// Packets are forwarded where forwarding is off.
    ForwardsWhileOff,
    /// Forwarding leaves the time to live as it is.
    TtlKept,
    /// A packet whose time is exceeded is dropped without a word.
    TimeExceededMissing,
    /// The reverse path is not asked for.
    ReversePathIgnored,
    /// Loopback addresses are let in from outside.
    LocalhostLeaks,
    /// A packet too long for the next link is dropped without a word.
    FragmentationNeededMissing,
    /// Fragments are 8 bytes shorter than the link takes.
    ShortFragments,
    /// An ICMP error quotes 8 bytes behind the header, and no more.
    QuotesTooLittle,
    /// An ICMP error has no precedence.
    ErrorTosZero,
    /// An echo reply comes without the request's data.
    EchoesNothing,
    /// A datagram to a port where nothing listens is dropped without a word.
    PortUnreachableMissing,
    /// A segment to a port where nothing listens is dropped without a word.
    ResetMissing,
    /// The acknowledgement in a reset is one too low.
    ResetAcknowledgesTooLittle,
    /// A SYN-ACK does not say the greatest segment size.
    SynAckWithoutMss,
    /// The checksum of what TCP answers is wrong.
    WrongChecksum,
    /// DROP rules let pass.
    DropIgnored,
    /// The policy of a chain is always to accept.
    PolicyIgnored,
    /// `! -o` is read as `-o`.
    NegatedOutIgnored,
    /// A rule's ports match any port.
    PortsIgnored,
    /// RETURN accepts.
    ReturnAccepts,
    /// Replies belong to no connection.
    EstablishedUnknown,
    /// ICMP errors belong to no connection.
    RelatedUnknown,
    /// Connections are tracked on when they are to be forgotten.
    ConnectionsKept,
    /// MASQUERADE does nothing.
    MasqueradeMissing,
    /// What comes back to a masqueraded connection is not translated.
    MasqueradeNotReversed,
    /// Masquerading takes another port where the same one is free.
    MasqueradeMovesPort,
    /// What an ICMP error quotes is not translated.
    QuoteNotTranslated,
    /// A port can be listened on twice.
    PortsShared,
    /// A refused plan stays half done.
    NoRollback,
}
