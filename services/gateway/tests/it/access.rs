//! Who gets in, and how fast "off" is off.

use std::time::Duration;

use domain::{KeyState, Scope, TenantState};
use gateway::Config;
use serde_json::json;

use crate::rig::{NOW, Rig, initialize};

const ACME: &str = "/api/v1/acme/mcp";

async fn status(rig: &Rig, path: &str, key: &str) -> u16 {
    rig.send(rig.post_to(path, key, &[], initialize("2025-11-25")))
        .await
        .status
        .as_u16()
}

#[tokio::test]
async fn nothing_is_answered_without_a_live_key_of_the_tenant() {
    let rig = Rig::new();
    let unknown = rig.mint(101, Scope::TenantUser).expose();

    assert_eq!(status(&rig, ACME, &rig.keys[0]).await, 200);
    assert_eq!(
        status(&rig, ACME, &rig.keys[1]).await,
        401,
        "another tenant's key"
    );
    assert_eq!(
        status(&rig, ACME, &unknown).await,
        401,
        "right id, wrong secret"
    );
    assert_eq!(status(&rig, ACME, "garbage").await, 401);
    assert_eq!(
        status(&rig, "/api/v1/nobody/mcp", &rig.keys[0]).await,
        401,
        "no such tenant"
    );
    for method in ["GET", "POST", "DELETE"] {
        let mut request = rig.post(&[], "{}");
        *request.method_mut() = method.parse().unwrap();
        request.headers_mut().remove("authorization");
        let answer = rig.send(request).await;
        assert_eq!(answer.status, 401);
        assert_eq!(
            answer.headers["www-authenticate"],
            "Bearer realm=\"turnbuckle\""
        );
    }
    let refused = rig.send(rig.post_to(ACME, "x", &[], "{}")).await;
    let challenge = "Bearer realm=\"turnbuckle\", error=\"invalid_token\"";
    assert_eq!(refused.headers["www-authenticate"], challenge);

    let mut twice = rig.post(&[], initialize("2025-11-25"));
    let copy = twice.headers()["authorization"].clone();
    twice.headers_mut().append("authorization", copy);
    assert_eq!(rig.send(twice).await.status, 401, "two tokens are none");
}

#[tokio::test]
async fn a_platform_key_opens_every_tenant_and_learns_which_there_are() {
    let rig = Rig::new();
    let token = rig.mint(900, Scope::PlatformAdmin);
    let stored = rig.stored(&token, Scope::PlatformAdmin, None);
    rig.source.platform.lock().unwrap().push(stored);
    let key = token.expose();

    assert_eq!(status(&rig, ACME, &key).await, 200);
    assert_eq!(status(&rig, "/api/v1/rival/mcp", &key).await, 200);
    assert_eq!(status(&rig, "/api/v1/nobody/mcp", &key).await, 404);
}

#[tokio::test]
async fn a_key_ends_when_it_expires_is_revoked_or_its_tenant_is_deactivated() {
    let rig = Rig::new();
    assert_eq!(status(&rig, ACME, &rig.keys[0]).await, 200);

    rig.source.change("acme", |config| {
        config.keys[0].key.state = KeyState::Revoked { at: NOW }
    });
    assert_eq!(status(&rig, ACME, &rig.keys[0]).await, 401, "revoked");
    rig.source
        .change("acme", |config| config.keys[0].key.state = KeyState::Active);
    rig.source
        .change("acme", |config| config.tenant.state = TenantState::Inactive);
    assert_eq!(
        status(&rig, ACME, &rig.keys[0]).await,
        401,
        "tenant inactive"
    );
    rig.source
        .change("acme", |config| config.tenant.state = TenantState::Active);
    assert_eq!(status(&rig, ACME, &rig.keys[0]).await, 200);
    rig.clock.advance(Duration::from_secs(3_600));
    assert_eq!(status(&rig, ACME, &rig.keys[0]).await, 401, "expired");
}

#[tokio::test]
async fn a_tool_or_connector_that_is_switched_off_is_off_for_the_next_request() {
    let rig = Rig::new();
    let call = async |name: &str| rig.modern("tools/call", json!({"name": name})).await;
    assert_eq!(call("echo").await.json()["result"]["echo"], json!({}));

    rig.source.change("acme", |config| {
        config.connectors[0].tools[0].enabled = false
    });
    assert_eq!(call("echo").await.error().2, "Tool is disabled: echo");
    let list = rig.modern("tools/list", json!({})).await.text;
    assert!(
        !list.contains(r#""name":"echo""#) && list.contains("two_echo"),
        "{list}"
    );

    rig.source.change("acme", |config| {
        config.connectors[1].connector.enabled = false
    });
    assert_eq!(call("two_echo").await.error().2, "Unknown tool: two_echo");
    assert_eq!(
        status(&rig, "/api/v1/acme/connectors/two/mcp", &rig.keys[0]).await,
        404
    );
    assert_eq!(
        status(&rig, "/api/v1/acme/connectors/none/mcp", &rig.keys[0]).await,
        404
    );
}

#[tokio::test]
async fn a_tenant_is_loaded_once_and_kept_while_the_control_plane_is_away() {
    let rig = Rig::alone("each gateway loads for itself", Config::default());
    for _ in 0..3 {
        assert_eq!(status(&rig, ACME, &rig.keys[0]).await, 200);
    }
    assert_eq!(rig.source.loads.lock().unwrap().len(), 1);

    *rig.source.away.lock().unwrap() = true;
    assert_eq!(
        status(&rig, ACME, &rig.keys[0]).await,
        200,
        "nobody said it was outdated"
    );
    rig.source.change("acme", |_| ());
    assert_eq!(
        status(&rig, ACME, &rig.keys[0]).await,
        503,
        "known to be outdated"
    );
    *rig.source.away.lock().unwrap() = false;
    assert_eq!(status(&rig, ACME, &rig.keys[0]).await, 200);
}
