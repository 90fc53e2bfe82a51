//! Netlink messages of netfilter's kind, and their attributes: written and read.

use crate::error::Failure;

use super::uapi::{NFPROTO_IPV4, NLM_F_REQUEST};

const HEADER: usize = 16;
const NETFILTER_HEADER: usize = 4;
const ATTRIBUTE_HEADER: usize = 4;
const NESTED: u16 = 0x8000;
const KIND: u16 = 0x3fff;

const fn align(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// Messages, one behind the other, as one send takes them.
#[derive(Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A message about IPv4 with the attributes that `body` puts in.
    pub(super) fn message(
        &mut self,
        kind: u16,
        flags: u16,
        sequence: u32,
        body: impl FnOnce(&mut Self),
    ) {
        self.framed(kind, flags, sequence, [NFPROTO_IPV4, 0, 0, 0], body);
    }

    /// A message that starts or ends a transaction of a subsystem of netfilter.
    pub(super) fn framing(&mut self, kind: u16, subsystem: u16, body: impl FnOnce(&mut Self)) {
        let [high, low] = subsystem.to_be_bytes();
        self.framed(kind, NLM_F_REQUEST, 0, [0, 0, high, low], body);
    }

    fn framed(
        &mut self,
        kind: u16,
        flags: u16,
        sequence: u32,
        netfilter: [u8; NETFILTER_HEADER],
        body: impl FnOnce(&mut Self),
    ) {
        let start = self.bytes.len();
        self.bytes.extend([0; 4]);
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend(sequence.to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend(netfilter);
        body(self);
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// An attribute.
    pub(super) fn put(&mut self, kind: u16, value: &[u8]) {
        self.attribute(kind, |this| this.bytes.extend(value));
    }

    pub(super) fn put_u32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    pub(super) fn put_u64(&mut self, kind: u16, value: u64) {
        self.put(kind, &value.to_be_bytes());
    }

    pub(super) fn put_text(&mut self, kind: u16, text: &str) {
        self.attribute(kind, |this| {
            this.bytes.extend(text.as_bytes());
            this.bytes.push(0);
        });
    }

    /// Attributes as they were read.
    pub(super) fn raw(&mut self, attributes: &[u8]) {
        self.bytes.extend(attributes);
    }

    /// An attribute with those in it that `body` puts there.
    pub(super) fn nest(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        self.attribute(kind | NESTED, body);
    }

    fn attribute(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_ne_bytes());
        body(self);
        let end = self.bytes.len();
        // Too long a value overruns the message by this, which the kernel refuses.
        let length = u16::try_from(end - start).unwrap_or(u16::MAX);
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.bytes.resize(start + align(end - start), 0);
    }
}

/// A message from the kernel.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    pub kind: u16,
    pub sequence: u32,
    payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The attributes behind netfilter's own header.
    pub(super) fn attributes(&self) -> Attributes<'a> {
        Attributes(self.payload.get(NETFILTER_HEADER..).unwrap_or_default())
    }

    /// The error number of an error message, as a positive number; 0 is success.
    pub(super) fn error(&self) -> Result<i32, Failure> {
        let number = self.payload.first_chunk().map(|at| i32::from_ne_bytes(*at));
        number
            .and_then(i32::checked_neg)
            .ok_or_else(|| Failure::nonsense("netlink error without a number"))
    }
}

/// The messages in one datagram.
pub(super) struct Messages<'a>(pub &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let message = split_message(&mut self.0);
        if message.is_none() {
            self.0 = &[];
        }
        Some(message.ok_or_else(|| Failure::nonsense("netlink message cut short")))
    }
}

fn split_message<'a>(bytes: &mut &'a [u8]) -> Option<Message<'a>> {
    let header = bytes.first_chunk::<HEADER>()?;
    let [l0, l1, l2, l3, k0, k1, _, _, s0, s1, s2, s3, ..] = *header;
    let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
    let payload = bytes.get(HEADER..length)?;
    *bytes = bytes.get(align(length)..).unwrap_or_default();
    Some(Message {
        kind: u16::from_ne_bytes([k0, k1]),
        sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
        payload,
    })
}

