//! A caller's own provider token (`X-User-OAuth-Token`, `auth/setUserToken`): whom it reaches, and
//! whom it does not.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use connector_worker::{Config, Deps, Worker};
use domain::{ConnectorId, ConnectorKind, KeyId, Principal, Scope, TenantId};
use fabric::{BoxFuture, Call, Execute, Lease, LeaseError, Leases, Method, Outcome, Request};
use runtime::{SystemClock, TimeOrderedIds};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use serde_json::json;
use testkit::provider::{Provider, Reply};
use testkit::upstream::Upstream;

use crate::support::{TOKEN, lease, lease_of, small_github};

const OWN: &str = "gho_the-callers-own";

/// One connector, leased to whoever asks.
struct OneConnector(Lease);

impl Leases for OneConnector {
    fn lease(&self, _: TenantId, _: ConnectorId) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        let lease = Lease {
            connector: self.0.connector.clone(),
            secrets: SecretBox::new(Box::new(self.0.secrets.expose_secret().clone())),
            takes_accounts: false,
        };
        Box::pin(std::future::ready(Ok(lease)))
    }
}

async fn call(lease: Lease, tool: &str, own: Option<&str>) -> Outcome {
    let (tenant, connector) = (lease.connector.tenant, lease.connector.id);
    let allow_loopback = egress::EgressConfig {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        ..egress::EgressConfig::default()
    };
    let deps = Deps {
        leases: Arc::new(OneConnector(lease)),
        catalog: catalog::Catalog::builtin(),
        egress: egress::Client::new(&allow_loopback).unwrap(),
        clock: Arc::new(SystemClock),
        ids: Arc::new(TimeOrderedIds),
        listener: None,
        environment: Vec::new(),
    };
    let (_, process) = runtime::Process::new();
    let worker = Worker::build(Config::default(), deps, &process).unwrap();
    let arguments = json!({ "owner": "o", "repo": "r" }).to_string();
    let call = Call {
        tenant,
        connector,
        version: 1,
        accounts: 0,
        request: Request {
            arguments: Some(Bytes::from(arguments)),
            ..Request::new(Method::CallTool, Some(tool.to_owned()))
        },
        client: Arc::default(),
        session: None,
        principal: Principal {
            key: KeyId::new(uuid::Uuid::from_u128(3)),
            scope: Scope::TenantUser,
            tenant: Some(tenant),
        },
        user_token: own.map(|token| Arc::new(SecretString::from(token))),
        deadline: Duration::from_secs(20),
        request_id: "r1".to_owned(),
        affinity: fabric::Affinity::Connector,
    };
    assert!(!format!("{call:?}").contains(OWN));
    worker.execute(call, None).await
}

/// The `Authorization` of the last request to the provider.
fn shown(provider: &Provider) -> String {
    let seen = provider.seen();
    let value = &seen.last().unwrap().headers["authorization"];
    value.to_str().unwrap().to_owned()
}

fn text(outcome: &Outcome) -> String {
    format!("{outcome:?}")
}

#[tokio::test]
async fn the_callers_own_token_goes_before_the_connectors_credential_and_is_repeated_nowhere() {
    let (log, _kept) = Log::keep();
    let provider = small_github().await;
    provider.forever(Reply::json(200, &json!([])));

    let outcome = call(lease(&provider), "github_list_issues", Some(OWN)).await;
    assert!(matches!(outcome, Outcome::Result(_)), "{outcome:?}");
    assert_eq!(shown(&provider), format!("Bearer {OWN}"));

    // The next call is another's.
    call(lease(&provider), "github_list_issues", None).await;
    assert_eq!(shown(&provider), format!("Bearer {TOKEN}"));

    // A connector without a credential of its own is for those who bring theirs.
    let bare = || lease_of("github", provider.url(), None);
    call(bare(), "github_list_issues", Some(OWN)).await;
    assert_eq!(shown(&provider), format!("Bearer {OWN}"));
    let requests = provider.seen().len();
    let outcome = call(bare(), "github_list_issues", None).await;
    assert!(text(&outcome).contains("credential"), "{outcome:?}");
    assert_eq!(provider.seen().len(), requests);

    // A provider that repeats it, in an answer or a refusal.
    for status in [200, 401] {
        let body = json!([{ "title": format!("is {OWN}"), "message": OWN }]);
        provider.forever(Reply::json(status, &body));
        let outcome = call(lease(&provider), "github_list_issues", Some(OWN)).await;
        let Outcome::Result(result) = &outcome else {
            panic!("{outcome:?}")
        };
        assert!(!String::from_utf8_lossy(result).contains(OWN), "{result:?}");
    }
    let log = log.text();
    assert!(
        !log.is_empty() && !log.contains(OWN) && !log.contains(TOKEN),
        "{log}"
    );
}

#[tokio::test]
async fn no_mcp_server_is_ever_shown_the_callers_own_token() {
    let (log, _kept) = Log::keep();
    for upstream in [Upstream::legacy().await, Upstream::modern().await] {
        let mut lease = lease_of("github", "http://127.0.0.1:1", Some(TOKEN));
        let url = upstream.url().parse().unwrap();
        lease.connector.kind = ConnectorKind::RemoteMcp { url };

        let outcome = call(lease, "echo", Some(OWN)).await;

        assert!(!text(&outcome).contains(OWN));
        let received = upstream.received();
        assert!(received.iter().any(|one| one.method == "tools/call"));
        for one in received {
            let all = format!("{:?} {}", one.headers, one.body);
            assert!(!all.contains(OWN), "{all}");
        }
    }
    assert!(!log.text().contains(OWN));
}

/// What is logged while a test runs.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Keeps every line of this thread until the guard is dropped.
    pub(crate) fn keep() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
