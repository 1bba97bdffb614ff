//! From a link to an account.

use serde_json::{Value, json};
use testkit::oauth::Consent;

use super::rig::{Browser, CALLBACK, CONNECTOR, Rig};

const NONE: Value = Value::Null;

fn parameter(url: &url::Url, name: &str) -> String {
    let found = url.query_pairs().find(|(key, _)| key == name);
    found
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[tokio::test]
async fn a_person_connects_an_account_and_sees_who_asks_for_what() {
    let rig = Rig::new("gitlab").await;
    rig.enable_only(&["gitlab_list_projects"]).await;
    let (begun, link) = rig.begin(&rig.user, NONE).await;
    let browser = Browser::default();

    let page = browser.get(&rig.plane, &link).await;
    assert_eq!(page.status, 200);
    for said in [
        "GitLab",
        "acme",
        "tenant_user",
        "gitlab.com",
        "read_api",
        "30 minutes",
    ] {
        assert!(page.text.contains(said), "{said}: {}", page.text);
    }
    assert!(page.text.contains(begun["code"].as_str().unwrap()));
    assert!(!page.text.contains("<script"));
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self';"),
        "{policy}"
    );
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.header("referrer-policy"), "same-origin");
    assert_eq!(rig.status(&rig.user, &begun).await["status"], "opened");

    let at_provider = rig.depart(&browser, &link).await;
    assert_eq!(parameter(&at_provider, "redirect_uri"), CALLBACK);
    assert_eq!(parameter(&at_provider, "code_challenge_method"), "S256");
    assert_eq!(parameter(&at_provider, "scope"), "read_api");
    assert_eq!(rig.status(&rig.user, &begun).await["status"], "redirected");

    let callback = rig.decide(&at_provider, &Consent::approve("ada")).await;
    let page = browser.get(&rig.plane, &callback).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("Connected"), "{}", page.text);
    assert!(!page.text.contains("secret-"), "{}", page.text);

    let status = rig.status(&rig.user, &begun).await;
    let accounts = rig.accounts(&rig.user).await;
    assert_eq!(status["status"], "connected");
    assert_eq!(
        (accounts.len(), &accounts[0]["id"]),
        (1, &status["account"])
    );
    assert_eq!(accounts[0]["state"], "connected");
    assert_eq!(accounts[0]["scopes"], json!(["read_api"]));
    assert!(!accounts[0].to_string().contains("secret-"));
    assert_eq!(rig.provider.violations(), Vec::<String>::new());
    browser
        .get(&rig.plane, &link)
        .await
        .refuses(409, "done its work");
}

#[tokio::test]
async fn a_link_belongs_to_the_browser_that_goes_on_first() {
    let rig = Rig::new("gitlab").await;
    let (_, link) = rig.begin(&rig.admin, NONE).await;
    let (first, second) = (Browser::default(), Browser::default());
    // Looking at a link, as programs do that show what is behind it, takes nothing.
    let seen = second.get(&rig.plane, &link).await;
    assert_eq!(seen.status, 200);
    rig.depart(&first, &link).await;

    second
        .get(&rig.plane, &link)
        .await
        .refuses(409, "another browser");
    let form = [("token", seen.hidden("token"))];
    let late = second.post(&rig.plane, &link, &form).await;
    late.refuses(409, "another browser");
    // Who comes back from the provider without an answer may go there again.
    rig.depart(&first, &link).await;
}

#[tokio::test]
async fn a_form_counts_only_from_the_browser_and_the_page_that_it_was_given() {
    let rig = Rig::new("gitlab").await;
    let (_, link) = rig.begin(&rig.admin, NONE).await;
    let (_, other) = rig.begin(&rig.admin, NONE).await;
    let (mine, theirs) = (Browser::default(), Browser::default());
    let token = mine.get(&rig.plane, &link).await.hidden("token");
    let of_other = mine.get(&rig.plane, &other).await.hidden("token");
    theirs.get(&rig.plane, &link).await;

    let form = |token: &str| [("token", token.to_owned())];
    let stolen = theirs.post(&rig.plane, &link, &form(&token)).await;
    stolen.refuses(403, "This form cannot be used");
    let mixed = mine.post(&rig.plane, &link, &form(&of_other)).await;
    mixed.refuses(403, "This form cannot be used");
    let bare = Browser::default()
        .post(&rig.plane, &link, &form(&token))
        .await;
    bare.refuses(403, "no cookie");
    let good = mine.post(&rig.plane, &link, &form(&token)).await;
    assert_eq!(good.status, 303);
}

#[tokio::test]
async fn of_several_sites_a_person_chooses_one_once() {
    let rig = Rig::new("jira").await;
    let browser = Browser::default();
    let (begun, link) = rig.begin(&rig.admin, NONE).await;
    let at_provider = rig.depart(&browser, &link).await;
    let callback = rig.decide(&at_provider, &Consent::approve("ada")).await;

    let page = browser.get(&rig.plane, &callback).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(
        page.text.contains("https://two.atlassian.net"),
        "{}",
        page.text
    );
    assert_eq!(rig.status(&rig.admin, &begun).await["status"], "choosing");
    let form = |site: &str| {
        let named = |name| (name, page.hidden(name));
        [named("state"), named("token"), ("site", site.to_owned())]
    };
    let choice = "/api/v1/oauth/choice";
    let stranger = Browser::default();
    stranger
        .get(&rig.plane, &rig.begin(&rig.admin, NONE).await.1)
        .await;
    let stolen = stranger.post(&rig.plane, choice, &form("1")).await;
    stolen.refuses(403, "This form cannot be used");
    let beyond = browser.post(&rig.plane, choice, &form("7")).await;
    beyond.refuses(403, "This form cannot be used");
    let chosen = browser.post(&rig.plane, choice, &form("1")).await;
    assert_eq!(chosen.status, 200, "{}", chosen.text);

    let accounts = rig.accounts(&rig.admin).await;
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0]["variables"], json!({"cloudId": "cloud-2"}));
    let again = browser.post(&rig.plane, choice, &form("0")).await;
    again.refuses(409, "here before");
    // Connected again, it stays with its site, and nobody is asked.
    let id = accounts[0]["id"].clone();
    let accounts = rig.connect(&rig.admin, json!({"account": id})).await;
    assert_eq!((accounts.len(), &accounts[0]["id"]), (1, &id));
    assert_eq!(accounts[0]["variables"], json!({"cloudId": "cloud-2"}));
}

