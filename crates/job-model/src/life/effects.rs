//! What each step does.

use super::numbers::NEW_TOKEN;
use super::{Action, Held, Life, MAX_ATTEMPTS, Message, Queue, Sending, Slot, State};
use crate::row::{Claimed, Outbox, Row, Status};

impl Life {
    pub(super) fn apply(&self, state: &mut State, action: Action) {
        if action.is_fault() {
            state.faults -= 1;
        }
        match action {
            Action::Accept { job, in_memory } => self.accept(state, job, in_memory),
            Action::Cancel { job } => {
                state.cancels -= 1;
                state.change(job, Row::cancel);
            }
            Action::Redrive { job } => {
                state.redrives -= 1;
                state.change(job, |row| row.redrive(self.outbox(Outbox::Due), self.rules));
            }
            Action::Lease { .. }
            | Action::Send(_)
            | Action::Mark(_)
            | Action::OutboxLeaseLapses { .. }
            | Action::OutboxLeaseLapsesEarly { .. }
            | Action::SendersDie
            | Action::DropFromMemory(_)
            | Action::SendFails(_) => self.apply_to_outbox(state, action),
            Action::Deliver { .. }
            | Action::VisibilityLapses(_)
            | Action::VisibilityLapsesEarly(_)
            | Action::Lose(_)
            | Action::Duplicate(_)
            | Action::DeadLetter(_) => self.apply_to_queue(state, action),
            Action::PauseEnds { job } => state.change(job, Row::pause_ends),
            Action::LeaseLapses { job } | Action::LeaseLapsesEarly { job } => {
                state.change(job, Row::lease_lapses);
            }
            Action::PollStaysEmpty { .. } => self.note_empty_poll(state),
            Action::MisleadingEvidence { job } => state.change(job, |row| row.evidence = true),
            Action::Republish { job } => state.change(job, |row| row.republish(self.rules)),
            Action::Claim { worker } => self.claim_delivered(state, worker, false),
            Action::ClaimAnswerLost { worker, job: None } => {
                self.claim_delivered(state, worker, true);
            }
            Action::ClaimWaiting { worker, job } => self.claim_waiting(state, worker, job, false),
            Action::ClaimAnswerLost {
                worker,
                job: Some(job),
            } => {
                self.claim_waiting(state, worker, job, true);
            }
            Action::WorkerDies { worker } => state.workers[worker].fill(Slot::Free),
            Action::WorkerFreezes { worker } => freeze(state, worker),
            Action::RepeatClaim { worker, job }
            | Action::Begin { worker, job }
            | Action::Unclaim { worker, job }
            | Action::Complete { worker, job }
            | Action::CompleteAnswerLost { worker, job }
            | Action::Fail { worker, job }
            | Action::Revoke { worker, job }
            | Action::Postpone { worker, job }
            | Action::Settle { worker, job } => {
                let slot = state.workers[worker][job];
                state.workers[worker][job] = self.advance(state, job, slot, action);
            }
        }
    }

    /// On a queue of messages the outbox is as given; the table needs none.
    fn outbox(&self, of_messages: Outbox) -> Outbox {
        match self.queue {
            Queue::Sqs | Queue::Held => of_messages,
            Queue::Postgres => Outbox::Nothing,
        }
    }

    fn accept(&self, state: &mut State, job: usize, in_memory: bool) {
        let outbox = if in_memory {
            Outbox::Leased
        } else {
            Outbox::Due
        };
        let row = Row::accepted(self.outbox(outbox));
        state.jobs[job] = Some(row);
        if in_memory {
            state.sendings.push(Sending::of(job, &row));
        }
    }

