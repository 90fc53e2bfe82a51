//! CNI's allocator by itself. All of this runs in a [`cell`](super::super::cell).

use std::{
    fs,
    net::Ipv4Addr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use ipnet::Ipv4Net;
use serde_json::json;

use super::{Peer, programs::run};

/// How many addresses are handed out and given back.
pub const TURNS: usize = 25;

const DATA: &str = "/run/cni";
const NETWORK: &str = "bench";

/// How long it takes for them, one after the other, where the first `taken` addresses are taken.
///
/// # Errors
///
/// What it had to say.
pub fn addresses(subnet: Ipv4Net, taken: u32) -> Result<Duration, String> {
    let bridge = Peer::Cni.path().ok_or("no bridge plugin")?;
    let plugin = bridge.with_file_name("host-local");
    take(subnet, taken).map_err(|error| format!("{DATA}: {error}"))?;
    let network = json!({
        "cniVersion": "0.4.0",
        "name": NETWORK,
        "ipam": { "type": "host-local", "subnet": subnet, "dataDir": DATA },
    });
    let network = network.to_string();
    let start = Instant::now();
    for _ in 0..TURNS {
        for command in ["ADD", "DEL"] {
            let mut plugin = Command::new(&plugin);
            plugin
                .env("CNI_COMMAND", command)
                .env("CNI_CONTAINERID", "one")
                .env("CNI_NETNS", "/proc/self/ns/net")
                .env("CNI_IFNAME", "eth0")
                .env("CNI_PATH", "/");
            run(&mut plugin, &network)?;
        }
    }
    Ok(start.elapsed())
}

/// A file is what takes an address; the first one is the gateway's, which it leaves out by itself.
fn take(subnet: Ipv4Net, taken: u32) -> std::io::Result<()> {
    let folder = Path::new(DATA).join(NETWORK);
    fs::create_dir_all(&folder)?;
    for offset in 2..=taken {
        let address = Ipv4Addr::from_bits(subnet.network().to_bits() + offset);
        fs::write(folder.join(address.to_string()), "other\r\neth0")?;
    }
    Ok(())
}
