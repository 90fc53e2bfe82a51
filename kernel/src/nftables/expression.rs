//! The nf_tables expressions that our rules are made of, written and read. All of them work on one register.

use netparity_core::rules::ChainName;

use crate::error::Failure;

use super::{
    message::{Attributes, Value, Writer},
    uapi::*,
};

/// What a load puts into the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// `NFT_META_…`.
    Meta(u32),
    /// Bytes of the packet.
    Payload { base: u32, offset: u32, length: u32 },
    /// The state of the packet's connection.
    ConnectionState,
    /// The kind of address (`RTN_…`) that the source (`NFTA_FIB_F_SADDR`) or destination is.
    AddressType(u32),
}

/// How a rule ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accept,
    Drop,
    Return,
    Jump(ChainName),
    Masquerade,
}

/// One step of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expression<'a> {
    Load(Load),
    /// Keeps those bits of the register.
    Mask(&'a [u8]),
    /// Goes on only if the register is (or is not) this.
    Compare {
        equal: bool,
        data: &'a [u8],
    },
    /// Counts packets.
    Counter {
        packets: u64,
    },
    Verdict(Verdict),
}

impl Expression<'_> {
    /// Writes it as an element of a rule's list.
    pub(super) fn write(&self, list: &mut Writer) {
        match *self {
            Self::Load(load) => write_load(list, load),
            Self::Mask(mask) => element(list, "bitwise", |data| {
                data.put_u32(NFTA_BITWISE_SREG, NFT_REG_1);
                data.put_u32(NFTA_BITWISE_DREG, NFT_REG_1);
                data.put_u32(
                    NFTA_BITWISE_LEN,
                    u32::try_from(mask.len()).unwrap_or(u32::MAX),
                );
                data.nest(NFTA_BITWISE_MASK, |mask_data| {
                    mask_data.put(NFTA_DATA_VALUE, mask)
                });
                data.nest(NFTA_BITWISE_XOR, |xor| {
                    xor.put(
                        NFTA_DATA_VALUE,
                        [0; 16].get(..mask.len()).unwrap_or_default(),
                    );
                });
            }),
            Self::Compare { equal, data: value } => element(list, "cmp", |data| {
                data.put_u32(NFTA_CMP_SREG, NFT_REG_1);
                data.put_u32(NFTA_CMP_OP, if equal { NFT_CMP_EQ } else { NFT_CMP_NEQ });
                data.nest(NFTA_CMP_DATA, |data| data.put(NFTA_DATA_VALUE, value));
            }),
            Self::Counter { packets } => element(list, "counter", |data| {
                data.put_u64(NFTA_COUNTER_BYTES, 0);
                data.put_u64(NFTA_COUNTER_PACKETS, packets);
            }),
            Self::Verdict(verdict) => write_verdict(list, verdict),
        }
    }
}

fn element(list: &mut Writer, name: &str, body: impl FnOnce(&mut Writer)) {
    list.nest(NFTA_LIST_ELEM, |element| {
        element.put_text(NFTA_EXPR_NAME, name);
        element.nest(NFTA_EXPR_DATA, body);
    });
}

