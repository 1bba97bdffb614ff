//! Many callers, one renewal.

use futures_util::future::join_all;
use secrecy::ExposeSecret;
use tempfile::tempdir;
use testkit::oauth::{Fault, Reuse, Rotation};

use super::rig::{Ends, Plane, Rig, account};

const STRICT: Rotation = Rotation::Rotating(Reuse::RevokesFamily);
/// Of each of two control-planes.
const CALLERS: usize = 500;

/// All of them get the one pair that the provider gave once.
async fn all_get_one_new_pair(rig: &Rig, refused: Option<i64>) {
    let (first, second) = (tempdir().unwrap(), tempdir().unwrap());
    let planes = [
        Plane::start(rig, first.path()).await,
        Plane::start(rig, second.path()).await,
    ];
    let callers = (0..2 * CALLERS).map(|number| {
        let mut request = rig.request();
        request.refused = refused.map(|generation| (rig.account, generation));
        planes[number % 2].credential(request)
    });

    // The answer is held back until both ask for the same, or wait for it.
    rig.provider.fail_next(Fault::Hold);
    let both_want_it = async {
        let wants_it = |plane: &Plane| plane.operations.renewals().flights.known() > 0;
        while !planes.iter().all(wants_it) || rig.provider.counts().refreshed == 0 {
            tokio::task::yield_now().await;
        }
        rig.provider.let_go();
    };
    let (given, ()) = tokio::join!(join_all(callers), both_want_it);

    let tokens: std::collections::HashSet<String> = given
        .into_iter()
        .map(account)
        .inspect(|lease| assert_eq!((lease.account, lease.generation), (rig.account, 2)))
        .map(|lease| lease.access_token.expose_secret().to_owned())
        .collect();
    assert_eq!(tokens.len(), 1);
    let token = tokens.into_iter().next().unwrap();
    assert!(rig.provider.is_good(&token));
    let counts = rig.provider.counts();
    assert_eq!((counts.refreshed, counts.families_revoked), (1, 0));
    assert_eq!(rig.provider.violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_of_two_control_planes_that_find_a_token_ended_cause_one_renewal() {
    let rig = Rig::new(STRICT, Ends::Ago).await;
    all_get_one_new_pair(&rig, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_of_two_control_planes_have_a_program_sign_in_once() {
    let rig = Rig::of_program(Ends::Ago).await;
    let (first, second) = (tempdir().unwrap(), tempdir().unwrap());
    let planes = [
        Plane::start(&rig, first.path()).await,
        Plane::start(&rig, second.path()).await,
    ];
    let callers = (0..2 * CALLERS).map(|number| planes[number % 2].credential(rig.request()));

    rig.provider.fail_next(Fault::Hold);
    let both_want_it = async {
        let wants_it = |plane: &Plane| plane.operations.renewals().flights.known() > 0;
        while !planes.iter().all(wants_it) || rig.provider.counts().minted == 0 {
            tokio::task::yield_now().await;
        }
        rig.provider.let_go();
    };
    let (given, ()) = tokio::join!(join_all(callers), both_want_it);

    let tokens: std::collections::HashSet<String> = given
        .into_iter()
        .map(account)
        .inspect(|lease| assert_eq!((lease.account, lease.generation), (rig.account, 2)))
        .map(|lease| lease.access_token.expose_secret().to_owned())
        .collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(rig.provider.counts().minted, 1);
    // It signs in again when these end.
    let held = planes[0].held(rig.account).await;
    assert!(held.refresh_at.is_some() && held.secrets.program.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_whose_token_the_provider_refused_cause_one_renewal() {
    let rig = Rig::new(STRICT, Ends::Late).await;
    rig.provider.expire_access();
    all_get_one_new_pair(&rig, Some(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_is_renewed_in_the_background_by_one_of_those_who_look() {
    let rig = Rig::new(STRICT, Ends::Soon).await;
    let (first, second) = (tempdir().unwrap(), tempdir().unwrap());
    let planes = [
        Plane::start(&rig, first.path()).await,
        Plane::start(&rig, second.path()).await,
    ];
    for plane in &planes {
        let operations = plane.operations.clone();
        plane.run(async move { operations.keep_accounts().await });
    }

    let given = loop {
        let held = planes[0].held(rig.account).await;
        if held.account.generation > 1 {
            break held;
        }
        tokio::task::yield_now().await;
    };

    assert_eq!(given.account.generation, 2);
    let token = given.secrets.access_token.unwrap();
    assert!(rig.provider.is_good(&token));
    assert!(given.refresh_at.unwrap() > super::rig::now());
    assert_eq!(rig.provider.counts().refreshed, 1);
}
