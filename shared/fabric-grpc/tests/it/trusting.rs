//! Who is believed.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fabric::*;
use fabric_grpc::{Trust, TrustConfig, certs_dev};
use runtime::{Clock, ManualClock, Process, SystemClock};

use crate::rig::*;

fn with_secret(dir: &Path, name: &str, secret: &str) -> TrustConfig {
    let path = dir.join(name);
    std::fs::write(&path, secret).unwrap();
    TrustConfig {
        token_secret: Some(path),
        ..TrustConfig::default()
    }
}

async fn asks(gateway: &Trust, behind: &Behind) -> Outcome {
    let pool = pool_of(gateway, vec![behind.told("w1")]);
    within(pool.execute(call(), None)).await
}

/// It was refused, and surely not begun.
async fn is_refused(gateway: &Trust, behind: &Behind) -> bool {
    match asks(gateway, behind).await {
        Outcome::Failed(failure) => {
            // A handshake of TLS 1.3 is over for the client before the server has its say: by then
            // the call has gone, and nobody tells whether it was read.
            assert_ne!(failure.kind, FailureKind::Busy);
            true
        }
        _ => false,
    }
}

#[tokio::test]
async fn certificates_of_one_authority_open_what_their_role_may() {
    let dir = tempfile::tempdir().unwrap();
    make_certificates(dir.path());
    let of = |role, name| trust(&certified(dir.path(), name), role);
    let worker = of(Role::Worker, "worker-w");
    let behind = Behind::with(Worker::answering("\"yes\""), 0, &worker);

    let gateway = of(Role::Gateway, "gateway-g");
    assert_eq!(text(&asks(&gateway, &behind).await), "\"yes\"");
    // A worker may not call, and a control-plane may care but not call.
    for (role, name) in [
        (Role::Worker, "worker-w"),
        (Role::ControlPlane, "control-plane-c"),
    ] {
        assert!(is_refused(&of(role, name), &behind).await, "{name}");
    }
    // Without TLS nobody is heard at all.
    assert!(is_refused(&trust(&insecure(), Role::Gateway), &behind).await);
    // One that is no worker is not believed to be one.
    let imposter = Behind::with(Worker::answering("\"no\""), 0, &gateway);
    let refused = failure(asks(&gateway, &imposter).await);
    assert_eq!(
        (refused.kind, refused.effect),
        (FailureKind::Unreachable, Effect::None)
    );
    assert_eq!(behind.worker.count() + imposter.worker.count(), 1);
}

#[tokio::test]
async fn certificates_of_another_authority_and_old_ones_open_nothing() {
    let (ours, theirs, old) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    make_certificates(ours.path());
    make_certificates(theirs.path());
    let worker = trust(&certified(ours.path(), "worker-w"), Role::Worker);
    let behind = Behind::with(Worker::answering("{}"), 0, &worker);

    let foreign = trust(&certified(theirs.path(), "gateway-g"), Role::Gateway);
    assert!(is_refused(&foreign, &behind).await);

    // Both ends of one authority whose certificates ended a day ago.
    let then = SystemClock.now() - Duration::from_secs(366 * 24 * 60 * 60);
    let names = [(Role::Worker, "w"), (Role::Gateway, "g")];
    certs_dev(old.path(), &names, then).unwrap();
    let worker = trust(&certified(old.path(), "worker-w"), Role::Worker);
    let expired = Behind::with(Worker::answering("{}"), 0, &worker);
    let gateway = trust(&certified(old.path(), "gateway-g"), Role::Gateway);
    let refused = failure(asks(&gateway, &expired).await);
    assert_eq!(
        (refused.kind, refused.effect),
        (FailureKind::Unreachable, Effect::None)
    );
    assert_eq!(behind.worker.count() + expired.worker.count(), 0);
}

