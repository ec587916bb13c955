//! Lanes: what arrives while a batch runs makes the next batch, and one bad item fails alone.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use shared_model::batch_lane::{Lane, LaneLimits, RunBatch};
use shared_model::database::DatabaseError;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

type Answer = Result<u32, DatabaseError>;

/// A batch with this number panics.
const PANICS: u32 = 13;

/// Runs batches of numbers when the test allows it, and answers each number with its double.
struct Doubling {
    /// Each batch that begins is sent here.
    begun: mpsc::UnboundedSender<Vec<u32>>,
    /// Each batch takes one permit.
    permits: Arc<Semaphore>,
    /// A batch with this number is rejected.
    bad: Option<u32>,
    /// How many batches find the database not available.
    outages: Mutex<u32>,
}

impl RunBatch<u32, u32> for Doubling {
    async fn run(&self, items: Arc<Vec<u32>>) -> Result<Vec<u32>, DatabaseError> {
        self.begun.send(items.to_vec()).unwrap();
        self.permits.acquire().await.unwrap().forget();
        assert!(!items.contains(&PANICS), "the test wants this panic");
        let mut outages = self.outages.lock().unwrap();
        if *outages > 0 {
            *outages -= 1;
            return Err(DatabaseError::Unavailable("an outage".to_owned()));
        }
        if self.bad.is_some_and(|bad| items.contains(&bad)) {
            return Err(diesel::result::Error::NotFound.into());
        }
        Ok(items.iter().map(|item| item * 2).collect())
    }

    fn weight(&self, item: &u32) -> usize {
        *item as usize
    }
}

struct Test {
    lane: Lane<u32, u32>,
    begun: mpsc::UnboundedReceiver<Vec<u32>>,
    permits: Arc<Semaphore>,
}

impl Test {
    fn new(limits: LaneLimits) -> Self {
        Self::with(limits, None, 0)
    }

    fn with(limits: LaneLimits, bad: Option<u32>, outages: u32) -> Self {
        let (sender, begun) = mpsc::unbounded_channel();
        let permits = Arc::new(Semaphore::new(0));
        let run = Doubling {
            begun: sender,
            permits: Arc::clone(&permits),
            bad,
            outages: Mutex::new(outages),
        };
        Self {
            lane: Lane::start(limits, run),
            begun,
            permits,
        }
    }

    /// Calls the lane with each item, and returns when all of them wait in it.
    async fn call(&self, items: impl IntoIterator<Item = u32>) -> Vec<JoinHandle<Answer>> {
        let calls = items.into_iter().map(|item| {
            let lane = self.lane.clone();
            tokio::spawn(async move { lane.call(item).await })
        });
        let calls: Vec<_> = calls.collect();
        // the runtime of a test has one thread and runs its tasks in turn
        tokio::task::yield_now().await;
        calls
    }

    async fn next_batch(&mut self) -> Vec<u32> {
        self.begun.recv().await.unwrap()
    }

    fn allow_batches(&self, count: usize) {
        self.permits.add_permits(count);
    }
}

async fn answers(calls: Vec<JoinHandle<Answer>>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    answers
}

