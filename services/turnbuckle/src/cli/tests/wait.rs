//! `--wait`: whether a change is enforced everywhere.

use serde_json::json;

use super::Server;

const LINE: &str = "POST /api/v1/admin/tenants/acme/deactivate?wait=10";

#[tokio::test]
async fn a_change_that_is_enforced_everywhere_in_time_is_a_success() {
    let server = Server::start().await;
    server.on(LINE, 200, &json!({"slug": "acme"}));
    server.with(LINE, &[("turnbuckle-enforced", "true")]);
    server.on(
        "DELETE /api/v1/admin/keys/k?wait=0.5",
        200,
        &json!({"id": "k"}),
    );

    let waited = server
        .run(&["tenant", "deactivate", "acme", "--wait"])
        .await;
    let bounded = server.run(&["key", "revoke", "k", "--wait=0.5"]).await;

    assert_eq!((waited.code, waited.err.as_str()), (0, ""));
    assert_eq!((bounded.code, bounded.err.as_str()), (0, ""));
}

#[tokio::test]
async fn a_change_that_is_not_enforced_in_time_is_shown_and_fails() {
    let server = Server::start().await;
    server.on(LINE, 200, &json!({"slug": "acme"}));
    let behind = [
        ("turnbuckle-enforced", "false"),
        ("turnbuckle-behind", "a, b"),
    ];
    server.with(LINE, &behind);

    let ran = server
        .run(&["tenant", "deactivate", "acme", "--wait"])
        .await;

    let sentence = "error: the change is made, but not every gateway enforces it yet (a, b): \
                    `turnbuckle nodes` shows how far each is\n";
    assert_eq!((ran.code, ran.err.as_str()), (1, sentence));
    assert!(ran.out.contains("acme"), "{}", ran.out);
}

#[tokio::test]
async fn waiting_is_refused_where_it_makes_no_sense() {
    let server = Server::start().await;
    for (words, why) in [
        (
            &["tenant", "list", "--wait"][..],
            "error: --wait is for commands that change something: leave it out\n",
        ),
        (
            &[
                "connector",
                "add",
                "acme",
                "up",
                "--command",
                "x",
                "--no-wait",
                "--wait",
            ],
            "error: --no-wait and --wait contradict each other: leave one out\n",
        ),
    ] {
        let ran = server.run(words).await;
        assert_eq!((ran.code, ran.err.as_str()), (2, why));
    }
    let ran = server
        .run(&["tenant", "activate", "acme", "--wait=31"])
        .await;
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("must be a number of seconds from 0 to 30"),
        "{}",
        ran.err
    );
    assert!(server.seen().is_empty());
}
