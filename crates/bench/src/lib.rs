//! The benchmark. It starts PostgreSQL with durable settings, the queue, APIs and workers, each as a process of its own,
//! puts load on them, and reports what each job cost and how long it took.
//!
//! Counts for each job (statements, commits, bytes of WAL, CPU time) hardly depend on the machine, so changes are judged
//! by them. Rates depend on the machine and on what else runs on it, so compare only rates of the same run.
//!
//! # Layout
//! - [`cli`], [`options`]: the commands and their options
//! - [`system`]: PostgreSQL, the queue, the APIs and the workers
//! - [`sqs_stub`]: a stub of SQS, fast enough not to be what is measured
//! - [`peer`]: the same service in Python, with Celery over Redis or RabbitMQ, for comparison
//! - [`http`], [`load`]: clients that post jobs, as fast as possible or at a given rate
//! - [`watchers`]: clients that watch a run as the page for operators does
//! - [`progress`]: the progress bar
//! - [`measure`]: what PostgreSQL, the queue and the kernel counted during a phase
//! - [`pipeline`]: the command `pipeline`: saturation, an idle system, and reads
//! - [`sustained`]: the command `sustained`: a constant rate for minutes
//! - [`feeds`]: the command `feeds`: programs that poll a large calendar
//! - [`overload`]: the command `overload`: a client within its limit, while another sends ten times as many
//!   requests as it may
//! - [`timeline`], [`plot`], [`report`]: jobs second by second, the SVG, the tables
//!
//! It never trades durability for speed: PostgreSQL runs with `fsync`, `full_page_writes` and `synchronous_commit` on.

pub mod cli;
pub mod feeds;
pub mod http;
pub mod load;
pub mod measure;
pub mod options;
pub mod overload;
pub mod peer;
pub mod pipeline;
pub mod plot;
pub mod progress;
pub mod report;
pub mod sqs_stub;
pub mod sustained;
pub mod system;
pub mod timeline;
pub mod watchers;
