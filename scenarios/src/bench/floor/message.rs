//! Netlink messages, laid out before the clock starts.

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const HEADER: usize = 16;
const NESTED: u16 = 0x8000;

/// Netlink messages in one buffer, and where in it something is filled in later.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    bytes: Vec<u8>,
    slots: Vec<usize>,
    /// Where the last message begins.
    last: usize,
}

impl Message {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// One more message; what comes behind its header `body` writes.
    pub(super) fn message(mut self, kind: u16, flags: u16, body: impl FnOnce(&mut Self)) -> Self {
        let start = self.bytes.len();
        self.last = start;
        self.bytes.extend([0; 4]);
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend((NLM_F_REQUEST | flags).to_ne_bytes());
        self.bytes.resize(start + HEADER, 0);
        body(&mut self);
        self.close(start, 4);
        self
    }

    /// Has the message that was added last acknowledged.
    pub(super) fn acknowledged(mut self) -> Self {
        if let Some(flags) = self.bytes.get_mut(self.last + 6) {
            *flags |= NLM_F_ACK as u8;
        }
        self
    }

    /// The messages of another, if it has any, behind these.
    pub(super) fn then(mut self, mut other: Self) -> Self {
        if other.bytes.is_empty() {
            return self;
        }
        let start = self.bytes.len();
        self.bytes.append(&mut other.bytes);
        self.slots.extend(other.slots.iter().map(|at| start + at));
        self.last = start + other.last;
        self
    }

    /// Writes the length of what began at `start`, and pads it.
    fn close(&mut self, start: usize, width: usize) {
        let length = (self.bytes.len() - start) as u32;
        self.put(start, length.to_ne_bytes().get(..width).unwrap_or_default());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn put(&mut self, at: usize, value: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    pub(super) fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.open(kind, |message| message.bytes.extend(value));
    }

    /// A number as nf_tables has them.
    pub(super) fn number(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_be_bytes());
    }

    pub(super) fn text(&mut self, kind: u16, value: &str) {
        self.open(kind, |message| {
            message.bytes.extend(value.as_bytes());
            message.bytes.push(0);
        });
    }

    pub(super) fn nest(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        self.open(kind | NESTED, body);
    }

    fn open(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_ne_bytes());
        body(self);
        self.close(start, 2);
    }

    /// An attribute of `width` bytes that [`fill`](Self::fill) fills in.
    pub(super) fn slot(&mut self, kind: u16, width: usize) {
        self.slots.push(self.bytes.len() + 4);
        self.attribute(kind, &vec![0; width]);
    }

    /// Fills the slots, first to last.
    pub(super) fn fill(&mut self, values: &[&[u8]]) {
        for (slot, value) in values.iter().enumerate() {
            if let Some(at) = self.slots.get(slot).copied() {
                self.put(at, value);
            }
        }
    }
}