#[tokio::test]
async fn certificates_are_taken_anew_when_they_change() {
    let (dir, fresh) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    make_certificates(dir.path());
    make_certificates(fresh.path());
    let worker = trust(&certified(dir.path(), "worker-w"), Role::Worker);
    let behind = Behind::with(Worker::answering("\"yes\""), 0, &worker);
    let gateway = trust(&certified(fresh.path(), "gateway-g"), Role::Gateway);
    assert!(is_refused(&gateway, &behind).await);
    let process = &behind.served.process;
    let fresh_worker = worker.clone().keep_fresh(process.shutdown.clone());
    process.tasks.essential("keep fresh", fresh_worker);

    // Half a change is no change.
    std::fs::write(dir.path().join("worker-w-key.pem"), "nothing").unwrap();
    for file in ["ca.pem", "worker-w.pem", "worker-w-key.pem"] {
        std::fs::copy(fresh.path().join(file), dir.path().join(file)).unwrap();
    }

    within(async {
        while is_refused(&gateway, &behind).await {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!process.tasks.failed());
}

#[tokio::test]
async fn tokens_open_for_their_role_while_they_last() {
    let dir = tempfile::tempdir().unwrap();
    let ours = with_secret(dir.path(), "ours", &"a".repeat(32));
    let theirs = with_secret(dir.path(), "theirs", &"b".repeat(32));
    let behind = Behind::with(Worker::answering("\"yes\""), 0, &trust(&ours, Role::Worker));
    let at = |config: &TrustConfig, role, off: time::Duration| {
        let clock = ManualClock::new(SystemClock.now() + off);
        Trust::load(config, role, "me", Arc::new(clock)).unwrap()
    };
    let (now, minute) = (time::Duration::ZERO, time::Duration::MINUTE);

    let good = at(&ours, Role::Gateway, now);
    assert_eq!(text(&asks(&good, &behind).await), "\"yes\"");
    for (config, role, off) in [
        (&theirs, Role::Gateway, now),
        (&insecure(), Role::Gateway, now),
        (&ours, Role::Worker, now),
        (&ours, Role::Gateway, minute * -2),
        (&ours, Role::Gateway, minute * 2),
    ] {
        let refused = failure(asks(&at(config, role, off), &behind).await);
        assert_eq!(
            (refused.kind, refused.effect),
            (FailureKind::Internal, Effect::None)
        );
    }
    assert_eq!(behind.worker.count(), 1);
    assert!(!format!("{good:?}").contains("aaaa"));
}

#[tokio::test]
async fn nobody_listens_where_anybody_could_call() {
    let dir = tempfile::tempdir().unwrap();
    let secret = with_secret(dir.path(), "s", &"a".repeat(32));
    let refusal = |config: &TrustConfig, address: &str| {
        let trust = trust(config, Role::Worker);
        let checked = trust.check(address.parse::<SocketAddr>().unwrap());
        checked.map_err(|error| error.to_string()).err()
    };
    let (loopback, network) = ("127.0.0.1:7000", "192.0.2.7:7000");

    let nothing = TrustConfig::default();
    let told = refusal(&nothing, loopback).unwrap();
    assert!(
        told.contains("trust.insecure_loopback") && told.contains(loopback),
        "{told}"
    );
    let told = refusal(&nothing, network).unwrap();
    assert!(
        told.contains("trust.token_secret") && told.contains(network),
        "{told}"
    );
    assert!(!told.contains("insecure"), "{told}");
    assert!(refusal(&insecure(), network).is_some());
    assert!(refusal(&insecure(), "0.0.0.0:0").is_some());
    assert_eq!(refusal(&insecure(), loopback), None);
    assert_eq!(refusal(&insecure(), "[::1]:7000"), None);
    assert_eq!(refusal(&secret, network), None);
    // Who forgets to ask is refused too.
    let (_trigger, process) = Process::new();
    let listener = web::bind("127.0.0.1:0".parse().unwrap(), "--listen").unwrap();
    let nobody = trust(&nothing, Role::Worker);
    let served = nobody.serve(listener, axum::Router::new(), &process);
    assert!(within(served).await.is_err());
}

#[test]
fn files_that_do_not_fit_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    make_certificates(dir.path());
    let good = certified(dir.path(), "worker-w");
    let refusal = |config: &TrustConfig, role| {
        let loaded = Trust::load(config, role, "me", Arc::new(SystemClock));
        format!("{:#}", loaded.unwrap_err())
    };

    let half = TrustConfig {
        key: None,
        ..good.clone()
    };
    assert!(refusal(&half, Role::Worker).contains("set all of ca, cert and key"));
    let told = refusal(&good, Role::Gateway);
    assert!(
        told.contains("worker-w.pem") && told.contains("this is a gateway"),
        "{told}"
    );
    let mixed = TrustConfig {
        key: Some(dir.path().join("gateway-g-key.pem")),
        ..good.clone()
    };
    assert!(refusal(&mixed, Role::Worker).contains("gateway-g-key.pem"));
    let nameless = TrustConfig {
        cert: good.ca.clone(),
        ..good.clone()
    };
    assert!(refusal(&nameless, Role::Worker).contains("turnbuckle://role/worker/"));
    let absent = TrustConfig {
        ca: Some(dir.path().join("absent.pem")),
        ..good
    };
    assert!(refusal(&absent, Role::Worker).contains("absent.pem"));
    let short = with_secret(dir.path(), "short", "too short");
    assert!(refusal(&short, Role::Worker).contains("32 characters"));
}

#[test]
fn development_certificates_are_for_their_owner_and_replace_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("certs");
    let files = certs_dev(&folder, &[(Role::Worker, "w1")], SystemClock.now()).unwrap();

    let names: Vec<_> = files.iter().map(|path| path.file_name().unwrap()).collect();
    assert_eq!(
        names,
        ["ca.pem", "ca-key.pem", "worker-w1.pem", "worker-w1-key.pem"]
    );
    for file in &files {
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let again = certs_dev(&folder, &[(Role::Worker, "w1")], SystemClock.now());
    assert!(format!("{:#}", again.unwrap_err()).contains("ca.pem"));
    let bad = certs_dev(dir.path(), &[(Role::Worker, "../w")], SystemClock.now());
    assert!(bad.is_err());
}
