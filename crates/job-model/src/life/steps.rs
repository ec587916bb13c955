//! When each step is possible, and which properties every state has.

use stateright::{Model, Property};

use super::{
    Action, Held, JOBS, Life, MAX_ATTEMPTS, Message, Queue, Sending, Slot, State, WORKERS,
};
use crate::row::{Outbox, Row, Status};

impl Model for Life {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            jobs: [None; JOBS],
            workers: [[Slot::Free; JOBS]; WORKERS],
            messages: Vec::new(),
            sendings: Vec::new(),
            faults: self.faults,
            unclaims: self.unclaims,
            cancels: self.cancels,
            redrives: self.redrives,
            broken: None,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (job, row) in state.jobs.iter().enumerate() {
            match row {
                Some(row) => self.steps_of_job(state, job, row, actions),
                None => self.acceptances(job, actions),
            }
        }
        for worker in 0..WORKERS {
            self.steps_of_worker(state, worker, actions);
        }
        for sending in distinct(&state.sendings) {
            self.steps_of_sending(state, *sending, actions);
        }
        for message in distinct(&state.messages) {
            self.steps_of_message(state, *message, actions);
        }
        if state.faults == 0 {
            actions.retain(|action| !action.is_fault());
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        self.apply(&mut next, action);
        next.broken = state.broken_by(action, &next);
        next.renumber();
        if self.queue == Queue::Held {
            next.merge_marks();
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn each(state: &State, holds: impl Fn(&Row) -> bool) -> bool {
            state.jobs.iter().flatten().all(holds)
        }
        vec![
            Property::always("no step breaks a promise", |_, state: &State| {
                state.broken.is_none()
            }),
            Property::always(
                "a job has one result if it succeeded, else none",
                |_, state| {
                    each(state, |row| {
                        row.results == u8::from(row.status == Status::Success)
                    })
                },
            ),
            Property::always(
                "a job has at most as many attempts as allowed",
                |_, state| each(state, |row| row.attempt <= MAX_ATTEMPTS),
            ),
            Property::always(
                "no job fails while no attempt and no process fails",
                |life: &Life, state| {
                    life.attempts_fail
                        || life.faults > 0
                        || each(state, |row| row.status != Status::Failure)
                },
            ),
            Property::always(
                "without faults, no message has to be sent again",
                |life: &Life, state| {
                    life.faults > 0 || !(0..JOBS).any(|job| life.is_lost(state, job))
                },
            ),
            Property::always(
                "the bound on messages cuts nothing off",
                |life: &Life, state: &State| state.messages.len() < life.max_messages,
            ),
        ]
    }
}

impl Life {
    fn acceptances(&self, job: usize, actions: &mut Vec<Action>) {
        actions.push(Action::Accept {
            job,
            in_memory: false,
        });
        if self.queue.has_messages() {
            actions.push(Action::Accept {
                job,
                in_memory: true,
            });
        }
    }

    /// Whether the job waits and nothing but the sweep would bring it to a worker.
    pub(super) fn is_lost(&self, state: &State, job: usize) -> bool {
        let is_copy = |m: &Message, row: &Row| m.job == job && m.generation == row.generation;
        self.queue.has_messages()
            && state.jobs[job].is_some_and(|row| {
                row.is_waiting()
                    && row.outbox == Outbox::Nothing
                    && !state.messages.iter().any(|message| is_copy(message, &row))
            })
    }

    fn steps_of_job(&self, state: &State, job: usize, row: &Row, actions: &mut Vec<Action>) {
        let has_messages = self.queue.has_messages();
        match row.outbox {
            Outbox::Due => actions.push(Action::Lease { job }),
            Outbox::Leased if state.is_being_sent(job, row) => {
                actions.push(Action::OutboxLeaseLapsesEarly { job });
            }
            Outbox::Leased => actions.push(Action::OutboxLeaseLapses { job }),
            Outbox::Nothing => {}
        }
        if row.status == Status::Retry && !row.retry_due {
            actions.push(Action::PauseEnds { job });
        }
        if row.status == Status::Started && !row.lease_lapsed {
            actions.push(if state.is_held(job) {
                Action::LeaseLapsesEarly { job }
            } else {
                Action::LeaseLapses { job }
            });
        }
        if has_messages && row.looks_lost(self.rules) {
            actions.push(Action::Republish { job });
        }
        let wrong = row.is_waiting() && row.outbox == Outbox::Nothing && !row.evidence;
        if has_messages && wrong && !self.is_lost(state, job) {
            actions.push(Action::MisleadingEvidence { job });
        }
        if state.cancels > 0 && !row.status.is_terminal() && !row.cancel_requested {
            actions.push(Action::Cancel { job });
        }
        if state.redrives > 0 && row.status == Status::Failure {
            actions.push(Action::Redrive { job });
        }
    }

    fn steps_of_worker(&self, state: &State, worker: usize, actions: &mut Vec<Action>) {
        let slots = &state.workers[worker];
        for (job, slot) in slots.iter().enumerate() {
            self.steps_of_slot(state, (worker, job), *slot, actions);
        }
        let delivered = |slot: &Slot| matches!(slot, Slot::Delivered(_));
        if slots.iter().any(delivered) {
            actions.push(Action::Claim { worker });
            actions.push(Action::ClaimAnswerLost { worker, job: None });
        }
        let polls = slots.contains(&Slot::Free);
        if polls && self.proves_something(state) {
            actions.push(Action::PollStaysEmpty { worker });
        }
        if slots.iter().any(|slot| *slot != Slot::Free) {
            actions.push(Action::WorkerDies { worker });
            actions.push(Action::WorkerFreezes { worker });
        }
    }

