//! What connection tracking makes of TCP segments (`nf_conntrack_proto_tcp.c`).
//!
//! Sequence numbers are not held against windows: all segments here belong where they are.

use crate::wire::{TCP_HEADER, u32_at};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dir {
    Original,
    Reply,
}

/// A segment, as far as tracking looks at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    kind: Kind,
    pub reset: bool,
    sequence: u32,
    acknowledgement: u32,
    length: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    Syn,
    SynAck,
    Fin,
    Ack,
    Rst,
    #[default]
    None,
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

impl Segment {
    pub fn of(body: &[u8]) -> Self {
        let flags = body.get(13).copied().unwrap_or_default();
        let has = |bit: u8| flags & bit != 0;
        let kind = match () {
            () if has(RST) => Kind::Rst,
            () if has(SYN) && has(ACK) => Kind::SynAck,
            () if has(SYN) => Kind::Syn,
            () if has(FIN) => Kind::Fin,
            () if has(ACK) => Kind::Ack,
            () => Kind::None,
        };
        let header = body
            .get(12)
            .map_or(TCP_HEADER, |byte| usize::from(byte >> 4) * 4);
        let payload = body.len().saturating_sub(header) as u32;
        Self {
            kind,
            reset: has(RST),
            sequence: u32_at(body, 4),
            acknowledgement: u32_at(body, 8),
            length: payload + u32::from(has(SYN)) + u32::from(has(FIN)),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    None,
    SynSent,
    SynRecv,
    Established,
    FinWait,
    CloseWait,
    LastAck,
    TimeWait,
    Close,
    /// Both sides have sent a SYN.
    SynSent2,
}

/// What a segment leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    To(Phase),
    Ignored,
    Invalid,
}

/// The state of a TCP connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct State {
    phase: Phase,
    last: Kind,
    last_was_reply: bool,
    /// What an answer to the last segment acknowledges.
    last_end: u32,
    closing: bool,
}

/// What becomes of a segment of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Goes,
    Invalid,
    /// The old connection is over, and this begins a new one.
    StartsAnew,
}

impl State {
    /// Whether a segment may begin a connection.
    pub fn starts(self, segment: &Segment) -> bool {
        matches!(next(Dir::Original, segment.kind, Phase::None), Next::To(_))
    }

    /// Takes a segment (`nf_conntrack_tcp_packet`).
    pub fn step(&mut self, dir: Dir, segment: &Segment) -> Step {
        let was = self.phase;
        let next = match next(dir, segment.kind, was) {
            Next::To(Phase::SynSent) if matches!(was, Phase::TimeWait | Phase::Close) => {
                let by_same = self.last == Kind::Rst && self.last_was_reply == (dir == Dir::Reply);
                if self.closing || by_same {
                    return Step::StartsAnew;
                }
                Next::Ignored
            }
            next => next,
        };
        match next {
            Next::Invalid => return Step::Invalid,
            Next::Ignored => {
                // A SYN-ACK for a SYN that was ignored says that it was right after all.
                let in_step = segment.kind == Kind::SynAck
                    && self.last == Kind::Syn
                    && self.last_was_reply != (dir == Dir::Reply)
                    && segment.acknowledgement == self.last_end;
                self.note(dir, segment);
                if in_step {
                    self.phase = Phase::SynRecv;
                }
            }
            Next::To(phase) => {
                self.note(dir, segment);
                if phase == Phase::FinWait && phase != was {
                    self.closing = true;
                }
                self.phase = phase;
            }
        }
        Step::Goes
    }

    fn note(&mut self, dir: Dir, segment: &Segment) {
        self.last = segment.kind;
        self.last_was_reply = dir == Dir::Reply;
        self.last_end = segment.sequence.wrapping_add(segment.length);
    }
}

