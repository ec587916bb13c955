//! Receivers that do not answer, or that a process has no settings for, delay nobody else.

use local_services::testing::eventually;

use super::{SECRET, accept, allowed, cancel, service_for, wait_until_none_is_left};
use crate::support::receiver::{Behaviour, Receiver};
use crate::support::{Service, execute};

/// Lets a job end as soon as its client wants it.
async fn end_job_for(service: &Service, callback_url: &str) {
    let id = accept(service, callback_url).await;
    cancel(service, id).await;
}

/// Stores events for each of the destinations, as if as many jobs had ended.
async fn store_events(service: &Service, count: usize, destinations: &[String]) {
    let destinations = destinations.join("','");
    let sql = format!(
        "INSERT INTO event_deliveries (job_id, event_id, destination, event)
         SELECT id, id || '_1', destination, jsonb_build_object(
             'task_id', id, 'task_status', 'REVOKED', 'attempt', 0, 'created_at', now(), 'finished_at', now(),
             'expires_at', now())
         FROM (SELECT gen_random_uuid() AS id, destination
               FROM unnest(ARRAY['{destinations}']) AS destination, generate_series(1, {count})) AS job"
    );
    execute(&service.pool, sql).await;
}

#[tokio::test]
async fn receivers_that_hang_delay_neither_jobs_nor_receivers_that_accept_events() {
    // more than may get events at the same time
    let mut hanging = Vec::new();
    for _ in 1..=140 {
        let receiver = Receiver::start().await;
        receiver.always(Behaviour::Hang);
        hanging.push(receiver);
    }
    let good = Receiver::start().await;
    let all: Vec<_> = hanging.iter().chain([&good]).collect();
    let service = service_for(&all).await;
    end_job_for(&service, &good.url()).await;
    good.wait_for(1).await;
    for receiver in &hanging {
        end_job_for(&service, &receiver.url()).await;
    }
    eventually("all places of unknown receivers are taken", async || {
        hanging.iter().filter(|one| one.most_open() > 0).count() >= 128
    })
    .await;
    for count in 2..5 {
        end_job_for(&service, &good.url()).await;
        good.wait_for(count).await;
    }
}

#[tokio::test]
async fn clients_receivers_that_have_become_slow_do_not_delay_the_webhooks_in_the_settings() {
    let own = Receiver::start().await;
    // more than may get all the events that proven receivers may get at the same time
    let mut slow = Vec::new();
    for _ in 0..9 {
        let receiver = Receiver::start().await;
        receiver.then([Behaviour::status("200 OK")]);
        receiver.always(Behaviour::Hang);
        slow.push(receiver);
    }
    let urls = format!("--webhook-urls={}", own.url());
    let all: Vec<_> = slow.iter().collect();
    let service = Service::start_with(&[SECRET, &urls, &allowed(&all)]).await;
    for receiver in &slow {
        end_job_for(&service, &receiver.url()).await;
    }
    wait_until_none_is_left(&service).await;
    let slow_urls: Vec<_> = slow.iter().map(Receiver::url).collect();
    store_events(&service, 16, &slow_urls).await;
    eventually("all places of proven receivers are taken", async || {
        slow.iter().map(Receiver::most_open).sum::<usize>() >= 128
    })
    .await;
    let before = own.received().len();
    for count in 1..4 {
        let id = service.new_job().await;
        cancel(&service, id).await;
        own.wait_for(before + count).await;
    }
}

#[tokio::test]
async fn a_client_that_names_the_host_of_a_webhook_in_the_settings_does_not_delay_it() {
    let own = Receiver::start().await;
    own.hang_at("/slow");
    let slow = own.url().replace("/hook?a=b", "/slow");
    let urls = format!("--webhook-urls={}", own.url());
    let service = Service::start_with(&[SECRET, &urls, &allowed(&[&own])]).await;
    // more than may get events at the same time
    for _ in 0..20 {
        end_job_for(&service, &slow).await;
    }
    let own_requests = || {
        let received = own.received();
        let to_own = received.iter().filter(|one| one.head.contains(" /hook"));
        to_own.count()
    };
    eventually("all events for the webhook have arrived", async || {
        own_requests() == 20
    })
    .await;
}

#[tokio::test]
async fn a_process_leaves_events_alone_that_it_has_no_settings_for() {
    let good = Receiver::start().await;
    let service = service_for(&[&good]).await;
    let removed = ["sns".to_owned(), format!("own:{}", good.url())];
    store_events(&service, 3, &removed).await;
    for count in 1..3 {
        end_job_for(&service, &good.url()).await;
        good.wait_for(count).await;
    }
    eventually("what was delivered is deleted", async || {
        service.count("event_deliveries").await == 6
    })
    .await;
    let untouched = "event_deliveries WHERE attempts = 0 AND last_error IS NULL";
    assert_eq!(service.count(untouched).await, 6);
}

#[tokio::test]
async fn a_receiver_that_never_accepts_gets_one_event_at_a_time() {
    let hanging = Receiver::start().await;
    let other = Receiver::start().await;
    let service = service_for(&[&hanging, &other]).await;
    hanging.always(Behaviour::Hang);
    for _ in 0..3 {
        let id = accept(&service, &hanging.url()).await;
        cancel(&service, id).await;
    }
    hanging.wait_for(1).await;
    // another receiver gets an event meanwhile, so the first would have got another one
    let id = accept(&service, &other.url()).await;
    cancel(&service, id).await;
    other.wait_for(1).await;
    assert_eq!(hanging.most_open(), 1);
    assert_eq!(
        service
            .count("event_deliveries WHERE due_at IS NOT NULL")
            .await,
        3
    );
}

#[tokio::test]
async fn events_arrive_once_however_many_receivers_are_waited_for() {
    let good = Receiver::start().await;
    let service = service_for(&[&good]).await;
    // more hosts than one look covers, and none is due
    execute(
        &service.pool,
        "INSERT INTO event_deliveries (job_id, event_id, destination, event, due_at)
         SELECT gen_random_uuid(), n, 'https://h' || n || '.invalid/', '{}', now() + interval '1 hour'
         FROM generate_series(1, 250) AS n",
    )
    .await;
    for count in 1..4 {
        let id = accept(&service, &good.url()).await;
        cancel(&service, id).await;
        good.wait_for(count).await;
    }
    eventually("what was delivered is deleted", async || {
        service.count("event_deliveries").await == 250
    })
    .await;
    assert_eq!(good.received().len(), 3);
}
