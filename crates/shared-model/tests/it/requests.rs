//! Accepting and listing jobs.

use diesel::prelude::*;
use shared_model::job::{CalendarRequest, JobId, JobStatus};
use shared_model::job_store::requests::{self, Accepted, NewJob, Sender};
use shared_model::job_store::{claims, outbox, sweeps};
use shared_model::schema::calendar_jobs;
use shared_model::todo::TodoFilter;
use shared_model::trace::TraceContext;

use crate::support::{
    accept, accept_many, an_error, claim, complete, connect, database, find, new_job, pass, url_of,
};

fn traceparent(number: i32) -> TraceContext {
    let text = format!("00-{number:032x}-{number:016x}-01");
    text.parse().unwrap()
}

#[test]
fn a_job_that_is_stored_twice_is_one_job_and_keeps_what_happened_to_it() {
    let connection = &mut database();
    let jobs = [Sender::AnyRelay, Sender::ThisProcess].map(new_job);
    let accepted_at = requests::insert(connection, &jobs).unwrap();
    assert_eq!(find(connection, jobs[0].id).created_at, accepted_at);
    claim(connection, jobs[0].id);
    let before = jobs.each_ref().map(|job| find(connection, job.id));
    let more = [jobs[0].clone(), new_job(Sender::AnyRelay), jobs[1].clone()];
    requests::insert(connection, &more).unwrap();
    let after = jobs.each_ref().map(|job| find(connection, job.id));
    assert_eq!(after, before);
    let all = requests::list(connection, None, None, 10).unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(outbox::take(connection, 10).unwrap().len(), 1);
}

#[test]
fn each_job_of_a_batch_is_stored_as_it_was_requested() {
    let connection = &mut database();
    let requests_: Vec<NewJob> = (0..3)
        .map(|days| NewJob {
            request: CalendarRequest {
                filter: TodoFilter {
                    completed: None,
                    window: Some(days),
                },
                ..CalendarRequest::default()
            },
            expiry_seconds: 60 * (1 + u32::try_from(days).unwrap()),
            token_name: (days > 0).then(|| format!("token {days}").into()),
            traceparent: (days > 1).then(|| traceparent(days)),
            event_destinations: (0..days)
                .map(|n| format!("https://example.com/{n}"))
                .collect(),
            ..new_job(Sender::Nobody)
        })
        .collect();
    requests::insert(connection, &requests_).unwrap();
    for new in requests_ {
        let job = find(connection, new.id);
        assert_eq!(job.request, new.request);
        let kept = (job.expires_at - job.created_at).num_seconds();
        assert_eq!(kept, i64::from(new.expiry_seconds));
        let (token_name, traceparent, destinations) = calendar_jobs::table
            .find(new.id.0)
            .select((
                calendar_jobs::token_name,
                calendar_jobs::traceparent,
                calendar_jobs::event_destinations,
            ))
            .first::<(Option<String>, Option<String>, Option<Vec<String>>)>(connection)
            .unwrap();
        assert_eq!(traceparent, new.traceparent.map(String::from));
        assert_eq!(claim(connection, new.id).trace.context(), new.traceparent);
        let expected = (!new.event_destinations.is_empty()).then_some(new.event_destinations);
        assert_eq!(destinations, expected);
        assert_eq!(token_name.as_deref(), new.token_name.as_deref());
    }
}

#[test]
fn one_idempotency_key_creates_one_job_however_many_requests_carry_it() {
    let connection = &mut database();
    let url = url_of(connection);
    let made: Vec<Accepted> = std::thread::scope(|scope| {
        let ask = || {
            let connection = &mut connect(&url);
            requests::insert_once(connection, "k", &new_job(Sender::AnyRelay)).unwrap()
        };
        let asking: Vec<_> = (0..20).map(|_| scope.spawn(ask)).collect();
        asking
            .into_iter()
            .map(|asking| asking.join().unwrap())
            .collect()
    });
    let new: Vec<_> = made
        .iter()
        .filter(|made| matches!(made, Accepted::New(_)))
        .collect();
    assert_eq!(new.len(), 1);
    let Accepted::New(job) = new[0] else {
        unreachable!()
    };
    assert!(made.iter().all(|made| matches!(made, Accepted::New(other) | Accepted::Replayed(other) if other.id == job.id)));

    let other = NewJob {
        request: CalendarRequest {
            filter: TodoFilter {
                completed: Some(true),
                window: None,
            },
            ..CalendarRequest::default()
        },
        ..new_job(Sender::AnyRelay)
    };
    let reused = requests::insert_once(connection, "k", &other).unwrap();
    assert_eq!(reused, Accepted::KeyReused);
    let mut find = |key, new: &NewJob| requests::find_replayed(connection, key, &new.request);
    assert_eq!(find("k", &other).unwrap(), Some(reused));
    let replayed = find("k", &new_job(Sender::AnyRelay)).unwrap();
    assert_eq!(replayed, Some(Accepted::Replayed(job.clone())));
    assert_eq!(find("another", &other).unwrap(), None);
    assert_eq!(requests::find(connection, other.id).unwrap(), None);
}

