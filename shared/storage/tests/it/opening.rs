use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crypto::RootKey;
use secrecy::SecretString;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool};
use storage::testing::{each_storage, sqlite};
use storage::{Storage, StorageConfig, StorageError};
use tokio::task::JoinSet;

use crate::fixtures::{at_rest, new_tenant, raw, tenant};

fn file(path: &Path) -> StorageConfig {
    StorageConfig::Sqlite {
        path: path.to_owned(),
    }
}

async fn open(config: &StorageConfig) -> Result<Storage, StorageError> {
    Storage::open(config, Arc::new(RootKey::generate())).await
}

#[tokio::test]
async fn another_root_key_is_refused_before_anything_is_touched() {
    for storage in each_storage().await {
        new_tenant(&storage, 1, "acme").await;
        storage.close().await;
        let before = at_rest(&storage);

        let refused = open(&storage.config()).await;

        assert!(
            matches!(refused, Err(StorageError::WrongRootKey)),
            "{refused:?}"
        );
        assert!(
            at_rest(&storage) == before,
            "changed on {}",
            storage.backend()
        );
        let right = Storage::open(&storage.config(), storage.root())
            .await
            .unwrap();
        assert!(right.find_tenant("acme").await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_database_file_serves_one_process_at_a_time() {
    let storage = sqlite().await;

    let second = Storage::open(&storage.config(), storage.root()).await;

    let message = second.unwrap_err().to_string();
    let path = storage.file().unwrap();
    let pid = std::process::id();
    let expected = format!(
        "database {} is in use by another process (pid {pid}); stop that one first",
        path.display()
    );
    assert_eq!(message, expected);

    storage.close().await;
    let third = Storage::open(&storage.config(), storage.root()).await;
    assert!(third.is_ok(), "{third:?}");
}

#[tokio::test]
async fn after_close_operations_say_that_the_database_is_unavailable() {
    for storage in each_storage().await {
        storage.close().await;

        let read = storage.ping().await;
        let write = storage.create_tenant(&tenant(1, "acme"), None).await;

        assert!(
            matches!(read, Err(StorageError::Unavailable(_))),
            "{read:?}"
        );
        assert!(
            matches!(write, Err(StorageError::Unavailable(_))),
            "{write:?}"
        );
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing/turnbuckle.db");
    std::fs::write(folder.path().join("file"), "").unwrap();
    let in_file = folder.path().join("file/turnbuckle.db");

    for path in [missing, in_file, "/proc/turnbuckle.db".into()] {
        let refused = open(&file(&path)).await.unwrap_err();

        let start = format!(
            "the database is unavailable: cannot write {}.lock: ",
            path.display()
        );
        assert!(refused.to_string().starts_with(&start), "{refused}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_of_ours_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.db");
    std::fs::write(&text, "hello, this is a text file ".repeat(400)).unwrap();
    let foreign = sqlite().await;
    raw(&foreign, "DROP TABLE migrations").await;
    foreign.close().await;

    for (path, root) in [
        (text, Arc::new(RootKey::generate())),
        (foreign.file().unwrap(), foreign.root()),
    ] {
        let before = std::fs::read(&path).unwrap();

        let refused = Storage::open(&file(&path), root).await;

        assert!(
            matches!(refused, Err(StorageError::Corrupt(_))),
            "{refused:?}"
        );
        assert!(std::fs::read(&path).unwrap() == before);
    }
}

#[tokio::test]
async fn a_first_start_that_was_cut_short_is_finished_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, in_wal) = (folder.path().join("empty.db"), folder.path().join("wal.db"));
    std::fs::write(&empty, "").unwrap();
    std::fs::write(&in_wal, "").unwrap();
    let options = SqliteConnectOptions::new().filename(&in_wal);
    let pool = SqlitePool::connect_with(options.journal_mode(SqliteJournalMode::Wal)).await;
    pool.unwrap().close().await;
    assert_ne!(std::fs::metadata(&in_wal).unwrap().len(), 0);

    for path in [empty, in_wal] {
        let storage = open(&file(&path)).await.unwrap();
        new_tenant(&storage, 1, "acme").await;
        storage.close().await;
    }
}

#[tokio::test]
async fn the_database_file_is_for_its_owner_alone() {
    let storage = sqlite().await;
    new_tenant(&storage, 1, "acme").await;

    for file in std::fs::read_dir(storage.file().unwrap().parent().unwrap()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
    }
}

#[tokio::test]
async fn a_newer_schema_is_used_unless_it_took_away_what_this_version_needs() {
    for mut storage in each_storage().await {
        new_tenant(&storage, 1, "acme").await;
        raw(
            &storage,
            "INSERT INTO migrations (version, checksum, needs) VALUES (9998, 'x', 0)",
        )
        .await;
        storage.reopen().await;
        assert!(storage.find_tenant("acme").await.unwrap().is_some());

        raw(
            &storage,
            "INSERT INTO migrations (version, checksum, needs) VALUES (9999, 'x', 9998)",
        )
        .await;
        storage.close().await;
        let newer = Storage::open(&storage.config(), storage.root())
            .await
            .unwrap_err();
        let expected = "the database cannot be used: a newer version of Turnbuckle has \
                        migrated it (to 9999): run that one";
        assert_eq!(newer.to_string(), expected, "on {}", storage.backend());

        raw(&storage, "DELETE FROM migrations WHERE version > 9000").await;
        raw(&storage, "UPDATE migrations SET checksum = 'x'").await;
        let changed = Storage::open(&storage.config(), storage.root()).await;
        assert!(
            matches!(changed, Err(StorageError::Corrupt(_))),
            "{changed:?}"
        );
    }
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_unavailable_and_not_printed() {
    for url in ["postgres://user:hunter2@127.0.0.1:1/x", "not a url hunter2"] {
        let config = StorageConfig::postgres(SecretString::from(url));

        let refused = open(&config).await.unwrap_err();

        assert!(
            matches!(refused, StorageError::Unavailable(_)),
            "{refused:?}"
        );
        let printed = format!("{refused} {refused:?} {config:?}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}

#[tokio::test]
async fn processes_that_start_together_on_an_empty_postgres_all_come_up() {
    let database = testkit::postgres::database();
    let config = StorageConfig::postgres(SecretString::from(database.url()));
    let root = Arc::new(RootKey::generate());

    let mut starts = JoinSet::new();
    for number in 1..=5 {
        let (config, root) = (config.clone(), Arc::clone(&root));
        starts.spawn(async move {
            let storage = Storage::open(&config, root).await.unwrap();
            new_tenant(&storage, number, &format!("t{number}")).await;
        });
    }
    starts.join_all().await;

    let storage = Storage::open(&config, root).await.unwrap();
    assert_eq!(storage.list_tenants(None, 10).await.unwrap().len(), 5);
}

#[tokio::test]
async fn of_two_root_keys_on_an_empty_postgres_one_wins() {
    let database = testkit::postgres::database();
    let config = StorageConfig::postgres(SecretString::from(database.url()));

    let mut starts = JoinSet::new();
    for _ in 0..4 {
        let config = config.clone();
        starts.spawn(async move { open(&config).await.map(|_| ()) });
    }
    let outcomes = starts.join_all().await;

    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let refused = |outcome: &&Result<(), _>| matches!(outcome, Err(StorageError::WrongRootKey));
    assert_eq!(
        (won, outcomes.iter().filter(refused).count()),
        (1, 3),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn what_was_acknowledged_before_a_kill_is_there_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("root.key");
    let root = Arc::new(RootKey::create(&key).unwrap());
    let mut acknowledged = 0;

    for _ in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "opening::writes_until_it_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{}", folder.path().display()).unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let enough = acknowledged + 40;
        while acknowledged < enough {
            let line = lines
                .next()
                .expect("the child writes until it is killed")
                .unwrap();
            acknowledged = number(&line).unwrap_or(acknowledged);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it could still say before it died counts.
        for line in lines.map_while(Result::ok) {
            acknowledged = number(&line).unwrap_or(acknowledged);
        }

        let path = folder.path().join("turnbuckle.db");
        let storage = Storage::open(&file(&path), Arc::clone(&root))
            .await
            .unwrap();
        for number in 1..=acknowledged {
            let found = storage.find_tenant(&format!("t{number}")).await.unwrap();
            assert!(found.is_some(), "{number} of {acknowledged} is lost");
        }
        storage.close().await;
    }
}

fn number(line: &str) -> Option<u128> {
    line.strip_prefix("acknowledged ")?.parse().ok()
}

#[tokio::test]
#[ignore = "the child of the test above"]
async fn writes_until_it_is_killed() {
    let mut folder = String::new();
    if std::io::stdin().read_line(&mut folder).unwrap() == 0 {
        return; // started by hand, by nobody who would kill it
    }
    let folder = Path::new(folder.trim_end());
    let root = Arc::new(RootKey::read(&folder.join("root.key")).unwrap());
    let storage = Storage::open(&file(&folder.join("turnbuckle.db")), root)
        .await
        .unwrap();
    let mut next = storage.list_tenants(None, u32::MAX).await.unwrap().len() as u128 + 1;
    println!();
    loop {
        new_tenant(&storage, next, &format!("t{next}")).await;
        println!("acknowledged {next}");
        next += 1;
    }
}
