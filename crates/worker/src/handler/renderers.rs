//! Renders calendars whose todos are in memory, on one thread for each core.
//!
//! While renders wait, a thread takes one after the other without going to sleep, and uses the same compressor for all.
//! Waking a thread for each render and clearing a new compressor would together take a third of the worker's time.
//!
//! A render of these calendars takes milliseconds. One that takes much longer does not end, perhaps, so another thread
//! takes the place of its own, and it keeps nothing from the others but its share of a core.

use std::collections::VecDeque;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use shared_model::results::NewResult;
use tokio::sync::oneshot;

use crate::render::{Compressor, RenderError};

/// After this time, another thread takes the place of the one that is still rendering.
const PATIENCE: Duration = Duration::from_secs(1);

/// A render, apart from the compressor that it uses.
type Work = Box<dyn FnOnce(&mut Compressor) -> Result<NewResult, RenderError> + Send>;
/// What a render returned, or the value with which it panicked.
type Answer = thread::Result<Result<NewResult, RenderError>>;

/// The threads and the renders that wait for them. Clones share both.
#[derive(Clone)]
pub(super) struct Renderers(Arc<Inner>);

struct Inner {
    max_threads: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// How many threads run, without those that others have taken the place of.
    threads: usize,
}

struct Waiting {
    work: Work,
    phase: Arc<Phase>,
    answer: oneshot::Sender<Answer>,
}

impl fmt::Debug for Renderers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renderers")
            .field("max_threads", &self.0.max_threads)
            .finish_non_exhaustive()
    }
}

impl Renderers {
    /// Creates one thread for each core, when there is something to render.
    pub(super) fn new() -> Self {
        let max_threads = thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Inner {
            max_threads,
            state: Mutex::default(),
        }))
    }

    /// Renders on one of the threads. Returns `None` only if the process is stopping. If the future is dropped, a render
    /// that has not begun never begins, and one that has begun goes on without keeping others from their threads.
    pub(super) async fn run(&self, work: Work) -> Option<Answer> {
        let phase = Arc::new(Phase::default());
        let (answer, mut answered) = oneshot::channel();
        self.add(Waiting {
            work,
            phase: Arc::clone(&phase),
            answer,
        });
        let caller = Caller {
            renderers: self,
            phase,
        };
        loop {
            match tokio::time::timeout(PATIENCE, &mut answered).await {
                Ok(answer) => return answer.ok(),
                Err(_) => caller.replace_thread(),
            }
        }
    }

    fn add(&self, waiting: Waiting) {
        let mut state = self.lock();
        state.waiting.push_back(waiting);
        if state.threads < self.0.max_threads {
            self.start_thread();
            state.threads += 1;
        }
    }

    fn start_thread(&self) {
        let renderers = self.clone();
        tokio::task::spawn_blocking(move || renderers.render_until_idle());
    }

    /// Renders until nothing waits, or until another thread has taken the place of this one.
    fn render_until_idle(&self) {
        let mut compressor = Compressor::default();
        while let Some(Waiting {
            work,
            phase,
            answer,
        }) = self.next()
        {
            if !phase.begin() {
                continue;
            }
            let rendered = AssertUnwindSafe(|| work(&mut compressor));
            let rendered = std::panic::catch_unwind(rendered);
            if rendered.is_err() {
                compressor = Compressor::default();
            }
            let is_replaced = phase.end();
            // a caller that has gone away needs no answer
            let _ = answer.send(rendered);
            if is_replaced {
                return;
            }
        }
    }

    /// Takes the next render, or the calling thread from the count.
    fn next(&self) -> Option<Waiting> {
        let mut state = self.lock();
        let next = state.waiting.pop_front();
        if next.is_none() {
            state.threads -= 1;
        }
        next
    }

    /// A panic while the lock was held can't leave these values in an invalid state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a render is in its life.
#[derive(Default)]
struct Phase(AtomicU8);

impl Phase {
    const WAITING: u8 = 0;
    const RUNNING: u8 = 1;
    const ENDED: u8 = 2;
    const DROPPED: u8 = 3;
    const REPLACED: u8 = 4;

    /// Returns whether the render may begin.
    fn begin(&self) -> bool {
        self.change(Self::WAITING, Self::RUNNING)
    }

    /// Returns whether another thread has taken the place of the render's.
    fn end(&self) -> bool {
        !self.change(Self::RUNNING, Self::ENDED)
    }

