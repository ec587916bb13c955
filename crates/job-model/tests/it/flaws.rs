//! The checker finds what each flawed rule breaks.

use job_model::life::{Action, Life, Queue};
use job_model::liveness::{Endless, explore};
use job_model::rules::{Flaw, Rules};
use stateright::{Checker, Model};

use crate::life::CALM;

const A_PROMISE: &str = "no step breaks a promise";
const SENT_AGAIN: &str = "without faults, no message has to be sent again";

/// A life in which nothing goes wrong, under rules with one flaw.
fn with(flaw: Flaw) -> Life {
    Life {
        rules: Rules::with(flaw),
        ..CALM
    }
}

/// Asserts that a course of events breaks the property, and prints it.
fn assert_breaks(life: Life, property: &'static str) {
    let checked = life.checker().threads(2).spawn_bfs().join();
    let path = checked.assert_any_discovery(property);
    eprintln!("{property}: {:#?}", path.into_actions());
}

#[test]
fn under_the_old_rule_for_lost_messages_jobs_wait_for_ever_although_everybody_is_busy() {
    let explored = explore(&Life {
        max_messages: 3,
        ..with(Flaw::TimeAloneMakesStale)
    });
    let Some(Endless::Livelock { steps, .. }) = explored.endless else {
        panic!("no livelock: {explored:?}");
    };
    eprintln!("{steps:#?}");
    let any = |wanted: fn(&Action) -> bool| steps.iter().any(wanted);
    assert!(any(|step| matches!(step, Action::Republish { .. })));
    assert!(any(|step| matches!(step, Action::Send(_))));
    assert!(any(|step| matches!(step, Action::Deliver { .. })));
    assert!(any(|step| matches!(step, Action::Claim { .. })));
    assert!(any(|step| matches!(step, Action::Settle { .. })));
    assert!(!any(|step| matches!(step, Action::Begin { .. })));
}

#[test]
fn without_a_sweep_a_job_whose_message_is_lost_waits_for_ever() {
    let life = Life {
        faults: 1,
        ..with(Flaw::NoSweep)
    };
    let endless = explore(&life).endless;
    assert!(matches!(endless, Some(Endless::DeadEnd(_))), "{endless:?}");
}

#[test]
fn a_cancelled_job_that_is_given_back_and_not_ended_is_received_for_ever() {
    let life = Life {
        unclaims: 1,
        cancels: 1,
        ..with(Flaw::UnclaimForgetsCancel)
    };
    let endless = explore(&life).endless;
    assert!(
        matches!(endless, Some(Endless::Livelock { .. })),
        "{endless:?}"
    );
}

#[test]
fn a_write_that_does_not_name_its_claim_decides_about_a_job_of_another_worker() {
    let life = Life {
        queue: Queue::Postgres,
        faults: 1,
        ..with(Flaw::WritesIgnoreClaim)
    };
    assert_breaks(life, A_PROMISE);
}

#[test]
fn a_claim_that_ignores_the_lease_takes_a_job_from_its_worker() {
    let life = Life {
        faults: 1,
        ..with(Flaw::ClaimIgnoresLease)
    };
    assert_breaks(life, A_PROMISE);
}

#[test]
fn a_claim_that_ignores_the_pause_begins_an_attempt_too_early() {
    assert_breaks(with(Flaw::ClaimIgnoresPause), A_PROMISE);
}

#[test]
fn a_dead_letter_that_fails_any_job_ends_one_that_has_attempts_left() {
    let life = Life {
        faults: 1,
        ..with(Flaw::DeadLetterFailsAnyJob)
    };
    assert_breaks(life, A_PROMISE);
}

#[test]
fn a_job_that_is_given_back_without_its_attempt_fails_although_no_attempt_failed() {
    let life = Life {
        unclaims: 2,
        attempts_fail: false,
        ..with(Flaw::UnclaimKeepsAttempt)
    };
    assert_breaks(life, "no job fails while no attempt and no process fails");
}

#[test]
fn a_late_mark_for_the_message_before_a_redrive_hides_that_the_new_message_is_not_sent() {
    for flaw in [Flaw::RedriveKeepsSends, Flaw::MarkIgnoresSends] {
        let life = Life {
            redrives: 1,
            ..with(flaw)
        };
        assert_breaks(life, SENT_AGAIN);
    }
}

#[test]
fn a_late_mark_for_the_message_that_was_postponed_hides_that_it_is_to_be_sent_again() {
    for flaw in [Flaw::PostponeKeepsSends, Flaw::MarkIgnoresSends] {
        let life = Life {
            queue: Queue::Held,
            ..with(flaw)
        };
        assert_breaks(life, SENT_AGAIN);
    }
}
