//! Views of routes.

use std::net::Ipv4Addr;

use netparity_core::{plan::Route, snapshot::NetnsState};

/// `ip route`.
pub(super) fn ip_route(netns: &NetnsState) -> Vec<String> {
    netns.routes.iter().map(Route::to_string).collect()
}

/// `route -n`.
pub(super) fn route_n(netns: &NetnsState) -> Vec<String> {
    let mut lines = vec![
        "Kernel IP routing table".to_owned(),
        format!(
            "{:<15} {:<15} {:<15} {:<5} {:<6} {:<6} {:>3} Iface",
            "Destination", "Gateway", "Genmask", "Flags", "Metric", "Ref", "Use"
        ),
    ];
    let line = |route: &Route| {
        let mut flags = "U".to_owned();
        if route.via.is_some() {
            flags.push('G');
        }
        if route.to.prefix_len() == 32 {
            flags.push('H');
        }
        format!(
            "{:<15} {:<15} {:<15} {flags:<5} {:<6} {:<6} {:>3} {}",
            route.to.network(),
            route.via.unwrap_or(Ipv4Addr::UNSPECIFIED),
            route.to.netmask(),
            0,
            0,
            0,
            route.link.map_or_else(String::new, |link| link.to_string())
        )
    };
    lines.extend(netns.routes.iter().map(line));
    lines
}