    /// Drops the render if it has not begun.
    fn drop_waiting(&self) {
        self.change(Self::WAITING, Self::DROPPED);
    }

    /// Returns whether another thread has to take the place of the render's: it is running, and none has.
    fn replace(&self) -> bool {
        self.change(Self::RUNNING, Self::REPLACED)
    }

    fn change(&self, from: u8, to: u8) -> bool {
        self.0
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

/// Waits for a render.
struct Caller<'a> {
    renderers: &'a Renderers,
    phase: Arc<Phase>,
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.phase.drop_waiting();
        self.replace_thread();
    }
}

impl Caller<'_> {
    /// Starts a thread that takes the place of the render's, if the render is running.
    fn replace_thread(&self) {
        if self.phase.replace() {
            self.renderers.start_thread();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn stopped() -> Result<NewResult, RenderError> {
        Err(RenderError::Stopped)
    }

    #[tokio::test]
    async fn a_panic_ends_only_its_own_render() {
        let renderers = Renderers::new();
        let panicking = renderers.run(Box::new(|_| panic!("injected")));
        let (panicked, other) = tokio::join!(panicking, renderers.run(Box::new(|_| stopped())));
        assert!(panicked.unwrap().is_err());
        assert!(matches!(other, Some(Ok(Err(RenderError::Stopped)))));
    }

    #[tokio::test]
    async fn renders_that_were_given_up_do_not_keep_others_from_their_threads() {
        let renderers = Renderers::new();
        let (began, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
        let mut held = Vec::new();
        for _ in 0..renderers.0.max_threads {
            let (release, wait) = mpsc::channel::<()>();
            held.push(release);
            let began = began.clone();
            let stuck = renderers.run(Box::new(move |_| {
                began.send(()).unwrap();
                let _ = wait.recv();
                stopped()
            }));
            tokio::select! {
                _ = stuck => unreachable!("it waits for its release"),
                _ = has_begun.recv() => {}
            }
        }
        let other = renderers.run(Box::new(|_| stopped())).await;
        assert!(matches!(other, Some(Ok(Err(RenderError::Stopped)))));
        drop(held);
    }

    #[tokio::test]
    async fn renders_that_do_not_end_do_not_keep_others_from_their_threads() {
        let renderers = Renderers::new();
        let mut held = Vec::new();
        let stuck: Vec<_> = (0..renderers.0.max_threads)
            .map(|_| {
                let (release, wait) = mpsc::channel::<()>();
                held.push(release);
                let renderers = renderers.clone();
                let work = move |_: &mut Compressor| {
                    let _ = wait.recv();
                    stopped()
                };
                tokio::spawn(async move { renderers.run(Box::new(work)).await })
            })
            .collect();
        while renderers.lock().threads < renderers.0.max_threads {
            tokio::task::yield_now().await;
        }
        let other = renderers.run(Box::new(|_| stopped())).await;
        assert!(matches!(other, Some(Ok(Err(RenderError::Stopped)))));
        drop(held);
        for stuck in stuck {
            assert!(stuck.await.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn a_render_that_is_given_up_before_its_turn_never_begins() {
        let renderers = Renderers::new();
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let busy: Vec<_> = (0..renderers.0.max_threads)
            .map(|_| {
                let (renderers, released) = (renderers.clone(), Arc::clone(&released));
                tokio::spawn(async move {
                    let work = move |_: &mut Compressor| {
                        let _ = released.lock().unwrap().recv();
                        stopped()
                    };
                    renderers.run(Box::new(work)).await
                })
            })
            .collect();
        while renderers.lock().threads < renderers.0.max_threads
            || !renderers.lock().waiting.is_empty()
        {
            tokio::task::yield_now().await;
        }
        let (began, has_begun) = mpsc::channel();
        let mut given_up = Box::pin(renderers.run(Box::new(move |_| {
            began.send(()).unwrap();
            stopped()
        })));
        assert!(futures_util::poll!(&mut given_up).is_pending());
        drop(given_up);
        drop(release);
        for busy in busy {
            busy.await.unwrap();
        }
        renderers
            .run(Box::new(|_| stopped()))
            .await
            .unwrap()
            .unwrap()
            .unwrap_err();
        assert!(has_begun.try_recv().is_err());
    }
}
