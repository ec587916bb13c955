//! Random sequences of the real statements, compared after each with the rules of the checked model.
//!
//! The model (`job_model::row`) says what becomes of a row. Two tests follow from that: under the model's rules, the
//! statements and the model always agree; and if a rule of the model is replaced by a flawed one, some sequence shows the
//! difference, so the sequences reach every rule.
//!
//! # Layout
//! - `operation`: what can happen, and how sequences are generated
//! - `world`: the database and the model side by side
//! - `apply`: what each operation does in both
//! - `observed`: the stored rows

mod apply;
mod observed;
mod operation;
mod world;

use std::cell::RefCell;

use job_model::rules::{Flaw, Rules};
use proptest::collection::vec;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};

use operation::Operation;
use world::World;

const SEQUENCES: u32 = 200;

/// Runs sequences until one shows a difference, which takes at most `max_shrink_iters` attempts to become short. The seed
/// is fixed, so every run tests the same sequences.
fn run(rules: Rules, max_shrink_iters: u32) -> Result<(), TestError<Vec<Operation>>> {
    let config = Config {
        cases: SEQUENCES,
        max_shrink_iters,
        rng_seed: RngSeed::Fixed(12),
        failure_persistence: None,
        ..Config::default()
    };
    let world = RefCell::new(World::new(rules));
    TestRunner::new(config).run(&vec(operation::any(), 1..80), |operations| {
        let world = &mut *world.borrow_mut();
        world.reset();
        for operation in &operations {
            world.apply(operation)?;
            world.compare()?;
        }
        Ok(())
    })
}

#[test]
fn the_statements_do_what_the_rules_of_the_model_say() {
    if let Err(error) = run(Rules::SOUND, 2_000) {
        panic!("{error}");
    }
}

#[test]
fn the_sequences_reach_every_rule() {
    let flaws = [
        Flaw::TimeAloneMakesStale,
        Flaw::WritesIgnoreClaim,
        Flaw::ClaimIgnoresLease,
        Flaw::ClaimIgnoresPause,
        Flaw::DeadLetterFailsAnyJob,
        Flaw::UnclaimKeepsAttempt,
        Flaw::UnclaimForgetsCancel,
        Flaw::RedriveKeepsSends,
        Flaw::PostponeKeepsSends,
        Flaw::MarkIgnoresSends,
        Flaw::NoSweep,
    ];
    for flaw in flaws {
        let difference = run(Rules::with(flaw), 0);
        assert!(
            matches!(difference, Err(TestError::Fail(..))),
            "no sequence distinguishes the statements from rules with the flaw {flaw:?}"
        );
    }
}
