//! The kernel's side, on the kernel.
//!
//! A harness of its own, because a user namespace has to be entered before the first thread
//! starts. Where there can be none the tests are ignored, with the reason, unless
//! `NETPARITY_REQUIRE` says `kernel`.

#![allow(
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "clippy does not know a test without the standard harness for one"
)]

mod adopted;
mod drops;
mod errnos;
mod isolation;
mod network;
mod probes;
mod roles;
mod rollback;
mod snapshots;

use std::{
    env, io,
    process::{Child, Command, ExitCode},
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use libtest_mimic::{Arguments, Trial};
use netparity_kernel::{Access, enter};

type Test = (&'static str, fn(&Access));

/// A process that is being started has copies of all descriptors until it is a program of its own:
/// what is closed meanwhile stays open.
static STARTING: RwLock<()> = RwLock::new(());

/// Starts a process while nobody minds.
fn start(command: &mut Command) -> io::Result<Child> {
    let _nobody_minds = STARTING.write().unwrap_or_else(PoisonError::into_inner);
    command.spawn()
}

/// For as long as it lives what is closed is closed.
fn nothing_starts() -> RwLockReadGuard<'static, ()> {
    STARTING.read().unwrap_or_else(PoisonError::into_inner)
}

/// Tests by name.
macro_rules! tests {
    ($($module:ident::$name:ident,)*) => {
        [$((concat!(stringify!($module), "::", stringify!($name)), $module::$name as fn(&Access)),)*]
    };
}

const TESTS: &[Test] = &tests![
    probes::endpoints_on_a_bridge_reach_each_other,
    probes::a_verdict_alone_is_that_of_the_trace,
    probes::the_first_broadcast_on_a_fresh_bridge_reaches_every_port,
    probes::a_neighbour_that_does_not_answer_is_given_up,
    probes::a_router_says_that_a_host_does_not_answer,
    probes::loopback_is_seen_both_ways_and_with_whole_checksums,
    probes::a_datagram_is_answered_from_where_it_was_sent,
    probes::what_is_too_large_is_fragmented_or_refused,
    probes::fragments_are_seen_as_they_pass,
    probes::time_to_live_runs_out,
    probes::a_probe_without_a_route_is_not_sent,
    probes::the_same_probe_leaves_the_same_trace,
    probes::nothing_but_the_probe_is_seen,
    probes::masquerading_is_seen_on_both_sides,
    probes::a_connection_is_forgotten_with_either_end,
    drops::a_rule_that_drops_is_named,
    drops::a_policy_that_drops_is_named,
    drops::a_namespace_that_does_not_forward_is_named,
    drops::a_source_by_the_wrong_link_is_named,
    drops::a_source_that_is_ones_own_is_named,
    drops::a_port_that_takes_less_is_named,
    drops::what_arrives_is_not_called_dropped,
    errnos::every_operation_is_refused_as_the_kernel_refuses_it,
    errnos::a_bridge_has_room_for_1023_ports,
    rollback::a_refused_plan_leaves_nothing_behind,
    rollback::a_refused_plan_leaves_what_it_changed_working,
    rollback::the_first_refusal_is_the_one_reported,
    rollback::what_is_removed_in_a_plan_is_gone_for_the_rest_of_it,
    snapshots::a_snapshot_says_what_there_is,
    snapshots::what_may_have_changed_is_looked_at_again,
    snapshots::a_bridge_learns_where_stations_are,
    snapshots::servers_of_others_are_listed,
    snapshots::links_that_are_removed_are_gone_at_once,
    adopted::they_are_seen_as_networks_of_ours,
    adopted::links_that_come_and_go_are_noted,
    adopted::plans_are_carried_out_in_them,
    adopted::rules_of_iptables_are_read,
    adopted::what_rules_of_iptables_drop_is_named,
    adopted::rules_that_are_not_known_are_told,
    isolation::the_calling_thread_stays_where_it_is,
    isolation::nothing_outlives_the_process,
    isolation::no_descriptor_outlives_a_network,
    isolation::networks_do_not_see_each_other,
];

fn main() -> ExitCode {
    if let Ok(role) = env::var(roles::ROLE) {
        return roles::play(&role);
    }
    let arguments = Arguments::from_args();
    let access = enter();
    if let Err(why) = &access {
        eprintln!("no kernel tests: {why}");
        if env::var("NETPARITY_REQUIRE").is_ok_and(|list| list.contains("kernel")) {
            return ExitCode::FAILURE;
        }
    }
    let trial = |(name, test): &Test| {
        let test = *test;
        let given = access.clone();
        let ignored = given.is_err();
        Trial::test(*name, move || match &given {
            Ok(access) => {
                test(access);
                Ok(())
            }
            Err(why) => Err(why.to_string().into()),
        })
        .with_ignored_flag(ignored)
    };
    let trials = TESTS.iter().map(trial).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    netparity_kernel::settle();
    conclusion.exit_code()
}
