use domain::{ConnectorKind, OnChange, ToolState};
use sha2::{Digest, Sha256};
use storage::testing::{TestStorage, each_storage};

use crate::fixtures::{at, raw, tool};

/// Puts the first schema in the place of what is there, as the first version left it.
async fn put_first_schema(storage: &TestStorage) {
    storage.close().await;
    let schema = match storage.file() {
        Some(file) => {
            for end in ["-wal", "-shm"] {
                let beside = format!("{}{end}", file.display());
                let _ = std::fs::remove_file(beside);
            }
            std::fs::write(file, "").unwrap();
            include_str!("../../../../migrations/sqlite/0001_foundation.sql")
        }
        None => {
            raw(storage, "DROP SCHEMA public CASCADE").await;
            raw(storage, "CREATE SCHEMA public AUTHORIZATION turnbuckle").await;
            include_str!("../../../../migrations/postgres/0001_foundation.sql")
        }
    };
    let digest = Sha256::digest(schema);
    let checksum: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    // As the role that has made everything.
    let owner = match storage.file() {
        Some(_) => "",
        None => "SET ROLE turnbuckle;",
    };
    raw(storage, &format!("{owner}{schema}")).await;
    let migrations = "CREATE TABLE migrations (version BIGINT NOT NULL PRIMARY KEY, \
                      checksum TEXT NOT NULL)";
    raw(storage, &format!("{owner}{migrations}")).await;
    let applied = format!("INSERT INTO migrations (version, checksum) VALUES (1, '{checksum}')");
    raw(storage, &applied).await;
    let key = storage.root().id();
    let bound = format!("INSERT INTO meta (name, value) VALUES ('root_key_id', '{key}')");
    raw(storage, &bound).await;
}

/// An id with this last digit, as the database writes it.
fn id(storage: &TestStorage, digit: u8) -> String {
    if storage.file().is_some() {
        format!("x'0000000000000000000000000000000{digit}'")
    } else {
        format!("'00000000-0000-0000-0000-00000000000{digit}'")
    }
}

async fn fill(storage: &TestStorage) {
    let acme = id(storage, 1);
    raw(
        storage,
        &format!("INSERT INTO tenants VALUES ({acme}, 'acme', 'Acme', '', '', 'active', 1, 2, 3)"),
    )
    .await;
    for (digit, slug, kind) in [
        (2, "gh", r#"{"kind":"native","catalog":"github"}"#),
        (3, "up", r#"{"kind":"remote_mcp","url":"http://u/mcp"}"#),
    ] {
        let connector = id(storage, digit);
        raw(
            storage,
            &format!(
                "INSERT INTO connectors VALUES ({connector}, {acme}, '{slug}', '{slug}', '{kind}',
                 TRUE, '', '{{}}', 'ok', 1, NULL, 2, 1, 2, 3)"
            ),
        )
        .await;
        for (name, enabled) in [("a", "TRUE"), ("b", "FALSE")] {
            let definition = tool(name, "first");
            let definition = definition.json.get();
            raw(
                storage,
                &format!(
                    "INSERT INTO tools VALUES
                     ({acme}, {connector}, '{name}', '{definition}', {enabled})"
                ),
            )
            .await;
        }
    }
}

#[tokio::test]
async fn a_database_of_the_first_version_keeps_its_tools_which_count_as_approved() {
    for mut storage in each_storage().await {
        put_first_schema(&storage).await;
        fill(&storage).await;

        storage.reopen().await;

        let acme = storage.find_tenant("acme").await.unwrap().unwrap().id;
        let own = storage.tenant(acme);
        let native = own.find_connector("gh").await.unwrap().unwrap();
        let remote = own.find_connector("up").await.unwrap().unwrap();
        assert!(matches!(native.kind, ConnectorKind::Native { .. }));
        assert_eq!(
            (native.on_change, remote.on_change),
            (OnChange::Accept, OnChange::Hold)
        );
        assert_eq!((remote.sync.tools, remote.sync.changed.count), (2, 0));
        let tools = own.list_tools(remote.id, None, 10).await.unwrap();
        let known: Vec<_> = tools
            .iter()
            .map(|t| (t.name(), t.enabled, t.state(), t.hash))
            .collect();
        let hash = |name| tool(name, "first").hash();
        assert_eq!(
            known,
            [
                ("a", true, ToolState::Approved, hash("a")),
                ("b", false, ToolState::Approved, hash("b")),
            ]
        );
        let config = storage.tenant_config("acme").await.unwrap().unwrap();
        assert!(
            config
                .connectors
                .iter()
                .all(|c| c.server.is_none() && c.tools.len() == 2)
        );

        // The next reading is held against what was there, and stores the hashes.
        let read = [tool("a", "second"), tool("b", "first")];
        let replaced = own
            .replace_tools(remote.id, &read, None, at(1))
            .await
            .unwrap();
        assert_eq!(replaced.held, ["a"]);
        let without = "SELECT COUNT(*) FROM tools WHERE hash IS NULL";
        assert_eq!(
            raw(&storage, without).await,
            ["2"],
            "those of the other connector"
        );
        let applied = "SELECT version FROM migrations ORDER BY version";
        assert_eq!(
            raw(&storage, applied).await,
            ["1", "2", "3", "4", "5", "6", "7", "8"]
        );
    }
}
