use domain::limits::{CHANGED_NAMES_MAX, GONE_TOOLS_PER_CONNECTOR, TOOLS_PER_CONNECTOR};
use domain::{Connector, ConnectorId, OnChange, TenantId, Tool, ToolState, UpstreamInfo};
use serde_json::value::RawValue;
use storage::testing::{each_storage, sqlite};
use storage::{Replaced, Storage, StorageError};

use crate::fixtures::{at, connector, new_tenant, token, tool};

/// A stored connector with this rule, whose tools `a` and `b` were read.
async fn with_rule(storage: &Storage, tenant: TenantId, on_change: OnChange) -> ConnectorId {
    let made = Connector {
        on_change,
        ..connector(tenant, 10, "up")
    };
    let own = storage.tenant(tenant);
    own.create_connector(&made, &token("x"), None)
        .await
        .unwrap();
    let first = [tool("a", "first"), tool("b", "first")];
    let replaced = own.replace_tools(made.id, &first, None, at(1)).await;
    let replaced = replaced.unwrap();
    assert_eq!((replaced.changed.len(), replaced.held.len()), (0, 0));
    made.id
}

/// What gateways are served of the connector's tools: titles and whether they are enabled.
async fn served(storage: &Storage) -> Vec<(String, bool)> {
    let config = storage.tenant_config("acme").await.unwrap().unwrap();
    let shown = |tool: &Tool| {
        let value: serde_json::Value = serde_json::from_str(tool.definition.json.get()).unwrap();
        (value["title"].as_str().unwrap().to_owned(), tool.enabled)
    };
    config.connectors[0].tools.iter().map(shown).collect()
}

fn pair(a: (&str, bool), b: (&str, bool)) -> Vec<(String, bool)> {
    vec![(a.0.to_owned(), a.1), (b.0.to_owned(), b.1)]
}

#[tokio::test]
async fn a_changed_definition_is_held_served_with_a_mark_or_accepted() {
    for (rule, state, first, then) in [
        (OnChange::Hold, ToolState::Held, ("first", false), "second"),
        (
            OnChange::Warn,
            ToolState::Changed,
            ("second", true),
            "second",
        ),
        (
            OnChange::Accept,
            ToolState::Approved,
            ("second", true),
            "second",
        ),
    ] {
        for mut storage in each_storage().await {
            let acme = new_tenant(&storage, 1, "acme").await;
            let id = with_rule(&storage, acme, rule).await;
            let second = [tool("a", "second"), tool("b", "first")];

            let own = storage.tenant(acme);
            let told = own.replace_tools(id, &second, None, at(2)).await.unwrap();
            let again = own.replace_tools(id, &second, None, at(3)).await.unwrap();

            let names = |is| {
                if state == is {
                    vec!["a".to_owned()]
                } else {
                    Vec::new()
                }
            };
            let Replaced { changed, held, .. } = told;
            assert_eq!(
                (changed, held),
                (names(ToolState::Changed), names(ToolState::Held))
            );
            assert_eq!((again.changed.len(), again.held.len()), (0, 0), "told once");
            storage.reopen().await;
            let own = storage.tenant(acme);
            let found = own.find_tool(id, "a").await.unwrap().unwrap();
            assert_eq!(found.state(), state, "{rule:?}");
            assert_eq!(served(&storage).await, pair(first, ("first", true)));
            let waiting = own
                .find_connector("up")
                .await
                .unwrap()
                .unwrap()
                .sync
                .changed;
            let count = u32::from(state != ToolState::Approved);
            assert_eq!(
                (waiting.count, waiting.names.len()),
                (count, count as usize)
            );

            own.approve_all_tools(id).await.unwrap();
            assert_eq!(served(&storage).await, pair((then, true), ("first", true)));
            let found = own.find_tool(id, "a").await.unwrap().unwrap();
            assert_eq!(
                (found.state(), found.hash),
                (ToolState::Approved, second[0].hash())
            );
        }
    }
}

#[tokio::test]
async fn what_was_approved_is_what_later_readings_are_held_against() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let id = with_rule(&storage, acme, OnChange::Hold).await;
        let own = storage.tenant(acme);
        let read = async |title: &str, second: i64| {
            let tools = [tool("a", title), tool("b", "first")];
            own.replace_tools(id, &tools, None, at(second))
                .await
                .unwrap()
        };
        let state = async || own.find_tool(id, "a").await.unwrap().unwrap().state();

        read("second", 2).await;
        assert_eq!(read("third", 3).await.held, ["a"]);
        assert_eq!(state().await, ToolState::Held);
        // Written otherwise, it is the same.
        let text = r#"{ "inputSchema":{}, "title":"f\u0069rst", "name":"a" }"#;
        let json = RawValue::from_string(text.to_owned()).unwrap();
        let same = domain::ToolDefinition::parse(json).unwrap();
        own.replace_tools(id, &[same, tool("b", "first")], None, at(4))
            .await
            .unwrap();
        assert_eq!(state().await, ToolState::Approved);
        assert_eq!(
            served(&storage).await,
            pair(("first", true), ("first", true))
        );

        // Whatever is not approved goes by the rule that holds at the next reading.
        read("second", 5).await;
        let changed = Connector {
            on_change: OnChange::Warn,
            version: 2,
            ..connector(acme, 10, "up")
        };
        own.save_connector(&changed, None, 1).await.unwrap();
        assert_eq!(state().await, ToolState::Held);
        assert_eq!(read("second", 6).await.changed, ["a"]);
        assert_eq!(state().await, ToolState::Changed);
    }
}

