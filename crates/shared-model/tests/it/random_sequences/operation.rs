//! What can happen to jobs, and how sequences of it are generated.
//!
//! Every operation is possible in every state; most states refuse most of them, which is part of what is compared.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use shared_model::job_store::requests::Sender;

pub(super) const JOBS: usize = 3;
pub(super) const KEYS: usize = 2;

/// Selects one claim from the history of a job: 0 is the latest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) job: usize,
    pub(super) claim: usize,
}

/// A delivered message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message {
    pub(super) job: usize,
    /// Whether it was made before the latest redrive.
    pub(super) is_old: bool,
    /// An earlier claim that is repeated, instead of a new one.
    pub(super) repeated: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum Operation {
    Accept {
        job: usize,
        sender: Sender,
    },
    AcceptWithKey {
        job: usize,
        key: usize,
    },
    Cancel {
        job: usize,
    },

    Take {
        limit: usize,
    },
    /// The messages that were ever taken: 0 is the latest.
    MarkSent {
        messages: Vec<usize>,
    },
    Release {
        messages: Vec<usize>,
    },
    Postpone {
        messages: Vec<Message>,
        pause: bool,
    },

    ClaimPending {
        limit: usize,
    },
    ClaimDue {
        limit: usize,
    },
    ClaimDelivered {
        messages: Vec<Message>,
    },
    FindClaimed(Held),
    Renew {
        claims: Vec<Held>,
        done: i32,
    },
    Complete {
        claims: Vec<Held>,
    },
    Retry {
        claim: Held,
        pause: bool,
    },
    Fail(Held),
    Revoke(Held),
    Unclaim {
        claims: Vec<Held>,
    },
    EndUnclaimable {
        jobs: Option<Vec<usize>>,
    },

    GiveUp {
        job: usize,
        is_old: bool,
    },
    Redrive {
        jobs: Option<Vec<usize>>,
    },
    RepublishLost,
    FailOverdue,

    LeaseEnds {
        job: usize,
    },
    PauseEnds {
        job: usize,
    },
    SendLeaseEnds {
        job: usize,
    },
    BecomesOverdue {
        job: usize,
    },
    /// The queue stays empty, or returns a message that was sent much later, for longer than any message may take.
    EvidenceAppears {
        is_delivery: bool,
    },
}

fn job() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(0), 2 => Just(1), 1 => Just(2)]
}

/// 0 is the latest, and the likeliest.
fn recent() -> impl Strategy<Value = usize> {
    prop_oneof![4 => Just(0), 2 => Just(1), 1 => 2..6_usize]
}

fn held() -> impl Strategy<Value = Held> {
    (job(), recent()).prop_map(|(job, claim)| Held { job, claim })
}

fn message() -> impl Strategy<Value = Message> {
    (
        job(),
        prop::bool::weighted(0.1),
        option::weighted(0.1, recent()),
    )
        .prop_map(|(job, is_old, repeated)| Message {
            job,
            is_old,
            repeated,
        })
}

fn some_jobs() -> impl Strategy<Value = Option<Vec<usize>>> {
    option::of(vec(job(), 1..3))
}

fn sender() -> impl Strategy<Value = Sender> {
    prop_oneof![
        Just(Sender::Nobody),
        Just(Sender::ThisProcess),
        Just(Sender::AnyRelay)
    ]
}

/// Any operation.
pub(super) fn any() -> impl Strategy<Value = Operation> {
    prop_oneof![
        2 => requests(),
        3 => outbox(),
        6 => worker(),
        2 => operations(),
        4 => time(),
    ]
}

fn requests() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => (job(), sender()).prop_map(|(job, sender)| Operation::Accept { job, sender }),
        1 => (job(), 0..KEYS).prop_map(|(job, key)| Operation::AcceptWithKey { job, key }),
        1 => job().prop_map(|job| Operation::Cancel { job }),
    ]
}

fn outbox() -> impl Strategy<Value = Operation> {
    prop_oneof![
        (1..4_usize).prop_map(|limit| Operation::Take { limit }),
        vec(0..5_usize, 1..3).prop_map(|messages| Operation::MarkSent { messages }),
        vec(0..5_usize, 1..3).prop_map(|messages| Operation::Release { messages }),
        (vec(message(), 1..4), any_bool())
            .prop_map(|(messages, pause)| Operation::Postpone { messages, pause }),
    ]
}

fn worker() -> impl Strategy<Value = Operation> {
    prop_oneof![
        2 => (1..3_usize).prop_map(|limit| Operation::ClaimPending { limit }),
        2 => (1..3_usize).prop_map(|limit| Operation::ClaimDue { limit }),
        6 => vec(message(), 1..4).prop_map(|messages| Operation::ClaimDelivered { messages }),
        1 => held().prop_map(Operation::FindClaimed),
        2 => (vec(held(), 1..4), 0..3).prop_map(|(claims, done)| Operation::Renew { claims, done }),
        2 => vec(held(), 1..4).prop_map(|claims| Operation::Complete { claims }),
        3 => (held(), any_bool()).prop_map(|(claim, pause)| Operation::Retry { claim, pause }),
        1 => held().prop_map(Operation::Fail),
        1 => held().prop_map(Operation::Revoke),
        2 => vec(held(), 1..4).prop_map(|claims| Operation::Unclaim { claims }),
        1 => some_jobs().prop_map(|jobs| Operation::EndUnclaimable { jobs }),
    ]
}

fn operations() -> impl Strategy<Value = Operation> {
    prop_oneof![
        (job(), prop::bool::weighted(0.2))
            .prop_map(|(job, is_old)| Operation::GiveUp { job, is_old }),
        some_jobs().prop_map(|jobs| Operation::Redrive { jobs }),
        Just(Operation::RepublishLost),
        Just(Operation::FailOverdue),
    ]
}

fn time() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => job().prop_map(|job| Operation::LeaseEnds { job }),
        4 => job().prop_map(|job| Operation::PauseEnds { job }),
        4 => job().prop_map(|job| Operation::SendLeaseEnds { job }),
        1 => job().prop_map(|job| Operation::BecomesOverdue { job }),
        3 => any_bool().prop_map(|is_delivery| Operation::EvidenceAppears { is_delivery }),
    ]
}

fn any_bool() -> impl Strategy<Value = bool> {
    prop::bool::ANY
}
