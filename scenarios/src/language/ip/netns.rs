//! `ip netns add`, `del` and `exec`.

use netparity_core::{
    name::{Name, Netns},
    plan::Op,
};

use super::{CommandLine, Context, command, one};
use crate::language::{Mistake, arguments::Arguments, host_tool, scope::Kind};

pub(super) const COMMANDS: &[&str] = &["add", "delete", "exec"];

pub(super) fn read(
    arguments: &mut Arguments<'_>,
    context: &mut Context<'_>,
) -> Result<Vec<CommandLine>, Mistake> {
    let (_, command) = command("netns", COMMANDS, arguments)?;
    let word = arguments.require("the name of a namespace")?;
    match command {
        "add" => {
            arguments.end()?;
            let certain = !context.refused;
            context.scope.give(word, Kind::Namespace, certain, false)?;
            Ok(one(Op::AddNetns(Netns::Named(Name::new(&word.text)))))
        }
        "delete" => {
            arguments.end()?;
            let netns = match context.refused {
                true => Netns::Named(Name::new(&word.text)),
                false => context.scope.namespace(word)?,
            };
            if !context.refused {
                context.scope.remove(word);
            }
            Ok(one(Op::DeleteNetns(netns)))
        }
        _ => {
            let netns = context.scope.namespace(word)?;
            let tool = arguments.require("a command")?;
            host_tool::read(tool, netns, arguments, context)
        }
    }
}
