//! Whose answers are whose, where answers are kept.

use std::sync::Arc;

use connector_worker::Config;
use fabric::Workers;
use secrecy::SecretString;
use serde_json::json;
use testkit::provider::Reply;

use super::choice::{EVE, github, issues, provider};
use super::desk::{ADA, BEN, account};
use crate::support::TOKEN;

#[tokio::test]
async fn an_answer_belongs_to_the_account_or_token_it_was_given_to() {
    let provider = provider(json!([])).await;
    let tagged = |tag: &str| Reply::json(200, &json!([])).with("etag", format!("\"{tag}\""));
    let bench = github(&provider, Some(TOKEN), Config::default());
    bench.connect(Some(ADA), account(1, "adas-token"));
    bench.connect(Some(BEN), account(2, "bens-token"));
    let call = |key| bench.call(key, "github_list_issues", issues());
    let with = |token: &str| {
        let mut call = call(ADA);
        call.user_token = Some(Arc::new(SecretString::from(token)));
        call
    };
    let calls = || {
        [
            call(ADA),
            call(BEN),
            call(EVE),
            with("brought-along"),
            with("brought-also"),
        ]
    };

    // Everybody's first request is compared with nothing, the second with one's own.
    for tag in ["ada", "ben", "the connector", "one", "other"] {
        provider.script([tagged(tag)]);
    }
    for call in calls().into_iter().chain(calls()) {
        bench.run(call).await.ok();
    }
    let compared = || -> Vec<Option<String>> {
        let seen = provider.seen().into_iter();
        seen.map(|seen| {
            let tag = seen.headers.get("if-none-match")?;
            Some(tag.to_str().unwrap().trim_matches('"').to_owned())
        })
        .collect()
    };
    let own = ["ada", "ben", "the connector", "one", "other"].map(|tag| Some(tag.to_owned()));
    assert_eq!(compared()[..5], [const { None }; 5]);
    assert_eq!(compared()[5..], own);

    // Tokens that were renewed have other answers, and a connector that is let go leaves none.
    let mut renewed = account(1, "adas-next-token");
    renewed.generation = 2;
    bench.connect(Some(ADA), renewed);
    let renewed = || {
        let mut call = call(ADA);
        call.accounts = 1;
        call
    };
    provider.script([tagged("ada again")]);
    bench.run(renewed()).await.ok();
    bench.run(renewed()).await.ok();
    let asked = bench.last_asked();
    bench.worker.release(asked.tenant, asked.connector).await;
    bench.run(renewed()).await.ok();
    assert_eq!(compared()[10..], [None, Some("ada again".to_owned()), None]);
}
