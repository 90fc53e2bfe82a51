//! A route netlink socket in a namespace, and requests in batches.

use std::{
    future::{Future, poll_fn},
    os::fd::{AsRawFd, RawFd},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use futures_util::Stream;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_proto::{Connection, ConnectionHandle, NetlinkCodec, sys::SocketAddr};
use netlink_sys::{AsyncSocket, TokioSocket, protocols::NETLINK_ROUTE};
use nix::libc::ENODEV;
use tokio::runtime::Runtime;

use crate::{
    error::{Doing, Failure},
    links::{self, Links},
};

/// A connection to the kernel that speaks for the namespace it was opened in.
///
/// Nothing runs beside the caller: the connection is driven while somebody waits for an answer.
pub(crate) struct Netlink {
    runtime: Arc<Runtime>,
    connection: Connection<RouteNetlinkMessage>,
    handle: ConnectionHandle<RouteNetlinkMessage>,
    unsolicited:
        Pin<Box<dyn Stream<Item = (NetlinkMessage<RouteNetlinkMessage>, SocketAddr)> + Send>>,
    /// The sequence number of the last message sent: the connection counts them from 1.
    sequence: u32,
}

/// A request that changes something.
pub(crate) struct Request {
    message: RouteNetlinkMessage,
    flags: u16,
    doing: &'static str,
}

/// How many acknowledgements are sure to find room in the smallest receive buffer.
const BATCH: usize = 64;
/// The same of answers, which are longer.
const QUESTIONS: usize = 16;

impl Request {
    /// Makes something that must not be there yet.
    pub(crate) fn create(message: RouteNetlinkMessage, doing: &'static str) -> Self {
        Self::new(message, NLM_F_CREATE | NLM_F_EXCL, doing)
    }

    /// Makes something, behind others that are like it.
    pub(crate) fn append(message: RouteNetlinkMessage, doing: &'static str) -> Self {
        Self::new(message, NLM_F_CREATE | NLM_F_APPEND, doing)
    }

    /// Replaces something that must be there.
    pub(crate) fn replace(message: RouteNetlinkMessage, doing: &'static str) -> Self {
        Self::new(message, NLM_F_REPLACE, doing)
    }

    /// Changes or removes something.
    pub(crate) fn change(message: RouteNetlinkMessage, doing: &'static str) -> Self {
        Self::new(message, 0, doing)
    }

    fn new(message: RouteNetlinkMessage, flags: u16, doing: &'static str) -> Self {
        Self {
            message,
            flags: flags | NLM_F_REQUEST | NLM_F_ACK,
            doing,
        }
    }
}

impl Netlink {
    /// Opens a socket in the namespace that the calling thread is in.
    pub(crate) fn open(runtime: &Arc<Runtime>) -> Result<Self, Failure> {
        const OPEN: &str = "open netlink socket";
        let _entered = runtime.enter();
        let mut socket = TokioSocket::new(NETLINK_ROUTE).doing(OPEN)?;
        // So that dumps can be filtered, and errors do not repeat the request.
        let inner = socket.socket_mut();
        inner.set_netlink_get_strict_chk(true).doing(OPEN)?;
        inner.set_cap_ack(true).doing(OPEN)?;
        let (connection, handle, unsolicited) =
            netlink_proto::from_socket_with_codec::<_, _, NetlinkCodec>(socket);
        Ok(Self {
            runtime: Arc::clone(runtime),
            connection,
            handle,
            unsolicited: Box::pin(unsolicited),
            sequence: 0,
        })
    }

    /// The socket, for requests that are made by ioctl.
    pub(crate) fn descriptor(&mut self) -> RawFd {
        self.connection.socket_mut().as_raw_fd()
    }

    /// Sends all requests at once. The kernel carries out each, whatever becomes of the others.
    ///
    /// # Errors
    ///
    /// The place of the first that was refused, and why.
    pub(crate) fn change(&mut self, requests: Vec<Request>) -> Result<(), (usize, Failure)> {
        let whole = |failure| (0, failure);
        let doing: Vec<_> = requests.iter().map(|request| request.doing).collect();
        let mut messages = requests
            .into_iter()
            .map(|request| with_flags(request.message, request.flags));
        let first = self.sequence.wrapping_add(1);
        let mut refusal: Option<(usize, i32)> = None;
        loop {
            let batch: Vec<_> = messages.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            for answer in self.exchange(batch).map_err(whole)? {
                if let NetlinkPayload::Error(error) = &answer.payload
                    && error.raw_code() != 0
                {
                    let at = answer.header.sequence_number.wrapping_sub(first) as usize;
                    if refusal.is_none_or(|(earlier, _)| at < earlier) {
                        refusal = Some((at, -error.raw_code()));
                    }
                }
            }
        }
        match refusal {
            Some((at, number)) => {
                let doing = doing.get(at).copied().unwrap_or("change network");
                Err((at, Failure::Errno(number, doing)))
            }
            None => Ok(()),
        }
    }

    /// Sends one request.
    pub(crate) fn one(&mut self, request: Request) -> Result<(), Failure> {
        self.change(vec![request]).map_err(|(_, failure)| failure)
    }

    /// Asks for one thing each.
    pub(crate) fn get(
        &mut self,
        questions: Vec<RouteNetlinkMessage>,
        doing: &'static str,
    ) -> Result<Vec<RouteNetlinkMessage>, Failure> {
        let answers = self.ask(questions)?;
        answers
            .into_iter()
            .filter_map(|it| content(it, doing).transpose())
            .collect()
    }

    /// Asks for one thing each, of which some may not be there.
    pub(crate) fn get_present(
        &mut self,
        questions: Vec<RouteNetlinkMessage>,
        doing: &'static str,
    ) -> Result<Vec<RouteNetlinkMessage>, Failure> {
        let answers = self.ask(questions)?;
        let present = answers
            .into_iter()
            .filter_map(|it| match content(it, doing) {
                Err(failure) if failure.errno() == Some(ENODEV) => None,
                content => content.transpose(),
            });
        present.collect()
    }

    /// Sleeps until nobody is changing a network: the kernel answers for a link under the same lock.
    pub(crate) fn await_turn(&mut self) -> Result<(), Failure> {
        let question = links::ask(Links::LOOPBACK);
        self.get(vec![question], "look at loopback").map(drop)
    }

    fn ask(
        &mut self,
        questions: Vec<RouteNetlinkMessage>,
    ) -> Result<Vec<NetlinkMessage<RouteNetlinkMessage>>, Failure> {
        let mut answers = Vec::with_capacity(questions.len());
        // Each is answered by one message, if only with an error: no acknowledgement has to follow.
        let flagged = |question| with_flags(question, NLM_F_REQUEST);
        let mut messages = questions.into_iter().map(flagged);
        loop {
            let batch: Vec<_> = messages.by_ref().take(QUESTIONS).collect();
            if batch.is_empty() {
                return Ok(answers);
            }
            answers.extend(self.exchange(batch)?);
        }
    }

    /// Asks for a list.
    pub(crate) fn dump(
        &mut self,
        question: RouteNetlinkMessage,
        doing: &'static str,
    ) -> Result<Vec<RouteNetlinkMessage>, Failure> {
        let message = with_flags(question, NLM_F_REQUEST | NLM_F_DUMP);
        let answers = self.exchange(vec![message])?;
        answers
            .into_iter()
            .filter_map(|it| content(it, doing).transpose())
            .collect()
    }

    fn exchange(
        &mut self,
        messages: Vec<NetlinkMessage<RouteNetlinkMessage>>,
    ) -> Result<Vec<NetlinkMessage<RouteNetlinkMessage>>, Failure> {
        self.sequence = self.sequence.wrapping_add(messages.len() as u32);
        let answers = self
            .handle
            .request_batch(messages, SocketAddr::new(0, 0))
            .map_err(Failure::nonsense)?;
        let mut answers = pin!(answers);
        let (connection, unsolicited) = (&mut self.connection, &mut self.unsolicited);
        let mut got = Vec::new();
        self.runtime.block_on(poll_fn(|context| {
            let closed = Pin::new(&mut *connection).poll(context).is_ready();
            loop {
                match answers.as_mut().poll_next(context) {
                    Poll::Ready(Some(answer)) => got.push(answer),
                    Poll::Ready(None) => return Poll::Ready(Ok(())),
                    Poll::Pending => break,
                }
            }
            // Nothing is subscribed to: this can only say that answers were lost.
            if closed || unsolicited.as_mut().poll_next(context).is_ready() {
                return Poll::Ready(Err(Failure::nonsense("netlink lost an answer")));
            }
            Poll::Pending
        }))?;
        Ok(got)
    }
}

fn with_flags(message: RouteNetlinkMessage, flags: u16) -> NetlinkMessage<RouteNetlinkMessage> {
    let mut message = NetlinkMessage::from(message);
    message.header.flags = flags;
    message
}

fn content(
    answer: NetlinkMessage<RouteNetlinkMessage>,
    doing: &'static str,
) -> Result<Option<RouteNetlinkMessage>, Failure> {
    match answer.payload {
        NetlinkPayload::InnerMessage(message) => Ok(Some(message)),
        NetlinkPayload::Error(error) if error.raw_code() != 0 => {
            Err(Failure::Errno(-error.raw_code(), doing))
        }
        _ => Ok(None),
    }
}
