//! Frames.

use std::sync::OnceLock;

use netparity::{
    language::{self, Action},
    source::Source,
};
use netparity_core::{
    frame,
    model::{NetworkModel as _, Planned},
    name::LinkRef,
    parity::NormalTrace,
    trace::Trace,
    verdict::Verdict,
};
use netparity_sim::Sim;
use pnet::packet::{
    MutablePacket as _,
    ethernet::{EtherTypes, MutableEthernetPacket},
    icmp,
    ip::IpNextHeaderProtocols,
    ipv4, tcp, udp,
};

/// Two linked containers with servers, and a namespace on a bridge of its own beside them.
const NETWORK: &str = "\
dockerd --icc=false
docker run -d --name redis --expose 6379 redis
docker run -d --name webapp --link redis:db webapp
listen redis 6379/tcp
listen redis 53/udp
listen host 80/tcp
ip netns add lab
ip link add bridge0 type bridge
ip link add lab0 type veth peer name eth0 netns lab
ip link set lab0 master bridge0 up
ip link set bridge0 mtu 1400 up
ip addr add 192.168.227.1/24 dev bridge0
ip -n lab link set eth0 up
ip -n lab addr add 192.168.227.2/24 dev eth0
ip -n lab route add default via 192.168.227.1
";

/// More frames than one input has.
const FRAMES: usize = 32;
/// More frames than come of one in that network: of a large datagram in fragments an answer in
/// fragments, each at a handful of taps.
const CAPTURES: usize = 2_000;

/// The network, and every link in it.
fn network() -> (Planned<Sim>, &'static [LinkRef]) {
    static NETWORK_AS_BUILT: OnceLock<(Planned<Sim>, Vec<LinkRef>)> = OnceLock::new();
    let (model, links) = NETWORK_AS_BUILT.get_or_init(build);
    (model.clone(), links)
}

fn build() -> (Planned<Sim>, Vec<LinkRef>) {
    let source = Source {
        path: "network".to_owned(),
        text: NETWORK.to_owned(),
    };
    let mut model = Planned::new(Sim::new());
    for step in language::parse(&source).unwrap().steps {
        if let Action::Command { command, .. } = step.action {
            command.apply(&mut model).unwrap();
        }
    }
    let snapshot = model.snapshot().unwrap();
    let links = snapshot.netns.iter().flat_map(|(netns, state)| {
        let link = |name: &_| LinkRef::new(netns.clone(), *name);
        state.links.keys().map(link)
    });
    (model, links.collect())
}

/// Sends any bytes as frames, one after the other: nothing panics, everything ends, what is seen of
/// each is bounded, and is the same when it is sent again.
///
/// A frame is a byte that says by which link (its low bits) and whether its checksums are to be made
/// right (its highest bit), its length in two bytes, the lower first, and that many bytes.
pub fn frames(mut bytes: &[u8]) {
    let (mut model, links) = network();
    let mut twin = model.clone();
    for _ in 0..FRAMES {
        let Some((how, bytes_of_frame)) = take(&mut bytes) else {
            break;
        };
        let Some(link) = links.get(usize::from(how & 0x7f) % links.len()) else {
            break;
        };
        let mut frame = bytes_of_frame.to_vec();
        if how & 0x80 != 0 {
            seal(&mut frame);
        }
        let sighting = model.dataplane().send_frame(link, &frame).unwrap();
        assert!(!sighting.timed_out, "no end of frames");
        assert!(
            sighting.captures.len() <= CAPTURES,
            "{}",
            sighting.captures.len()
        );
        assert_eq!(sighting, twin.dataplane().send_frame(link, &frame).unwrap());
        let trace = Trace {
            verdict: Verdict::Dropped,
            captures: sighting.captures,
            drops: sighting.drops,
            stations: sighting.stations,
            timed_out: false,
        };
        let normal = NormalTrace::of(&trace);
        assert_eq!(normal.decoded().len(), trace.captures.len());
        assert_eq!(normal.difference(&NormalTrace::of(&trace)), None);
        if let Some(packet) = frame::ipv4_of(&frame) {
            frame::quoted(pnet::packet::Packet::payload(&packet));
        }
    }
    let now = model.snapshot().unwrap();
    assert_eq!(now, twin.snapshot().unwrap());
}

/// Takes a frame off, cut to what there is.
fn take<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let ([how, low, high], rest) = bytes.split_first_chunk()?;
    let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
    let (frame, rest) = rest.split_at(length);
    *bytes = rest;
    Some((*how, frame))
}

/// Makes the checksums of an IPv4 packet and of what it carries right.
fn seal(frame: &mut [u8]) {
    let Some(mut ethernet) = MutableEthernetPacket::new(frame) else {
        return;
    };
    if ethernet.get_ethertype() != EtherTypes::Ipv4 {
        return;
    }
    let Some(mut packet) = ipv4::MutableIpv4Packet::new(ethernet.payload_mut()) else {
        return;
    };
    let header = usize::from(packet.get_header_length()) * 4;
    if header < 20 || header > pnet::packet::Packet::packet(&packet).len() {
        return;
    }
    let sum = ipv4::checksum(&packet.to_immutable());
    packet.set_checksum(sum);
    let (source, destination) = (packet.get_source(), packet.get_destination());
    let protocol = packet.get_next_level_protocol();
    let body = packet.payload_mut();
    match protocol {
        IpNextHeaderProtocols::Tcp => {
            if let Some(mut segment) = tcp::MutableTcpPacket::new(body) {
                let sum = tcp::ipv4_checksum(&segment.to_immutable(), &source, &destination);
                segment.set_checksum(sum);
            }
        }
        IpNextHeaderProtocols::Udp => {
            if let Some(mut datagram) = udp::MutableUdpPacket::new(body) {
                let sum = udp::ipv4_checksum(&datagram.to_immutable(), &source, &destination);
                datagram.set_checksum(sum);
            }
        }
        IpNextHeaderProtocols::Icmp => {
            if let Some(mut message) = icmp::MutableIcmpPacket::new(body) {
                let sum = icmp::checksum(&message.to_immutable());
                message.set_checksum(sum);
            }
        }
        _ => {}
    }
}
