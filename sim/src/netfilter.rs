//! The hooks of the host's IPv4 stack: tracking, translation and rules, in the kernel's order of
//! priority.

use netparity_core::rules::{ChainName, ChainRef, Table};

use crate::{
    Sim,
    fault::Fault,
    firewall::{Decision, Mistakes, Packet},
    fragment::Whom,
    nat::Manip,
    skb::{Skb, Track},
    slab::{LinkId, NsId},
    wire::{TCP, UDP, u16_at},
};

/// Where in the stack a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

impl Hook {
    fn chain(self) -> ChainName {
        match self {
            Self::Prerouting => ChainName::Prerouting,
            Self::Input => ChainName::Input,
            Self::Forward => ChainName::Forward,
            Self::Output => ChainName::Output,
            Self::Postrouting => ChainName::Postrouting,
        }
    }
}

impl Sim {
    /// Takes a packet through a hook; whether it goes on. One that does not has been dropped, or
    /// is a fragment that waits for the others and has left `skb` empty.
    pub(crate) fn hook(
        &mut self,
        hook: Hook,
        ns: NsId,
        skb: &mut Skb,
        input: Option<LinkId>,
        output: Option<LinkId>,
    ) -> bool {
        if ns != self.host {
            return true;
        }
        let tracks = self.firewall.tracks();
        match hook {
            Hook::Prerouting => {
                if tracks {
                    if !self.defragment(ns, skb, Whom::Tracking) {
                        return false;
                    }
                    self.track(skb, true);
                }
                self.translate(hook, Manip::Destination, skb, input, output)
            }
            Hook::Input => {
                self.filter(hook, skb, input, output)
                    && self.translate(hook, Manip::Source, skb, input, output)
                    && self.confirm(skb)
            }
            Hook::Forward => self.filter(hook, skb, input, output),
            Hook::Output => {
                if tracks {
                    self.track(skb, false);
                }
                self.translate(hook, Manip::Destination, skb, input, output)
                    && self.filter(hook, skb, input, output)
            }
            Hook::Postrouting => {
                self.translate(hook, Manip::Source, skb, input, output) && self.confirm(skb)
            }
        }
    }

    fn confirm(&mut self, skb: &Skb) -> bool {
        if let Track::New(conn) = skb.track {
            self.conntrack.confirm(conn);
        }
        true
    }

    fn filter(
        &mut self,
        hook: Hook,
        skb: &Skb,
        input: Option<LinkId>,
        output: Option<LinkId>,
    ) -> bool {
        if !self.firewall.has_filter() {
            return true;
        }
        let chain = ChainRef::filter(hook.chain());
        self.decide(chain, skb, input, output) != Ruling::Drop
    }

    /// Asks a chain, and notes where it drops the packet.
    pub(crate) fn decide(
        &mut self,
        chain: ChainRef,
        skb: &Skb,
        input: Option<LinkId>,
        output: Option<LinkId>,
    ) -> Ruling {
        let Some(header) = skb.ipv4() else {
            return Ruling::Accept;
        };
        let body = header.body(skb.packet());
        let ports = matches!(header.protocol, TCP | UDP) && header.offset() == 0 && body.len() >= 4;
        let name = |link: Option<LinkId>| link.map(|link| self.links[link].name);
        let packet = Packet {
            source: header.source,
            destination: header.destination,
            protocol: header.protocol,
            ports: ports.then(|| (u16_at(body, 0), u16_at(body, 2))),
            input: name(input),
            output: name(output),
            established: skb.track.is_established(),
            routes: &self.namespaces[self.host].routes,
            mistakes: self.mistakes(),
        };
        match self.firewall.decide(chain, &packet, &mut self.taken) {
            Decision::Accept => Ruling::Accept,
            Decision::Masquerade => Ruling::Masquerade,
            Decision::Drop(at, rule) => {
                let firewall = &self.firewall;
                self.tape.drop(self.host, || firewall.cause(at, rule));
                Ruling::Drop
            }
        }
    }

    fn mistakes(&self) -> Mistakes {
        if self.fault.is_none() {
            return Mistakes::default();
        }
        Mistakes {
            drop_ignored: self.has(Fault::DropIgnored),
            policy_ignored: self.has(Fault::PolicyIgnored),
            negated_out_ignored: self.has(Fault::NegatedOutIgnored),
            ports_ignored: self.has(Fault::PortsIgnored),
            return_accepts: self.has(Fault::ReturnAccepts),
        }
    }

    /// The nat table's chain of a hook.
    pub(crate) fn nat_chain(hook: Hook) -> ChainRef {
        ChainRef {
            table: Table::Nat,
            chain: hook.chain(),
        }
    }
}

/// What a chain wants done with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ruling {
    Accept,
    Drop,
    Masquerade,
}
