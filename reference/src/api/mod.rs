//! Docker's API over its socket: version 1.41, which is 20.10's and which later ones speak too.

mod types;

use std::path::PathBuf;

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    client::conn::http1,
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::{
    net::UnixStream,
    runtime::{Builder, Runtime},
    time::timeout,
};

use self::types::{Complaint, Version};
pub(crate) use self::types::{Create, Created, Empty, HostConfig, Inspect, Listed, Network};
use crate::patience::PATIENCE;

const VERSION: &str = "v1.41";
const JSON: &str = "application/json";
const TAR: &str = "application/x-tar";

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// Docker refuses, in these words.
    Refused(StatusCode, String),
    /// There was no answer, or none that can be read.
    Lost(String),
}

fn lost(error: impl std::fmt::Display) -> ApiError {
    ApiError::Lost(error.to_string())
}

type Result<T> = std::result::Result<T, ApiError>;

/// A client of the engine behind one socket.
pub(crate) struct Api {
    runtime: Runtime,
    socket: PathBuf,
}

impl Api {
    pub(crate) fn new(socket: PathBuf) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, socket })
    }

    /// What the engine calls itself, if it speaks our version of the API.
    pub(crate) fn check_version(&self) -> Result<()> {
        let version: Version = self.get("/version")?;
        let parse = |text: &str| -> Option<(u32, u32)> {
            let (major, minor) = text.split_once('.')?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        };
        let ours = parse(VERSION.trim_start_matches('v'));
        if parse(&version.min_api_version) <= ours && ours <= parse(&version.api_version) {
            return Ok(());
        }
        Err(ApiError::Lost(format!(
            "dockerd {} speaks versions {} to {} of its API, and not {VERSION}",
            version.version, version.min_api_version, version.api_version
        )))
    }

    /// Makes an image of a file system and a program to be run.
    pub(crate) fn import(&self, image: &str, tar: Vec<u8>, command: &str) -> Result<()> {
        let change = encode(&format!("CMD [\"{command}\"]"));
        let path = format!("/images/create?fromSrc=-&repo={image}&changes={change}");
        let answer = self.send(Method::POST, &path, Some((TAR, tar)))?;
        // Progress, one JSON object a line; a failure is among them.
        let text = String::from_utf8_lossy(&answer);
        match text.lines().find(|line| line.contains("\"error\"")) {
            Some(line) => Err(ApiError::Lost(format!("import image: {line}"))),
            None => Ok(()),
        }
    }

    pub(crate) fn create(&self, name: &str, body: &Create<'_>) -> Result<Created> {
        let body = serde_json::to_vec(body).map_err(lost)?;
        let path = format!("/containers/create?name={}", encode(name));
        read(&self.send(Method::POST, &path, Some((JSON, body)))?)
    }

    /// Does `verb` (`start`, `stop?t=1`) to a container.
    pub(crate) fn act(&self, container: &str, verb: &str) -> Result<()> {
        let path = format!("/containers/{}/{verb}", encode(container));
        self.send(Method::POST, &path, None).map(drop)
    }

    pub(crate) fn remove(&self, container: &str, force: bool) -> Result<()> {
        let path = format!("/containers/{}?force={force}", encode(container));
        self.send(Method::DELETE, &path, None).map(drop)
    }

    /// A container as it is, or nothing where there is none.
    pub(crate) fn inspect(&self, container: &str) -> Result<Option<Inspect>> {
        // Without a name it would be the list of all.
        if container.is_empty() {
            return Ok(None);
        }
        optional(self.get(&format!("/containers/{}/json", encode(container))))
    }

    /// Waits until a container is in a condition, or gone.
    pub(crate) fn wait(&self, container: &str, condition: &str) -> Result<()> {
        let verb = format!("wait?condition={condition}");
        optional(self.act(container, &verb)).map(drop)
    }

    pub(crate) fn list(&self) -> Result<Vec<Listed>> {
        self.get("/containers/json?all=true")
    }

    /// A network, or nothing where there is none.
    pub(crate) fn network(&self, name: &str) -> Result<Option<Network>> {
        optional(self.get(&format!("/networks/{}", encode(name))))
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        read(&self.send(Method::GET, path, None)?)
    }

    fn send(&self, method: Method, path: &str, body: Option<(&str, Vec<u8>)>) -> Result<Bytes> {
        let mut request = Request::builder()
            .method(method)
            // As Docker's client joins a path: an empty name is no part of it.
            .uri(format!("/{VERSION}{path}").replace("//", "/"))
            .header(HOST, "docker");
        let mut content = Bytes::new();
        if let Some((kind, bytes)) = body {
            request = request.header(CONTENT_TYPE, kind);
            content = bytes.into();
        }
        let request = request.body(Full::new(content)).map_err(lost)?;
        let exchange = exchange(&self.socket, request);
        let (status, answer) = self
            .runtime
            .block_on(async { timeout(PATIENCE, exchange).await })
            .map_err(|_| lost(format!("dockerd did not answer within {PATIENCE:?}")))?
            .map_err(|error| lost(format!("dockerd does not answer: {error}")))?;
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(answer);
        }
        let complaint: Complaint = read(&answer)?;
        Err(ApiError::Refused(status, complaint.message))
    }
}

/// One request on a connection of its own: dockerd may have been another one a moment ago.
async fn exchange(
    socket: &PathBuf,
    request: Request<Full<Bytes>>,
) -> std::result::Result<(StatusCode, Bytes), Box<dyn std::error::Error>> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?;
        Ok((status, body.to_bytes()))
    };
    let answer = answer.await;
    connection.abort();
    answer
}

fn read<T: DeserializeOwned>(answer: &[u8]) -> Result<T> {
    serde_json::from_slice(answer).map_err(|error| lost(format!("dockerd's answer: {error}")))
}

fn optional<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(ApiError::Refused(StatusCode::NOT_FOUND, _)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Percent-encodes what is not plain in a path or a query.
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_plain_is_percent_encoded() {
        assert_eq!(encode("redis-1.a_b~"), "redis-1.a_b~");
        assert_eq!(encode("CMD [\"/é\"]"), "CMD%20%5B%22%2F%C3%A9%22%5D");
    }
}
