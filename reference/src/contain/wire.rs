//! What this process and init say to each other: one JSON value a line.

use std::{
    fmt,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What init is asked to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// Say [`Event::Ready`].
    Ping,
    /// Start dockerd; answered by `Up` or `Ended`.
    Start {
        dockerd: PathBuf,
        flags: Vec<String>,
    },
    /// Stop it; answered by `Ended`, unless that has been said already.
    Stop,
}

/// What is said of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Event {
    /// The guardian has started init, which is this process.
    Init(i32),
    /// Init can be talked to.
    Ready,
    /// There is no containment, and why.
    Failed(String),
    /// Dockerd says that it is ready.
    Up,
    /// Dockerd has ended, and how. Said once for each start.
    Ended(String),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init(pid) => write!(f, "init is process {pid}"),
            Self::Ready => f.write_str("init is ready"),
            Self::Failed(why) => f.write_str(why),
            Self::Up => f.write_str("dockerd is ready"),
            Self::Ended(how) => write!(f, "dockerd ended: {how}"),
        }
    }
}

/// One end of the socket pair.
pub(super) struct Wire {
    stream: BufReader<UnixStream>,
    patience: Option<Duration>,
}

impl Wire {
    pub(super) fn new(stream: UnixStream, patience: Option<Duration>) -> Result<Self, String> {
        stream
            .set_read_timeout(patience)
            .map_err(super::doing("set socket timeout"))?;
        Ok(Self {
            stream: BufReader::new(stream),
            patience,
        })
    }

    pub(super) fn send(&mut self, message: &impl Serialize) -> Result<(), String> {
        let mut line = serde_json::to_vec(message).map_err(super::doing("write message"))?;
        line.push(b'\n');
        self.stream
            .get_mut()
            .write_all(&line)
            .map_err(super::doing("talk to dockerd's keeper"))
    }

    /// The next message, or an error where the other side is gone or says nothing for too long.
    pub(super) fn receive<T: DeserializeOwned>(&mut self) -> Result<T, String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => Err("dockerd's keeper has ended".into()),
            Ok(_) => serde_json::from_str(&line).map_err(super::doing("read message")),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err(format!(
                "dockerd gave no sign within {} s",
                self.patience.unwrap_or_default().as_secs()
            )),
            Err(error) => Err(format!("listen to dockerd's keeper: {error}")),
        }
    }

    /// Whether a message has been read that [`receive`](Self::receive) has not returned yet.
    pub(super) fn has_more(&self) -> bool {
        self.stream.buffer().contains(&b'\n')
    }

    pub(super) fn stream(&self) -> &UnixStream {
        self.stream.get_ref()
    }
}
