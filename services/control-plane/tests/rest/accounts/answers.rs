//! Answers of a provider that connect nothing.

use std::time::Duration;

use serde_json::Value;
use testkit::oauth::{Consent, Fault};

use super::rig::{Browser, Rig};

const NONE: Value = Value::Null;

#[tokio::test]
async fn an_answer_counts_once() {
    let rig = Rig::new("gitlab").await;
    let browser = Browser::default();
    let callback = rig.answered(&browser, &rig.admin, NONE).await;
    assert_eq!(browser.get(&rig.plane, &callback).await.status, 200);

    browser
        .get(&rig.plane, &callback)
        .await
        .refuses(409, "here before");

    assert_eq!(rig.provider.counts().exchanges, 1);
    assert_eq!(rig.accounts(&rig.admin).await.len(), 1);
}

#[tokio::test]
async fn of_answers_that_come_at_once_one_counts() {
    let rig = Rig::new("gitlab").await;
    let browser = Browser::default();
    let callback = rig.answered(&browser, &rig.admin, NONE).await;

    let pages = futures_util::future::join_all((0..8).map(|_| browser.get(&rig.plane, &callback)));
    let statuses: Vec<u16> = pages
        .await
        .iter()
        .map(|page| page.status.as_u16())
        .collect();

    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|status| **status == 409).count(),
        7,
        "{statuses:?}"
    );
    assert_eq!(rig.provider.counts().exchanges, 1);
}

#[tokio::test]
async fn an_answer_with_a_foreign_state_is_nobodys() {
    let rig = Rig::new("gitlab").await;
    let (browser, victim) = (Browser::default(), Browser::default());
    let callback = rig.answered(&browser, &rig.admin, NONE).await;
    let (_, code) = callback.split_once("code=").unwrap();
    let code = code.split('&').next().unwrap();
    let base = "/api/v1/oauth/callback";

    for query in [
        String::new(),
        "?state=".to_owned(),
        format!("?code={code}"),
        format!("?code={code}&state=made-up"),
        format!("?code={code}&state=a&state=b"),
    ] {
        let page = browser.get(&rig.plane, &format!("{base}{query}")).await;
        page.refuses(400, "Nobody waits");
    }
    // A code of one person in the sign-in of another.
    let (_, link) = rig.begin(&rig.user, NONE).await;
    let theirs = rig.depart(&victim, &link).await;
    let theirs = theirs
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap();
    let page = browser
        .get(
            &rig.plane,
            &format!("{base}?code={code}&state={}", theirs.1),
        )
        .await;
    page.refuses(403, "another browser");
    assert_eq!(rig.provider.counts().exchanges, 0);
}

#[tokio::test]
async fn a_state_that_a_newer_one_replaced_is_nobodys() {
    let rig = Rig::new("gitlab").await;
    let browser = Browser::default();
    let (_, link) = rig.begin(&rig.admin, NONE).await;
    let older = rig.depart(&browser, &link).await;
    rig.depart(&browser, &link).await;

    let callback = rig.decide(&older, &Consent::approve("ada")).await;

    browser
        .get(&rig.plane, &callback)
        .await
        .refuses(400, "Nobody waits");
}

#[tokio::test]
async fn an_answer_in_another_browser_connects_nothing_and_ends_nothing() {
    let rig = Rig::new("gitlab").await;
    let (browser, other) = (Browser::default(), Browser::default());
    let callback = rig.answered(&browser, &rig.admin, NONE).await;
    let (_, link) = rig.begin(&rig.admin, NONE).await;
    other.get(&rig.plane, &link).await;

    for foreign in [&other, &Browser::default()] {
        let page = foreign.get(&rig.plane, &callback).await;
        page.refuses(403, "another browser");
    }
    assert_eq!(rig.provider.counts().exchanges, 0);
    assert_eq!(browser.get(&rig.plane, &callback).await.status, 200);
}

#[tokio::test]
async fn links_and_answers_that_are_over_connect_nothing() {
    let rig = Rig::new("gitlab").await;
    let browser = Browser::default();
    let (begun, link) = rig.begin(&rig.admin, NONE).await;
    let callback = rig.answered(&browser, &rig.admin, NONE).await;
    let page = browser.get(&rig.plane, &link).await;

    rig.plane.clock.advance(Duration::from_secs(1800));

    browser.get(&rig.plane, &link).await.refuses(410, "over");
    let form = [("token", page.hidden("token"))];
    let posted = browser.post(&rig.plane, &link, &form).await;
    posted.refuses(410, "over");
    browser
        .get(&rig.plane, &callback)
        .await
        .refuses(410, "over");
    assert_eq!(rig.status(&rig.admin, &begun).await["status"], "expired");
    assert_eq!(rig.provider.counts().exchanges, 0);
    let unknown = format!("/connect/{}", "A".repeat(43));
    browser
        .get(&rig.plane, &unknown)
        .await
        .refuses(404, "no such link");
}

#[tokio::test]
async fn what_a_provider_refuses_is_told_in_words() {
    let rig = Rig::new("gitlab").await;
    let browser = Browser::default();
    let (begun, link) = rig.begin(&rig.admin, NONE).await;
    let at_provider = rig.depart(&browser, &link).await;
    let callback = rig.decide(&at_provider, &Consent::deny("ada")).await;
    let callback = format!("{callback}&error_description=%3Cb%3Eno%3C%2Fb%3E");
    let callback = callback.replacen("error_description=as", "ignored=as", 1);

    let page = browser.get(&rig.plane, &callback).await;

    page.refuses(403, "did not allow it (&lt;b&gt;no&lt;/b&gt;)");
    let status = rig.status(&rig.admin, &begun).await;
    assert_eq!(status["status"], "failed");
    assert!(
        status["problem"]
            .as_str()
            .unwrap()
            .contains("did not allow it")
    );
    browser
        .get(&rig.plane, &link)
        .await
        .refuses(409, "has been used");

    let (_, link) = rig.begin(&rig.admin, NONE).await;
    let state = rig.depart(&browser, &link).await;
    let state = state
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap();
    let trouble = format!(
        "/api/v1/oauth/callback?state={}&error=server_error",
        state.1
    );
    browser
        .get(&rig.plane, &trouble)
        .await
        .refuses(502, "try again later");
}

#[tokio::test]
async fn a_token_endpoint_that_fails_is_told_in_words_and_asked_once() {
    let rig = Rig::new("gitlab").await;
    for fault in [
        Fault::Status(500, None),
        Fault::Status(429, Some("30".to_owned())),
        Fault::Garbage,
        Fault::Html,
        Fault::Truncated,
        Fault::DropAfter,
        Fault::Redirect,
        Fault::Huge(1_000_000),
    ] {
        let browser = Browser::default();
        let callback = rig.answered(&browser, &rig.admin, NONE).await;
        let asked = rig.provider.seen_at("/oauth/token").len();
        rig.provider.fail_next(fault.clone());

        let page = browser.get(&rig.plane, &callback).await;

        page.refuses(502, "GitLab");
        assert_eq!(
            rig.provider.seen_at("/oauth/token").len(),
            asked + 1,
            "{fault:?}"
        );
        browser
            .get(&rig.plane, &callback)
            .await
            .refuses(409, "here before");
    }
    assert_eq!(rig.accounts(&rig.admin).await, Vec::<Value>::new());
}
