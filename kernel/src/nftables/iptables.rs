//! Rules as iptables-nft 1.8 writes them, read: of all it can, what dockerd asks it for.
//!
//! It has nf_tables compare what nf_tables can, and leaves the rest to iptables' own modules by
//! way of `nft_compat`, whose structures are those of the kernel's `linux/netfilter/xt_*.h`.

use ipnet::Ipv4Net;
use netparity_core::{
    name::LinkName,
    rules::{Field, Match, Rule, Target},
};

use crate::error::Failure;

use super::{
    expression::{self, Expression, Load, Verdict, unknown_use},
    message::{Attributes, Value},
    translate,
    uapi::*,
};

/// Reads a list of expressions: a rule, and how many packets it took if it drops.
pub(super) fn read(list: Value<'_>) -> Result<(Rule, Option<u64>), Failure> {
    let mut matches = Vec::new();
    let mut loaded: Option<(Load, Option<&[u8]>)> = None;
    let mut packets = 0;
    let mut target = None;
    for element in expression::elements(list) {
        let (name, data) = element?;
        if target.is_some() {
            return Err(unknown_use(name));
        }
        let known = match name {
            "match" => read_module(data)?.map(|item| matches.push(item)),
            "target" => is_masquerade(data)?.then(|| target = Some(Target::Masquerade)),
            _ => match (expression::read_one(name, data)?, loaded) {
                (Some(Expression::Load(load)), None) => {
                    loaded = Some((load, None));
                    Some(())
                }
                (Some(Expression::Mask(mask)), Some((load, None))) => {
                    loaded = Some((load, Some(mask)));
                    Some(())
                }
                (Some(Expression::Compare { equal, data }), Some((load, mask))) => {
                    loaded = None;
                    read_match(load, mask, equal, data).map(|item| matches.push(item))
                }
                (Some(Expression::Counter { packets: count }), None) => {
                    packets = count;
                    Some(())
                }
                (Some(Expression::Verdict(verdict)), None) => {
                    target = Some(target_of(verdict));
                    Some(())
                }
                _ => None,
            },
        };
        known.ok_or_else(|| unknown_use(name))?;
    }
    let target = target.ok_or_else(|| Failure::nonsense("a rule without a target"))?;
    let rule = matches
        .into_iter()
        .fold(Rule::new(target), |rule, item: Match| match item.negated {
            true => rule.unless(item.field),
            false => rule.when(item.field),
        });
    Ok((rule, (target == Target::Drop).then_some(packets)))
}

fn target_of(verdict: Verdict) -> Target {
    match verdict {
        Verdict::Accept => Target::Accept,
        Verdict::Drop => Target::Drop,
        Verdict::Return => Target::Return,
        Verdict::Jump(chain) => Target::Jump(chain),
        Verdict::Masquerade => Target::Masquerade,
    }
}

/// Where the addresses are in an IPv4 header.
const SOURCE: u32 = 12;
const DESTINATION: u32 = 16;

/// Of a link's name, and of a network of whole bytes, only as much is compared as there is to it
/// (`add_iniface`, `add_addr` of iptables' `nft-shared.c`).
fn read_match(load: Load, mask: Option<&[u8]>, equal: bool, data: &[u8]) -> Option<Match> {
    let field = match (load, mask) {
        (Load::Meta(NFT_META_IIFNAME), None) => Field::In(read_name(data)?),
        (Load::Meta(NFT_META_OIFNAME), None) => Field::Out(read_name(data)?),
        (
            Load::Payload {
                base: NFT_PAYLOAD_NETWORK_HEADER,
                offset: offset @ (SOURCE | DESTINATION),
                length: length @ 1..4,
            },
            None,
        ) => {
            let mut octets = [0; 4];
            octets.get_mut(..data.len())?.copy_from_slice(data);
            let net = Ipv4Net::new(octets.into(), 8 * u8::try_from(length).ok()?).ok()?;
            match offset {
                SOURCE => Field::Source(net),
                _ => Field::Destination(net),
            }
        }
        _ => return translate::read_match(load, mask, equal, data),
    };
    Some(Match {
        negated: !equal,
        field,
    })
}

/// A name without its end is of every link that begins so.
fn read_name(data: &[u8]) -> Option<LinkName> {
    str::from_utf8(data.strip_suffix(&[0])?).ok()?.parse().ok()
}

