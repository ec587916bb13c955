//! The protection of this worker's task in ECS: while an attempt takes long, neither autoscaling nor a deployment stops the
//! task.
//!
//! A task that is stopped has `DRAIN_TIMEOUT` to finish its attempts, and what takes longer is released and repeated from
//! the beginning. So the worker asks ECS's agent, which runs beside its container, to protect the task. Short attempts are
//! not worth a call. ECS sets [`AGENT`] in every container; elsewhere nothing happens here.
//!
//! A deployment waits for protected tasks, and a busy worker may always have an attempt that takes long. So the protection
//! pauses after [`LONGEST`]. ECS may also refuse it, or not answer. The worker goes on without it then, as nothing waits for
//! an answer.

use std::env;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;
use ureq::Agent;

use crate::in_flight::InFlight;

/// The variable with the address of the agent.
const AGENT: &str = "ECS_AGENT_URI";
/// Attempts that have taken this long are protected.
const LONG: Duration = Duration::from_secs(5);
/// How often the attempts are looked at.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The time between two calls of the agent, so that a change from long to short attempts and back does not cause many.
const CALL_INTERVAL: Duration = Duration::from_secs(5);
/// The time after which the protection is renewed, and after which a refused one is asked for again.
const RENEWAL: Duration = Duration::from_mins(1);
/// The longest protection without a pause. It has to end before Terraform stops waiting for a deployment, after 30 minutes
/// (terraform/ecs.tf), and is longer than the default of `JOB_TIMEOUT`, 10 minutes.
const LONGEST: Duration = Duration::from_mins(15);
/// How long the task is then without protection, for ECS to stop it.
const PAUSE: Duration = Duration::from_mins(2);
/// The time limit of a call. The agent itself calls ECS.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// The limits of ECS for `ExpiresInMinutes`.
const MAX_MINUTES: u64 = 2880;
/// The longest answer that is read. That of the agent is one line of JSON.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// Protects this process's task while an attempt takes long, until the handle is dropped. `job_timeout` is the maximum
/// duration of an attempt. Returns `None` outside of ECS.
#[expect(
    clippy::disallowed_methods,
    reason = "not a setting: ECS sets it in its containers"
)]
pub(crate) fn begin(in_flight: InFlight, job_timeout: Duration) -> Option<AbortOnDropHandle<()>> {
    let agent = env::var(AGENT).ok().filter(|uri| !uri.is_empty())?;
    let client = Client::new(&agent, job_timeout);
    Some(AbortOnDropHandle::new(tokio::spawn(keep(
        client, in_flight,
    ))))
}

async fn keep(client: Client, in_flight: InFlight) {
    let mut protection = Protection::new(Instant::now());
    let mut ticks = interval(CHECK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let is_long = in_flight.longest_attempt().is_some_and(|age| age >= LONG);
        let Some(wanted) = protection.next(is_long, Instant::now()) else {
            continue;
        };
        let call = client.clone();
        let answer = spawn_blocking(move || call.set(wanted)).await;
        let answer = answer.unwrap_or_else(|panic| Err(Refusal::new(panic.to_string())));
        if let Err(refusal) = &answer {
            let error = &refusal.reason;
            if refusal.is_final {
                log::warn!(error; "this task's role may not protect it: ECS may stop it during long attempts");
                return;
            }
            log::warn!(error, "protection.wanted" = wanted; "ECS has not changed the protection of this task; trying again");
        } else {
            log::debug!("protection.wanted" = wanted; "ECS has changed the protection of this task");
        }
        protection.answered(wanted, answer.is_ok(), Instant::now());
    }
}

/// What is known about the protection of this task.
#[derive(Debug)]
struct Protection {
    /// Since when the task has been protected without a pause.
    since: Option<Instant>,
    renew_at: Instant,
    /// When the agent may be called again.
    next_call: Instant,
    /// Until when the task stays without protection.
    paused_until: Instant,
}

impl Protection {
    fn new(now: Instant) -> Self {
        Self {
            since: None,
            renew_at: now,
            next_call: now,
            paused_until: now,
        }
    }

    /// Returns what the agent has to be asked for now, if anything: to protect the task, or no longer.
    fn next(&self, is_long: bool, now: Instant) -> Option<bool> {
        if now < self.next_call {
            return None;
        }
        let is_wanted = is_long && now >= self.paused_until && !self.is_tired(now);
        match self.since {
            None => is_wanted.then_some(true),
            Some(_) if is_wanted => (now >= self.renew_at).then_some(true),
            Some(_) => Some(false),
        }
    }

    /// Notes the answer of the agent.
    fn answered(&mut self, wanted: bool, is_done: bool, now: Instant) {
        if !is_done {
            self.next_call = now + RENEWAL;
            return;
        }
        self.next_call = now + CALL_INTERVAL;
        self.renew_at = now + RENEWAL;
        if wanted {
            self.since.get_or_insert(now);
        } else {
            if self.is_tired(now) {
                self.paused_until = now + PAUSE;
            }
            self.since = None;
        }
    }

