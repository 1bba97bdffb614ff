use domain::limits::TOOLS_PER_CONNECTOR;
use domain::{ChangedTools, KnownTool, SyncState, SyncStatus};
use storage::testing::each_storage;
use storage::{Constraint, StorageError};

use crate::fixtures::{at, new_connector, new_tenant, tool};

fn states(tools: &[KnownTool]) -> Vec<(&str, bool)> {
    tools
        .iter()
        .map(|tool| (tool.name(), tool.enabled))
        .collect()
}

#[tokio::test]
async fn a_new_reading_replaces_the_tools_and_keeps_what_was_switched_off() {
    for mut storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let id = new_connector(&storage, acme, 10, "gh").await;
        let off = |name: &str| (name.to_owned(), false);
        let own = storage.tenant(acme);
        let first = ["a", "b", "gone"].map(|name| tool(name, "first"));
        own.replace_tools(id, &first, None, at(1)).await.unwrap();
        own.set_tools_enabled(id, &[off("b"), off("gone")])
            .await
            .unwrap();

        let second = [
            tool("new", "second"),
            tool("b", "second"),
            tool("a", "first"),
        ];
        own.replace_tools(id, &second, None, at(2)).await.unwrap();
        storage.reopen().await;

        let own = storage.tenant(acme);
        let tools = own.list_tools(id, None, 10).await.unwrap();
        assert_eq!(states(&tools), [("a", true), ("b", false), ("new", true)]);
        assert_eq!(tools[1].approved, tool("b", "second"));
        assert!(own.find_tool(id, "gone").await.unwrap().is_none());

        // What was switched off is off, though it was away in between.
        own.replace_tools(id, &[tool("gone", "third")], None, at(3))
            .await
            .unwrap();
        let tools = own.list_tools(id, None, 10).await.unwrap();
        assert_eq!(states(&tools), [("gone", false)]);
    }
}

#[tokio::test]
async fn a_sync_is_pending_then_ok_or_failed_and_a_failure_keeps_the_tools() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let id = new_connector(&storage, acme, 10, "gh").await;
        let own = storage.tenant(acme);
        let status = async || own.find_connector("gh").await.unwrap().unwrap().sync;
        let expect = |state, at, error: Option<&str>, tools| SyncStatus {
            state,
            at,
            error: error.map(str::to_owned),
            tools,
            changed: ChangedTools::default(),
        };

        own.replace_tools(id, &[tool("a", "A"), tool("a", "twice")], None, at(1))
            .await
            .unwrap();
        assert_eq!(status().await, expect(SyncState::Ok, Some(at(1)), None, 1));
        assert_eq!(
            own.find_tool(id, "a").await.unwrap().unwrap().approved,
            tool("a", "A")
        );

        own.sync_started(id).await.unwrap();
        assert_eq!(
            status().await,
            expect(SyncState::Pending, Some(at(1)), None, 1)
        );

        own.sync_failed(id, "refused", at(2)).await.unwrap();
        assert_eq!(
            status().await,
            expect(SyncState::Failed, Some(at(2)), Some("refused"), 1)
        );
        assert_eq!(own.list_tools(id, None, 10).await.unwrap().len(), 1);

        own.replace_tools(id, &[], None, at(3)).await.unwrap();
        assert_eq!(status().await, expect(SyncState::Ok, Some(at(3)), None, 0));
        assert_eq!(own.find_connector("gh").await.unwrap().unwrap().version, 1);
    }
}

#[tokio::test]
async fn a_reading_is_a_change_only_where_something_is_served_otherwise() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let id = new_connector(&storage, acme, 10, "gh").await;
        let own = storage.tenant(acme);
        let served = async || {
            let config = storage.tenant_config("acme").await.unwrap().unwrap();
            let tools = config.connectors[0].tools.iter();
            let names = tools.map(|tool| tool.definition.name.clone());
            (names.collect::<Vec<_>>().concat(), config.revision)
        };
        let read = async |names: &[&str], second| {
            let tools: Vec<_> = names.iter().map(|name| tool(name, "")).collect();
            let read = own.replace_tools(id, &tools, None, at(second)).await;
            read.unwrap().revision
        };
        let first = read(&["c", "a", "b"], 1).await;
        assert_eq!(served().await, ("cab".to_owned(), first.unwrap()));

        own.sync_started(id).await.unwrap();
        assert_eq!(read(&["c", "a", "b", "a"], 2).await, None);

        let sync = own.find_connector("gh").await.unwrap().unwrap().sync;
        assert_eq!((sync.state, sync.at), (SyncState::Ok, Some(at(2))));
        assert_eq!(served().await, ("cab".to_owned(), first.unwrap()));

        // Another order is one, and says nothing against the definitions.
        let moved = read(&["a", "b", "c"], 3).await;
        assert_eq!(served().await, ("abc".to_owned(), moved.unwrap()));
        let fewer = read(&["a", "c"], 4).await;
        assert_eq!(served().await, ("ac".to_owned(), fewer.unwrap()));
        assert!(fewer > moved);
        assert!(read(&["b", "a", "c"], 5).await > fewer);
        assert_eq!(served().await.0, "bac");
        let tools = own.list_tools(id, None, 10).await.unwrap();
        assert_eq!(states(&tools), [("a", true), ("b", true), ("c", true)]);
        assert!(tools.iter().all(|tool| tool.pending.is_none()));
    }
}

