//! The first place where two models part.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Serialize, Serializer};

use crate::{
    engine::Refusal,
    frame::{NormalFrame, Normaliser},
    model::{ModelError, Outcome},
    name::{LinkName, Netns},
    snapshot::{LinkKind, NetnsState, Snapshot},
    trace::{Drop, Tap, Trace},
    verdict::Verdict,
};

/// How two models differ. `left` and `right` are in the order in which the models were given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// One did what the other refused, or they refused or warned in different words.
    Outcome {
        /// What the left one said.
        left: String,
        /// What the right one said.
        right: String,
    },
    /// A probe had different ends.
    Verdict {
        /// The left one's.
        left: Verdict,
        /// The right one's.
        right: Verdict,
        /// Where their frames part, if they do.
        frames: Option<Box<FrameDifference>>,
        /// Where the left one dropped it.
        left_drops: Vec<Drop>,
        /// Where the right one dropped it.
        right_drops: Vec<Drop>,
    },
    /// The same end, by different frames.
    Frames(Box<FrameDifference>),
    /// The same frames, dropped for different reasons.
    Drops {
        /// The left one's.
        left: Vec<Drop>,
        /// The right one's.
        right: Vec<Drop>,
    },
    /// The networks look different.
    Snapshot {
        /// Where: `host: links: docker0: mtu`.
        place: String,
        /// What the left one has there.
        left: String,
        /// What the right one has there.
        right: String,
    },
}

/// The first frame in which two traces part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FrameDifference {
    /// The tap at which it was seen.
    pub tap: Tap,
    /// Its place among the frames at that tap, from 0.
    pub index: usize,
    /// The left one's frame, if it has one there.
    #[serde(serialize_with = "as_text")]
    pub left: Option<NormalFrame>,
    /// The right one's frame, if it has one there.
    #[serde(serialize_with = "as_text")]
    pub right: Option<NormalFrame>,
    /// Every frame of the left one, decoded, in the order seen.
    pub left_frames: Vec<String>,
    /// Every frame of the right one.
    pub right_frames: Vec<String>,
}

fn as_text<S: Serializer>(frame: &Option<NormalFrame>, serializer: S) -> Result<S::Ok, S::Error> {
    match frame {
        Some(frame) => serializer.collect_str(frame),
        None => serializer.serialize_none(),
    }
}

/// Compares what became of a command.
pub fn outcomes(
    left: &Result<Outcome, ModelError>,
    right: &Result<Outcome, ModelError>,
) -> Option<Difference> {
    if left == right {
        return None;
    }
    let said = |result: &Result<Outcome, ModelError>| match result {
        Ok(outcome) if outcome.warnings.is_empty() => "done".to_owned(),
        Ok(outcome) => format!("done, with warnings: {}", outcome.warnings.join("; ")),
        Err(ModelError::Refused(refusal)) => format!("refused: {refusal}"),
        Err(ModelError::Broken(why)) => format!("broken: {why}"),
    };
    Some(Difference::Outcome {
        left: said(left),
        right: said(right),
    })
}

/// Compares two traces of one probe.
pub fn traces(left: &Trace, right: &Trace) -> Option<Difference> {
    let frames = frames(left, right).map(Box::new);
    if left.verdict != right.verdict {
        return Some(Difference::Verdict {
            left: left.verdict,
            right: right.verdict,
            frames,
            left_drops: left.drops.clone(),
            right_drops: right.drops.clone(),
        });
    }
    if let Some(frames) = frames {
        return Some(Difference::Frames(frames));
    }
    let differ = left.drops != right.drops;
    differ.then(|| Difference::Drops {
        left: left.drops.clone(),
        right: right.drops.clone(),
    })
}

/// A trace's frames, normalised, by tap; each with its place among all frames.
type ByTap = BTreeMap<Tap, Vec<(usize, NormalFrame)>>;

