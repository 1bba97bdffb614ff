//! Pages of lists, and the cursors between them.

use std::time::Duration;

use fabric::{Call, Effect, Failure, FailureKind, Method, Outcome, RpcError};
use serde_json::{Value, json};

use crate::rig::{Rig, result};

const ALL: &str = "/api/v1/acme/mcp";
const ONE: &str = "/api/v1/acme/connectors/one/mcp";
const METHODS: [&str; 3] = ["prompts/list", "resources/list", "resources/templates/list"];

fn rig(per_page: usize) -> Rig {
    let config = gateway::Config {
        tools_per_page: per_page,
        ..gateway::Config::default()
    };
    let rig = Rig::with(config);
    for connector in [0, 1] {
        rig.server(
            connector,
            "2026-07-28",
            json!({"prompts": {}, "resources": {}}),
        );
    }
    rig
}

/// Each connector has three pages of two items.
fn three_pages(call: &Call) -> Outcome {
    let rest = format!("{{{}}}", std::str::from_utf8(&call.request.rest).unwrap());
    let rest: Value = serde_json::from_str(&rest).unwrap();
    let page = rest.get("cursor").map_or(0, |cursor| {
        let text = cursor.as_str().unwrap();
        text.strip_prefix("up ").unwrap().parse::<usize>().unwrap()
    });
    let (list, key) = match call.request.method {
        Method::ListPrompts => ("prompts", "name"),
        Method::ListResources => ("resources", "uri"),
        _ => ("resourceTemplates", "uriTemplate"),
    };
    let items: Vec<Value> = (0..2)
        .map(|n| json!({key: format!("i{}", page * 2 + n)}))
        .collect();
    let mut all = json!({list: items, "ttlMs": 5_000, "cacheScope": "public", "x": 1.0});
    if page < 2 {
        all["nextCursor"] = json!(format!("up {}", page + 1));
    }
    result(all)
}

