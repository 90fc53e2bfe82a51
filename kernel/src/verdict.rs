//! How a shot ends, without watching what becomes of it on its way.

use netparity_core::{
    errno::Errno,
    probe::Shot,
    trace::{Capture, Direction, Sighting, Tap, Trace},
    verdict::Verdict,
};

use crate::{
    Kernel,
    error::Failure,
    fence::Whereabouts,
    namespaces::{Namespaces, Slot},
    tap::Seen,
    watch::Watching,
};

/// Shots of which nobody has asked what became of them on their way.
#[derive(Default)]
pub(crate) struct Unwatched {
    shots: usize,
    /// What was seen of them so far; the rest waits in the taps.
    seen: Vec<(Slot, Seen)>,
}

/// How many there may be before the taps are emptied: far fewer than find room in them.
const MOST: usize = 256;

impl Kernel {
    /// Sends a shot and watches its sender until there is an answer; or everything until nothing
    /// moves any more, if there is none at once.
    pub(crate) fn end_of(&mut self, slot: Slot, shot: &Shot) -> Result<Verdict, Failure> {
        // Fragments need taps that are made ready for them.
        if shot.size.is_some() {
            let sighting = self.sight(slot, shot)?;
            return Ok(Trace::judge(shot, sighting).verdict);
        }
        if self.unwatched.shots >= MOST {
            self.catch_up_with_unwatched()?;
        }
        self.stations.refresh(&mut self.namespaces)?;
        self.rule_counts.know(&mut self.firewall)?;
        // What has come since the last shot is no answer to this one.
        self.take_from(slot)?;
        self.unwatched.shots += 1;
        let place = Whereabouts::now()?;
        let from = self.unwatched.seen.len();
        if let Some(errno) = self.send(slot, shot)? {
            return Ok(self.judge(shot, Some(errno), from));
        }
        self.take_from(slot)?;
        let verdict = self.judge(shot, None, from);
        if verdict != Verdict::Dropped {
            return Ok(verdict);
        }
        let mut watching = Watching::new(slot);
        let known = self.unwatched.seen.drain(from..).map(|(_, seen)| seen);
        watching.seen.insert(slot, known.collect());
        let watched = match place.pin()? {
            (_pin, true) => self.watch_until_quiet(&mut watching),
            (pin, false) => self.watch_everywhere(&pin, &mut watching),
        };
        for (slot, seen) in watching.seen {
            let seen = seen.into_iter().map(|seen| (slot, seen));
            self.unwatched.seen.extend(seen);
        }
        watched?;
        if watching.timed_out {
            return Err(Failure::nonsense("a bounded wait ended a probe"));
        }
        let verdict = self.judge(shot, None, from);
        if verdict == Verdict::Dropped {
            self.check_neighbour_table()?;
        }
        Ok(verdict)
    }

    /// Takes what the tap of a namespace has seen.
    fn take_from(&mut self, slot: Slot) -> Result<(), Failure> {
        let Self {
            namespaces,
            room,
            unwatched,
            ..
        } = self;
        let tap = &mut namespaces.get_mut(slot)?.tap;
        while let Some(seen) = tap.next(room.frame())? {
            unwatched.seen.push((slot, seen));
        }
        Ok(())
    }

    /// Judges by what was seen from this place on.
    fn judge(&self, shot: &Shot, send_error: Option<Errno>, from: usize) -> Verdict {
        let frames = self.unwatched.seen.iter().skip(from);
        let arrived = frames.filter(|(_, seen)| seen.direction == Direction::In);
        let captures = arrived.filter_map(|(slot, seen)| {
            let link = self.name_of(*slot, seen.link)?;
            (link.netns == shot.netns).then(|| Capture {
                tap: Tap {
                    link,
                    direction: Direction::In,
                },
                frame: seen.frame.clone(),
            })
        });
        let sighting = Sighting {
            send_error,
            captures: captures.collect(),
            ..Sighting::default()
        };
        Trace::judge(shot, sighting).verdict
    }

    /// Empties the taps of what unwatched shots have left there, and has it counted, so that none of
    /// it is taken for something that comes of the next shot.
    pub(crate) fn catch_up_with_unwatched(&mut self) -> Result<(), Failure> {
        if self.unwatched.shots == 0 {
            return Ok(());
        }
        let mut watching = Watching::new(Namespaces::HOST);
        self.read_all(&mut watching)?;
        let mut seen = std::mem::take(&mut self.unwatched).seen;
        for (slot, frames) in watching.seen {
            seen.extend(frames.into_iter().map(|frame| (slot, frame)));
        }
        self.counted_drops(&seen, Namespaces::HOST).map(drop)
    }
}