fn by_tap(trace: &Trace) -> ByTap {
    let mut taps = ByTap::new();
    let mut normaliser = Normaliser::new(&trace.stations);
    for (place, seen) in trace.captures.iter().enumerate() {
        let frame = normaliser.normalise(&seen.tap, &seen.frame);
        taps.entry(seen.tap.clone())
            .or_default()
            .push((place, frame));
    }
    taps
}

/// Every frame of a trace with its tap, normalised and decoded, in the order seen.
pub fn decoded(trace: &Trace) -> Vec<String> {
    let mut normaliser = Normaliser::new(&trace.stations);
    let line = |seen: &crate::trace::Capture| {
        format!(
            "{}: {}",
            seen.tap,
            normaliser.normalise(&seen.tap, &seen.frame)
        )
    };
    trace.captures.iter().map(line).collect()
}

fn frames(left: &Trace, right: &Trace) -> Option<FrameDifference> {
    let (lefts, rights) = (by_tap(left), by_tap(right));
    let none = Vec::new();
    let taps: BTreeSet<&Tap> = lefts.keys().chain(rights.keys()).collect();
    let parting = |tap: &&Tap| {
        let (ours, theirs) = (
            lefts.get(*tap).unwrap_or(&none),
            rights.get(*tap).unwrap_or(&none),
        );
        let same = ours
            .iter()
            .zip(theirs)
            .take_while(|(one, other)| one.1 == other.1)
            .count();
        let (one, other) = (ours.get(same), theirs.get(same));
        // The first of all is the one that was seen first by whoever saw it.
        let place = one
            .map(|it| it.0)
            .into_iter()
            .chain(other.map(|it| it.0))
            .min()?;
        Some((
            place,
            (*tap).clone(),
            same,
            one.map(|it| it.1.clone()),
            other.map(|it| it.1.clone()),
        ))
    };
    let (_, tap, index, one, other) = taps
        .iter()
        .filter_map(parting)
        .min_by_key(|found| found.0)?;
    Some(FrameDifference {
        tap,
        index,
        left: one,
        right: other,
        left_frames: decoded(left),
        right_frames: decoded(right),
    })
}

/// Compares what two models look like.
///
/// A bridge's hardware address is compared by whose it is, and so are those of links on the host
/// that Docker names at random.
pub fn snapshots(left: &Snapshot, right: &Snapshot) -> Option<Difference> {
    let (lefts, rights) = (lines(left), lines(right));
    let places: BTreeSet<&String> = lefts.keys().chain(rights.keys()).collect();
    places.into_iter().find_map(|place| {
        let said = |lines: &BTreeMap<String, String>| {
            lines
                .get(place)
                .cloned()
                .unwrap_or_else(|| "absent".to_owned())
        };
        let (left, right) = (said(&lefts), said(&rights));
        (left != right).then(|| Difference::Snapshot {
            place: place.clone(),
            left,
            right,
        })
    })
}

/// A snapshot as facts: each with its place, normalised.
fn lines(snapshot: &Snapshot) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    for (netns, state) in &snapshot.netns {
        let mut say = |what: String, value: String| facts.insert(format!("{netns}: {what}"), value);
        say("forwarding".into(), state.ip_forward.to_string());
        say("listeners".into(), list(&state.listeners));
        say("routes".into(), list(&state.routes));
        for table in [crate::rules::Table::Filter, crate::rules::Table::Nat] {
            for (at, line) in state.rules.lines(table).into_iter().enumerate() {
                say(format!("rules: {table}: line {:03}", at + 1), line);
            }
        }
        for (neighbour, mac) in &state.neighbours {
            let whose = owner(snapshot, *mac).unwrap_or_else(|| mac.to_string());
            say(
                format!("neighbours: {} on {}", neighbour.address, neighbour.link),
                whose,
            );
        }
        for (name, link) in &state.links {
            let mut tell = |what: &str, value: String| say(format!("links: {name}: {what}"), value);
            tell("kind", format!("{:?}", link.kind));
            tell("mac", mac(netns, state, *name));
            tell("mtu", link.mtu.to_string());
            tell("up", link.up.to_string());
            tell("carrier", link.carrier.to_string());
            tell(
                "master",
                link.master
                    .map_or_else(|| "none".to_owned(), |master| master.to_string()),
            );
            tell("addresses", list(&link.addresses));
            for (station, port) in &link.learned {
                let whose = owner(snapshot, station.0).unwrap_or_else(|| station.0.to_string());
                tell(&format!("learned {whose}"), port.to_string());
            }
        }
    }
    for (name, container) in &snapshot.containers {
        let mut say =
            |what: &str, value: String| facts.insert(format!("container {name}: {what}"), value);
        say("status", format!("{:?}", container.status));
        say(
            "namespace",
            container
                .netns
                .as_ref()
                .map_or_else(|| "none".to_owned(), Netns::to_string),
        );
        say("hostname", container.hostname.clone());
        say("hosts", container.hosts.clone());
        say("env", list(&container.env));
    }
    facts
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() {
        "none".to_owned()
    } else {
        items.join(", ")
    }
}

