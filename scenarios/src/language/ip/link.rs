//! `ip link add`, `del` and `set`.

use netparity_core::{
    MacAddr,
    command::Tool,
    name::{LinkName, LinkRef, Netns},
    plan::{LinkChange, Op, VethEnd},
};

use super::{CommandLine, Context, command, one};
use crate::language::{Mistake, arguments::Arguments, lexer::Word, observe::veth_mac, value};

pub(super) const COMMANDS: &[&str] = &["add", "set", "delete"];

pub(super) fn read(
    netns: Netns,
    arguments: &mut Arguments<'_>,
    context: &mut Context<'_>,
) -> Result<Vec<CommandLine>, Mistake> {
    let (_, command) = command("link", COMMANDS, arguments)?;
    match command {
        "add" => add(netns, arguments, context),
        "set" => set(netns, arguments),
        _ => {
            arguments.take("dev");
            let name = value::link(arguments.require("an interface")?)?;
            if arguments.take("type") {
                arguments.require("bridge or veth")?;
            }
            arguments.end()?;
            Ok(one(Op::DeleteLink(LinkRef::new(netns, name))))
        }
    }
}

/// What is said about a link that is to be made.
#[derive(Default)]
struct Wanted {
    name: Option<LinkName>,
    mac: Option<MacAddr>,
    mtu: Option<u32>,
    master: Option<LinkName>,
    netns: Option<Netns>,
    up: bool,
}

pub(super) const OPTIONS: [&str; 7] = ["name", "address", "mtu", "master", "netns", "up", "type"];

/// Reads a link's name and options, up to `type`.
fn wanted(arguments: &mut Arguments<'_>, context: &Context<'_>) -> Result<Wanted, Mistake> {
    let mut wanted = Wanted::default();
    while let Some(word) = arguments.peek().filter(|word| word.text != "type") {
        arguments.next();
        match word.text.as_str() {
            "name" | "dev" => {
                wanted.name = Some(value::link(arguments.require("an interface's name")?)?);
            }
            "address" => {
                wanted.mac = Some(value::mac(arguments.require("a hardware address")?)?);
            }
            "mtu" => wanted.mtu = Some(value::mtu(arguments.require("an MTU")?)?),
            "master" => wanted.master = Some(value::link(arguments.require("a bridge")?)?),
            "netns" => {
                let name = arguments.require("the name of a namespace")?;
                wanted.netns = Some(context.scope.namespace(name)?);
            }
            "up" => wanted.up = true,
            _ if wanted.name.is_none() => wanted.name = Some(value::link(word)?),
            _ => return Err(Mistake::unknown(word, "word of ip link add", OPTIONS)),
        }
    }
    Ok(wanted)
}

fn add(
    here: Netns,
    arguments: &mut Arguments<'_>,
    context: &mut Context<'_>,
) -> Result<Vec<CommandLine>, Mistake> {
    let near = wanted(arguments, context)?;
    let name = near
        .name
        .ok_or_else(|| arguments.missing("the name of the new interface"))?;
    if !arguments.take("type") {
        return Err(arguments.missing("type bridge or type veth"));
    }
    let link = LinkRef::new(near.netns.clone().unwrap_or_else(|| here.clone()), name);
    let kind = arguments.require("bridge or veth")?;
    let ops = match kind.text.as_str() {
        "bridge" => {
            arguments.end()?;
            bridge(link, &near)
        }
        "veth" => {
            if !arguments.take("peer") {
                return Err(arguments.missing("peer name PEER"));
            }
            let place = arguments.last().unwrap_or(kind).clone();
            let far = wanted(arguments, context)?;
            arguments.end()?;
            vec![veth(here, link, &near, &far, &place, context)?]
        }
        _ => return Err(Mistake::unknown(kind, "type of link", ["bridge", "veth"])),
    };
    Ok(vec![CommandLine::of_tool(Tool::Ip, ops)])
}

fn bridge(link: LinkRef, wanted: &Wanted) -> Vec<Op> {
    let mut ops = vec![Op::AddBridge {
        link: link.clone(),
        mac: wanted.mac,
    }];
    let changes = [
        wanted.mtu.map(LinkChange::Mtu),
        wanted.master.map(|name| LinkChange::Master(Some(name))),
        wanted.up.then_some(LinkChange::Up(true)),
    ];
    ops.extend(changes.into_iter().flatten().map(|change| Op::SetLink {
        link: link.clone(),
        change,
    }));
    ops
}

fn veth(
    here: Netns,
    link: LinkRef,
    near: &Wanted,
    far: &Wanted,
    place: &Word,
    context: &mut Context<'_>,
) -> Result<Op, Mistake> {
    let no_name =
        || Mistake::in_word(place, "a peer without a name").expected("expected peer name PEER");
    if far.up || far.master.is_some() {
        return Err(
            Mistake::in_word(place, "a peer that is up or in a bridge at once")
                .expected("the kernel makes it down and alone")
                .help("set it afterwards, with ip link set"),
        );
    }
    let peer = far.name.ok_or_else(no_name)?;
    let mut mac = |wanted: &Wanted| {
        *context.veths += 1;
        wanted.mac.unwrap_or(veth_mac(*context.veths))
    };
    Ok(Op::AddVeth {
        near: VethEnd {
            link,
            mac: mac(near),
            mtu: near.mtu,
            master: near.master,
            up: near.up,
        },
        far: VethEnd {
            link: LinkRef::new(far.netns.clone().unwrap_or(here), peer),
            mac: mac(far),
            mtu: far.mtu,
            master: None,
            up: false,
        },
    })
}

pub(super) const SETTINGS: [&str; 6] = ["up", "down", "mtu", "address", "master", "nomaster"];

fn set(netns: Netns, arguments: &mut Arguments<'_>) -> Result<Vec<CommandLine>, Mistake> {
    arguments.take("dev");
    let name = value::link(arguments.require("an interface")?)?;
    let (mut mac, mut mtu, mut master, mut up) = (None, None, None, None);
    while let Some(word) = arguments.next() {
        match word.text.as_str() {
            "up" => up = Some(true),
            "down" => up = Some(false),
            "mtu" => mtu = Some(value::mtu(arguments.require("an MTU")?)?),
            "address" => mac = Some(value::mac(arguments.require("a hardware address")?)?),
            "master" => master = Some(Some(value::link(arguments.require("a bridge")?)?)),
            "nomaster" => master = Some(None),
            "netns" => {
                return Err(
                    Mistake::in_word(word, "a link that moves to another namespace")
                        .expected("links are born where they belong")
                        .help(format!(
                            "ip link add {name} netns NAMESPACE type veth peer name PEER"
                        )),
                );
            }
            "name" => {
                return Err(Mistake::in_word(word, "a link that changes its name")
                    .expected("links are born with the name they keep")
                    .help("give ip link add the name"));
            }
            _ => {
                return Err(Mistake::unknown(word, "word of ip link set", SETTINGS));
            }
        }
    }
    // The order in which the kernel makes the changes of one message (do_setlink).
    let changes = [
        mac.map(LinkChange::Mac),
        mtu.map(LinkChange::Mtu),
        master.map(LinkChange::Master),
        up.map(LinkChange::Up),
    ];
    let link = LinkRef::new(netns, name);
    let ops: Vec<Op> = changes
        .into_iter()
        .flatten()
        .map(|change| Op::SetLink {
            link: link.clone(),
            change,
        })
        .collect();
    if ops.is_empty() {
        return Err(arguments.missing("up or down, mtu, address, master or nomaster"));
    }
    Ok(vec![CommandLine::of_tool(Tool::Ip, ops)])
}
