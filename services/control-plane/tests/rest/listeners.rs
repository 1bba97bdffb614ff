use std::sync::{Arc, Mutex};

use control_plane::Config;
use fabric::{ConfigListener, ConfigSource, Subject};
use serde_json::{Value, json};

use crate::harness::{Plane, tool};

#[derive(Default)]
struct Heard(Mutex<Vec<(Subject, i64)>>);

impl ConfigListener for Heard {
    fn changed(&self, subject: &Subject, revision: i64) {
        self.0.lock().unwrap().push((subject.clone(), revision));
    }
}

#[tokio::test]
async fn every_change_is_told_with_its_revision_before_it_is_answered() {
    let plane = Plane::new().await;
    let sources = plane.plane.sources();
    let heard = Arc::new(Heard::default());
    sources.subscribe(heard.clone());
    let acme = Subject::Tenant("acme".to_owned());
    let up = "/tenants/acme/connectors/up";
    let key = json!({"name": "k", "scope": "tenant_user", "tenant": "acme"});
    let remote = json!({"slug": "up", "type": "remote_mcp", "config": {"url": "http://u/"}, "enabled": false});
    for (method, path, body, subject) in [
        (
            "POST",
            "/tenants".to_owned(),
            json!({"slug": "acme", "name": "x"}),
            &acme,
        ),
        (
            "PATCH",
            "/tenants/acme".to_owned(),
            json!({"name": "y"}),
            &acme,
        ),
        ("POST", "/keys".to_owned(), key, &acme),
        (
            "POST",
            "/keys".to_owned(),
            json!({"name": "k", "scope": "platform_admin"}),
            &Subject::Platform,
        ),
        (
            "POST",
            "/tenants/acme/connectors".to_owned(),
            json!({"slug": "gh", "type": "fake"}),
            &acme,
        ),
        ("POST", "/tenants/acme/connectors".to_owned(), remote, &acme),
        ("PATCH", up.to_owned(), json!({"prefix": "b"}), &acme),
        ("POST", format!("{up}/enable"), Value::Null, &acme),
        ("POST", format!("{up}/tools/sync"), Value::Null, &acme),
        (
            "PATCH",
            format!("{up}/tools/echo"),
            json!({"enabled": false}),
            &acme,
        ),
        ("POST", format!("{up}/tools/enable-all"), Value::Null, &acme),
        (
            "PATCH",
            up.to_owned(),
            json!({"on_change": "accept"}),
            &acme,
        ),
        ("POST", format!("{up}/disable"), Value::Null, &acme),
        ("DELETE", up.to_owned(), Value::Null, &acme),
        (
            "POST",
            "/tenants/acme/deactivate".to_owned(),
            Value::Null,
            &acme,
        ),
        ("DELETE", "/tenants/acme".to_owned(), Value::Null, &acme),
    ] {
        heard.0.lock().unwrap().clear();
        if path.ends_with("/sync") {
            // The reading that enabling it began may have ended: one that finds nothing new
            // concerns nobody.
            plane.workers.lists(Ok(vec![tool("echo"), tool("later")]));
        }
        let answer = plane.ask(method, &path, body).await;
        assert!(
            answer.status.is_success(),
            "{method} {path}: {}",
            answer.text
        );
        let heard = heard.0.lock().unwrap().clone();
        let (told, revision) = heard
            .last()
            .unwrap_or_else(|| panic!("{method} {path} is not told"));
        assert_eq!(told, subject, "{method} {path}");

        let current = match subject {
            Subject::Platform => Some(sources.platform().await.unwrap().revision),
            Subject::Tenant(slug) => sources.tenant(slug).await.unwrap().map(|c| c.revision),
        };
        assert!(
            current.is_none_or(|current| current >= *revision),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn a_change_is_told_even_when_its_caller_goes_away() {
    let plane = Plane::new().await;
    let heard = Arc::new(Heard::default());
    plane.plane.sources().subscribe(heard.clone());

    let mut asking = Box::pin(plane.ask("POST", "/tenants", json!({"slug": "acme", "name": "x"})));
    // Step by step until the change is committed, then the caller hangs up.
    while plane.storage.find_tenant("acme").await.unwrap().is_none() {
        let _ = futures_util::poll!(asking.as_mut());
        tokio::task::yield_now().await;
    }
    drop(asking);

    while heard.0.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        heard.0.lock().unwrap()[0].0,
        Subject::Tenant("acme".to_owned())
    );
}

#[tokio::test]
async fn a_change_of_the_operators_oauth_client_is_told_to_each_tenant_that_it_serves() {
    let plane = Plane::with_builtin_catalog(Config::default()).await;
    for tenant in ["acme", "beta", "other"] {
        plane.tenant(tenant).await;
    }
    let connector = json!({"slug": "gl", "type": "gitlab"});
    for tenant in ["acme", "beta"] {
        let path = format!("/tenants/{tenant}/connectors");
        plane
            .ask("POST", &path, connector.clone())
            .await
            .expect(201);
    }
    let sources = plane.plane.sources();
    let heard = Arc::new(Heard::default());
    sources.subscribe(heard.clone());
    let accounts = async |tenant: &str| {
        let config = sources.tenant(tenant).await.unwrap().unwrap();
        config.connectors[0].accounts
    };
    let before = accounts("beta").await;

    for (number, (method, body)) in [
        ("PUT", json!({"client_id": "one", "client_secret": "s"})),
        ("PUT", json!({"client_id": "one", "client_secret": "t"})),
        ("PUT", json!({"client_id": "two"})),
        ("DELETE", Value::Null),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = plane.ask(method, "/oauth-clients/gitlab", body).await;
        assert!(answer.status.is_success(), "{}", answer.text);

        let told: Vec<Subject> = heard.0.lock().unwrap().drain(..).map(|(s, _)| s).collect();
        let tenant = |slug: &str| Subject::Tenant(slug.to_owned());
        assert_eq!(told, [tenant("acme"), tenant("beta")], "{method}");
        let changes = i64::try_from(number).unwrap() + 1;
        assert_eq!(accounts("beta").await, before + changes, "{method}");
    }
}