    fn apply_to_outbox(&self, state: &mut State, action: Action) {
        match action {
            Action::Lease { job } => {
                state.change(job, Row::lease);
                if let Some(row) = &state.jobs[job] {
                    state.sendings.push(Sending::of(job, row));
                }
            }
            Action::Send(sending) => {
                state.messages.push(Message {
                    job: sending.job,
                    generation: sending.generation,
                    hidden_for: None,
                });
                let sent = Sending {
                    sent: true,
                    ..sending
                };
                replace(&mut state.sendings, sending, Some(sent));
            }
            Action::Mark(sending) => {
                replace(&mut state.sendings, sending, None);
                state.change(sending.job, |row| row.mark(sending.sends, self.rules));
            }
            Action::SendFails(sending) => {
                replace(&mut state.sendings, sending, None);
                state.change(sending.job, |row| row.release(sending.sends));
            }
            Action::DropFromMemory(sending) => replace(&mut state.sendings, sending, None),
            Action::SendersDie => state.sendings.clear(),
            Action::OutboxLeaseLapses { job } | Action::OutboxLeaseLapsesEarly { job } => {
                state.change(job, |row| row.outbox = Outbox::Due);
            }
            _ => {}
        }
    }

    fn apply_to_queue(&self, state: &mut State, action: Action) {
        match action {
            Action::Deliver { worker, message } => {
                let hidden = Message {
                    hidden_for: Some(worker),
                    ..message
                };
                replace(&mut state.messages, message, Some(hidden));
                state.workers[worker][message.job] = Slot::Delivered(hidden);
            }
            Action::VisibilityLapses(message) | Action::VisibilityLapsesEarly(message) => {
                replace(&mut state.messages, message, Some(message.visible()));
            }
            Action::Lose(message) => replace(&mut state.messages, message, None),
            Action::Duplicate(message) => state.messages.push(message),
            Action::DeadLetter(message) => {
                replace(&mut state.messages, message, None);
                state.change(message.job, |row| {
                    row.give_up(message.generation, self.rules);
                });
            }
            _ => {}
        }
    }

    fn note_empty_poll(&self, state: &mut State) {
        for job in 0..state.jobs.len() {
            if self.is_lost(state, job) {
                state.change(job, |row| row.evidence = true);
            }
        }
    }

    /// One statement claims every job whose message the worker has received. Each gets an answer of its own.
    fn claim_delivered(&self, state: &mut State, worker: usize, answer_lost: bool) {
        for job in 0..state.jobs.len() {
            if let Slot::Delivered(message) = state.workers[worker][job] {
                let held = Held {
                    message: Some(message),
                    token: NEW_TOKEN,
                };
                let slot = self.claim(state, job, held);
                state.workers[worker][job] = learned(slot, held, answer_lost);
            }
        }
    }

    fn claim_waiting(&self, state: &mut State, worker: usize, job: usize, answer_lost: bool) {
        let held = Held {
            message: None,
            token: NEW_TOKEN,
        };
        let slot = self.claim(state, job, held);
        state.workers[worker][job] = learned(slot, held, answer_lost);
    }

    fn claim(&self, state: &mut State, job: usize, held: Held) -> Slot {
        let rules = self.rules;
        state.change(job, |row| {
            let generation = held
                .message
                .map_or(row.generation, |message| message.generation);
            match row.claim(generation, held.token, MAX_ATTEMPTS, rules) {
                Claimed::Begin => Slot::Claimed(held),
                Claimed::NotYet => held.settled(false),
                Claimed::Stale => held.settled(true),
                Claimed::Unclaimable => {
                    let ended = row.end_unclaimable(MAX_ATTEMPTS, rules);
                    held.settled(ended.is_some())
                }
            }
        })
    }

    /// Repeats a claim whose answer was lost. In the table, the worker only looks for it.
    fn repeat_claim(&self, state: &mut State, job: usize, held: Held) -> Slot {
        if state.change(job, |row| row.is_held_by(held.token)) {
            Slot::Claimed(held)
        } else if held.message.is_some() {
            // all outdated tokens have the same number, so this one needs a new one
            let token = NEW_TOKEN;
            self.claim(state, job, Held { token, ..held })
        } else {
            Slot::Free
        }
    }