/// An attribute's value.
#[derive(Clone, Copy)]
pub(super) struct Value<'a>(pub &'a [u8]);

impl<'a> Value<'a> {
    pub(super) fn u32(self) -> Result<u32, Failure> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(self) -> Result<u64, Failure> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn text(self) -> Result<&'a str, Failure> {
        let text = self.0.strip_suffix(&[0]).unwrap_or(self.0);
        str::from_utf8(text).map_err(Failure::nonsense)
    }

    pub(super) fn nested(self) -> Attributes<'a> {
        Attributes(self.0)
    }

    fn array<const N: usize>(self) -> Result<[u8; N], Failure> {
        self.0.try_into().map_err(|_| {
            Failure::nonsense(format_args!("attribute of {} bytes for {N}", self.0.len()))
        })
    }
}

/// Attributes, one behind the other.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// The values of the attributes of these kinds.
    pub(super) fn pick<const N: usize>(
        self,
        kinds: [u16; N],
    ) -> Result<[Option<Value<'a>>; N], Failure> {
        let mut values = [None; N];
        for attribute in self {
            let (kind, value) = attribute?;
            for (wanted, slot) in kinds.iter().zip(&mut values) {
                if *wanted == kind {
                    *slot = Some(value);
                }
            }
        }
        Ok(values)
    }

    /// The values of the attributes of these kinds, each of which must be there.
    pub(super) fn need<const N: usize>(self, kinds: [u16; N]) -> Result<[Value<'a>; N], Failure> {
        let mut values = [Value(&[]); N];
        for (slot, value) in values.iter_mut().zip(self.pick(kinds)?) {
            *slot = value.ok_or_else(|| Failure::nonsense("attribute missing"))?;
        }
        Ok(values)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(u16, Value<'a>), Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let attribute = split_attribute(&mut self.0);
        if attribute.is_none() {
            self.0 = &[];
        }
        Some(attribute.ok_or_else(|| Failure::nonsense("netlink attribute cut short")))
    }
}

fn split_attribute<'a>(bytes: &mut &'a [u8]) -> Option<(u16, Value<'a>)> {
    let [l0, l1, k0, k1] = *bytes.first_chunk::<ATTRIBUTE_HEADER>()?;
    let length = usize::from(u16::from_ne_bytes([l0, l1]));
    let value = bytes.get(ATTRIBUTE_HEADER..length)?;
    *bytes = bytes.get(align(length)..).unwrap_or_default();
    Some((u16::from_ne_bytes([k0, k1]) & KIND, Value(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Writer {
        let mut writer = Writer::default();
        writer.message(0xa06, NLM_F_REQUEST, 7, |body| {
            body.put_text(1, "filter");
            body.nest(4, |list| list.put_u64(2, 1 << 40));
            body.put(5, &[1, 2, 3]);
        });
        writer
    }

    #[test]
    fn attributes_are_read_as_they_were_written() {
        let writer = written();
        let messages: Vec<_> = Messages(writer.bytes()).map(Result::unwrap).collect();
        let [message] = messages[..] else {
            panic!("{} messages", messages.len());
        };
        assert_eq!((message.kind, message.sequence), (0xa06, 7));
        let [name, list, bytes] = message.attributes().need([1, 4, 5]).unwrap();
        assert_eq!(name.text().unwrap(), "filter");
        assert_eq!(bytes.0, [1, 2, 3]);
        let [number] = list.nested().need([2]).unwrap();
        assert_eq!(number.u64().unwrap(), 1 << 40);
        assert!(number.u32().is_err());
        assert!(message.attributes().need([9]).is_err());
    }

    #[test]
    fn what_is_cut_short_is_an_error_and_the_end() {
        let writer = written();
        let whole = writer.bytes().len();
        for length in 1..whole {
            let mut messages = Messages(&writer.bytes()[..length]);
            assert!(
                messages.next().unwrap().is_err(),
                "{length} of {whole} bytes"
            );
            assert!(messages.next().is_none());
        }
        let mut attributes = Attributes(&[12, 0, 1, 0, 0]);
        assert!(attributes.next().unwrap().is_err());
        assert!(attributes.next().is_none());
    }
}
