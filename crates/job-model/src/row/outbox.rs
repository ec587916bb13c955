//! Whether the job's message has to be sent: what relays write, and workers whose queue can't delay a message.

use super::Row;
use crate::rules::{Flaw, Rules};

/// Whether the job's message has to be sent: the column `send_after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outbox {
    /// Null: nothing is to be sent.
    Nothing,
    /// In the future: a relay, or the API process that accepted the job, is about to send the message, or a worker has
    /// postponed it.
    Leased,
    /// In the past: any relay may send the message.
    Due,
}

impl Row {
    /// A relay takes the row to send its message. Returns whether it got the row.
    pub fn lease(&mut self) -> bool {
        let taken = self.outbox == Outbox::Due;
        if taken {
            self.outbox = Outbox::Leased;
            self.sends += 1;
        }
        taken
    }

    /// The relay that leased the row as number `sends` has sent the message.
    pub fn mark(&mut self, sends: u8, rules: Rules) {
        if self.outbox != Outbox::Nothing
            && (self.sends == sends || rules.have(Flaw::MarkIgnoresSends))
        {
            self.outbox = Outbox::Nothing;
            self.evidence = false;
        }
    }

    /// The relay that leased the row as number `sends` could not send the message.
    pub fn release(&mut self, sends: u8) {
        if self.outbox != Outbox::Nothing && self.sends == sends {
            self.outbox = Outbox::Due;
        }
    }

    /// A worker that has a message of this generation wants it to be sent again later. If it is to be sent anyway, the
    /// earlier time counts. Returns whether the job still needs a message.
    pub fn postpone(&mut self, generation: u8, rules: Rules) -> bool {
        let is_needed = !self.status.is_terminal() && self.generation == generation;
        if is_needed {
            // a mark for the message that the worker has is still to come, perhaps
            self.sends += u8::from(!rules.have(Flaw::PostponeKeepsSends));
            if self.outbox == Outbox::Nothing {
                self.outbox = Outbox::Leased;
            }
        }
        is_needed
    }
}
