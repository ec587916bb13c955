//! Everything that can happen to two jobs, with as many faults as the table in the crate's documentation says.

use job_model::life::{Life, Queue};
use job_model::liveness::explore;
use job_model::rules::Rules;
use stateright::{Checker, Model};

/// A life in which nothing goes wrong except that attempts fail.
pub(crate) const CALM: Life = Life {
    queue: Queue::Sqs,
    rules: Rules::SOUND,
    faults: 0,
    unclaims: 0,
    cancels: 0,
    redrives: 0,
    attempts_fail: true,
    max_messages: 6,
};

const BUSY: Life = Life {
    unclaims: 1,
    cancels: 1,
    redrives: 1,
    ..CALM
};

const HELD: Life = Life {
    queue: Queue::Held,
    max_messages: 9,
    ..CALM
};

/// Explores a life twice: `stateright` looks for a state that breaks a promise, and [`explore`] for a job that never
/// ends. Both must see the same states.
fn check(life: Life, states: usize) {
    let checked = life.checker().threads(2).spawn_bfs().join();
    checked.assert_properties();
    let explored = explore(&life);
    eprintln!(
        "{life:?}: {} states, {} steps",
        explored.states, explored.steps
    );
    assert!(explored.endless.is_none(), "{:#?}", explored.endless);
    assert_eq!(explored.states, checked.unique_state_count());
    assert_eq!(
        explored.states, states,
        "correct the table in the crate's documentation"
    );
}

#[test]
fn on_sqs_with_a_fault_every_promise_is_kept_and_every_job_ends() {
    let life = Life { faults: 1, ..CALM };
    check(life, 246_708);
}

#[test]
fn on_sqs_with_a_cancellation_a_redrive_and_a_worker_that_stops_every_promise_is_kept_and_every_job_ends()
 {
    check(BUSY, 362_271);
}

#[test]
fn on_postgres_with_two_faults_every_promise_is_kept_and_every_job_ends() {
    let life = Life {
        queue: Queue::Postgres,
        faults: 2,
        ..BUSY
    };
    check(life, 224_278);
}

#[test]
fn with_held_deliveries_every_promise_is_kept_and_every_job_ends() {
    check(HELD, 55_225);
}

#[test]
#[ignore = "takes half a minute"]
fn with_held_deliveries_a_cancellation_and_a_worker_that_stops_every_promise_is_kept_and_every_job_ends()
 {
    let life = Life {
        unclaims: 1,
        cancels: 1,
        ..HELD
    };
    check(life, 474_871);
}

#[test]
#[ignore = "takes seven minutes and several GB of memory"]
fn with_held_deliveries_and_a_fault_every_promise_is_kept_and_every_job_ends() {
    check(Life { faults: 1, ..HELD }, 8_192_077);
}

#[test]
#[ignore = "takes half a minute"]
fn on_sqs_with_a_fault_and_a_worker_that_stops_every_promise_is_kept_and_every_job_ends() {
    let life = Life {
        faults: 1,
        unclaims: 1,
        ..CALM
    };
    check(life, 566_781);
}

#[test]
#[ignore = "takes half a minute"]
fn on_sqs_with_a_fault_and_a_cancellation_every_promise_is_kept_and_every_job_ends() {
    let life = Life {
        faults: 1,
        cancels: 1,
        ..CALM
    };
    check(life, 919_588);
}

#[test]
#[ignore = "takes a minute and 2 GB of memory"]
fn on_sqs_with_a_fault_and_a_redrive_every_promise_is_kept_and_every_job_ends() {
    let life = Life {
        faults: 1,
        redrives: 1,
        ..CALM
    };
    check(life, 2_930_343);
}
