//! What of the API's documents is written and read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The body of `POST /containers/create`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Create<'a> {
    pub image: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<&'a str>,
    pub env: &'a [String],
    pub exposed_ports: BTreeMap<String, Empty>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    pub host_config: HostConfig<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HostConfig<'a> {
    pub network_mode: String,
    pub links: &'a [String],
    pub auto_remove: bool,
}

/// `{}`.
#[derive(Debug, Serialize)]
pub(crate) struct Empty {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Created {
    pub id: String,
    #[serde(default)]
    pub warnings: Option<Vec<String>>,
}

/// A line of `docker ps -a`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Listed {
    pub id: String,
}

/// `docker inspect`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Inspect {
    pub id: String,
    /// With a slash before it.
    pub name: String,
    pub state: State,
    pub config: Config,
    pub host_config: InspectedHostConfig,
    /// Empty before the first start; a container that has joined another's network has the other's.
    pub hosts_path: String,
    pub network_settings: NetworkSettings,
}

#[derive(Debug, Deserialize)]
pub(crate) struct NetworkSettings {
    /// On the default network; empty without one.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct State {
    /// `created`, `running`, `exited` and more.
    pub status: String,
    /// In the engine's PID namespace; 0 while it does not run.
    pub pid: i32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Config {
    pub hostname: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InspectedHostConfig {
    pub auto_remove: bool,
}

/// `docker network inspect`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Network {
    pub id: String,
    pub options: NetworkOptions,
}

#[derive(Debug, Deserialize)]
pub(crate) struct NetworkOptions {
    #[serde(rename = "com.docker.network.bridge.name")]
    pub bridge: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Version {
    pub version: String,
    pub api_version: String,
    #[serde(rename = "MinAPIVersion")]
    pub min_api_version: String,
}

/// What comes with an error.
#[derive(Debug, Deserialize)]
pub(super) struct Complaint {
    pub message: String,
}