    /// What a worker's step on a job makes of its slot.
    fn advance(&self, state: &mut State, job: usize, slot: Slot, action: Action) -> Slot {
        let rules = self.rules;
        match (action, slot) {
            (Action::RepeatClaim { .. }, Slot::Unsure(held)) => self.repeat_claim(state, job, held),
            (Action::Begin { .. }, Slot::Claimed(held)) => Slot::Running(held),
            (Action::Unclaim { .. }, Slot::Claimed(held)) => {
                state.unclaims -= 1;
                let status = state.change(job, |row| row.unclaim(held.token, rules));
                held.settled(status.is_some_and(Status::is_terminal))
            }
            (Action::Complete { .. }, Slot::Running(held)) => {
                let done = state.change(job, |row| row.complete(held.token, rules));
                held.settled(done)
            }
            (Action::CompleteAnswerLost { .. }, Slot::Running(held)) => {
                state.change(job, |row| row.complete(held.token, rules));
                Slot::Running(held)
            }
            (Action::Fail { .. }, Slot::Running(held)) => {
                let status = state.change(job, |row| {
                    if row.attempt < MAX_ATTEMPTS {
                        row.retry(held.token, rules)
                    } else {
                        row.fail(held.token, rules).then_some(Status::Failure)
                    }
                });
                held.settled(status.is_some_and(Status::is_terminal))
            }
            (Action::Revoke { .. }, Slot::Running(held)) => {
                let revoked = state.change(job, |row| row.revoke(held.token, rules));
                held.settled(revoked)
            }
            (Action::Postpone { .. }, Slot::Settling(message, _)) => {
                // the message is deleted in both cases: either the row has what is needed, or nothing is
                state.change(job, |row| row.postpone(message.generation, rules));
                Slot::Settling(message, true)
            }
            (Action::Settle { .. }, Slot::Settling(message, delete)) => {
                // a receipt works only for the delivery that it came with
                let left = (!delete).then(|| message.visible());
                replace(&mut state.messages, message, left);
                Slot::Free
            }
            _ => slot,
        }
    }
}

impl State {
    fn change<T>(&mut self, job: usize, write: impl FnOnce(&mut Row) -> T) -> T {
        write(
            self.jobs[job]
                .as_mut()
                .expect("only accepted jobs have steps"),
        )
    }
}

impl Sending {
    fn of(job: usize, row: &Row) -> Self {
        Self {
            job,
            generation: row.generation,
            sends: row.sends,
            sent: false,
        }
    }
}

impl Message {
    fn visible(self) -> Self {
        Self {
            hidden_for: None,
            ..self
        }
    }
}

impl Held {
    /// The worker is done with the job: its message, if there is one, is deleted or released.
    fn settled(self, delete: bool) -> Slot {
        self.message
            .map_or(Slot::Free, |message| Slot::Settling(message, delete))
    }
}

/// Ends every lease and every visibility timeout of a worker that keeps what it believes.
fn freeze(state: &mut State, worker: usize) {
    for job in 0..state.jobs.len() {
        let slot = state.workers[worker][job];
        if let Some(message) = slot.message() {
            replace(&mut state.messages, message, Some(message.visible()));
        }
        if let Some(held) = slot.held() {
            state.change(job, |row| {
                if row.is_held_by(held.token) {
                    row.lease_lapses();
                }
            });
        }
    }
}

/// Replaces one element, if it is still there.
fn replace<T: PartialEq + Copy>(elements: &mut Vec<T>, old: T, new: Option<T>) {
    if let Some(index) = elements.iter().position(|element| *element == old) {
        elements.remove(index);
        elements.extend(new);
    }
}

/// What a worker knows after a claim: nothing certain if the answer was lost.
fn learned(slot: Slot, held: Held, answer_lost: bool) -> Slot {
    if answer_lost {
        Slot::Unsure(held)
    } else {
        slot
    }
}