/// The table of the kernel, `tcp_conntracks`, row by row.
fn next(dir: Dir, kind: Kind, phase: Phase) -> Next {
    use Phase::*;
    let reply = dir == Dir::Reply;
    match (kind, phase) {
        (Kind::None, _) => Next::Invalid,

        (Kind::Syn, None | TimeWait | Close) if !reply => Next::To(SynSent),
        (Kind::Syn, SynSent) if !reply => Next::To(SynSent),
        (Kind::Syn, SynSent2) => Next::To(SynSent2),
        (Kind::Syn, _) if !reply => Next::Ignored,
        (Kind::Syn, SynSent) => Next::To(SynSent2),
        (Kind::Syn, TimeWait) => Next::To(SynSent),
        (Kind::Syn, _) => Next::Invalid,

        (Kind::SynAck, SynRecv | SynSent2) if !reply => Next::To(SynRecv),
        (Kind::SynAck, _) if !reply => Next::Invalid,
        (Kind::SynAck, None) => Next::Invalid,
        (Kind::SynAck, SynSent | SynSent2) => Next::To(SynRecv),
        (Kind::SynAck, _) => Next::Ignored,

        (Kind::Fin, None | SynSent | SynSent2) => Next::Invalid,
        (Kind::Fin, SynRecv | Established) => Next::To(FinWait),
        (Kind::Fin, FinWait | CloseWait | LastAck) => Next::To(LastAck),
        (Kind::Fin, TimeWait) => Next::To(TimeWait),
        (Kind::Fin, Close) => Next::To(Close),

        (Kind::Ack, None) if !reply => Next::To(Established),
        (Kind::Ack, SynSent | SynSent2) if !reply => Next::Invalid,
        (Kind::Ack, SynRecv) if !reply => Next::To(Established),
        (Kind::Ack, None) => Next::Invalid,
        (Kind::Ack, SynSent | SynSent2) => Next::Ignored,
        (Kind::Ack, SynRecv) => Next::To(SynRecv),
        (Kind::Ack, Established) => Next::To(Established),
        (Kind::Ack, FinWait | CloseWait) => Next::To(CloseWait),
        (Kind::Ack, LastAck | TimeWait) => Next::To(TimeWait),
        (Kind::Ack, Close) => Next::To(Close),

        (Kind::Rst, None) => Next::Invalid,
        (Kind::Rst, _) => Next::To(Close),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(kind: Kind, sequence: u32, acknowledgement: u32) -> Segment {
        Segment {
            kind,
            reset: kind == Kind::Rst,
            sequence,
            acknowledgement,
            length: u32::from(matches!(kind, Kind::Syn | Kind::SynAck)),
        }
    }

    #[test]
    fn only_a_syn_or_an_ack_begins_a_connection() {
        let starts = |kind| State::default().starts(&segment(kind, 1, 1));
        let kinds = [Kind::Syn, Kind::Ack, Kind::SynAck, Kind::Rst, Kind::Fin];
        assert_eq!(kinds.map(starts), [true, true, false, false, false]);
    }

    #[test]
    fn a_syn_after_the_clients_reset_starts_anew() {
        let mut state = State::default();
        let steps = [
            (Dir::Original, segment(Kind::Syn, 1, 0)),
            (Dir::Reply, segment(Kind::SynAck, 7, 2)),
            (Dir::Original, segment(Kind::Rst, 2, 0)),
        ];
        for (dir, segment) in steps {
            assert_eq!(state.step(dir, &segment), Step::Goes);
        }
        let again = state.step(Dir::Original, &segment(Kind::Syn, 1, 0));
        assert_eq!(again, Step::StartsAnew);
    }

    #[test]
    fn a_syn_within_a_connection_is_let_through_and_its_answer_believed() {
        let mut state = State::default();
        state.step(Dir::Original, &segment(Kind::Syn, 1, 0));
        state.step(Dir::Reply, &segment(Kind::SynAck, 7, 2));
        assert_eq!(state.phase, Phase::SynRecv);
        assert_eq!(
            state.step(Dir::Original, &segment(Kind::Syn, 90, 0)),
            Step::Goes
        );
        assert_eq!(
            state.step(Dir::Reply, &segment(Kind::SynAck, 8, 91)),
            Step::Goes
        );
        assert_eq!(state.phase, Phase::SynRecv);
    }

    #[test]
    fn a_reset_the_connection_never_heard_of_is_invalid() {
        let mut state = State::default();
        let step = state.step(Dir::Original, &segment(Kind::Rst, 1, 0));
        assert_eq!(step, Step::Invalid);
    }
}
