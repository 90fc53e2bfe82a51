//! A rule as nf_tables expressions, and back.
//!
//! The two are one to one: what is not as it is written here is not read. A rule that drops, and
//! only such a rule, counts what it takes.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use netparity_core::{
    name::LinkName,
    port::Protocol,
    rules::{Field, Match, Rule, Target},
};

use crate::error::Failure;

use super::{
    expression::{self, Expression, Load, Verdict},
    message::{Value, Writer},
    uapi::*,
};

/// `IFNAMSIZ`, which is how much an interface's name takes of the register.
const NAME: usize = 16;

const FRAGMENT: Load = network_header(6, 2);
const SOURCE: Load = network_header(12, 4);
const DESTINATION: Load = network_header(16, 4);
const SOURCE_PORT: Load = transport_header(0);
const DESTINATION_PORT: Load = transport_header(2);
const IN: Load = Load::Meta(NFT_META_IIFNAME);
const OUT: Load = Load::Meta(NFT_META_OIFNAME);
const PROTOCOL: Load = Load::Meta(NFT_META_L4PROTO);
const SOURCE_TYPE: Load = Load::AddressType(NFTA_FIB_F_SADDR);
const DESTINATION_TYPE: Load = Load::AddressType(NFTA_FIB_F_DADDR);

/// The bits of [`FRAGMENT`] that are 0 where the transport header is.
const FRAGMENT_OFFSET: [u8; 2] = [0x1f, 0xff];
const LOCAL: [u8; 4] = RTN_LOCAL.to_ne_bytes();
const ESTABLISHED: [u8; 4] = NF_CT_STATE_ESTABLISHED_RELATED.to_ne_bytes();

const fn network_header(offset: u32, length: u32) -> Load {
    Load::Payload {
        base: NFT_PAYLOAD_NETWORK_HEADER,
        offset,
        length,
    }
}

const fn transport_header(offset: u32) -> Load {
    Load::Payload {
        base: NFT_PAYLOAD_TRANSPORT_HEADER,
        offset,
        length: 2,
    }
}

/// Writes the rule's list of expressions.
pub(super) fn write(list: &mut Writer, rule: &Rule) {
    let mut whole = false;
    for item in rule.matches() {
        if is_port(item.field) && !whole {
            write_not_fragment(list);
            whole = true;
        }
        write_match(list, item);
    }
    let verdict = match rule.target() {
        Target::Accept => Verdict::Accept,
        Target::Drop => {
            Expression::Counter { packets: 0 }.write(list);
            Verdict::Drop
        }
        Target::Return => Verdict::Return,
        Target::Jump(chain) => Verdict::Jump(chain),
        Target::Masquerade => Verdict::Masquerade,
    };
    Expression::Verdict(verdict).write(list);
}

fn is_port(field: Field) -> bool {
    matches!(field, Field::SourcePort(_) | Field::DestinationPort(_))
}

/// A fragment but the first has no ports, and iptables' port matches (`net/netfilter/xt_tcpudp.c`)
/// hold for none, negated or not. nf_tables reads ports from whatever is there
/// (`nft_payload_fast_eval`).
fn write_not_fragment(list: &mut Writer) {
    Expression::Load(FRAGMENT).write(list);
    Expression::Mask(&FRAGMENT_OFFSET).write(list);
    let (equal, data) = (true, &[0; 2]);
    Expression::Compare { equal, data }.write(list);
}

fn write_match(list: &mut Writer, item: &Match) {
    let equal = !item.negated;
    let mut test = |load, data: &[u8]| {
        Expression::Load(load).write(list);
        Expression::Compare { equal, data }.write(list);
    };
    match item.field {
        Field::Source(net) => write_net(list, SOURCE, net, equal),
        Field::Destination(net) => write_net(list, DESTINATION, net, equal),
        Field::In(link) => test(IN, &padded(link)),
        Field::Out(link) => test(OUT, &padded(link)),
        Field::Protocol(protocol) => test(PROTOCOL, &[protocol.number()]),
        Field::SourcePort(port) => test(SOURCE_PORT, &port.to_be_bytes()),
        Field::DestinationPort(port) => test(DESTINATION_PORT, &port.to_be_bytes()),
        Field::Established => {
            Expression::Load(Load::ConnectionState).write(list);
            Expression::Mask(&ESTABLISHED).write(list);
            let data = &[0; 4];
            let equal = !equal;
            Expression::Compare { equal, data }.write(list);
        }
        Field::SourceIsLocal => test(SOURCE_TYPE, &LOCAL),
        Field::DestinationIsLocal => test(DESTINATION_TYPE, &LOCAL),
    }
}

fn write_net(list: &mut Writer, load: Load, net: Ipv4Net, equal: bool) {
    Expression::Load(load).write(list);
    if net.prefix_len() < 32 {
        Expression::Mask(&net.netmask().octets()).write(list);
    }
    let data = &net.network().octets();
    Expression::Compare { equal, data }.write(list);
}

