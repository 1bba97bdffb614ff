//! Providers that are slow, broken or lie, and a database that goes away in between.

use std::time::Duration;

use ::fabric::CredentialError;
use domain::AccountState;
use secrecy::ExposeSecret;
use tempfile::tempdir;
use testkit::oauth::{Fault, Reuse, Rotation};
use testkit::postgres::Private;
use tokio::time::{Instant, sleep, timeout};

use super::rig::{Ends, Plane, Rig, TOKEN_DEADLINE, account};

const STRICT: Rotation = Rotation::Rotating(Reuse::RevokesFamily);
const FORGIVING: Rotation = Rotation::Rotating(Reuse::Window(Duration::from_secs(60)));
/// Longer than anything here may take.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_endpoint_in_trouble_ends_no_account_and_the_next_attempt_succeeds() {
    let late = TOKEN_DEADLINE * 3;
    let faults = [
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::Truncated,
        Fault::Late(late),
        Fault::Status(500, None),
        Fault::Status(429, Some("1".to_owned())),
        Fault::StatusAfter(502),
        Fault::Garbage,
        Fault::Html,
        Fault::Redirect,
        Fault::Huge(4 * 1024 * 1024),
    ];
    let cases = faults.map(async |fault| {
        let case = format!("{fault:?}");
        let rig = Rig::new(FORGIVING, Ends::Ago).await;
        let spool = tempdir().unwrap();
        let plane = Plane::start(&rig, spool.path()).await;
        rig.provider.fail_always(Some(fault));

        let start = Instant::now();
        let given = plane.credential(rig.request()).await;

        assert!(start.elapsed() < LONG / 2, "{case}");
        let Err(CredentialError::Provider(why)) = &given else {
            panic!("{case}: {given:?}");
        };
        assert!(!why.contains("secret-"), "{case}: {why}");
        let held = plane.held(rig.account).await;
        assert_eq!(held.account.state, AccountState::Connected, "{case}");
        assert_eq!((held.account.generation, held.failures), (1, 1), "{case}");
        assert!(held.renewing.is_none(), "{case}");

        rig.provider.fail_always(None);
        let lease = loop {
            match plane.credential(rig.request()).await {
                Err(CredentialError::Provider(_)) if start.elapsed() < LONG => {
                    sleep(Duration::from_millis(50)).await;
                }
                given => break account(given),
            }
        };
        let token = lease.access_token.expose_secret();
        assert!(rig.provider.is_good(token), "{case}");
        let held = plane.held(rig.account).await;
        assert_eq!((held.account.generation, held.failures), (2, 0), "{case}");
    });
    futures_util::future::join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_comes_twice_counts_once() {
    let rig = Rig::new(STRICT, Ends::Ago).await;
    let spool = tempdir().unwrap();
    let plane = Plane::start(&rig, spool.path()).await;
    rig.provider.fail_next(Fault::Twice);

    let lease = account(plane.credential(rig.request()).await);

    assert_eq!(lease.generation, 2);
    assert!(rig.provider.is_good(lease.access_token.expose_secret()));
    assert_eq!(rig.provider.counts().refreshed, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_still_good_serves_while_the_provider_gives_no_new_one() {
    let rig = Rig::new(STRICT, Ends::Soon).await;
    let spool = tempdir().unwrap();
    let plane = Plane::start(&rig, spool.path()).await;
    rig.provider.fail_always(Some(Fault::Status(503, None)));

    let lease = account(plane.credential(rig.request()).await);

    assert_eq!(lease.generation, 1);
    assert!(lease.usable_for.unwrap() <= Duration::from_secs(30));
    assert!(rig.provider.is_good(lease.access_token.expose_secret()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_that_comes_while_the_database_is_away_is_stored_when_it_is_back() {
    let mut server = Private::start();
    let rig = Rig::on_its_own(&server, STRICT, Ends::Ago).await;
    let spool = tempdir().unwrap();
    let plane = Plane::start(&rig, spool.path()).await;
    rig.provider.fail_next(Fault::Hold);
    let (operations, request) = (plane.operations.clone(), rig.request());
    let call = plane.run(async move { operations.credential(&request).await });
    while rig.provider.counts().refreshed == 0 {
        tokio::task::yield_now().await;
    }

    server.kill();
    rig.provider.let_go();
    let during = timeout(LONG, call).await.unwrap().unwrap();

    assert!(
        matches!(&during, Err(CredentialError::Unavailable(_))),
        "nobody uses what is not stored: {during:?}"
    );
    let kept: Vec<_> = std::fs::read_dir(spool.path()).unwrap().collect();
    assert_eq!(kept.len(), 1);
    let file = std::fs::read(kept[0].as_ref().unwrap().path()).unwrap();
    let readable = b"secret-";
    assert!(!file.windows(readable.len()).any(|part| part == readable));

    server.restart();
    let start = Instant::now();
    let lease = loop {
        match plane.credential(rig.request()).await {
            Err(CredentialError::Unavailable(_)) if start.elapsed() < LONG => {}
            given => break account(given),
        }
    };
    assert_eq!(lease.generation, 2);
    assert!(rig.provider.is_good(lease.access_token.expose_secret()));
    let counts = rig.provider.counts();
    assert_eq!((counts.refreshed, counts.families_revoked), (1, 0));
    while std::fs::read_dir(spool.path()).unwrap().count() > 0 {
        tokio::task::yield_now().await;
    }
}
