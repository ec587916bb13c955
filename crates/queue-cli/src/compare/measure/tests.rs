use super::*;
use crate::compare::record::{Sending, Subscriber};

/// Message `number` of the only publisher, sent in the millisecond `number`.
fn key(number: u64) -> Key {
    Key {
        publisher: 1,
        number,
    }
}

fn arrival(number: u64, at: u64, subscriber: Subscriber, is_completed: bool) -> Arrival {
    Arrival {
        key: key(number),
        at: at * 1000,
        subscriber,
        audience: 0,
        is_completed,
    }
}

fn record(count: u64, arrivals: Vec<Arrival>) -> Record {
    let sent = (0..count).map(|number| Sending {
        key: key(number),
        started: number * 1000,
        confirmed: number * 1000 + 500,
    });
    Record {
        sent: sent.collect(),
        arrivals,
        audiences: 1,
        ..Record::default()
    }
}

#[test]
fn a_queue_that_does_everything_right_has_only_zeros() {
    let arrivals = (0..3).map(|number| arrival(number, number + 2, Subscriber::B, true));
    let measures = measure(&Record {
        calls: 9,
        ..record(3, arrivals.collect())
    });
    assert_eq!((measures.sent, measures.expected, measures.lost), (3, 3, 0));
    assert_eq!((measures.delivered_again, measures.out_of_order), (0, 0));
    assert_eq!((measures.p50_ms, measures.p99_ms), (Some(2.0), Some(2.0)));
    assert!((measures.calls_per_message - 3.0).abs() < 1e-9);
    assert_eq!(measures.first_redelivery_ms, None);
}

#[test]
fn what_the_killed_subscriber_held_is_late_delivered_again_and_not_lost() {
    let measures = measure(&Record {
        killed_at: Some(3000),
        ..record(
            3,
            vec![
                arrival(0, 1, Subscriber::A, false),
                arrival(1, 2, Subscriber::B, true),
                arrival(2, 3, Subscriber::B, true),
                arrival(0, 8, Subscriber::B, true),
            ],
        )
    });
    assert_eq!((measures.held, measures.delivered_again), (1, 1));
    assert_eq!((measures.lost, measures.completed_twice), (0, 0));
    assert_eq!(
        (measures.out_of_order, measures.out_of_order_overall),
        (1, 1)
    );
    let redelivery = (measures.first_redelivery_ms, measures.last_redelivery_ms);
    assert_eq!(redelivery, (Some(5.0), Some(5.0)));
    // of the first delivery
    assert_eq!(measures.p99_ms, Some(1.0));
}

#[test]
fn a_message_that_nobody_completed_is_lost() {
    let measures = measure(&record(2, vec![arrival(0, 1, Subscriber::A, false)]));
    assert_eq!((measures.lost, measures.held), (2, 1));
}

#[test]
fn each_of_several_queues_must_get_all_messages() {
    let first = arrival(0, 1, Subscriber::B, true);
    let second = Arrival {
        audience: 1,
        ..first
    };
    let both = Record {
        audiences: 2,
        ..record(1, vec![first, second])
    };
    assert_eq!(
        (measure(&both).lost, measure(&both).delivered_again),
        (0, 0)
    );
    let one = Record {
        audiences: 2,
        ..record(1, vec![first, first])
    };
    assert_eq!((measure(&one).lost, measure(&one).completed_twice), (1, 1));
}

#[test]
fn messages_whose_sending_overlapped_have_no_order() {
    let mut record = record(2, Vec::new());
    // the first was confirmed only after the second had been sent
    record.sent[0].confirmed = 5000;
    record.arrivals = vec![
        arrival(1, 6, Subscriber::B, true),
        arrival(0, 7, Subscriber::B, true),
    ];
    record.sent[1].key.publisher = 2;
    record.arrivals[0].key.publisher = 2;
    assert_eq!(measure(&record).out_of_order_overall, 0);
    record.sent[0].confirmed = 500;
    assert_eq!(measure(&record).out_of_order_overall, 1);
    assert_eq!(measure(&record).out_of_order, 0);
}
