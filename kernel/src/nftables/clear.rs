//! Making a namespace one without packet rules.

use std::{fs, io};

use crate::error::{Doing, Failure};

use super::{
    Firewall,
    index::Index,
    listing::unexpected,
    message::{Message, Writer},
    refusal,
    uapi::*,
};

/// How many connections are tracked in the calling thread's namespace.
const TRACKED: &str = "/proc/sys/net/netfilter/nf_conntrack_count";

impl Firewall {
    /// Whether there is no table, for certain.
    pub(crate) fn is_blank(&self) -> bool {
        self.index.as_ref().is_some_and(Index::is_blank)
    }

    /// Removes all rules, and waits until nothing is left of them; then forgets all connections.
    /// The calling thread has to be in the namespace.
    pub(crate) fn clear(mut self) -> Result<(), Failure> {
        let mut batch = Writer::default();
        batch.framing(NFNL_MSG_BATCH_BEGIN, NFNL_SUBSYS_NFTABLES, |_| ());
        // Without a name it is all tables.
        batch.message(NFT_MSG_DELTABLE, NLM_F_REQUEST, 0, |_| ());
        batch.framing(NFNL_MSG_BATCH_END, NFNL_SUBSYS_NFTABLES, |_| ());
        let barrier = self.socket.barrier()?;
        self.request(&batch)?;
        drop(barrier);
        if tracks_connections()? {
            let mut flush = Writer::default();
            flush.message(IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST, 0, |_| ());
            self.request(&flush)?;
        }
        match tracks_connections()? {
            true => Err(Failure::nonsense("connections outlive being forgotten")),
            false => Ok(()),
        }
    }

    /// Sends what is answered only if it is refused.
    fn request(&mut self, request: &Writer) -> Result<(), Failure> {
        let mut outcome = Ok(());
        let take = |message: &Message<'_>| {
            outcome = match message.kind {
                NLMSG_ERROR => Err(refusal(message.error()?)),
                _ => Err(unexpected(message)),
            };
            Ok(())
        };
        self.socket.exchange(request.bytes(), take)?;
        outcome
    }
}

fn tracks_connections() -> Result<bool, Failure> {
    match fs::read_to_string(TRACKED) {
        // There is no tracking in this kernel yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        text => Ok(text.doing("count connections")?.trim() != "0"),
    }
}
