//! The life of two jobs, one step at a time, with workers and relays that die between any two steps.
//!
//! Read [`State`] for what there is, [`Action`] for what can happen, `life/steps.rs` for when it can happen, and
//! `life/effects.rs` for what it does.
//!
//! Time is not modelled. A lease, a pause or a visibility timeout ends at any moment if nobody extends it, so the model
//! also covers clocks that run fast, processes that are suspended and answers that arrive late.

mod effects;
mod numbers;
mod promises;
mod steps;

pub use promises::Promise;

use crate::row::{Row, Token};
use crate::rules::Rules;

/// Jobs that clients submit.
pub const JOBS: usize = 2;
/// Workers. Each can hold one message of every job.
pub const WORKERS: usize = 2;
/// Attempts before a job fails.
pub const MAX_ATTEMPTS: u8 = 2;

/// The model: a queue, rules, and how often the things may happen that nobody has to do.
#[derive(Debug, Clone, Copy)]
pub struct Life {
    /// Where workers find jobs.
    pub queue: Queue,
    /// What the store does.
    pub rules: Rules,
    /// Faults that may strike, each at any point.
    pub faults: u8,
    /// How often a worker may give back a job that it claimed and has not begun, because it stops.
    pub unclaims: u8,
    /// How often a client may cancel a job.
    pub cancels: u8,
    /// How often an operator may redrive a failed job.
    pub redrives: u8,
    /// Whether an attempt can fail.
    pub attempts_fail: bool,
    /// The maximum number of messages in the queue at the same time. Sound rules never reach it.
    pub max_messages: usize,
}

/// Where workers find jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// A queue of messages that promises neither order nor that a message is delivered only once, and loses some.
    Sqs,
    /// As `Sqs`, but a message can't be delayed. A message that is to come again later is postponed: the row notes when
    /// it is to be sent again, and then the message is deleted.
    Held,
    /// The table of jobs itself. A delivery is a claim, and there are no messages.
    Postgres,
}

impl Queue {
    /// Whether workers find jobs by messages.
    pub(crate) fn has_messages(self) -> bool {
        match self {
            Self::Sqs | Self::Held => true,
            Self::Postgres => false,
        }
    }
}

/// A message in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Message {
    /// The job.
    pub job: usize,
    /// The job's generation when the message was made.
    pub generation: u8,
    /// Which worker it is hidden for. A worker that has died since may still be named.
    pub hidden_for: Option<usize>,
}

/// A message in the memory of the process that is about to send it: the API that accepted the job, or a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sending {
    /// The job.
    pub job: usize,
    /// The job's generation when the process took the row.
    pub generation: u8,
    /// The number of the lease under which the process took the row.
    pub sends: u8,
    /// Whether the queue has accepted the message, and only the mark in the row is missing.
    pub sent: bool,
}

/// What a worker believes about one job. The worker may be wrong, because its claim may have been lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// Nothing.
    Free,
    /// It has received a message.
    Delivered(Message),
    /// It sent a claim, and the answer was lost.
    Unsure(Held),
    /// It has claimed the job, together with others, and has not begun it.
    Claimed(Held),
    /// It renders.
    Running(Held),
    /// It is done with the job. The message has to be deleted (`true`) or released (`false`). Instead of releasing a
    /// message of `Queue::Held`, it postpones and then deletes it.
    Settling(Message, bool),
}

/// A job that a worker claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Held {
    /// The message that brought it, if the queue has messages.
    pub message: Option<Message>,
    /// The token of the claim.
    pub token: Token,
}

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The rows. A job that no client has submitted has none.
    pub jobs: [Option<Row>; JOBS],
    /// What each worker does with each job.
    pub workers: [[Slot; JOBS]; WORKERS],
    /// The queue, sorted, because it promises no order.
    pub messages: Vec<Message>,
    /// What is being sent, sorted.
    pub sendings: Vec<Sending>,
    /// Faults that may still strike.
    pub faults: u8,
    /// Claims that may still be given back.
    pub unclaims: u8,
    /// Cancellations that clients may still ask for.
    pub cancels: u8,
    /// Redrives that may still happen.
    pub redrives: u8,
    /// The first promise that the last step broke.
    pub broken: Option<Promise>,
}