#[tokio::test]
async fn more_is_asked_for_when_more_is_switched_on_and_what_was_granted_stays() {
    let rig = Rig::new("gitlab").await;
    rig.enable_only(&["gitlab_list_projects"]).await;
    let accounts = rig.connect(&rig.user, NONE).await;
    rig.enable_only(&["gitlab_create_issue"]).await;
    let (_, link) = rig
        .begin(&rig.user, json!({"account": accounts[0]["id"]}))
        .await;

    let at_provider = rig.depart(&Browser::default(), &link).await;

    assert_eq!(parameter(&at_provider, "scope"), "api read_api");
}

#[tokio::test]
async fn an_account_that_is_connected_again_keeps_its_id_and_is_of_the_same_user() {
    let rig = Rig::new("slack").await;
    let accounts = rig.connect(&rig.user, NONE).await;
    assert_eq!(accounts[0]["name"], "Team of ada");
    let id = accounts[0]["id"].clone();
    let again = rig.connect(&rig.user, json!({"account": id})).await;
    assert_eq!((again.len(), &again[0]["id"]), (1, &id));
    // The same user is the same account, whether the link says so or not.
    let anew = rig.connect(&rig.user, NONE).await;
    assert_eq!((anew.len(), &anew[0]["id"]), (1, &id));

    let browser = Browser::default();
    let (begun, link) = rig.begin(&rig.user, json!({"account": id})).await;
    let at_provider = rig.depart(&browser, &link).await;
    let callback = rig.decide(&at_provider, &Consent::approve("eve")).await;
    let page = browser.get(&rig.plane, &callback).await;

    page.refuses(409, "somebody else");
    assert_eq!(rig.status(&rig.user, &begun).await["status"], "failed");
    assert_eq!(rig.accounts(&rig.user).await, anew, "nothing was changed");
}

#[tokio::test]
async fn the_operators_client_is_only_for_the_providers_own_host() {
    let rig = Rig::new("gitlab").await;
    let body = json!({"slug": "own", "type": "gitlab", "prefix": "own", "config": {"base_url": "https://git.acme.example"}});
    let path = "/tenants/acme/connectors";
    rig.plane.ask("POST", path, body).await.expect(201);
    let path = "/tenants/acme/connectors/own/connections";
    let begin = || rig.plane.ask_as(&rig.admin, "POST", path, NONE);
    begin().await.expect_problem(409, "oauth-client-missing");

    let own = "/tenants/acme/oauth-clients/gitlab";
    let body = json!({"client_id": "own", "variables": {"host": "git.acme.example"}});
    let set = rig
        .plane
        .ask_as(&rig.admin, "PUT", own, body)
        .await
        .expect(200);
    assert_eq!(
        (&set["tenant"], &set["secret_set"]),
        (&json!("acme"), &json!(false))
    );

    begin().await.expect(201);
    // Which is for that host alone, in turn.
    let path = format!("{CONNECTOR}/connections");
    let elsewhere = rig.plane.ask_as(&rig.admin, "POST", &path, NONE).await;
    elsewhere.expect_problem(409, "oauth-client-missing");
}

#[tokio::test]
async fn who_signed_in_is_asked_of_the_provider_where_its_token_answer_does_not_say() {
    let rig = Rig::new("gitlab").await;
    let says = |text: &str| {
        let text = text.to_owned();
        rig.provider.change(|profile| profile.resource_body = text);
    };
    says(r#"{"id": "7-{user}", "username": "{user}"}"#);

    let accounts = rig.connect(&rig.user, NONE).await;

    let shown = [&accounts[0]["subject"], &accounts[0]["name"]];
    assert_eq!(shown, ["ada", "ada"]);
    let asked = rig.provider.seen_at("/api/v4/user");
    assert_eq!(asked.len(), 1);
    let id = accounts[0]["id"].clone();
    // The same user is the same account, whether the link says so or not.
    let anew = rig.connect(&rig.user, NONE).await;
    assert_eq!((anew.len(), &anew[0]["id"]), (1, &id));
    // Another is not.
    let browser = Browser::default();
    let (_, link) = rig.begin(&rig.user, json!({"account": id})).await;
    let at_provider = rig.depart(&browser, &link).await;
    let callback = rig.decide(&at_provider, &Consent::approve("eve")).await;
    let page = browser.get(&rig.plane, &callback).await;
    page.refuses(409, "You signed in as somebody else");
    assert_eq!(rig.accounts(&rig.user).await[0]["subject"], "ada");

    // A provider that does not say is no obstacle.
    for silence in [r#"{"message": "no"}"#, "<h1>no</h1>", "[]"] {
        says(silence);
        let accounts = rig.connect(&rig.admin, NONE).await;
        let mut newest_first = accounts.iter().rev();
        let last = newest_first.find(|account| account["key"].is_null());
        let last = last.unwrap();
        assert_eq!(last["subject"], NONE, "{silence}");
    }
}
