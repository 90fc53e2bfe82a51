//! stub, being written
use std::{collections::BTreeMap, fmt, net::Ipv4Addr};
use crate::{command::Command, errno::Errno, model::Outcome, name::{Name, Netns}, plan::Plan, snapshot::{ContainerState, NetnsState}};
#[derive(Clone, Debug, Default)] pub struct Engine;
#[derive(Clone, Debug)] pub struct Decision { pub plan: Plan }
#[derive(Clone, Debug, PartialEq, Eq)] pub struct Refusal(pub String);
impl fmt::Display for Refusal { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) } }
#[derive(Clone, Debug)] pub struct Action;
impl Action { pub fn needs_host(&self) -> bool { unimplemented!() } }
impl Engine {
  pub fn actions(&self, _: &Command) -> Result<Vec<Action>, Refusal> { unimplemented!() }
  pub fn decide(&self, _: &Action, _: &NetnsState) -> Result<Decision, Refusal> { unimplemented!() }
  pub fn commit(&mut self, _: Decision) -> Outcome { unimplemented!() }
  pub fn abandon(&mut self, _: &Command, _: &Decision, _: usize, _: Errno) -> Refusal { unimplemented!() }
  pub fn resolve(&self, _: &Name, _: &Name) -> Option<Ipv4Addr> { unimplemented!() }
  pub fn knows(&self, _: &Name) -> bool { unimplemented!() }
  pub fn netns_of(&self, _: &Name) -> Result<Netns, Refusal> { unimplemented!() }
  pub fn containers(&self) -> BTreeMap<Name, ContainerState> { unimplemented!() }
}