#[test]
fn an_idempotency_key_is_free_again_when_its_job_has_expired() {
    let connection = &mut database();
    let first = new_job(Sender::AnyRelay);
    requests::insert_once(connection, "k", &first).unwrap();
    let key = claim(connection, first.id).key;
    complete(connection, key);
    pass(connection, "2 hours");
    let second = new_job(Sender::AnyRelay);
    let found = requests::find_replayed(connection, "k", &second.request);
    assert_eq!(found.unwrap(), None);
    let made = requests::insert_once(connection, "k", &second).unwrap();
    assert!(matches!(made, Accepted::New(job) if job.id == second.id));
    let again = requests::insert_once(connection, "k", &first).unwrap();
    assert!(
        matches!(again, Accepted::Replayed(job) if job.id == second.id),
        "the key now stands for the second job"
    );
}

#[test]
fn a_repeated_call_with_a_key_finds_the_job_that_the_first_has_stored() {
    let connection = &mut database();
    let job = new_job(Sender::ThisProcess);
    for _ in 0..2 {
        let made = requests::insert_once(connection, "k", &job).unwrap();
        assert!(matches!(made, Accepted::New(stored) if stored.id == job.id));
    }
}

/// Reads the list page by page.
fn list_all(connection: &mut PgConnection, status: Option<JobStatus>, page: i64) -> Vec<JobId> {
    let mut seen = Vec::new();
    loop {
        let jobs = requests::list(connection, status, seen.last().copied(), page).unwrap();
        if jobs.is_empty() {
            return seen;
        }
        assert!(jobs.len() <= usize::try_from(page).unwrap());
        assert!(status.is_none_or(|status| jobs.iter().all(|job| job.status == status)));
        seen.extend(jobs.iter().map(|job| job.id));
    }
}

/// Brings a waiting job into a status.
fn bring_to(connection: &mut PgConnection, id: JobId, status: JobStatus) {
    if status == JobStatus::Pending {
        return;
    }
    if status == JobStatus::Revoked {
        requests::cancel(connection, id).unwrap();
        return;
    }
    let key = claim(connection, id).key;
    match status {
        JobStatus::Retry => {
            claims::retry(connection, key, &an_error(), std::time::Duration::ZERO).unwrap();
        }
        JobStatus::Success => {
            complete(connection, key);
        }
        JobStatus::Failure => {
            claims::fail(connection, key, &an_error()).unwrap();
        }
        JobStatus::Started | JobStatus::Pending | JobStatus::Revoked => {}
    }
}

#[test]
fn the_list_pages_through_all_jobs_and_through_those_in_each_status_newest_first() {
    let connection = &mut database();
    let mut ids = accept_many(connection, 42);
    for (status, &id) in JobStatus::ALL.into_iter().cycle().zip(&ids) {
        bring_to(connection, id, status);
    }
    for (offset, status) in JobStatus::ALL.into_iter().enumerate() {
        let mut expected: Vec<JobId> = ids.iter().copied().skip(offset).step_by(6).collect();
        expected.reverse();
        assert_eq!(list_all(connection, Some(status), 3), expected, "{status}");
    }
    ids.reverse();
    assert_eq!(list_all(connection, None, 5), ids);
}

#[test]
fn expired_jobs_are_not_listed() {
    let connection = &mut database();
    let ids = accept_many(connection, 6);
    for (status, &id) in JobStatus::ALL.into_iter().zip(&ids) {
        bring_to(connection, id, status);
    }
    pass(connection, "2 hours");
    let mut kept = ids[..3].to_vec();
    kept.reverse();
    assert_eq!(list_all(connection, None, 10), kept, "they have not ended");
    for status in [JobStatus::Success, JobStatus::Failure, JobStatus::Revoked] {
        assert_eq!(list_all(connection, Some(status), 10), []);
    }
    sweeps::delete_expired_results(connection).unwrap();
    assert_eq!(list_all(connection, Some(JobStatus::Success), 10), []);
}

#[test]
fn of_many_jobs_those_that_exist_are_found() {
    let connection = &mut database();
    let ids = [accept(connection), JobId::new(), accept(connection)];
    let mut found: Vec<JobId> = requests::find_many(connection, &ids)
        .unwrap()
        .iter()
        .map(|job| job.id)
        .collect();
    found.sort();
    assert_eq!(found, [ids[0], ids[2]]);
}