    fn is_tired(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now - since >= LONGEST)
    }
}

/// Calls the agent.
#[derive(Debug, Clone)]
struct Client {
    agent: Agent,
    url: String,
    /// How long a protection lasts that is not renewed.
    minutes: u64,
}

/// Why the protection was not changed.
#[derive(Debug)]
struct Refusal {
    reason: String,
    /// Whether another call would have the same answer.
    is_final: bool,
}

impl Refusal {
    fn new(reason: String) -> Self {
        // the code `AccessDeniedException` of an answer
        let is_final = reason.contains("AccessDenied");
        Self { reason, is_final }
    }
}

impl Client {
    fn new(agent_uri: &str, job_timeout: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(CALL_TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            // the agent has an address that only this task can reach
            .proxy(None);
        Self {
            agent: config.build().into(),
            url: format!("{agent_uri}/task-protection/v1/state"),
            // long enough for an attempt that has just begun, even if it can't be renewed
            minutes: (job_timeout.as_secs().div_ceil(60) + 1).min(MAX_MINUTES),
        }
    }

    fn set(&self, wanted: bool) -> Result<(), Refusal> {
        let request = if wanted {
            json!({ "ProtectionEnabled": true, "ExpiresInMinutes": self.minutes })
        } else {
            json!({ "ProtectionEnabled": false })
        };
        let answer = self
            .call(&request)
            .map_err(|error| Refusal::new(error.to_string()))?;
        // A refusal may have the status 200 as well.
        let now = serde_json::from_str(&answer)
            .ok()
            .and_then(|answer: Value| {
                answer
                    .pointer("/protection/ProtectionEnabled")
                    .and_then(Value::as_bool)
            });
        if now == Some(wanted) {
            Ok(())
        } else {
            Err(Refusal::new(answer))
        }
    }

    fn call(&self, request: &Value) -> Result<String, ureq::Error> {
        let mut response = self
            .agent
            .put(&self.url)
            .header("Content-Type", "application/json")
            .send(request.to_string())?;
        response
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER_BYTES)
            .lossy_utf8(true)
            .read_to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Looks at the attempts every second from `from` on, for `seconds`. The agent's answers are `is_done`. Returns the
    /// calls of the agent, with their seconds.
    fn calls(
        protection: &mut Protection,
        from: Instant,
        seconds: u32,
        is_long: bool,
        is_done: bool,
    ) -> Vec<(u32, bool)> {
        let mut calls = Vec::new();
        for second in 0..seconds {
            let now = from + SECOND * second;
            if let Some(wanted) = protection.next(is_long, now) {
                protection.answered(wanted, is_done, now);
                calls.push((second, wanted));
            }
        }
        calls
    }

    #[test]
    fn a_task_without_long_attempts_makes_no_call() {
        let now = Instant::now();
        let mut protection = Protection::new(now);
        assert_eq!(calls(&mut protection, now, 3600, false, true), []);
    }

    #[test]
    fn the_protection_is_renewed_while_an_attempt_takes_long_and_then_ends() {
        let now = Instant::now();
        let mut protection = Protection::new(now);
        let long = calls(&mut protection, now, 125, true, true);
        assert_eq!(long, [(0, true), (60, true), (120, true)]);
        let short = calls(&mut protection, now + SECOND * 125, 3600, false, true);
        assert_eq!(short, [(0, false)]);
    }

    #[test]
    fn the_agent_is_not_called_at_each_change() {
        let now = Instant::now();
        let mut protection = Protection::new(now);
        assert_eq!(calls(&mut protection, now, 1, true, true), [(0, true)]);
        let ended = calls(&mut protection, now + SECOND, 10, false, true);
        assert_eq!(ended, [(4, false)]);
    }

    #[test]
    fn a_deployment_waits_for_a_busy_task_only_until_its_protection_pauses() {
        let now = Instant::now();
        let mut protection = Protection::new(now);
        let calls = calls(&mut protection, now, 20 * 60, true, true);
        let ended = calls.iter().position(|(_, wanted)| !wanted).unwrap();
        assert_eq!(calls[ended], (15 * 60, false));
        assert_eq!(calls[ended + 1], (17 * 60, true));
    }

    #[test]
    fn a_refused_protection_is_asked_for_again_after_a_minute() {
        let now = Instant::now();
        let mut protection = Protection::new(now);
        let refused = calls(&mut protection, now, 130, true, false);
        assert_eq!(refused, [(0, true), (60, true), (120, true)]);
        // and what was never granted need not end
        let after = calls(&mut protection, now + SECOND * 200, 100, false, true);
        assert_eq!(after, []);
    }

    #[test]
    fn a_protection_lasts_for_one_attempt_without_a_renewal() {
        let minutes = |timeout| Client::new("http://127.0.0.1:1", timeout).minutes;
        assert_eq!(minutes(Duration::from_mins(10)), 11);
        assert_eq!(minutes(Duration::from_millis(1)), 1);
        assert_eq!(minutes(Duration::from_hours(72)), MAX_MINUTES);
    }
}