fn write_load(list: &mut Writer, load: Load) {
    match load {
        Load::Meta(key) => element(list, "meta", |data| {
            data.put_u32(NFTA_META_DREG, NFT_REG_1);
            data.put_u32(NFTA_META_KEY, key);
        }),
        Load::Payload {
            base,
            offset,
            length,
        } => element(list, "payload", |data| {
            data.put_u32(NFTA_PAYLOAD_DREG, NFT_REG_1);
            data.put_u32(NFTA_PAYLOAD_BASE, base);
            data.put_u32(NFTA_PAYLOAD_OFFSET, offset);
            data.put_u32(NFTA_PAYLOAD_LEN, length);
        }),
        Load::ConnectionState => element(list, "ct", |data| {
            data.put_u32(NFTA_CT_DREG, NFT_REG_1);
            data.put_u32(NFTA_CT_KEY, NFT_CT_STATE);
        }),
        Load::AddressType(flags) => element(list, "fib", |data| {
            data.put_u32(NFTA_FIB_DREG, NFT_REG_1);
            data.put_u32(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
            data.put_u32(NFTA_FIB_FLAGS, flags);
        }),
    }
}

fn write_verdict(list: &mut Writer, verdict: Verdict) {
    let (code, chain) = match verdict {
        Verdict::Accept => (NF_ACCEPT, None),
        Verdict::Drop => (NF_DROP, None),
        Verdict::Return => (NFT_RETURN, None),
        Verdict::Jump(chain) => (NFT_JUMP, Some(chain)),
        Verdict::Masquerade => return element(list, "masq", |_| ()),
    };
    element(list, "immediate", |data| {
        data.put_u32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
        data.nest(NFTA_IMMEDIATE_DATA, |data| {
            data.nest(NFTA_DATA_VERDICT, |data| {
                data.put(NFTA_VERDICT_CODE, &code.to_be_bytes());
                if let Some(chain) = chain {
                    data.put_text(NFTA_VERDICT_CHAIN, chain.as_str());
                }
            });
        });
    });
}

/// Reads the elements of a rule's list.
pub(super) fn read(list: Value<'_>) -> impl Iterator<Item = Result<Expression<'_>, Failure>> {
    elements(list).map(|element| {
        let (name, data) = element?;
        read_one(name, data)?.ok_or_else(|| unknown_use(name))
    })
}

/// The elements of a rule's list: each one's name, and what there is to it.
pub(super) fn elements(
    list: Value<'_>,
) -> impl Iterator<Item = Result<(&str, Attributes<'_>), Failure>> {
    list.nested().map(|element| {
        let (_, element) = element?;
        let [name, data] = element.nested().pick([NFTA_EXPR_NAME, NFTA_EXPR_DATA])?;
        let name = name.ok_or_else(|| Failure::nonsense("expression without a name"))?;
        Ok((name.text()?, data.unwrap_or(Value(&[])).nested()))
    })
}

/// What to say of an expression that has no place where it is.
pub(super) fn unknown_use(name: &str) -> Failure {
    Failure::nonsense(format_args!("unknown use of nf_tables' {name}"))
}

/// Nothing for an expression that [`Expression::write`] does not write.
pub(super) fn read_one<'a>(
    name: &str,
    data: Attributes<'a>,
) -> Result<Option<Expression<'a>>, Failure> {
    Ok(match name {
        "meta" => {
            let [register, key] = numbers(data, [NFTA_META_DREG, NFTA_META_KEY])?;
            (register == NFT_REG_1).then_some(Expression::Load(Load::Meta(key)))
        }
        "payload" => {
            let [register, base, offset, length] = numbers(
                data,
                [
                    NFTA_PAYLOAD_DREG,
                    NFTA_PAYLOAD_BASE,
                    NFTA_PAYLOAD_OFFSET,
                    NFTA_PAYLOAD_LEN,
                ],
            )?;
            let load = Load::Payload {
                base,
                offset,
                length,
            };
            (register == NFT_REG_1).then_some(Expression::Load(load))
        }
        "ct" => {
            let what = numbers(data, [NFTA_CT_DREG, NFTA_CT_KEY])?;
            (what == [NFT_REG_1, NFT_CT_STATE]).then_some(Expression::Load(Load::ConnectionState))
        }
        "fib" => {
            let [register, result, flags] =
                numbers(data, [NFTA_FIB_DREG, NFTA_FIB_RESULT, NFTA_FIB_FLAGS])?;
            ([register, result] == [NFT_REG_1, NFT_FIB_RESULT_ADDRTYPE])
                .then_some(Expression::Load(Load::AddressType(flags)))
        }
        "bitwise" => {
            let registers = numbers(data, [NFTA_BITWISE_SREG, NFTA_BITWISE_DREG])?;
            let [mask, xor] = data.need([NFTA_BITWISE_MASK, NFTA_BITWISE_XOR])?;
            let [mask] = mask.nested().need([NFTA_DATA_VALUE])?;
            let [xor] = xor.nested().need([NFTA_DATA_VALUE])?;
            (registers == [NFT_REG_1; 2] && xor.0.iter().all(|byte| *byte == 0))
                .then_some(Expression::Mask(mask.0))
        }
        "cmp" => {
            let [register, operator] = numbers(data, [NFTA_CMP_SREG, NFTA_CMP_OP])?;
            let [value] = data.need([NFTA_CMP_DATA])?;
            let [value] = value.nested().need([NFTA_DATA_VALUE])?;
            (register == NFT_REG_1 && matches!(operator, NFT_CMP_EQ | NFT_CMP_NEQ)).then_some(
                Expression::Compare {
                    equal: operator == NFT_CMP_EQ,
                    data: value.0,
                },
            )
        }
        "counter" => {
            let [packets] = data.need([NFTA_COUNTER_PACKETS])?;
            Some(Expression::Counter {
                packets: packets.u64()?,
            })
        }
        "masq" => data
            .into_iter()
            .next()
            .is_none()
            .then_some(Expression::Verdict(Verdict::Masquerade)),
        "immediate" => read_verdict(data)?.map(Expression::Verdict),
        _ => None,
    })
}

fn read_verdict(data: Attributes<'_>) -> Result<Option<Verdict>, Failure> {
    let [register] = numbers(data, [NFTA_IMMEDIATE_DREG])?;
    if register != NFT_REG_VERDICT {
        return Ok(None);
    }
    let [data] = data.need([NFTA_IMMEDIATE_DATA])?;
    let [verdict] = data.nested().need([NFTA_DATA_VERDICT])?;
    let [code, chain] = verdict
        .nested()
        .pick([NFTA_VERDICT_CODE, NFTA_VERDICT_CHAIN])?;
    let code = code.ok_or_else(|| Failure::nonsense("verdict without a code"))?;
    Ok(match (code.u32()?.cast_signed(), chain) {
        (NF_ACCEPT, None) => Some(Verdict::Accept),
        (NF_DROP, None) => Some(Verdict::Drop),
        (NFT_RETURN, None) => Some(Verdict::Return),
        (NFT_JUMP, Some(chain)) => ChainName::from_name(chain.text()?).map(Verdict::Jump),
        _ => None,
    })
}

fn numbers<const N: usize>(data: Attributes<'_>, kinds: [u16; N]) -> Result<[u32; N], Failure> {
    let mut numbers = [0; N];
    for (slot, value) in numbers.iter_mut().zip(data.need(kinds)?) {
        *slot = value.u32()?;
    }
    Ok(numbers)
}
