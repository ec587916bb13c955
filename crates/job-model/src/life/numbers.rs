//! Keeps the number of states finite.
//!
//! Generations, sends and tokens grow for ever, but the rules only compare them with the row's. So after each step the
//! row's number becomes [`CURRENT`] and every other becomes [`OUTDATED`], which changes no comparison.

use super::{Held, Slot, State};
use crate::row::Token;

pub(super) const OUTDATED: u8 = 0;
pub(super) const CURRENT: u8 = 1;
/// A token that no claim has used.
pub(super) const NEW_TOKEN: Token = 9;

impl State {
    pub(super) fn renumber(&mut self) {
        for job in 0..self.jobs.len() {
            let Some(mut row) = self.jobs[job] else {
                continue;
            };
            let renumbered = |number: &mut u8, current: u8| {
                *number = if *number == current {
                    CURRENT
                } else {
                    OUTDATED
                };
            };
            for message in self
                .messages
                .iter_mut()
                .filter(|message| message.job == job)
            {
                renumbered(&mut message.generation, row.generation);
            }
            for sending in self
                .sendings
                .iter_mut()
                .filter(|sending| sending.job == job)
            {
                renumbered(&mut sending.generation, row.generation);
                renumbered(&mut sending.sends, row.sends);
            }
            for worker in &mut self.workers {
                let slot = &mut worker[job];
                if let Some(token) = slot.token_mut() {
                    *token = if Some(*token) == row.claim {
                        CURRENT
                    } else {
                        OUTDATED
                    };
                }
                if let Some(message) = slot.message_mut() {
                    renumbered(&mut message.generation, row.generation);
                }
            }
            row.generation = CURRENT;
            row.sends = CURRENT;
            row.claim = row.claim.map(|_| CURRENT);
            row.version = 0;
            self.jobs[job] = Some(row);
        }
        self.messages.sort_unstable();
        self.sendings.sort_unstable();
    }

    /// Forgets marks that are outstanding several times: once the first is made, the others change nothing. Otherwise a
    /// message that is received and postponed again and again would leave a mark each time.
    pub(super) fn merge_marks(&mut self) {
        self.sendings
            .dedup_by(|next, previous| next == previous && next.sent);
    }
}

impl Slot {
    fn token_mut(&mut self) -> Option<&mut Token> {
        match self {
            Self::Unsure(held) | Self::Claimed(held) | Self::Running(held) => Some(&mut held.token),
            Self::Free | Self::Delivered(_) | Self::Settling(..) => None,
        }
    }

    fn message_mut(&mut self) -> Option<&mut super::Message> {
        match self {
            Self::Free => None,
            Self::Delivered(message) | Self::Settling(message, _) => Some(message),
            Self::Unsure(Held { message, .. })
            | Self::Claimed(Held { message, .. })
            | Self::Running(Held { message, .. }) => message.as_mut(),
        }
    }
}
