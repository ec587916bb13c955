//! A model of a job's life, small enough that every possible course of events can be checked.
//!
//! Two jobs, two workers, the processes that send messages, a queue and the sweep take their steps in every possible
//! order, and faults strike between any two steps. In each state that can be reached, the promises of the job store hold;
//! and from each state, every accepted job ends once no more faults strike. A rule that breaks this is found with the
//! course of events that breaks it; the tests show it for rules that were used before and for others that look reasonable.
//!
//! # Layout
//! - [`row`]: a job's row and every write to it: the rules of `shared_model::job_store`, without SQL. Read this first
//! - [`rules`]: flawed variants of these rules
//! - [`life`]: everything that can happen to two jobs
//! - [`liveness`]: whether every accepted job ends
//! - [`backlog`]: a queue with a clock, to compare rules for lost messages when jobs wait for long
//!
//! # What is explored
//! All interleavings of two jobs, two workers that hold one message of each job, and at most two attempts per job and
//! generation. Faults are limited in number, not in time: each may strike between any two steps. "Other" counts what
//! clients, the operator and deployments may do: cancel, redrive, and stop a worker that has claimed a job and not begun.
//!
//! | queue | faults | other | states | steps |
//! |---|---|---|---|---|
//! | held | 0 | – | 55,225 | 0.3 million |
//! | SQS | 1 | – | 246,708 | 1.2 million |
//! | SQS | 0 | cancel, redrive, stop | 362,271 | 1.7 million |
//! | Postgres | 2 | cancel, redrive, stop | 224,278 | 1.3 million |
//! | held | 0 | cancel, stop | 474,871 | 2.9 million |
//! | SQS | 1 | stop | 566,781 | 2.8 million |
//! | SQS | 1 | cancel | 919,588 | 4.6 million |
//! | SQS | 1 | redrive | 2,930,343 | 16.3 million |
//! | held | 1 | – | 8,192,077 | 55.0 million |
//!
//! A "held" queue can't delay a message: it is as SQS, but a message that is to come again later goes through the outbox.
//! `cargo test -p job-model` explores the first four rows in seconds, and `cargo test -p job-model -- --ignored` the others.
//! If there are messages, the faults are: a worker dies, freezes, or loses its lease or its message; every sender dies, or
//! one drops, fails or delays a message; the queue loses, duplicates or dead-letters a message; the answer to a claim or a
//! completion is lost; the evidence misleads.
//!
//! # What is not explored
//! - Time. A lease, a pause or a timeout may end as soon as nobody extends it, and the order of such moments is free. So
//!   no promise depends on a duration; but durations themselves (how long a job waits) are not checked. The exception is
//!   `backlog`, where a clock ticks.
//! - Deadlines of jobs (`fail_overdue`), as every job would end by them, and the deletion of expired rows.
//! - Evidence under load. A message counts as lost here after the queue stayed empty, or wrongly, as a fault. That a later
//!   message arrived is evidence as well, which `backlog` covers.
//! - The order of FIFO queues, isolation of jobs that crash workers, renewals that carry progress, and the statements
//!   themselves: locks, batches and SQL. Random sequences of the real statements are compared with [`row`] in
//!   shared-model's tests.
//!
//! Nothing here touches a database or a queue, and no program contains it.
#![expect(
    clippy::indexing_slicing,
    reason = "jobs, workers and states are indices of tables that never shrink"
)]
#![expect(
    clippy::expect_used,
    reason = "a step that is not possible is an error in the model"
)]

pub mod backlog;
pub mod life;
pub mod liveness;
pub mod row;
pub mod rules;
