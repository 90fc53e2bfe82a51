//! What needs nothing of the machine: the language, the reports, the command and what it finds.
//! All in one binary, because to link is what takes the time and the room.

mod command;
mod coverage;
mod diagnostics;
mod explore;
mod faults;
mod findings;
mod language;
mod recordings;
mod report;
