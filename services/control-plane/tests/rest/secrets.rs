//! Secrets go in and never come out.

use fabric::StderrLine;
use serde_json::{Value, json};

use crate::harness::{NOW, Plane, failure};
use crate::log::Log;

/// Planted wherever a secret may be.
const MARKER: &str = "hunter2-marker";

#[tokio::test]
async fn no_answer_and_no_log_line_ever_holds_a_secret() {
    let (log, _guard) = Log::keep();

    let plane = Plane::new().await;
    plane.tenant("acme").await;
    let all = "/tenants/acme/connectors";
    let url = json!({"url": "http://u/"});
    let command = json!({"command": ["server"]});
    let mut texts = Vec::new();
    for (slug, r#type, config, secrets) in [
        ("gh", "fake", json!({}), json!({"token": MARKER})),
        (
            "up",
            "remote_mcp",
            url.clone(),
            json!({"headers": {"X-Key": MARKER}}),
        ),
        (
            "h",
            "hosted_mcp",
            command.clone(),
            json!({"env": {"KEY": MARKER}}),
        ),
        // Refused ones, and secrets in wrong places.
        (
            "x1",
            "remote_mcp",
            url.clone(),
            json!({"headers": {"Host": MARKER}}),
        ),
        (
            "x2",
            "remote_mcp",
            url.clone(),
            json!({"token": format!("{MARKER}\n")}),
        ),
        (
            "x3",
            "hosted_mcp",
            command.clone(),
            json!({"token": MARKER}),
        ),
        ("x4", "hosted_mcp", command.clone(), json!({"env": MARKER})),
        (
            "x5",
            "remote_mcp",
            json!({"url": format!("http://u:{MARKER}@h/")}),
            json!({}),
        ),
        ("x6", "fake", json!({"base_url": [MARKER]}), json!({})),
        ("x7", "fake", json!({}), json!({"token": [MARKER]})),
    ] {
        let body = json!({"slug": slug, "type": r#type, "config": config, "secrets": secrets});
        let authorization = format!("Bearer {}", plane.admin);
        let headers = [
            ("authorization", authorization.as_str()),
            ("idempotency-key", slug),
        ];
        for _ in 0..2 {
            texts.push(
                plane
                    .ask_with(&headers, "POST", all, body.clone())
                    .await
                    .text,
            );
        }
    }
    plane
        .workers
        .lists(Err(failure(&format!("the server said: bad key {MARKER}"))));
    let line = StderrLine {
        at: NOW,
        text: format!("my key is {MARKER}"),
    };
    plane.workers.stderr.lock().unwrap().push(line);
    for slug in ["gh", "up", "h"] {
        let one = format!("{all}/{slug}");
        let patch = json!({"secrets": {"token": MARKER, "env": {"KEY": MARKER}}});
        for (method, path, body) in [
            ("POST", format!("{one}/tools/sync"), Value::Null),
            ("GET", one.clone(), Value::Null),
            ("GET", format!("{one}/tools"), Value::Null),
            ("GET", format!("{one}/process"), Value::Null),
            ("GET", format!("{one}/process/stderr"), Value::Null),
            ("PATCH", one.clone(), patch),
            ("POST", format!("{one}/disable"), Value::Null),
            ("GET", all.to_owned(), Value::Null),
        ] {
            texts.push(plane.ask(method, &path, body).await.text);
        }
    }
    let key = plane.key("tenant_user", "acme").await;
    texts.push(plane.get("/keys").await.text);
    plane.trigger.drain();
    plane.process.tasks.finished().await;

    assert!(
        texts.iter().any(|text| text.contains("[secret]")),
        "redaction was tried"
    );
    assert!(texts.iter().all(|text| !text.contains(MARKER)), "{texts:?}");
    let log = log.text();
    let line = log.lines().find(|line| line.contains("request answered"));
    let line = line.expect("the access log is heard");
    assert!(
        line.contains("request.id=\"") && line.contains("http.route=\"/api/v1/admin/"),
        "{line}"
    );
    // Behind `tb_`, the scope, and the id, which is no secret.
    let secret_part = 6 + 32 + 1;
    for secret in [MARKER, &key[secret_part..], &plane.admin[secret_part..]] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
}