fn padded(link: LinkName) -> [u8; NAME] {
    let mut name = [0; NAME];
    for (slot, byte) in name.iter_mut().zip(link.as_str().bytes()) {
        *slot = byte;
    }
    name
}

/// Reads a list of expressions: a rule and how many packets it took, if it drops.
pub(super) fn read(list: Value<'_>) -> Result<(Rule, Option<u64>), Failure> {
    let mut matches = Vec::new();
    let mut whole = false;
    let mut packets = None;
    let mut expressions = expression::read(list);
    let unknown = || Failure::nonsense("a rule that this crate did not write");
    let mut next = || expressions.next().unwrap_or_else(|| Err(unknown()));
    let target = loop {
        match next()? {
            Expression::Load(load) => {
                let (mask, compare) = match next()? {
                    Expression::Mask(mask) => (Some(mask), next()?),
                    compare => (None, compare),
                };
                let Expression::Compare { equal, data } = compare else {
                    return Err(unknown());
                };
                match (load, mask) {
                    (FRAGMENT, Some(mask))
                        if mask == FRAGMENT_OFFSET && equal && data == [0; 2] =>
                    {
                        whole = true;
                    }
                    _ => matches.push(read_match(load, mask, equal, data).ok_or_else(unknown)?),
                }
            }
            Expression::Counter { packets: count } if packets.is_none() => packets = Some(count),
            Expression::Verdict(verdict) => break verdict,
            _ => return Err(unknown()),
        }
        if packets.is_some() {
            break match next()? {
                Expression::Verdict(verdict) => verdict,
                _ => return Err(unknown()),
            };
        }
    };
    let target = match (target, packets) {
        (Verdict::Drop, Some(_)) => Target::Drop,
        (Verdict::Accept, None) => Target::Accept,
        (Verdict::Return, None) => Target::Return,
        (Verdict::Jump(chain), None) => Target::Jump(chain),
        (Verdict::Masquerade, None) => Target::Masquerade,
        _ => return Err(unknown()),
    };
    if expressions.next().is_some() || matches.iter().any(|item| is_port(item.field)) != whole {
        return Err(unknown());
    }
    let mut rule = Rule::new(target);
    for Match { negated, field } in matches {
        rule = if negated {
            rule.unless(field)
        } else {
            rule.when(field)
        };
    }
    Ok((rule, packets))
}

pub(super) fn read_match(
    load: Load,
    mask: Option<&[u8]>,
    equal: bool,
    data: &[u8],
) -> Option<Match> {
    let (field, negated) = match (load, mask) {
        (SOURCE, mask) => (Field::Source(read_net(mask, data)?), !equal),
        (DESTINATION, mask) => (Field::Destination(read_net(mask, data)?), !equal),
        (IN, None) => (Field::In(read_name(data)?), !equal),
        (OUT, None) => (Field::Out(read_name(data)?), !equal),
        (PROTOCOL, None) => (Field::Protocol(read_protocol(data)?), !equal),
        (SOURCE_PORT, None) => (Field::SourcePort(read_port(data)?), !equal),
        (DESTINATION_PORT, None) => (Field::DestinationPort(read_port(data)?), !equal),
        (SOURCE_TYPE, None) if data == LOCAL => (Field::SourceIsLocal, !equal),
        (DESTINATION_TYPE, None) if data == LOCAL => (Field::DestinationIsLocal, !equal),
        (Load::ConnectionState, Some(mask)) if mask == ESTABLISHED && data == [0; 4] => {
            (Field::Established, equal)
        }
        _ => return None,
    };
    Some(Match { negated, field })
}

fn read_net(mask: Option<&[u8]>, data: &[u8]) -> Option<Ipv4Net> {
    let octets = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from);
    let address = octets(data)?;
    let net = match mask {
        Some(mask) => Ipv4Net::with_netmask(address, octets(mask)?).ok()?,
        None => address.into(),
    };
    (net.network() == address).then_some(net)
}

fn read_name(data: &[u8]) -> Option<LinkName> {
    let data: &[u8; NAME] = data.try_into().ok()?;
    let end = data.iter().position(|byte| *byte == 0)?;
    str::from_utf8(data.get(..end)?).ok()?.parse().ok()
}

