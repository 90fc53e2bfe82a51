//! The simulator as a whole, through the door that others use.

mod arp;
mod bridge;
mod endpoints;
mod faults;
mod fragments;
mod nat;
mod net;
mod plans;
mod routing;
mod rules;
mod scenario;
