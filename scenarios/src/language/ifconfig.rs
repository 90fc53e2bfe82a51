//! `ifconfig IF …` of net-tools.

use netparity_core::{
    name::{LinkRef, Netns},
    plan::LinkChange,
};

use super::{
    Mistake,
    arguments::Arguments,
    host_tool::CommandLine,
    lexer::Word,
    observe::{Configure, Observant, Setting},
    value,
};

pub(super) const WORDS: [&str; 6] = ["up", "down", "netmask", "mtu", "hw", "ADDRESS"];

/// Reads the words behind `ifconfig`.
pub(crate) fn read(
    netns: Netns,
    arguments: &mut Arguments<'_>,
) -> Result<Vec<CommandLine>, Mistake> {
    let name = arguments.require("the name of an interface")?;
    let link = LinkRef::new(netns, value::link(name)?);
    let mut settings = Vec::new();
    let mut netmask = None;
    while let Some(word) = arguments.next() {
        match word.text.as_str() {
            "up" => settings.push(Setting::Link(LinkChange::Up(true))),
            "down" => settings.push(Setting::Link(LinkChange::Up(false))),
            "mtu" => {
                let mtu = value::mtu(arguments.require("an MTU")?)?;
                settings.push(Setting::Link(LinkChange::Mtu(mtu)));
            }
            "netmask" => netmask = Some(value::netmask(arguments.require("a netmask")?)?),
            "hw" => {
                if !arguments.take("ether") {
                    return Err(arguments.missing("ether"));
                }
                let mac = value::mac(arguments.require("a hardware address")?)?;
                settings.push(Setting::Link(LinkChange::Mac(mac)));
            }
            text if text.starts_with(|first: char| first.is_ascii_digit()) => {
                settings.push(address(word)?);
            }
            _ => {
                return Err(Mistake::unknown(word, "word of ifconfig", WORDS));
            }
        }
    }
    // The netmask is the address's, wherever it stands.
    if let Some(prefix) = netmask {
        let own = settings.iter_mut().find_map(|setting| match setting {
            Setting::Address(_, own) => Some(own),
            _ => None,
        });
        match own {
            Some(own) => *own = Some(prefix),
            None => settings.push(Setting::Netmask(prefix)),
        }
    }
    if settings.is_empty() {
        return Err(arguments
            .missing("an address, or up or down, mtu or hw")
            .help(format!("show NAME ifconfig prints what {} has", name.text)));
    }
    let configure = Observant::Configure(Configure { link, settings });
    Ok(vec![CommandLine::Observant(configure)])
}

fn address(word: &Word) -> Result<Setting, Mistake> {
    let (address, prefix) = match word.text.contains('/') {
        true => {
            let network = value::network(word)?;
            (network.addr(), Some(network.prefix_len()))
        }
        false => (value::address(word)?, None),
    };
    if address.is_multicast() || address.is_broadcast() {
        return Err(
            Mistake::in_word(word, format!("not an interface's address: {address}"))
                .expected("expected one below 224.0.0.0"),
        );
    }
    Ok(Setting::Address(address, prefix))
}