#[tokio::test]
async fn a_tool_that_comes_back_with_another_definition_is_caught() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let id = with_rule(&storage, acme, OnChange::Hold).await;
        let own = storage.tenant(acme);
        own.replace_tools(id, &[], None, at(2)).await.unwrap();
        assert!(own.list_tools(id, None, 10).await.unwrap().is_empty());
        assert_eq!(served(&storage).await, []);
        let off = own.set_tools_enabled(id, &[("a".to_owned(), false)]).await;
        assert!(matches!(off, Err(StorageError::UnknownTools(_))), "{off:?}");
        let approved = own.approve_tool(id, "a", None).await;
        assert!(matches!(approved, Err(StorageError::UnknownTools(_))));

        let back = [tool("a", "other"), tool("b", "first"), tool("c", "new")];
        let replaced = own.replace_tools(id, &back, None, at(3)).await.unwrap();

        assert_eq!(replaced.held, ["a"]);
        let tools = own.list_tools(id, None, 10).await.unwrap();
        let states: Vec<_> = tools.iter().map(|t| (t.name(), t.state())).collect();
        let approved = ToolState::Approved;
        assert_eq!(
            states,
            [("a", ToolState::Held), ("b", approved), ("c", approved)]
        );
    }
}

#[tokio::test]
async fn an_approval_is_for_the_definition_that_was_seen() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let id = with_rule(&storage, acme, OnChange::Hold).await;
        let own = storage.tenant(acme);
        let (first, second, third) = (tool("a", "first"), tool("a", "2"), tool("a", "3"));
        own.replace_tools(id, std::slice::from_ref(&third), None, at(2))
            .await
            .unwrap();

        for seen in [&first, &second] {
            let stale = own.approve_tool(id, "a", Some(seen.hash())).await;
            assert!(
                matches!(stale, Err(StorageError::VersionMismatch)),
                "{stale:?}"
            );
        }
        let done = own.approve_tool(id, "a", Some(third.hash())).await.unwrap();
        assert!(done.is_some());
        // Asked again, it is done already.
        let again = own.approve_tool(id, "a", Some(third.hash())).await.unwrap();
        assert_eq!(again, None);
        assert_eq!(own.approve_tool(id, "a", None).await.unwrap(), None);
        assert_eq!(own.approve_all_tools(id).await.unwrap(), (None, Vec::new()));
        let stale = own.approve_tool(id, "a", Some(first.hash())).await;
        assert!(
            matches!(stale, Err(StorageError::VersionMismatch)),
            "{stale:?}"
        );
        let sync = own.find_connector("up").await.unwrap().unwrap().sync;
        assert_eq!(sync.changed.count, 0);
    }
}

#[tokio::test]
async fn what_is_shown_and_remembered_of_changed_and_gone_tools_is_bounded() {
    let storage = sqlite().await;
    let acme = new_tenant(&storage, 1, "acme").await;
    let id = with_rule(&storage, acme, OnChange::Hold).await;
    let own = storage.tenant(acme);
    let all = |prefix: &str, title: &str| {
        let names = (0..TOOLS_PER_CONNECTOR).map(|n| format!("{prefix}{n:04}"));
        names.map(|name| tool(&name, title)).collect::<Vec<_>>()
    };

    own.replace_tools(id, &all("x", "1"), None, at(2))
        .await
        .unwrap();
    own.replace_tools(id, &all("x", "2"), None, at(3))
        .await
        .unwrap();
    let changed = own
        .find_connector("up")
        .await
        .unwrap()
        .unwrap()
        .sync
        .changed;
    assert_eq!(changed.count as usize, TOOLS_PER_CONNECTOR);
    assert_eq!(changed.names.len(), CHANGED_NAMES_MAX);
    assert_eq!(changed.names[1], "x0001");

    // Of those that are gone, the oldest are forgotten: `a` and `b`, not `x…`.
    own.replace_tools(id, &all("y", "1"), None, at(4))
        .await
        .unwrap();
    assert_eq!(GONE_TOOLS_PER_CONNECTOR, TOOLS_PER_CONNECTOR);
    let back = [tool("a", "other"), tool("x0000", "other")];
    let replaced = own.replace_tools(id, &back, None, at(5)).await.unwrap();
    assert_eq!(replaced.held, ["x0000"]);
}

#[tokio::test]
async fn what_an_upstream_says_of_itself_goes_with_the_configuration() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let id = with_rule(&storage, acme, OnChange::Hold).await;
        let own = storage.tenant(acme);
        let info = |text: &str| UpstreamInfo {
            version: "2025-11-25".to_owned(),
            capabilities: RawValue::from_string(text.to_owned()).unwrap(),
            instructions: Some("ask \"nicely\"".to_owned()),
            tool_list: Some(RawValue::from_string(r#"{"x": 1.0,"tools":[]}"#.to_owned()).unwrap()),
        };
        let tools = [tool("a", "first"), tool("b", "first")];
        let mut revision = 0;

        for said in [
            Some(info(r#"{ "tools":{"x":1.0} }"#)),
            Some(info("{}")),
            None,
        ] {
            let told = own
                .replace_tools(id, &tools, said.as_ref(), at(2))
                .await
                .unwrap();
            let new = told.revision.unwrap();
            assert!(new > revision);
            revision = new;
            own.sync_failed(id, "away", at(3)).await.unwrap();
            let config = storage.tenant_config("acme").await.unwrap().unwrap();
            assert_eq!(config.connectors[0].server, said);
        }
    }
}