/// The name, revision and structure of one of iptables' modules.
fn module(data: Attributes<'_>) -> Result<(&str, u32, Structure<'_>), Failure> {
    let [name, revision, info] = data.need([NFTA_MATCH_NAME, NFTA_MATCH_REV, NFTA_MATCH_INFO])?;
    Ok((name.text()?, revision.u32()?, Structure(info.0)))
}

fn read_module(data: Attributes<'_>) -> Result<Option<Match>, Failure> {
    let (name, revision, info) = module(data)?;
    Ok(match (name, revision) {
        ("addrtype", 1) => read_addrtype(info),
        ("conntrack", 3) => read_conntrack(info),
        ("sctp", 0) => read_sctp(info),
        _ => None,
    })
}

/// The address of the link it leaves by, and any port: all of `nf_nat_ipv4_range` is 0.
fn is_masquerade(data: Attributes<'_>) -> Result<bool, Failure> {
    let (name, revision, Structure(info)) = module(data)?;
    let range = info.get(size_of::<u32>()..).unwrap_or_default();
    Ok((name, revision) == ("MASQUERADE", 0) && range.iter().all(|byte| *byte == 0))
}

/// A structure of the kernel's, in the machine's byte order.
#[derive(Clone, Copy)]
struct Structure<'a>(&'a [u8]);

impl Structure<'_> {
    fn u16(self, at: usize) -> Option<u16> {
        self.0
            .get(at..)?
            .first_chunk()
            .map(|it| u16::from_ne_bytes(*it))
    }

    fn u32(self, at: usize) -> Option<u32> {
        self.0
            .get(at..)?
            .first_chunk()
            .map(|it| u32::from_ne_bytes(*it))
    }
}

/// `xt_addrtype_info_v1`: `source`, `dest`, `flags`.
fn read_addrtype(info: Structure<'_>) -> Option<Match> {
    const LOCAL: u16 = 1 << RTN_LOCAL;
    const INVERT_SOURCE: u32 = 1;
    const INVERT_DEST: u32 = 2;
    match (info.u16(0)?, info.u16(2)?, info.u32(4)?) {
        (LOCAL, 0, flags @ (0 | INVERT_SOURCE)) => Some(Match {
            negated: flags != 0,
            field: Field::SourceIsLocal,
        }),
        (0, LOCAL, flags @ (0 | INVERT_DEST)) => Some(Match {
            negated: flags != 0,
            field: Field::DestinationIsLocal,
        }),
        _ => None,
    }
}

/// `xt_conntrack_mtinfo3`: `match_flags`, `invert_flags` and `state_mask` behind eight addresses of
/// 16 bytes, two times and five ports.
fn read_conntrack(info: Structure<'_>) -> Option<Match> {
    const MATCH_FLAGS: usize = 146;
    const STATE: u16 = 1;
    /// `XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED) | XT_CONNTRACK_STATE_BIT(IP_CT_RELATED)`.
    const ESTABLISHED_RELATED: u16 = 0b110;
    let [flags, inverted, states] =
        [0, 2, 4].map(|at| info.u16(MATCH_FLAGS + at).unwrap_or_default());
    let is_known = flags == STATE && states == ESTABLISHED_RELATED;
    is_known.then_some(Match {
        negated: inverted & STATE != 0,
        field: Field::Established,
    })
}

/// `xt_sctp_info`: the first and last of `dpts` and of `spts`, and at the end `flags` and `invflags`.
fn read_sctp(info: Structure<'_>) -> Option<Match> {
    const FLAGS: usize = 284;
    const SOURCE_PORTS: u32 = 1;
    const DESTINATION_PORTS: u32 = 2;
    let flags = info.u32(FLAGS)?;
    let negated = info.u32(FLAGS + 4)? & flags != 0;
    let port = |at| {
        let (first, last) = (info.u16(at)?, info.u16(at + 2)?);
        (first == last).then_some(first)
    };
    let field = match flags {
        DESTINATION_PORTS => Field::DestinationPort(port(0)?),
        SOURCE_PORTS => Field::SourcePort(port(4)?),
        _ => return None,
    };
    Some(Match { negated, field })
}

#[cfg(test)]
mod tests {
    use netparity_core::rules::ChainName;
    use proptest::{collection::vec, prelude::*};

    use super::{super::message::Writer, *};

