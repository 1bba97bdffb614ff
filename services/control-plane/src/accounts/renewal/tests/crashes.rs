//! A control-plane dies in the middle of a renewal.

use std::time::Duration;

use ::fabric::{Credential, CredentialError};
use domain::AccountState;
use secrecy::ExposeSecret;
use tempfile::tempdir;
use testkit::oauth::{Fault, Reuse, Rotation};

use super::Step;
use super::rig::{Ends, Plane, Rig, account};

const STRICT: Rotation = Rotation::Rotating(Reuse::RevokesFamily);
const FORGIVING: Rotation = Rotation::Rotating(Reuse::Window(Duration::from_secs(60)));
const UNTIL_USED: Rotation = Rotation::Rotating(Reuse::UntilUsed);

/// Has a control-plane die at a step; what it had in hand stays in `spool`.
async fn die(rig: &Rig, spool: &std::path::Path, step: Step) {
    let plane = Plane::start(rig, spool).await;
    let stands = plane.operations.renewals().steps.stand_at(step);
    let (operations, request) = (plane.operations.clone(), rig.request());
    let _call = plane.run(async move { operations.credential(&request).await });
    stands.notified().await;
    plane.kill();
}

/// What a control-plane that goes on is able to give.
async fn ask(rig: &Rig, plane: &Plane) -> Result<Credential, CredentialError> {
    plane.credential(rig.request()).await
}

/// The grant lives: a call gets a token that the provider takes.
async fn assert_lives(rig: &Rig, plane: &Plane, case: &str) {
    let lease = account(ask(rig, plane).await);
    let token = lease.access_token.expose_secret();
    assert!(rig.provider.is_good(token), "{case}");
    assert_eq!(rig.provider.counts().families_revoked, 0, "{case}");
    let again = account(ask(rig, plane).await);
    assert_eq!(again.generation, lease.generation, "{case}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_dies_before_it_asks_loses_nothing_at_any_provider() {
    for rotation in [STRICT, FORGIVING, UNTIL_USED, Rotation::Static] {
        let rig = Rig::new(rotation, Ends::Ago).await;
        let (dead, living) = (tempdir().unwrap(), tempdir().unwrap());
        die(&rig, dead.path(), Step::Claimed).await;

        let other = Plane::start(&rig, living.path()).await;

        assert_lives(&rig, &other, &format!("{rotation:?}")).await;
        assert_eq!(rig.provider.counts().refreshed, 1, "{rotation:?}");
    }
}

/// The answer is on its way, or in memory: nobody has it but the one that dies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_dies_with_the_answer_loses_the_grant_only_where_a_refresh_token_is_good_once() {
    let cases = [STRICT, FORGIVING, UNTIL_USED, Rotation::Static].map(async |rotation| {
        for on_its_way in [true, false] {
            let case = format!("{rotation:?}, on its way: {on_its_way}");
            let rig = Rig::new(rotation, Ends::Ago).await;
            let (dead, living) = (tempdir().unwrap(), tempdir().unwrap());
            if on_its_way {
                rig.provider.fail_next(Fault::Hold);
                let plane = Plane::start(&rig, dead.path()).await;
                let (operations, request) = (plane.operations.clone(), rig.request());
                let _call = plane.run(async move { operations.credential(&request).await });
                while rig.provider.counts().refreshed == 0 {
                    tokio::task::yield_now().await;
                }
                plane.kill();
            } else {
                die(&rig, dead.path(), Step::Answered).await;
            }

            let other = Plane::start(&rig, living.path()).await;
            if rotation != STRICT {
                assert_lives(&rig, &other, &case).await;
                continue;
            }
            // Nobody can have it back: its owner is told so.
            let given = ask(&rig, &other).await;
            assert!(
                matches!(&given, Err(CredentialError::Missing { .. })),
                "{case}: {given:?}"
            );
            let held = other.held(rig.account).await.account;
            assert_eq!(held.state, AccountState::NeedsReauth, "{case}");
            assert!(held.problem.is_some(), "{case}");
        }
    });
    futures_util::future::join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_dies_with_the_pair_in_its_file_has_it_when_it_starts_again() {
    for rotation in [STRICT, FORGIVING, Rotation::Static] {
        let case = format!("{rotation:?}");
        let rig = Rig::new(rotation, Ends::Ago).await;
        let spool = tempdir().unwrap();
        die(&rig, spool.path(), Step::Kept).await;
        assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 1);

        let again = Plane::start(&rig, spool.path()).await;

        assert_lives(&rig, &again, &case).await;
        assert_eq!(rig.provider.counts().refreshed, 1, "{case}");
        let held = again.held(rig.account).await.account;
        assert_eq!(held.generation, 2, "{case}");
        while std::fs::read_dir(spool.path()).unwrap().count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_dies_when_the_pair_is_stored_has_done_its_work() {
    let rig = Rig::new(STRICT, Ends::Ago).await;
    let (dead, living) = (tempdir().unwrap(), tempdir().unwrap());
    die(&rig, dead.path(), Step::Stored).await;

    let other = Plane::start(&rig, living.path()).await;
    assert_lives(&rig, &other, "another").await;
    // What it left is older than what is there by now.
    let held = other.held(rig.account).await;
    let again = Plane::start(&rig, dead.path()).await;
    while std::fs::read_dir(dead.path()).unwrap().count() > 0 {
        tokio::task::yield_now().await;
    }

    assert_lives(&rig, &again, "itself").await;
    let after = again.held(rig.account).await;
    assert_eq!(after.account.generation, held.account.generation);
    assert!(after.secrets == held.secrets);
    assert_eq!(rig.provider.counts().refreshed, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_dies_before_it_says_that_the_provider_refuses_leaves_that_to_another() {
    let rig = Rig::new(STRICT, Ends::Ago).await;
    rig.provider.revoke_everything();
    let (dead, living) = (tempdir().unwrap(), tempdir().unwrap());
    die(&rig, dead.path(), Step::Refused).await;

    let other = Plane::start(&rig, living.path()).await;
    let given = ask(&rig, &other).await;

    assert!(
        matches!(&given, Err(CredentialError::Missing { .. })),
        "{given:?}"
    );
    let held = other.held(rig.account).await.account;
    assert_eq!(held.state, AccountState::NeedsReauth);
}
