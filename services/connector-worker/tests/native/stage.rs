//! A connector of the catalog before a scripted stand-in that allows everything.

use catalog::Catalog;
use fabric::Lease;
use serde_json::{Value, json};
use testkit::provider::{Api, Provider, Reply, Rules};

use crate::support::{End, call_with, engine_with, lease_of, limits};

pub(crate) struct Stage {
    pub(crate) provider: Provider,
    lease: Lease,
}

impl Stage {
    pub(crate) async fn of(connector: &str, replies: impl IntoIterator<Item = Value>) -> Self {
        let replies = replies.into_iter().map(|body| Reply::json(200, &body));
        Self::answering(connector, replies).await
    }

    pub(crate) async fn answering(
        connector: &str,
        replies: impl IntoIterator<Item = Reply>,
    ) -> Self {
        let provider = Provider::start(Api::anything(), Rules::default()).await;
        provider.script(replies);
        let lease = lease_of(connector, provider.url(), Some("the-credential"));
        Self { provider, lease }
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> End {
        let engine = engine_with(Catalog::builtin(), limits());
        call_with(&engine, &self.lease, tool, &arguments).await
    }

    /// Method and target of each request.
    pub(crate) fn targets(&self) -> Vec<String> {
        let seen = self.provider.seen().into_iter();
        seen.map(|seen| format!("{} {}", seen.method, seen.target))
            .collect()
    }

    /// The JSON body of a request.
    pub(crate) fn body(&self, at: usize) -> Value {
        serde_json::from_slice(&self.provider.seen()[at].body).unwrap()
    }
}

/// What a provider says of something that is not there.
pub(crate) fn refusal(status: u16) -> Reply {
    Reply::json(
        status,
        &json!({ "error": { "message": "no" }, "message": "no" }),
    )
}

/// What a result says as text.
pub(crate) fn text(end: End) -> String {
    end.ok()["content"][0]["text"].as_str().unwrap().to_owned()
}