#[tokio::test]
async fn a_definition_that_waits_for_approval_is_a_change_once() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let id = new_connector(&storage, acme, 10, "gh").await;
        storage
            .tenant(acme)
            .save_connector(
                &domain::Connector {
                    on_change: domain::OnChange::Hold,
                    ..crate::fixtures::connector(acme, 10, "gh")
                },
                None,
                1,
            )
            .await
            .unwrap();
        let own = storage.tenant(acme);
        let read = async |text, second| {
            let tools = [tool("a", text)];
            let read = own.replace_tools(id, &tools, None, at(second)).await;
            read.unwrap()
        };
        read("first", 1).await;

        let changed = read("second", 2).await;
        assert!(changed.revision.is_some() && changed.held == ["a"]);
        assert_eq!(read("second", 3).await, storage::Replaced::default());
        assert!(read("first", 4).await.revision.is_some());
    }
}

#[tokio::test]
async fn tools_are_switched_all_or_none() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let id = new_connector(&storage, acme, 10, "gh").await;
        let own = storage.tenant(acme);
        own.replace_tools(id, &["a", "b"].map(|name| tool(name, "")), None, at(1))
            .await
            .unwrap();
        let off = |name: &str| (name.to_owned(), false);

        let refused = own
            .set_tools_enabled(id, &[off("a"), off("x"), off("y")])
            .await;

        let Err(StorageError::UnknownTools(unknown)) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(unknown, ["x", "y"]);
        let tools = own.list_tools(id, None, 10).await.unwrap();
        assert_eq!(states(&tools), [("a", true), ("b", true)]);

        own.set_all_tools_enabled(id, false).await.unwrap();
        own.set_tools_enabled(id, &[("b".to_owned(), true)])
            .await
            .unwrap();
        let tools = own.list_tools(id, None, 10).await.unwrap();
        assert_eq!(states(&tools), [("a", false), ("b", true)]);
    }
}

#[tokio::test]
async fn pages_of_tools_are_in_the_byte_order_of_their_names() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let id = new_connector(&storage, acme, 10, "gh").await;
        let own = storage.tenant(acme);
        let mut names = [
            "b", "B", "a_b", "a-b", "ab", "a.b", "Ab", "ä", "z", "10", "9", "é",
        ];
        own.replace_tools(id, &names.map(|name| tool(name, "")), None, at(1))
            .await
            .unwrap();

        let mut listed: Vec<String> = Vec::new();
        loop {
            let after = listed.last().cloned();
            let page = own.list_tools(id, after.as_deref(), 5).await.unwrap();
            listed.extend(page.iter().map(|tool| tool.name().to_owned()));
            if page.len() < 5 {
                break;
            }
        }

        names.sort_unstable();
        assert_eq!(listed, names, "on {}", storage.backend());
    }
}

#[tokio::test]
async fn a_connector_has_no_more_tools_than_allowed() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let id = new_connector(&storage, acme, 10, "gh").await;
        let own = storage.tenant(acme);
        let mut tools: Vec<_> = (0..TOOLS_PER_CONNECTOR)
            .map(|number| tool(&format!("t{number}"), ""))
            .collect();

        own.replace_tools(id, &tools, None, at(1)).await.unwrap();
        tools.push(tool("more", ""));
        let refused = own.replace_tools(id, &tools, None, at(2)).await;

        assert!(matches!(
            refused,
            Err(StorageError::Conflict(Constraint::LimitReached))
        ));
        assert!(own.find_tool(id, "more").await.unwrap().is_none());
        let found = own.find_connector("gh").await.unwrap().unwrap();
        assert_eq!(found.sync.tools as usize, TOOLS_PER_CONNECTOR);
    }
}

#[tokio::test]
async fn of_two_readings_at_once_the_one_that_began_last_counts() {
    for storage in each_storage().await {
        let acme = new_tenant(&storage, 1, "acme").await;
        let own = storage.tenant(acme);
        let id = new_connector(&storage, acme, 10, "gh").await;
        let begin = async |number| {
            own.begin_reading(id, uuid::Uuid::from_u128(number))
                .await
                .unwrap()
        };

        let (early, late) = (begin(1).await, begin(2).await);
        let told = late.succeeded(&[tool("new", "")], None, at(1)).await;
        assert!(told.unwrap().revision.is_some());
        let refused = early.succeeded(&[tool("old", "")], None, at(2)).await;
        assert!(matches!(refused, Err(StorageError::VersionMismatch)));
        let refused = early.failed("away", at(3)).await;
        assert!(matches!(refused, Err(StorageError::VersionMismatch)));

        let listed = own.list_tools(id, None, 10).await.unwrap();
        let names: Vec<&str> = listed.iter().map(KnownTool::name).collect();
        assert_eq!(names, ["new"], "on {}", storage.backend());
        let sync = own.find_connector("gh").await.unwrap().unwrap().sync;
        assert_eq!((sync.state, sync.at), (SyncState::Ok, Some(at(1))));
        // What is noted without a reading leaves the right to the one that runs.
        let running = begin(4).await;
        own.sync_started(id).await.unwrap();
        assert!(running.failed("away", at(4)).await.is_ok());
    }
}
