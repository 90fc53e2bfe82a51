//! What is seen while a probe is under way.

use netparity_core::trace::{Direction, DropCause};

use crate::slab::{LinkId, NsId};

/// Which frames are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Watch {
    #[default]
    Nothing,
    /// Those that come in for this namespace: all that a verdict needs.
    Incoming(NsId),
    Everything,
}

/// A frame on the tape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub link: LinkId,
    pub direction: Direction,
    start: u32,
    end: u32,
}

/// Frames one after the other in one buffer, which is used again for every probe.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tape {
    watch: Watch,
    bytes: Vec<u8>,
    seen: Vec<Seen>,
    drops: Vec<(NsId, DropCause)>,
}

impl Tape {
    pub fn start(&mut self, watch: Watch) {
        self.watch = watch;
        self.bytes.clear();
        self.seen.clear();
        self.drops.clear();
    }

    pub fn watches_everything(&self) -> bool {
        self.watch == Watch::Everything
    }

    pub fn frame(&mut self, ns: NsId, link: LinkId, direction: Direction, frame: &[u8]) {
        match self.watch {
            Watch::Everything => {}
            Watch::Incoming(only) if only == ns && direction == Direction::In => {}
            _ => return,
        }
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(frame);
        self.seen.push(Seen {
            link,
            direction,
            start,
            end: self.bytes.len() as u32,
        });
    }

    /// Notes a drop; the cause is made up only if somebody watches.
    pub fn drop(&mut self, ns: NsId, cause: impl FnOnce() -> DropCause) {
        if self.watches_everything() {
            self.drops.push((ns, cause()));
        }
    }

    pub fn frames(&self) -> impl Iterator<Item = (Seen, &[u8])> {
        self.seen.iter().map(|seen| {
            let bytes = self.bytes.get(seen.start as usize..seen.end as usize);
            (*seen, bytes.unwrap_or_default())
        })
    }

    pub fn drops(&self) -> &[(NsId, DropCause)] {
        &self.drops
    }
}
