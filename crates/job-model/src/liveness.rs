//! Whether every accepted job ends, whatever happened before, once no more faults strike.
//!
//! A job could wait for ever in two ways. Either a state is a dead end: nothing is left to do although a job has not
//! ended. Or a livelock: the system goes round in circles. Such a circle counts only if it is *fair*, that is, if it
//! does not merely ignore somebody who could act all the time: a worker, the relay, the sweep, the queue or the clock
//! (`Actor`). If an actor can act in every state of a circle and never does so within it, the circle ends when it does.
//!
//! So every circle is found by looking at the strongly connected components of the graph of unfinished states: a
//! component is a livelock if each actor acts within it or, in some of its states, can't. (`stateright` can't check
//! this: its `eventually` ignores circles.)

mod components;

use std::collections::{HashMap, HashSet};

use stateright::Model;

use crate::life::{Action, Life, State};
use components::{Components, Step};

/// What was found.
#[derive(Debug)]
pub struct Exploration {
    /// States that can be reached.
    pub states: usize,
    /// Steps between them.
    pub steps: usize,
    /// A way for a job to wait for ever; none if every accepted job ends.
    pub endless: Option<Endless>,
}

/// A way for a job to wait for ever.
#[derive(Debug)]
pub enum Endless {
    /// Nothing is left to do.
    DeadEnd(State),
    /// These steps, and those of the other states of the circle, repeat for ever.
    Livelock {
        /// A state of the circle.
        state: State,
        /// States in the circle.
        states: usize,
        /// The different steps that are taken in it.
        steps: Vec<Action>,
    },
}

/// Who takes a step, and will do so if it can all the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Actor {
    Relay,
    Poll,
    Sweep,
    /// The loop of a worker that claims what was delivered.
    Claimer(usize),
    /// What a worker does with one job.
    Attempt(usize, usize),
    /// A lease, a pause or a timeout of a job that ends.
    Clock(usize, usize),
}

impl Actor {
    fn of(action: Action) -> Option<Self> {
        Some(match action {
            Action::Lease { .. } | Action::Send(_) | Action::Mark(_) => Self::Relay,
            Action::Deliver { .. }
            | Action::ClaimWaiting { .. }
            | Action::PollStaysEmpty { .. } => Self::Poll,
            Action::Republish { .. } => Self::Sweep,
            Action::Claim { worker } => Self::Claimer(worker),
            Action::RepeatClaim { worker, job }
            | Action::Begin { worker, job }
            | Action::Complete { worker, job }
            | Action::Fail { worker, job }
            | Action::Revoke { worker, job }
            | Action::Postpone { worker, job }
            | Action::Settle { worker, job } => Self::Attempt(worker, job),
            Action::OutboxLeaseLapses { job } => Self::Clock(job, 0),
            Action::PauseEnds { job } => Self::Clock(job, 1),
            Action::LeaseLapses { job } => Self::Clock(job, 2),
            Action::VisibilityLapses(message) => Self::Clock(message.job, 3),
            // nobody has to do any of these
            _ => return None,
        })
    }

    /// A bit of its own.
    fn bit(self) -> u32 {
        1 << match self {
            Self::Relay => 0,
            Self::Poll => 1,
            Self::Sweep => 2,
            Self::Claimer(worker) => 4 + worker,
            Self::Attempt(worker, job) => 8 + 2 * worker + job,
            Self::Clock(job, which) => 16 + 4 * job + which,
        }
    }
}

/// Visits every state that can be reached, and looks for a way to wait for ever.
pub fn explore(life: &Life) -> Exploration {
    let mut index: HashMap<State, u32> = HashMap::new();
    let mut states = life.init_states();
    let mut steps: Vec<Vec<Step>> = Vec::new();
    let mut all_steps = 0;
    index.extend(states.iter().cloned().zip(0..));
    let mut actions = Vec::new();
    while let Some(state) = states.get(steps.len()).cloned() {
        let mut own = Vec::new();
        life.actions(&state, &mut actions);
        all_steps += actions.len();
        for action in actions.drain(..) {
            let Some(next) = life.next_state(&state, action) else {
                continue;
            };
            let to = *index.entry(next).or_insert_with_key(|next| {
                states.push(next.clone());
                u32::try_from(states.len() - 1).unwrap_or(u32::MAX)
            });
            if let Some(actor) = Actor::of(action).filter(|_| !state.is_finished()) {
                own.push(Step {
                    to,
                    actors: actor.bit(),
                });
            }
        }
        steps.push(own);
    }
    drop(index);
    let endless = find_endless(life, &states, &steps);
    Exploration {
        states: states.len(),
        steps: all_steps,
        endless,
    }
}

fn find_endless(life: &Life, states: &[State], steps: &[Vec<Step>]) -> Option<Endless> {
    let dead_end = states
        .iter()
        .zip(steps)
        .find(|(state, steps)| !state.is_finished() && steps.is_empty());
    if let Some((state, _)) = dead_end {
        return Some(Endless::DeadEnd(state.clone()));
    }
    let components = Components::of(steps);
    let livelock = components
        .iter()
        .find(|members| is_fair_circle(members, &components, steps))?;
    let members: HashSet<&State> = livelock
        .iter()
        .map(|member| &states[*member as usize])
        .collect();
    let mut taken = Vec::new();
    for member in &members {
        let mut actions = Vec::new();
        life.actions(member, &mut actions);
        actions.retain(|action| {
            let next = life.next_state(member, *action);
            Actor::of(*action).is_some() && next.is_some_and(|next| members.contains(&next))
        });
        actions.retain(|action| !taken.contains(action));
        taken.extend(actions);
    }
    Some(Endless::Livelock {
        state: states[*livelock.first()? as usize].clone(),
        states: members.len(),
        steps: taken,
    })
}

/// Whether a run may stay in this component for ever without ignoring an actor that could act all the time.
fn is_fair_circle(members: &[u32], components: &Components, steps: &[Vec<Step>]) -> bool {
    let (mut acting, mut always_able) = (0, u32::MAX);
    for member in members {
        let mut able = 0;
        for step in &steps[*member as usize] {
            able |= step.actors;
            if components.are_same(*member, step.to) {
                acting |= step.actors;
            }
        }
        always_able &= able;
    }
    acting != 0 && always_able & !acting == 0
}
