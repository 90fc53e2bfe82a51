//! The connections that the kernel tracks, which the same netlink family tells of.

use std::{collections::BTreeSet, net::Ipv4Addr};

use nix::libc::{EINVAL, ENOENT};

use crate::error::Failure;

use super::{
    Firewall,
    message::{Message, Writer},
    uapi::*,
};

/// What it takes to name a connection to the kernel.
struct Connection {
    original: Box<[u8]>,
    /// Tells it from a later one between the same ends.
    id: Box<[u8]>,
}

impl Firewall {
    /// Has the kernel forget the connections whose answers come from or go to these addresses.
    pub(crate) fn forget_connections(
        &mut self,
        addresses: &BTreeSet<Ipv4Addr>,
    ) -> Result<(), Failure> {
        // A listing walks all of the machine's table, however little is in it.
        if !self.tracks_connections()? {
            return Ok(());
        }
        let connections = self.connections(addresses)?;
        let mut request = Writer::default();
        for Connection { original, id } in &connections {
            request.message(IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST, 0, |body| {
                body.nest(CTA_TUPLE_ORIG, |tuple| tuple.raw(original));
                body.put(CTA_ID, id);
            });
        }
        if connections.is_empty() {
            return Ok(());
        }
        self.socket
            .exchange(request.bytes(), |message| match message.error()? {
                // It is over by itself meanwhile.
                0 | ENOENT => Ok(()),
                number => Err(Failure::Errno(number, "forget connection")),
            })
            .map(drop)
    }

    fn tracks_connections(&mut self) -> Result<bool, Failure> {
        let mut request = Writer::default();
        request.message(IPCTNL_MSG_CT_GET_STATS, NLM_F_REQUEST, 0, |_| ());
        let mut count = 0;
        self.socket.exchange(request.bytes(), |message| {
            match message.kind {
                IPCTNL_MSG_CT_GET_STATS => {
                    let [entries] = message.attributes().need([CTA_STATS_GLOBAL_ENTRIES])?;
                    count = entries.u32()?;
                }
                _ => untold(message)?,
            }
            Ok(())
        })?;
        Ok(count != 0)
    }

    fn connections(&mut self, addresses: &BTreeSet<Ipv4Addr>) -> Result<Vec<Connection>, Failure> {
        let mut request = Writer::default();
        let flags = NLM_F_REQUEST | NLM_F_DUMP;
        request.message(IPCTNL_MSG_CT_GET, flags, 0, |_| ());
        let mut found = Vec::new();
        self.socket.exchange(request.bytes(), |message| {
            match message.kind {
                NLMSG_DONE => {}
                IPCTNL_MSG_CT_NEW => found.extend(read(message, addresses)?),
                _ => untold(message)?,
            }
            Ok(())
        })?;
        Ok(found)
    }
}

/// What an answer that tells of nothing means.
fn untold(message: &Message<'_>) -> Result<(), Failure> {
    match message.kind {
        NLMSG_ERROR => match message.error()? {
            0 => Ok(()),
            EINVAL => Err(Failure::nonsense(
                "the kernel does not tell of connections: it needs nf_conntrack_netlink",
            )),
            number => Err(Failure::Errno(number, "list connections")),
        },
        kind => Err(Failure::nonsense(format_args!(
            "unexpected netlink message {kind}"
        ))),
    }
}

/// Reads a connection, if its answers come from or go to one of the addresses.
fn read(
    message: &Message<'_>,
    addresses: &BTreeSet<Ipv4Addr>,
) -> Result<Option<Connection>, Failure> {
    let attributes = message.attributes();
    let [original, reply, id] = attributes.need([CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_ID])?;
    let [ends] = reply.nested().need([CTA_TUPLE_IP])?;
    let ends = ends.nested().pick([CTA_IP_V4_SRC, CTA_IP_V4_DST])?;
    let mut is_meant = false;
    for end in ends.into_iter().flatten() {
        is_meant |= addresses.contains(&Ipv4Addr::from_bits(end.u32()?));
    }
    Ok(is_meant.then(|| Connection {
        original: original.0.into(),
        id: id.0.into(),
    }))
}