fn names(page: &Value) -> Vec<String> {
    let all = page
        .as_object()
        .unwrap()
        .values()
        .find_map(Value::as_array)
        .unwrap();
    let name = |item: &Value| item.as_object().unwrap().values().next().unwrap().clone();
    all.iter()
        .map(|item| name(item).as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_page_of_one_connector_is_a_page_of_its_upstream() {
    let rig = rig(1);
    rig.worker.answers(three_pages);
    for method in METHODS {
        let (mut params, mut pages) = (json!({}), Vec::new());
        loop {
            let page = rig.modern_as(ONE, json!({}), method, params.clone()).await;
            let page = page.json()["result"].clone();
            assert_eq!(
                (&page["ttlMs"], &page["cacheScope"], &page["x"]),
                (&json!(5_000), &json!("private"), &json!(1.0))
            );
            pages.push(names(&page));
            match page.get("nextCursor") {
                Some(cursor) => params["cursor"] = cursor.clone(),
                None => break,
            }
        }
        assert_eq!(
            pages,
            [["i0", "i1"], ["i2", "i3"], ["i4", "i5"]],
            "{method}"
        );
    }
}

#[tokio::test]
async fn pages_of_all_connectors_are_filled_in_the_order_of_their_slugs() {
    for (per_page, sizes) in [
        (1, vec![2; 6]),
        (3, vec![4; 3]),
        (5, vec![6, 6]),
        (100, vec![12]),
    ] {
        let rig = rig(per_page);
        rig.worker.answers(three_pages);
        let session = rig.session_as(ALL, "2025-11-25", json!({})).await;
        let (mut params, mut all, mut found) = (json!({}), Vec::new(), Vec::new());
        loop {
            let page = rig.legacy(&session, "prompts/list", params.clone()).await;
            let page = page.json()["result"].clone();
            assert!(page.get("ttlMs").is_none());
            found.push(names(&page).len());
            all.extend(names(&page));
            match page.get("nextCursor") {
                Some(cursor) => params["cursor"] = cursor.clone(),
                None => break,
            }
        }
        assert_eq!(found, sizes, "{per_page}");
        let own = (0..6).map(|n| format!("i{n}"));
        let expected: Vec<String> = own
            .clone()
            .chain(own.map(|own| format!("two_{own}")))
            .collect();
        assert_eq!(all, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_fails_or_is_late_is_left_out_and_empties_no_list() {
    let rig = rig(100);
    let problems: [fn() -> Option<Outcome>; 5] = [
        || None,
        || Some(result("[1]")),
        || Some(result(json!({"other": []}))),
        || {
            let (code, message, data) = (-32603, "no".to_owned(), None);
            Some(Outcome::Error(RpcError {
                code,
                message,
                data,
                raw: None,
            }))
        },
        || {
            let (kind, effect) = (FailureKind::Unreachable, Effect::None);
            let message = "away".to_owned();
            Some(Outcome::Failed(Failure {
                kind,
                message,
                effect,
            }))
        },
    ];
    for problem in problems {
        rig.worker.script(move |call, _| async move {
            if call.connector.as_uuid().as_u128() == 12 {
                return three_pages(&call);
            }
            assert_eq!(call.deadline, Duration::from_secs(5));
            match problem() {
                Some(outcome) => outcome,
                None => std::future::pending().await,
            }
        });
        let page = rig.modern("resources/list", json!({})).await.json()["result"].clone();
        assert_eq!(names(&page).len(), 6);
        assert!(names(&page)[0].starts_with("two+"), "{page}");
        assert_eq!(page["ttlMs"], 5_000);
    }
    let text = rig.metrics();
    let counted = r#"turnbuckle_mcp_list_left_out_total{method="resources/list"} 5"#;
    assert!(text.contains(counted), "{text}");
}

#[tokio::test]
async fn connectors_without_such_a_list_are_not_asked() {
    let rig = Rig::new();
    rig.server(1, "2025-11-25", json!({"resources": {}}));
    rig.worker.answers(three_pages);

    rig.modern("resources/list", json!({})).await;

    let calls = rig.worker.take_calls();
    assert!(
        calls
            .iter()
            .all(|call| call.connector.as_uuid().as_u128() == 12)
    );
    assert_eq!(calls.len(), 3);
}

#[tokio::test]
async fn two_connectors_that_would_share_names_of_prompts_do_not_both_offer_them() {
    let rig = rig(100);
    rig.source.change("acme", |config| {
        config.connectors[1].connector.prefix = String::new();
    });
    rig.worker.answers(three_pages);

    let page = rig.modern("prompts/list", json!({})).await.json()["result"].clone();

    assert_eq!(names(&page).len(), 6);
    let calls = rig.worker.take_calls();
    assert!(
        calls
            .iter()
            .all(|call| call.connector.as_uuid().as_u128() == 11)
    );
}

#[tokio::test]
async fn a_cursor_is_good_for_its_caller_endpoint_and_method_alone() {
    let rig = rig(1);
    rig.worker.answers(three_pages);
    let list = async |path: &str, method: &str, cursor: &Value| {
        let answer = rig
            .modern_as(path, json!({}), method, json!({"cursor": cursor}))
            .await;
        let error = answer.json()["error"].clone();
        (
            answer.status.as_u16(),
            error["code"].as_i64(),
            error["message"].as_str().map(str::to_owned),
        )
    };
    let refused = (200, Some(-32602), Some("Invalid cursor".to_owned()));
    let good = (200, None, None);
    let of = async |path: &str, method: &str| {
        let page = rig.modern_as(path, json!({}), method, json!({})).await;
        page.json()["result"]["nextCursor"].clone()
    };

    for method in ["tools/list", "prompts/list", "resources/list"] {
        let cursor = of(ALL, method).await;
        assert_eq!(list(ALL, method, &cursor).await, good);
        assert_eq!(
            list(ALL, method, &cursor).await,
            good,
            "as often as one likes"
        );
        assert_eq!(
            list(ONE, method, &cursor).await,
            refused,
            "another endpoint"
        );
        let other = if method == "tools/list" {
            "prompts/list"
        } else {
            "tools/list"
        };
        assert_eq!(list(ALL, other, &cursor).await, refused, "another method");
        let mut forged = cursor.as_str().unwrap().to_owned().into_bytes();
        forged[40] ^= 1;
        let forged = String::from_utf8_lossy(&forged).into_owned();
        for forged in [forged, String::new(), "x".repeat(40_000), "up 1".to_owned()] {
            assert_eq!(list(ALL, method, &json!(forged)).await, refused);
        }
        let second = rig.mint(500, domain::Scope::TenantAdmin);
        let tenant = rig.source.tenants.lock().unwrap()["acme"].tenant.id;
        let stored = rig.stored(&second, domain::Scope::TenantAdmin, Some(tenant));
        rig.source.change("acme", |config| config.keys.push(stored));
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {
            "cursor": cursor, "_meta": crate::rig::meta(),
        }});
        let headers = [
            ("mcp-protocol-version", crate::rig::MODERN),
            ("mcp-method", method),
        ];
        let request = rig.post_to(ALL, &second.expose(), &headers, body.to_string());
        let answer = rig.send(request).await;
        assert_eq!(
            answer.error(),
            (200, -32602, "Invalid cursor".to_owned()),
            "another key"
        );
    }
}

#[tokio::test]
async fn a_list_goes_on_behind_a_connector_that_went_meanwhile() {
    let rig = rig(1);
    rig.worker.answers(three_pages);
    let first = rig.modern("resources/list", json!({})).await.json()["result"].clone();
    rig.source.change("acme", |config| {
        config.connectors[0].connector.enabled = false
    });

    let cursor = json!({"cursor": first["nextCursor"]});
    let next = rig.modern("resources/list", cursor).await.json()["result"].clone();

    assert_eq!(names(&next), ["two+i0", "two+i1"]);
}
