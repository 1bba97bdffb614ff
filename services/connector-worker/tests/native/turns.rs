//! How many requests are under way at once, and what becomes of those that wait.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use catalog::Catalog;
use connector_worker::native::{Engine, EngineLimits, Signed};
use fabric::{Effect, FailureKind, Lease, Outcome};
use futures_util::poll;
use serde_json::{Value, json};
use testkit::provider::{Api, Provider, Reply, Rules};

use crate::support::{engine_with, lease_of, limits};

/// Long enough never to be met.
const LONG: Duration = Duration::from_secs(60);

struct Stage {
    provider: Provider,
    engine: Engine,
    lease: Lease,
}

type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

impl Stage {
    /// A provider that never answers.
    async fn of(connector: &str, limits: EngineLimits) -> Self {
        let provider = Provider::start(Api::anything(), Rules::default()).await;
        provider.forever(Reply::hang());
        let lease = lease_of(connector, provider.url(), Some("key"));
        Self {
            engine: engine_with(Catalog::builtin(), limits),
            provider,
            lease,
        }
    }

    fn call<'a>(&'a self, lease: &'a Lease, tool: &'a str, arguments: Value) -> Running<'a> {
        Box::pin(async move {
            let (signed, arguments) = (Signed::own(lease), arguments.to_string());
            let called = self
                .engine
                .call(&signed, tool, Some(arguments.as_bytes()), LONG);
            called.await.unwrap()
        })
    }

    /// Drives the calls until the provider has so many requests, and a while longer: none of the
    /// calls ends meanwhile.
    async fn drive(&self, calls: &mut [Running<'_>], requests: usize) {
        let mut quiet = 0;
        while quiet < 50 {
            for call in &mut *calls {
                assert!(poll!(call).is_pending(), "nobody has answered");
            }
            match self.provider.seen().len() >= requests {
                true => quiet += 1,
                false => tokio::time::sleep(Duration::from_millis(1)).await,
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(self.provider.seen().len(), requests);
    }
}

fn repo() -> Value {
    json!({ "owner": "o", "repo": "r" })
}

#[tokio::test]
async fn requests_of_one_credential_wait_for_each_other_beyond_the_limit_and_leave_when_they_are_cancelled()
 {
    let stage = Stage::of(
        "github",
        EngineLimits {
            requests_at_once: 2,
            waiting_max: 1,
            ..limits()
        },
    )
    .await;
    let mut other = lease_of("github", stage.provider.url(), Some("key"));
    other.connector.version = 2;
    let list = |lease| stage.call(lease, "github_list_issues", repo());
    let mut calls: Vec<_> = (0..3).map(|_| list(&stage.lease)).collect();
    stage.drive(&mut calls, 2).await;

    // One waits, the next is refused at once; another credential goes on.
    let Outcome::Failed(refused) = list(&stage.lease).await else {
        panic!("it is refused")
    };
    assert_eq!(
        (refused.kind, refused.effect),
        (FailureKind::Busy, Effect::None)
    );
    assert_eq!(
        refused.message,
        "other requests with this credential are under way, and 1 more wait already: try again later."
    );
    calls.push(list(&other));
    stage.drive(&mut calls, 3).await;

    // Who gives up while it waits makes room; who gives up while it runs lets the next go.
    drop(calls.remove(2));
    calls.push(list(&stage.lease));
    stage.drive(&mut calls, 3).await;
    drop(calls.remove(0));
    stage.drive(&mut calls, 4).await;
}

#[tokio::test]
async fn a_providers_own_number_counts_where_it_is_smaller() {
    let stage = Stage::of("outlook", limits()).await;
    let list = || stage.call(&stage.lease, "outlook_list_folders", json!({}));
    let mut calls: Vec<_> = (0..6).map(|_| list()).collect();

    stage.drive(&mut calls, 4).await;
}

#[tokio::test]
async fn calls_to_one_workbook_are_made_one_after_the_other_whoever_makes_them() {
    let stage = Stage::of("excel", limits()).await;
    let mut other = lease_of("excel", stage.provider.url(), Some("key"));
    other.connector.version = 2;
    let sheets =
        |lease, item: &str| stage.call(lease, "excel_list_worksheets", json!({ "item_id": item }));

    let mut calls = vec![
        sheets(&stage.lease, "a"),
        sheets(&stage.lease, "a"),
        sheets(&other, "a"),
        sheets(&stage.lease, "b"),
    ];
    stage.drive(&mut calls, 2).await;
    let targets = stage.provider.seen().into_iter().map(|seen| seen.target);
    let workbooks: Vec<_> = targets
        .map(|target| target.split('/').nth(4).unwrap().to_owned())
        .collect();
    assert_eq!(workbooks.len(), 2);
    assert!(workbooks.contains(&"a".to_owned()) && workbooks.contains(&"b".to_owned()));

    drop(calls.remove(0));
    stage.drive(&mut calls, 3).await;
}

#[tokio::test]
async fn a_call_that_waits_for_its_turn_ends_with_its_time() {
    let stage = Stage::of("excel", limits()).await;
    let mut calls = vec![stage.call(
        &stage.lease,
        "excel_list_worksheets",
        json!({ "item_id": "a" }),
    )];
    stage.drive(&mut calls, 1).await;

    let (signed, arguments) = (
        Signed::own(&stage.lease),
        json!({ "item_id": "a" }).to_string(),
    );
    let waited = stage.engine.call(
        &signed,
        "excel_list_worksheets",
        Some(arguments.as_bytes()),
        Duration::from_millis(100),
    );
    let Outcome::Failed(failure) = waited.await.unwrap() else {
        panic!("there is no turn for it")
    };

    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (
            FailureKind::Busy,
            "other calls that concern the same thing took all the time there was."
        )
    );
    assert_eq!(stage.provider.seen().len(), 1);
}