    /// A rule of a module, with what the structure has at these places, and a verdict.
    fn rule_of(module: &str, revision: u32, size: usize, halves: &[(usize, u16)]) -> Writer {
        let mut info = vec![0; size];
        for (at, half) in halves {
            info[*at..at + 2].copy_from_slice(&half.to_ne_bytes());
        }
        let mut list = Writer::default();
        put_module(&mut list, "match", (module, revision), &info);
        Expression::Counter { packets: 7 }.write(&mut list);
        Expression::Verdict(Verdict::Drop).write(&mut list);
        list
    }

    fn put_module(list: &mut Writer, kind: &str, (name, revision): (&str, u32), info: &[u8]) {
        list.nest(NFTA_LIST_ELEM, |element| {
            element.put_text(NFTA_EXPR_NAME, kind);
            element.nest(NFTA_EXPR_DATA, |data| {
                data.put_text(NFTA_MATCH_NAME, name);
                data.put_u32(NFTA_MATCH_REV, revision);
                data.put(NFTA_MATCH_INFO, info);
            });
        });
    }

    #[test]
    fn modules_are_read_where_they_ask_what_a_rule_can() {
        let drop = Rule::new(Target::Drop);
        for (list, rule) in [
            (
                rule_of("conntrack", 3, 160, &[(146, 1), (150, 6)]),
                drop.clone().when(Field::Established),
            ),
            (
                rule_of("conntrack", 3, 160, &[(146, 1), (148, 1), (150, 6)]),
                drop.clone().unless(Field::Established),
            ),
            (
                rule_of("addrtype", 1, 8, &[(2, 4)]),
                drop.clone().when(Field::DestinationIsLocal),
            ),
            (
                rule_of("addrtype", 1, 8, &[(0, 4), (4, 1)]),
                drop.unless(Field::SourceIsLocal),
            ),
        ] {
            assert_eq!(read(Value(list.bytes())).unwrap(), (rule, Some(7)));
        }
    }

    #[test]
    fn what_a_rule_cannot_ask_is_refused_and_named() {
        for list in [
            rule_of("conntrack", 3, 160, &[(146, 1), (150, 8)]),
            rule_of("conntrack", 3, 160, &[(146, 3), (150, 6)]),
            rule_of("conntrack", 2, 160, &[(146, 1), (150, 6)]),
            rule_of("conntrack", 3, 140, &[]),
            rule_of("addrtype", 1, 8, &[(0, 4), (2, 4)]),
            rule_of("addrtype", 1, 8, &[(2, 8)]),
            rule_of("sctp", 0, 292, &[(0, 1), (2, 9), (284, 2)]),
            rule_of("ttl", 0, 2, &[]),
        ] {
            let failure = read(Value(list.bytes())).unwrap_err();
            assert_eq!(failure.to_string(), "unknown use of nf_tables' match");
        }
        let mut to_port = Writer::default();
        put_module(&mut to_port, "target", ("MASQUERADE", 0), &[1, 0, 0, 0, 2]);
        assert!(read(Value(to_port.bytes())).is_err());
    }

    #[test]
    fn steps_out_of_order_are_refused() {
        let compare = Expression::Compare {
            equal: true,
            data: &[6],
        };
        let load = Expression::Load(Load::Meta(NFT_META_L4PROTO));
        let jump = Expression::Verdict(Verdict::Jump(ChainName::Docker));
        let is_read = |steps: &[Expression<'_>]| {
            let mut list = Writer::default();
            steps.iter().for_each(|step| step.write(&mut list));
            read(Value(list.bytes())).is_ok()
        };
        assert!(is_read(&[load, compare, jump]));
        assert!(!is_read(&[]));
        assert!(!is_read(&[load, compare]));
        assert!(!is_read(&[compare, jump]));
        assert!(!is_read(&[load, jump]));
        assert!(!is_read(&[load, load, compare, jump]));
        assert!(!is_read(&[jump, jump]));
    }

    proptest! {
        #[test]
        fn a_garbled_rule_is_no_panic(
            cut in any::<prop::sample::Index>(),
            garble in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        ) {
            let list = rule_of("sctp", 0, 292, &[(0, 1), (2, 1), (284, 2)]);
            let mut bytes = list.bytes().to_vec();
            for (at, byte) in garble {
                *at.get_mut(&mut bytes) = byte;
            }
            bytes.truncate(cut.index(bytes.len() + 1));
            let _ = read(Value(&bytes));
        }
    }
}
