//! An engine, a connector of GitHub, and the stand-in that it calls.

use std::sync::Arc;
use std::time::Duration;

use catalog::Catalog;
use connector_worker::native::{Engine, EngineLimits, Signed};
use domain::{
    Connector, ConnectorId, ConnectorKind, ConnectorSecrets, CredentialInfo, SyncState, SyncStatus,
    TenantId,
};
use egress::{Client, EgressConfig};
use fabric::{Failure, Lease, LeasedSecrets, Outcome};
use runtime::ManualClock;
use secrecy::SecretBox;
use serde_json::Value;
use testkit::provider::{Api, Provider, Rules};
use time::macros::datetime;

pub(crate) const TOKEN: &str = "ghp_token-of-the-tests";

/// What a stand-in for GitHub demands of each request.
pub(crate) fn github_rules() -> Rules {
    Rules {
        headers: vec!["accept", "user-agent", "x-github-api-version"],
        // GitHub's description marks these parameters as spanning segments.
        spanning: vec![
            "/repos/{owner}/{repo}/contents/{path}",
            "/repos/{owner}/{repo}/git/refs/{ref}",
        ],
        ..Rules::authorization(format!("Bearer {TOKEN}"))
    }
}

/// A description with few operations, for tests of what no description says.
pub(crate) fn small_description() -> Api {
    Api::openapi(include_bytes!("small.openapi.json"))
}

/// A stand-in for GitHub that knows a few operations.
pub(crate) async fn small_github() -> Provider {
    Provider::start(small_description(), github_rules()).await
}

pub(crate) fn limits() -> EngineLimits {
    EngineLimits {
        backoff: Duration::from_millis(2),
        ..EngineLimits::default()
    }
}

pub(crate) fn engine_with(catalog: Arc<Catalog>, limits: EngineLimits) -> Engine {
    let config = EgressConfig {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        ..EgressConfig::default()
    };
    let clock = ManualClock::new(datetime!(2026-01-02 03:04:05 UTC));
    Engine::new(catalog, Client::new(&config).unwrap(), limits).with_clock(Arc::new(clock))
}

pub(crate) fn engine() -> Engine {
    engine_with(Catalog::builtin(), limits())
}

pub(crate) fn lease_of(catalog: &str, base_url: &str, token: Option<&str>) -> Lease {
    let now = datetime!(2026-01-02 03:04:05 UTC);
    let connector = Connector {
        id: ConnectorId::new(uuid::Uuid::from_u128(1)),
        tenant: TenantId::new(uuid::Uuid::from_u128(2)),
        slug: "gh".parse().unwrap(),
        display_name: "GitHub".to_owned(),
        kind: ConnectorKind::Native {
            catalog: catalog.to_owned(),
            base_url: Some(base_url.parse().unwrap()),
        },
        enabled: true,
        prefix: String::new(),
        credential: CredentialInfo::default(),
        on_change: domain::OnChange::Accept,
        sync: SyncStatus {
            state: SyncState::Ok,
            at: None,
            error: None,
            tools: 0,
            changed: domain::ChangedTools::default(),
        },
        created_at: now,
        updated_at: now,
        version: 1,
    };
    let secrets = ConnectorSecrets {
        token: token.map(str::to_owned),
        ..ConnectorSecrets::default()
    };
    Lease {
        connector,
        secrets: SecretBox::new(Box::new(LeasedSecrets(secrets))),
        takes_accounts: false,
    }
}

pub(crate) fn lease(provider: &Provider) -> Lease {
    lease_of("github", provider.url(), Some(TOKEN))
}

/// How a call ended.
#[derive(Debug)]
pub(crate) enum End {
    Result(Value),
    Failed(Failure),
}

impl End {
    pub(crate) fn ok(self) -> Value {
        match self {
            Self::Result(result) if result["isError"] == false => result,
            other => panic!("the call did not succeed: {other:?}"),
        }
    }

    pub(crate) fn structured(self) -> Value {
        self.ok()["structuredContent"].clone()
    }

    /// The text of a result with `isError`.
    pub(crate) fn refused(self) -> String {
        match self {
            Self::Result(result) if result["isError"] == true => {
                result["content"][0]["text"].as_str().unwrap().to_owned()
            }
            other => panic!("the call was not refused: {other:?}"),
        }
    }

    pub(crate) fn failed(self) -> Failure {
        match self {
            Self::Failed(failure) => failure,
            Self::Result(result) => panic!("there is an answer: {result}"),
        }
    }
}

/// All texts of a result, one a line.
pub(crate) fn texts(result: &Value) -> String {
    let texts = result["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["text"].as_str().unwrap());
    texts.collect::<Vec<_>>().join("\n")
}

pub(crate) async fn call_with(
    engine: &Engine,
    lease: &Lease,
    tool: &str,
    arguments: &Value,
) -> End {
    let arguments = arguments.to_string();
    let deadline = Duration::from_secs(20);
    match engine
        .call(
            &Signed::own(lease),
            tool,
            Some(arguments.as_bytes()),
            deadline,
        )
        .await
        .unwrap()
    {
        Outcome::Result(result) => End::Result(serde_json::from_slice(&result).unwrap()),
        Outcome::Failed(failure) => End::Failed(failure),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn call(provider: &Provider, tool: &str, arguments: Value) -> End {
    call_with(&engine(), &lease(provider), tool, &arguments).await
}
