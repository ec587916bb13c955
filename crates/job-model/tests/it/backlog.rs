use job_model::backlog::{Outcome, Rule, drain};

#[test]
fn a_rule_that_invalidates_what_waits_too_long_stops_a_backlog_for_ever() {
    for (jobs, patience, doublings) in [(2, 1, 0), (6, 2, 0), (8, 1, 1), (40, 2, 2)] {
        let rule = Rule::AfterTime {
            patience,
            doublings,
        };
        let outcome = drain(jobs, rule, None);
        assert!(
            matches!(outcome, Outcome::Stalled { left, .. } if left > 0),
            "{jobs} jobs, {rule:?}: {outcome:?}"
        );
    }
}

#[test]
fn a_rule_that_waits_for_evidence_drains_every_backlog_without_waste() {
    for jobs in 1..60_u32 {
        for patience in 1..5 {
            let rule = Rule::OnEvidence { patience };
            assert_eq!(
                drain(jobs as usize, rule, None),
                Outcome::Drained {
                    ticks: jobs,
                    wasted: 0
                }
            );
        }
    }
}

#[test]
fn a_rule_that_waits_for_evidence_finds_every_lost_message() {
    for jobs in 1..40 {
        for lost in 0..jobs {
            let outcome = drain(jobs, Rule::OnEvidence { patience: 2 }, Some(lost));
            assert!(
                matches!(outcome, Outcome::Drained { .. }),
                "{jobs} jobs, {lost} lost: {outcome:?}"
            );
        }
    }
}