/// One step. `worker` and `job` are indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "every field is the index of a worker or a job")]
pub enum Action {
    /// A client submits a job. The API process sends its message itself unless it has too many `in_memory` already.
    Accept { job: usize, in_memory: bool },
    /// A client cancels a job.
    Cancel { job: usize },
    /// An operator redrives a failed job.
    Redrive { job: usize },

    // The outbox.
    /// A relay takes the job's row from the outbox.
    Lease { job: usize },
    /// The process that has the row sends the message.
    Send(Sending),
    /// It marks the row as sent.
    Mark(Sending),
    /// The lease of a row that no process has in hand runs out.
    OutboxLeaseLapses { job: usize },

    // Workers.
    /// A worker receives a message.
    Deliver { worker: usize, message: Message },
    /// A worker claims, in one statement, every job whose message it has received.
    Claim { worker: usize },
    /// A worker claims a job in the table (`Queue::Postgres`).
    ClaimWaiting { worker: usize, job: usize },
    /// A worker that missed the answer to its claim repeats it, under the same token.
    RepeatClaim { worker: usize, job: usize },
    /// A worker begins to render a job that it claimed.
    Begin { worker: usize, job: usize },
    /// A worker that stops gives back a job that it has not begun.
    Unclaim { worker: usize, job: usize },
    /// A worker stores its result.
    Complete { worker: usize, job: usize },
    /// A worker's attempt fails.
    Fail { worker: usize, job: usize },
    /// A worker sees that its job was cancelled, and stops.
    Revoke { worker: usize, job: usize },
    /// A worker writes into the row that the message is to be sent again later (`Queue::Held`).
    Postpone { worker: usize, job: usize },
    /// A worker deletes or releases a message.
    Settle { worker: usize, job: usize },

    // Time and the sweep.
    /// The pause before the next attempt ends.
    PauseEnds { job: usize },
    /// The lease of a claim that no worker renews runs out.
    LeaseLapses { job: usize },
    /// A message that no worker extends becomes visible again.
    VisibilityLapses(Message),
    /// A worker has polled for long enough without receiving anything. That is evidence against every message that
    /// should be visible.
    PollStaysEmpty { worker: usize },
    /// The sweep puts a job back into the outbox whose message is lost.
    Republish { job: usize },

    // Faults.
    /// Fault: a worker dies with everything that it holds, and starts again.
    WorkerDies { worker: usize },
    /// Fault: every process that sends messages dies, with all that it has in memory.
    SendersDie,
    /// Fault: a process drops a message that it has had in memory for too long.
    DropFromMemory(Sending),
    /// Fault: a message can't be sent, and the row is released.
    SendFails(Sending),
    /// Fault: a process is so slow to send that its lease of the row runs out first.
    OutboxLeaseLapsesEarly { job: usize },
    /// Fault: as `Claim` or `ClaimWaiting`, but the worker never gets the answer.
    ClaimAnswerLost { worker: usize, job: Option<usize> },
    /// Fault: as `Complete`, but the worker never gets the answer. It tries again.
    CompleteAnswerLost { worker: usize, job: usize },
    /// Fault: a worker is suspended until its leases have run out and its messages are visible again. Then it goes on.
    WorkerFreezes { worker: usize },
    /// Fault: a worker can't reach the database until a lease has run out.
    LeaseLapsesEarly { job: usize },
    /// Fault: a worker can't reach the queue until a message is visible again.
    VisibilityLapsesEarly(Message),
    /// Fault: the queue loses a message.
    Lose(Message),
    /// Fault: the queue delivers a message twice.
    Duplicate(Message),
    /// Fault: the queue moves a message to the dead-letter queue.
    DeadLetter(Message),
    /// Fault: the evidence is wrong, and a message that still waits counts as lost.
    MisleadingEvidence { job: usize },
}