fn read_protocol(data: &[u8]) -> Option<Protocol> {
    [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
        .into_iter()
        .find(|protocol| data == [protocol.number()])
}

fn read_port(data: &[u8]) -> Option<u16> {
    data.try_into().ok().map(u16::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use netparity_core::rules::ChainName;
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    fn net() -> impl Strategy<Value = Ipv4Net> {
        (any::<u32>(), 0..=32u8).prop_map(|(address, length)| {
            let net = Ipv4Net::new(Ipv4Addr::from(address), length).unwrap();
            net.trunc()
        })
    }

    fn link() -> impl Strategy<Value = LinkName> {
        "[a-zé0-9.-]{1,15}".prop_filter_map("not a link's name", |name| name.parse().ok())
    }

    fn field() -> impl Strategy<Value = Field> {
        let protocols = vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
        prop_oneof![
            net().prop_map(Field::Source),
            net().prop_map(Field::Destination),
            link().prop_map(Field::In),
            link().prop_map(Field::Out),
            select(protocols).prop_map(Field::Protocol),
            any::<u16>().prop_map(Field::SourcePort),
            any::<u16>().prop_map(Field::DestinationPort),
            Just(Field::Established),
            Just(Field::SourceIsLocal),
            Just(Field::DestinationIsLocal),
        ]
    }

    fn target() -> impl Strategy<Value = Target> {
        prop_oneof![
            Just(Target::Accept),
            Just(Target::Drop),
            Just(Target::Return),
            Just(Target::Masquerade),
            select(ChainName::ALL.to_vec()).prop_map(Target::Jump),
        ]
    }

    fn rule() -> impl Strategy<Value = Rule> {
        (target(), vec((field(), any::<bool>()), 0..8)).prop_map(|(target, fields)| {
            let start = Rule::new(target);
            fields.into_iter().fold(start, |rule, (field, negated)| {
                if negated {
                    rule.unless(field)
                } else {
                    rule.when(field)
                }
            })
        })
    }

    fn list_of(write: impl FnOnce(&mut Writer)) -> Writer {
        let mut list = Writer::default();
        write(&mut list);
        list
    }

    fn is_refused(expressions: &[Expression<'_>]) -> bool {
        let list = list_of(|list| expressions.iter().for_each(|item| item.write(list)));
        read(Value(list.bytes())).is_err()
    }

    proptest! {
        #[test]
        fn a_rule_is_read_as_it_was_written(rule in rule()) {
            let list = list_of(|list| write(list, &rule));
            let packets = (rule.target() == Target::Drop).then_some(0);
            prop_assert_eq!(read(Value(list.bytes())).unwrap(), (rule, packets));
        }

        #[test]
        fn a_garbled_rule_is_refused_or_another_rule(
            rule in rule(),
            cut in any::<prop::sample::Index>(),
            garble in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let list = list_of(|list| write(list, &rule));
            let mut bytes = list.bytes().to_vec();
            for (at, byte) in garble {
                *at.get_mut(&mut bytes) = byte;
            }
            bytes.truncate(cut.index(bytes.len() + 1));
            if let Ok((other, _)) = read(Value(&bytes)) {
                let again = list_of(|list| write(list, &other));
                prop_assert_eq!(read(Value(again.bytes())).unwrap().0, other);
            }
        }
    }

    #[test]
    fn a_rule_counts_if_and_only_if_it_drops() {
        let counter = Expression::Counter { packets: 7 };
        let verdict = Expression::Verdict;
        let list = [counter, verdict(Verdict::Drop)];
        let list = list_of(|bytes| list.iter().for_each(|item| item.write(bytes)));
        let (rule, packets) = read(Value(list.bytes())).unwrap();
        assert_eq!((rule, packets), (Rule::new(Target::Drop), Some(7)));
        assert!(is_refused(&[verdict(Verdict::Drop)]));
        assert!(is_refused(&[counter, verdict(Verdict::Accept)]));
        assert!(is_refused(&[counter, counter, verdict(Verdict::Drop)]));
    }

    #[test]
    fn rules_that_others_wrote_are_refused() {
        let accept = Expression::Verdict(Verdict::Accept);
        let compare = |data| Expression::Compare { equal: true, data };
        let state = Expression::Load(Load::ConnectionState);
        assert!(!is_refused(&[accept]));
        assert!(is_refused(&[]), "no verdict");
        assert!(is_refused(&[accept, accept]), "steps behind the verdict");
        assert!(is_refused(&[compare(&[6]), accept]), "nothing loaded");
        assert!(
            is_refused(&[Expression::Load(PROTOCOL), accept]),
            "nothing asked"
        );
        let icmp = [Expression::Load(PROTOCOL), compare(&[1]), accept];
        assert!(is_refused(&icmp), "a protocol without ports");
        let ports = [Expression::Load(SOURCE_PORT), compare(&[0, 1]), accept];
        assert!(is_refused(&ports), "ports of fragments");
        let new = [
            state,
            Expression::Mask(&[8, 0, 0, 0]),
            compare(&[0; 4]),
            accept,
        ];
        assert!(is_refused(&new), "another state");
        let holes = [
            Expression::Load(SOURCE),
            Expression::Mask(&[255, 0, 255, 0]),
            compare(&[10, 0, 1, 0]),
            accept,
        ];
        assert!(is_refused(&holes), "a mask that is no prefix");
        let log = list_of(|list| {
            list.nest(NFTA_LIST_ELEM, |element| {
                element.put_text(NFTA_EXPR_NAME, "log")
            });
            accept.write(list);
        });
        let failure = read(Value(log.bytes())).unwrap_err();
        assert_eq!(failure.to_string(), "unknown use of nf_tables' log");
    }
}