async fn doubles(calls: Vec<JoinHandle<Answer>>) -> Vec<u32> {
    answers(calls)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

#[tokio::test]
async fn what_arrives_while_a_batch_runs_makes_the_next_batch() {
    let mut test = Test::new(LaneLimits::items(10));
    let first = test.call([1]).await;
    assert_eq!(test.next_batch().await, [1], "an idle lane does not wait");
    let rest = test.call([2, 3, 4]).await;
    test.allow_batches(2);
    assert_eq!(test.next_batch().await, [2, 3, 4]);
    assert_eq!(doubles(first).await, [2]);
    assert_eq!(doubles(rest).await, [4, 6, 8]);
}

#[tokio::test]
async fn a_batch_holds_no_more_items_than_its_limit() {
    let mut test = Test::new(LaneLimits::items(2));
    let first = test.call([0]).await;
    assert_eq!(test.next_batch().await, [0]);
    let rest = test.call(1..=5).await;
    test.allow_batches(4);
    for batch in [vec![1, 2], vec![3, 4], vec![5]] {
        assert_eq!(test.next_batch().await, batch);
    }
    assert_eq!(doubles(first).await, [0]);
    assert_eq!(doubles(rest).await, [2, 4, 6, 8, 10]);
}

#[tokio::test]
async fn a_batch_stays_within_its_weight_and_a_heavier_item_has_its_own() {
    let mut test = Test::new(LaneLimits {
        weight: 10,
        ..LaneLimits::items(8)
    });
    let first = test.call([1]).await;
    assert_eq!(test.next_batch().await, [1]);
    let rest = test.call([4, 6, 1, 50, 2]).await;
    test.allow_batches(5);
    for batch in [vec![4, 6], vec![1], vec![50], vec![2]] {
        assert_eq!(test.next_batch().await, batch);
    }
    assert_eq!(doubles(first).await, [2]);
    assert_eq!(doubles(rest).await, [8, 12, 2, 100, 4]);
}

#[tokio::test]
async fn an_item_that_the_database_rejects_fails_alone() {
    let test = Test::with(LaneLimits::items(10), Some(6), 0);
    let calls = test.call(0..8).await;
    test.allow_batches(100);
    for (item, answer) in (0_u32..).zip(answers(calls).await) {
        match answer {
            Ok(double) => assert_eq!(double, item * 2),
            Err(error) => assert!(item == 6 && matches!(error, DatabaseError::Query(_))),
        }
    }
}

#[tokio::test]
async fn a_batch_that_panics_fails_alone() {
    for parallel in [1, 2] {
        let mut test = Test::new(LaneLimits {
            parallel,
            ..LaneLimits::items(10)
        });
        test.allow_batches(2);
        let panicking = test.call([PANICS]).await;
        assert!(matches!(
            answers(panicking).await[..],
            [Err(DatabaseError::Unavailable(_))]
        ));
        let next = test.call([1]).await;
        assert_eq!(test.next_batch().await, [PANICS]);
        assert_eq!(test.next_batch().await, [1]);
        assert_eq!(doubles(next).await, [2]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_run_again_while_the_database_is_not_available() {
    let limits = LaneLimits {
        calls: 3,
        ..LaneLimits::items(10)
    };
    let mut test = Test::with(limits, None, 2);
    test.allow_batches(100);
    let calls = test.call([1, 2]).await;
    assert_eq!(doubles(calls).await, [2, 4]);
    for _ in 0..3 {
        assert_eq!(test.next_batch().await, [1, 2]);
    }
    assert!(test.begun.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn after_its_last_call_a_batch_fails_for_all_its_callers() {
    let limits = LaneLimits {
        calls: 3,
        ..LaneLimits::items(10)
    };
    let test = Test::with(limits, None, 3);
    test.allow_batches(100);
    let calls = test.call([1, 2]).await;
    for answer in answers(calls).await {
        assert!(matches!(answer, Err(DatabaseError::Unavailable(_))));
    }
    let next = test.call([3]).await;
    assert_eq!(doubles(next).await, [6], "the lane goes on");
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_lingers_waits_for_more_items_until_its_batch_is_full() {
    let mut test = Test::new(LaneLimits {
        linger: Duration::from_millis(20),
        ..LaneLimits::items(3)
    });
    test.allow_batches(100);
    let start = Instant::now();
    let first = test.call([1]).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let second = test.call([2]).await;
    assert_eq!(test.next_batch().await, [1, 2]);
    assert_eq!(start.elapsed(), Duration::from_millis(20));
    assert_eq!(doubles(first).await, [2]);
    assert_eq!(doubles(second).await, [4]);

    let start = Instant::now();
    let full = test.call([3, 4, 5]).await;
    assert_eq!(doubles(full).await, [6, 8, 10]);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_nothing_with_it() {
    let mut test = Test::new(LaneLimits::items(10));
    let calls = test.call([1, 2, 3]).await;
    let batch = test.next_batch().await;
    calls[0].abort();
    let later = test.call([4]).await;
    test.allow_batches(2);
    let rest: Vec<_> = calls.into_iter().skip(1).collect();
    assert_eq!(doubles(rest).await, [4, 6]);
    assert_eq!(doubles(later).await, [8]);
    assert!(
        batch.contains(&1),
        "its item is part of the batch all the same"
    );
}

#[tokio::test]
async fn parallel_lanes_run_a_second_batch_beside_the_first() {
    let mut test = Test::new(LaneLimits {
        parallel: 2,
        ..LaneLimits::items(10)
    });
    let first = test.call([1]).await;
    assert_eq!(test.next_batch().await, [1]);
    let second = test.call([2]).await;
    assert_eq!(test.next_batch().await, [2], "the first still runs");
    let third = test.call([3]).await;
    assert!(test.begun.try_recv().is_err(), "two at a time");
    test.allow_batches(3);
    assert_eq!(test.next_batch().await, [3]);
    for (calls, double) in [(first, 2), (second, 4), (third, 6)] {
        assert_eq!(doubles(calls).await, [double]);
    }
}

#[tokio::test]
async fn a_lane_answers_what_it_holds_after_its_last_handle_is_dropped() {
    let test = Test::new(LaneLimits::items(10));
    let calls = test.call([1, 2]).await;
    let Test {
        lane,
        permits,
        begun,
    } = test;
    drop(lane);
    permits.add_permits(10);
    assert_eq!(doubles(calls).await, [2, 4]);
    drop(begun);
}