    /// Whether the queue shows nothing although a job waits for its message.
    fn proves_something(&self, state: &State) -> bool {
        let visible = |message: &Message| message.hidden_for.is_none();
        !state.messages.iter().any(visible)
            && (0..JOBS).any(|job| {
                self.is_lost(state, job) && state.jobs[job].is_some_and(|row| !row.evidence)
            })
    }

    fn steps_of_slot(
        &self,
        state: &State,
        (worker, job): (usize, usize),
        slot: Slot,
        actions: &mut Vec<Action>,
    ) {
        match slot {
            Slot::Free => {
                let waiting = state.jobs[job].is_some_and(|row| row.is_waiting());
                if self.queue == Queue::Postgres && waiting {
                    actions.push(Action::ClaimWaiting { worker, job });
                    actions.push(Action::ClaimAnswerLost {
                        worker,
                        job: Some(job),
                    });
                }
            }
            Slot::Delivered(_) => {}
            Slot::Unsure(_) => actions.push(Action::RepeatClaim { worker, job }),
            Slot::Claimed(_) => {
                actions.push(Action::Begin { worker, job });
                if state.unclaims > 0 {
                    actions.push(Action::Unclaim { worker, job });
                }
            }
            Slot::Running(held) => {
                actions.push(Action::Complete { worker, job });
                actions.push(Action::CompleteAnswerLost { worker, job });
                if self.attempts_fail {
                    actions.push(Action::Fail { worker, job });
                }
                let asked = |row: Row| row.cancel_requested && row.is_held_by(held.token);
                if state.jobs[job].is_some_and(asked) {
                    actions.push(Action::Revoke { worker, job });
                }
            }
            Slot::Settling(_, false) if self.queue == Queue::Held => {
                actions.push(Action::Postpone { worker, job });
            }
            Slot::Settling(..) => actions.push(Action::Settle { worker, job }),
        }
    }

    fn steps_of_sending(&self, state: &State, sending: Sending, actions: &mut Vec<Action>) {
        if sending.sent {
            actions.push(Action::Mark(sending));
        } else {
            if state.messages.len() < self.max_messages {
                actions.push(Action::Send(sending));
            }
            actions.push(Action::SendFails(sending));
            actions.push(Action::DropFromMemory(sending));
        }
        if state.sendings.first() == Some(&sending) {
            actions.push(Action::SendersDie);
        }
    }

    fn steps_of_message(&self, state: &State, message: Message, actions: &mut Vec<Action>) {
        if message.hidden_for.is_some() {
            actions.push(if state.is_in_hand(message) {
                Action::VisibilityLapsesEarly(message)
            } else {
                Action::VisibilityLapses(message)
            });
            return;
        }
        for (worker, slots) in state.workers.iter().enumerate() {
            if slots[message.job] == Slot::Free {
                actions.push(Action::Deliver { worker, message });
            }
        }
        actions.push(Action::Lose(message));
        actions.push(Action::DeadLetter(message));
        if state.messages.len() < self.max_messages {
            actions.push(Action::Duplicate(message));
        }
    }
}

impl State {
    /// Whether a worker renews the claim that the row names.
    pub(super) fn is_held(&self, job: usize) -> bool {
        let Some(row) = self.jobs[job].filter(|row| !row.lease_lapsed) else {
            return false;
        };
        self.workers.iter().any(|slots| {
            matches!(slots[job], Slot::Claimed(held) | Slot::Running(held) if row.is_held_by(held.token))
        })
    }

    /// Whether every accepted job has ended.
    pub fn is_finished(&self) -> bool {
        self.jobs
            .iter()
            .flatten()
            .all(|row| row.status.is_terminal())
    }

    fn is_being_sent(&self, job: usize, row: &Row) -> bool {
        self.sendings
            .iter()
            .any(|sending| sending.job == job && sending.sends == row.sends)
    }

    /// Whether the worker that the message is hidden for still has it in hand.
    fn is_in_hand(&self, message: Message) -> bool {
        message
            .hidden_for
            .is_some_and(|worker| self.workers[worker][message.job].message() == Some(message))
    }
}

impl Slot {
    /// The job that the worker has claimed, if it knows that it has.
    pub(super) fn held(self) -> Option<Held> {
        match self {
            Self::Claimed(held) | Self::Running(held) => Some(held),
            Self::Free | Self::Delivered(_) | Self::Unsure(_) | Self::Settling(..) => None,
        }
    }

    /// The message that the worker has in hand.
    pub fn message(self) -> Option<Message> {
        match self {
            Self::Free => None,
            Self::Delivered(message) | Self::Settling(message, _) => Some(message),
            Self::Unsure(held) | Self::Claimed(held) | Self::Running(held) => held.message,
        }
    }
}

/// The elements of a sorted slice without repetitions: equal messages behave alike.
fn distinct<T: PartialEq>(sorted: &[T]) -> impl Iterator<Item = &T> {
    sorted.chunk_by(|a, b| a == b).filter_map(<[T]>::first)
}

impl Action {
    /// Whether it is a fault.
    pub fn is_fault(self) -> bool {
        matches!(
            self,
            Self::WorkerDies { .. }
                | Self::WorkerFreezes { .. }
                | Self::SendersDie
                | Self::DropFromMemory(_)
                | Self::SendFails(_)
                | Self::OutboxLeaseLapsesEarly { .. }
                | Self::ClaimAnswerLost { .. }
                | Self::CompleteAnswerLost { .. }
                | Self::LeaseLapsesEarly { .. }
                | Self::VisibilityLapsesEarly(_)
                | Self::Lose(_)
                | Self::Duplicate(_)
                | Self::DeadLetter(_)
                | Self::MisleadingEvidence { .. }
        )
    }
}
