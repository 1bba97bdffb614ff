//! How a person is asked for an account that is missing, and how the call goes on.

use std::time::Duration;

use connector_worker::Config;
use fabric::{CallEvent, Method};
use serde_json::{Value, json};

use super::choice::{github, issues, provider, shown};
use super::desk::{ADA, account, answered, run_heard, who_opens_pages};

#[tokio::test]
async fn a_client_that_opens_pages_is_asked_and_the_same_call_goes_on_once_the_account_is_there() {
    let provider = provider(json!([])).await;
    let bench = github(&provider, None, Config::default());
    let call = who_opens_pages(bench.call(ADA, "github_list_issues", issues()));

    let asked = bench.run(call.clone()).await.asks();

    assert_eq!(asked.params["message"], "No account is connected.");
    let url = asked.params["url"].as_str().unwrap();
    assert_eq!(url, "https://turnbuckle.test/connect/nonce-1");
    assert!(provider.seen().is_empty());

    // Clients say that the page is open, not that the person is done with it.
    let goes_on = run_heard(&bench, answered(call, &asked, "accept"));
    let connects = async {
        bench.control_plane.asked(3).await;
        let state = bench.control_plane.state();
        let waits = state.asked[1..].iter();
        assert!(waits.clone().count() > 0);
        assert!(
            waits.into_iter().all(|asked| !asked.wants_link),
            "no further link is made for one who waits"
        );
        drop(state);
        bench.connect(Some(ADA), account(1, "adas-own-token"));
    };
    let ((ended, told), ()) = tokio::join!(goes_on, connects);

    ended.ok();
    assert_eq!(shown(&provider), ["Bearer adas-own-token"]);
    let [CallEvent::ElicitationComplete(params)] = told.as_slice() else {
        panic!("{told:?}");
    };
    let params: Value = serde_json::from_slice(params).unwrap();
    assert_eq!(params["elicitationId"], asked.params["elicitationId"]);
    // Others do not wait for it.
    let again = bench.call(ADA, "github_list_issues", issues());
    let before = bench.asked();
    bench.run(again).await.ok();
    assert_eq!(bench.asked(), before);
}

#[tokio::test]
async fn a_person_who_does_not_come_or_does_not_want_to_is_told_of_in_words() {
    let provider = provider(json!([])).await;
    let bench = github(&provider, None, Config::default());
    let mut call = who_opens_pages(bench.call(ADA, "github_list_issues", issues()));
    call.deadline = Duration::from_secs(1);
    let asked = bench.run(call.clone()).await.asks();

    let words = bench.run(answered(call.clone(), &asked, "accept")).await;
    let words = words.refused();
    assert!(
        words.contains("No account is connected.")
            && words.contains("/connect/nonce-")
            && words.contains("call the tool again"),
        "{words}"
    );
    for refusal in ["decline", "cancel"] {
        let questions = bench.asked();
        let words = bench.run(answered(call.clone(), &asked, refusal)).await;
        assert!(words.refused().contains("did not want to connect"));
        assert_eq!(bench.asked(), questions);
    }
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn a_client_that_opens_no_pages_gets_the_link_in_words_and_its_next_call_works() {
    let provider = provider(json!([])).await;
    let bench = github(&provider, None, Config::default());
    let call = || bench.call(ADA, "github_list_issues", issues());

    let words = bench.run(call()).await.refused();
    assert_eq!(
        words,
        "No account is connected.\nOpen https://turnbuckle.test/connect/nonce-1 and then call \
         the tool again."
    );
    // What is read as a resource has no words of a tool: it fails with them.
    let mut read = who_opens_pages(call());
    read.request.method = Method::ReadResource;
    read.request.name = Some("github://repo/o/r".to_owned());
    read.request.arguments = None;
    bench.run(read).await.asks();

    bench.connect(Some(ADA), account(1, "adas-own-token"));
    let mut again = call();
    again.accounts = 1;
    bench.run(again).await.ok();
    assert_eq!(shown(&provider), ["Bearer adas-own-token"]);
}
