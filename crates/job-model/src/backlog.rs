//! A first-in-first-out queue with a clock and one worker: which rules for lost messages let a backlog drain?
//!
//! The worker handles one message per tick, whether it is of use or stale. After each tick a sweep looks for jobs whose
//! message seems to be lost.

use std::collections::VecDeque;

/// Far longer than any rule below waits.
const STALLED_AFTER: u32 = 10_000;

/// When a message counts as lost, and what then becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// After a time, which doubles with each message up to `doublings` times. The job's older messages become stale.
    AfterTime {
        /// Ticks before the first message counts as lost.
        patience: u32,
        /// How often the time doubles at most.
        doublings: u32,
    },
    /// Once a message that was sent `patience` ticks later has been delivered, or the queue was empty that long after it
    /// was sent. The job's older messages stay valid.
    OnEvidence {
        /// Ticks between a message and the one that proves it lost.
        patience: u32,
    },
}

/// What became of a backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every job ended.
    Drained {
        /// How many ticks it took.
        ticks: u32,
        /// Deliveries that were of no use.
        wasted: u32,
    },
    /// The worker has handled thousands of messages in a row without a single use: it will never drain.
    Stalled {
        /// Jobs that never end.
        left: usize,
        /// Messages in the queue by then.
        queued: usize,
    },
}

#[derive(Debug, Clone)]
struct Job {
    done: bool,
    generation: u32,
    sends: u32,
    /// Ticks since its last message was sent.
    age: u32,
}

/// Lets a worker drain `jobs` jobs, all sent at the same moment. `lost` names one whose first message is lost.
pub fn drain(jobs: usize, rule: Rule, lost: Option<usize>) -> Outcome {
    let mut rows = vec![
        Job {
            done: false,
            generation: 1,
            sends: 1,
            age: 0,
        };
        jobs
    ];
    let mut queue: VecDeque<(usize, u32)> = (0..jobs)
        .filter(|id| Some(*id) != lost)
        .map(|id| (id, 1))
        .collect();
    let (mut ticks, mut wasted, mut last_use) = (0, 0, 0);
    while rows.iter().any(|job| !job.done) {
        if ticks - last_use > STALLED_AFTER {
            return Outcome::Stalled {
                left: rows.iter().filter(|job| !job.done).count(),
                queued: queue.len(),
            };
        }
        let mut delivered_age = None;
        if let Some((id, generation)) = queue.pop_front() {
            let job = &mut rows[id];
            delivered_age = Some(job.age);
            if job.done || job.generation != generation {
                wasted += 1;
            } else {
                job.done = true;
                last_use = ticks;
            }
        }
        ticks += 1;
        for (id, job) in rows.iter_mut().enumerate().filter(|(_, job)| !job.done) {
            job.age += 1;
            let is_lost = match rule {
                Rule::AfterTime {
                    patience,
                    doublings,
                } => job.age >= patience << (job.sends - 1).min(doublings),
                Rule::OnEvidence { patience } => {
                    // the age of what was delivered, or of a message sent now if the queue is empty
                    job.age > delivered_age.unwrap_or(0) + patience
                }
            };
            if is_lost {
                if matches!(rule, Rule::AfterTime { .. }) {
                    job.generation += 1;
                }
                job.sends += 1;
                job.age = 0;
                queue.push_back((id, job.generation));
            }
        }
    }
    Outcome::Drained { ticks, wasted }
}
