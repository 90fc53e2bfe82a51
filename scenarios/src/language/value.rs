//! Words that are values: addresses, ports, sizes.

use std::{fmt::Display, net::Ipv4Addr, ops::RangeInclusive, str::FromStr};

use ipnet::Ipv4Net;
use netparity_core::{
    MacAddr,
    name::{InvalidLinkName, LinkName},
    port::{Port, Protocol},
};

use super::{Mistake, lexer::Word};

/// A number in this range.
pub(crate) fn number<T>(word: &Word, what: &str, range: RangeInclusive<T>) -> Result<T, Mistake>
where
    T: FromStr + PartialOrd + Display,
{
    let plain = word
        .text
        .strip_prefix('-')
        .unwrap_or(&word.text)
        .bytes()
        .all(|byte| byte.is_ascii_digit());
    let number = word.text.parse().ok().filter(|_| plain);
    number.filter(|it| range.contains(it)).ok_or_else(|| {
        Mistake::in_word(word, format!("bad {what}: {}", word.text)).expected(format!(
            "expected a number from {} to {}",
            range.start(),
            range.end()
        ))
    })
}

/// An MTU in bytes. Which ones a link takes is the kernel's to say.
pub(crate) fn mtu(word: &Word) -> Result<u32, Mistake> {
    number(word, "MTU", 0..=i32::MAX as u32)
}

/// `192.168.1.5`.
pub(crate) fn address(word: &Word) -> Result<Ipv4Addr, Mistake> {
    word.text.parse().map_err(|_| {
        Mistake::in_word(word, format!("bad address: {}", word.text))
            .expected("expected an IPv4 address such as 192.168.1.5")
    })
}

/// `192.168.1.5/24`, host bits kept.
pub(crate) fn network(word: &Word) -> Result<Ipv4Net, Mistake> {
    let Some((left, right)) = word.split_once('/') else {
        address(word)?;
        return Err(
            Mistake::in_word(word, format!("no prefix: {}", word.text)).expected(format!(
                "expected address and prefix, such as {}/24",
                word.text
            )),
        );
    };
    let address = address(&left)?;
    let prefix = number(&right, "prefix", 0..=32)?;
    Ok(Ipv4Net::new_assert(address, prefix))
}

/// `192.168.1.5/24`, or an address that is its own network.
pub(crate) fn network_or_address(word: &Word) -> Result<Ipv4Net, Mistake> {
    match word.text.contains('/') {
        true => network(word),
        false => address(word).map(Ipv4Net::from),
    }
}

/// A network that routes lead to: its host bits are zero.
pub(crate) fn destination(word: &Word, network: Ipv4Net) -> Result<Ipv4Net, Mistake> {
    if network.trunc() == network {
        return Ok(network);
    }
    Err(
        Mistake::in_word(word, format!("{network} is an address within a network"))
            .expected(format!("expected the network, {}", network.trunc())),
    )
}

/// `255.255.255.0`, as its prefix length.
pub(crate) fn netmask(word: &Word) -> Result<u8, Mistake> {
    ipnet::ipv4_mask_to_prefix(address(word)?).map_err(|_| {
        Mistake::in_word(word, format!("bad netmask: {}", word.text))
            .expected("expected ones and then zeros, such as 255.255.255.0")
    })
}

/// `02:42:ac:11:00:02`, with `:` or `-`.
pub(crate) fn mac(word: &Word) -> Result<MacAddr, Mistake> {
    let bad = || {
        Mistake::in_word(word, format!("bad hardware address: {}", word.text))
            .expected("expected six bytes such as 02:42:ac:11:00:02")
    };
    let separator = if word.text.contains('-') { '-' } else { ':' };
    let mut bytes = [0; 6];
    let mut parts = word.text.split(separator);
    for byte in &mut bytes {
        let part = parts.next().ok_or_else(bad)?;
        let is_hex = part.bytes().all(|digit| digit.is_ascii_hexdigit());
        *byte = u8::from_str_radix(part, 16)
            .ok()
            .filter(|_| is_hex && part.len() == 2)
            .ok_or_else(bad)?;
    }
    if parts.next().is_some() {
        return Err(bad());
    }
    if bytes[0] & 1 == 1 || bytes == [0; 6] {
        return Err(
            Mistake::in_word(word, format!("not a link's own address: {}", word.text))
                .expected("the first byte is even, and not all are zero"),
        );
    }
    Ok(bytes.into())
}

/// The name of a link.
pub(crate) fn link(word: &Word) -> Result<LinkName, Mistake> {
    word.text.parse().map_err(|why: InvalidLinkName| {
        Mistake::in_word(word, format!("bad interface name: {}", word.text))
            .expected(why.to_string())
    })
}

/// A port's number.
pub(crate) fn port_number(word: &Word) -> Result<u16, Mistake> {
    number(word, "port", 1..=u16::MAX)
}

/// `6379/tcp`, or `6379` for tcp.
pub(crate) fn port(word: &Word) -> Result<Port, Mistake> {
    let mut range = ports(word)?;
    match (range.next(), range.next()) {
        (Some(port), None) => Ok(port),
        _ => Err(
            Mistake::in_word(word, format!("more than one port: {}", word.text))
                .expected("expected one port, such as 6379/tcp"),
        ),
    }
}

/// `3000-3010/udp`, or one port.
pub(crate) fn ports(word: &Word) -> Result<impl Iterator<Item = Port> + use<>, Mistake> {
    let (numbers, protocol) = match word.split_once('/') {
        None => (word.clone(), Protocol::Tcp),
        Some((numbers, word)) => match word.text.to_ascii_lowercase().as_str() {
            "tcp" => (numbers, Protocol::Tcp),
            "udp" => (numbers, Protocol::Udp),
            "sctp" => (numbers, Protocol::Sctp),
            _ => return Err(Mistake::unknown(&word, "protocol", ["tcp", "udp", "sctp"])),
        },
    };
    let (first, last) = match numbers.split_once('-') {
        None => (port_number(&numbers)?, port_number(&numbers)?),
        Some((first, last)) => (port_number(&first)?, port_number(&last)?),
    };
    if first > last {
        return Err(
            Mistake::in_word(&numbers, format!("bad range: {}", numbers.text))
                .expected("expected the lower port first"),
        );
    }
    Ok((first..=last).filter_map(move |number| Port::new(number, protocol)))
}