/// A link's hardware address, or for a bridge whose it is.
fn mac(netns: &Netns, state: &NetnsState, name: LinkName) -> String {
    let Some(link) = state.links.get(&name) else {
        return String::new();
    };
    if link.kind != LinkKind::Bridge {
        return match netns {
            Netns::Host if link.kind == LinkKind::Veth => "its own".to_owned(),
            _ => link.mac.to_string(),
        };
    }
    let mut ports = state
        .links
        .iter()
        .filter(|(_, port)| port.master == Some(name));
    match ports.find(|(_, port)| port.mac == link.mac) {
        Some((port, _)) => format!("{port}'s"),
        None if link.mac == crate::MacAddr::zero() => "none".to_owned(),
        None => "its own".to_owned(),
    }
}

/// The link that has a hardware address; a bridge before its ports.
fn owner(snapshot: &Snapshot, mac: crate::MacAddr) -> Option<String> {
    let links = snapshot.netns.iter().flat_map(|(netns, state)| {
        state
            .links
            .iter()
            .map(move |(name, link)| (link.kind != LinkKind::Bridge, netns, name, link))
    });
    let mut owners: Vec<_> = links
        .filter(|(.., link)| link.mac == mac && link.kind != LinkKind::Loopback)
        .collect();
    owners.sort_by_key(|(not_bridge, netns, name, _)| (*not_bridge, *netns, *name));
    owners
        .first()
        .map(|(_, netns, name, _)| format!("{netns}/{name}"))
}

/// Whether a refusal contains the words that were expected, whatever the white space between them.
pub fn says(refusal: &Refusal, expected: &str) -> bool {
    contains_words(refusal.as_str(), expected)
}

/// Whether `text` contains `expected`, where any run of white space is as good as any other.
pub fn contains_words(text: &str, expected: &str) -> bool {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    plain(text).contains(&plain(expected))
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outcome { left, right } => write!(f, "{left} | {right}"),
            Self::Verdict { left, right, .. } => write!(f, "{left} | {right}"),
            Self::Frames(frames) => frames.fmt(f),
            Self::Drops { left, right } => write!(f, "dropped by {} | {}", list(left), list(right)),
            Self::Snapshot { place, left, right } => write!(f, "{place}: {left} | {right}"),
        }
    }
}

impl fmt::Display for FrameDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |frame: &Option<NormalFrame>| {
            frame
                .as_ref()
                .map_or_else(|| "nothing".to_owned(), NormalFrame::to_string)
        };
        let (left, right) = (said(&self.left), said(&self.right));
        write!(
            f,
            "frame {} at {}: {left} | {right}",
            self.index + 1,
            self.tap
        )?;
        match (&self.left, &self.right) {
            // They differ where the decoded line does not show it.
            (Some(one), Some(other)) if left == right => {
                write!(f, " ({} | {})", one.hex(), other.hex())
            }
            _ => Ok(()),
        }
    }
}
