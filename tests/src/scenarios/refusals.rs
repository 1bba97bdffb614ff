//! Starts that must not happen: each says in one sentence why, and touches nothing.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::startup::root_key;
use crate::harness::{Home, Platform, Refusal};

impl Refusal {
    /// Asserts exit code 1 and that the reason names all of `words`, with no crash's noise.
    fn names(&self, words: &[&str]) {
        assert_eq!(self.code, 1, "{}", self.text);
        assert!(!self.text.contains("panicked"), "{}", self.text);
        for word in words {
            assert!(
                self.text.contains(word),
                "{word:?} is not in: {}",
                self.text
            );
        }
    }
}

/// A home with a tenant in its database, stopped.
async fn used_home() -> Home {
    let platform = Platform::start().await;
    platform.tenant("acme").await;
    platform.stop().await
}

fn write_private(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Every file of the data folder but the lock, which holds no data.
fn contents(home: &Home) -> BTreeMap<PathBuf, Vec<u8>> {
    fs::read_dir(home.data_dir())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && !path.to_string_lossy().contains("lock"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[tokio::test]
async fn a_second_process_on_the_same_data_is_refused_and_the_first_goes_on() {
    let platform = Platform::start().await;

    let refusal = platform.home().refused();

    refusal.names(&["data", "another"]);
    platform.admin().get("/tenants").await.expect(200);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();

    for flag in ["--listen", "--admin-listen", "--grpc-listen"] {
        Home::new()
            .refused_with(&[flag, &address])
            .names(&[&address, "in use"]);
    }
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_written_is_named() {
    // Tests may run as root, whom permissions do not stop: these stop root as well.
    let home = Home::new();
    fs::write(home.data_dir(), "a file where the folder should be").unwrap();
    home.refused().names(&["data"]);
    assert_eq!(
        fs::read_to_string(home.data_dir()).unwrap(),
        "a file where the folder should be"
    );

    Home::new()
        .refused_with(&["--data-dir", "/proc/turnbuckle"])
        .names(&["/proc/turnbuckle"]);
}

#[tokio::test]
async fn a_missing_wrong_or_broken_root_key_is_refused_before_any_data_is_touched() {
    let home = used_home().await;
    let path = root_key(&home);
    let right = fs::read(&path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();

    let other = Platform::start().await.stop().await;
    let wrong = fs::read(root_key(&other)).unwrap();
    assert_ne!(wrong, right);

    for (case, bytes) in [
        ("missing", None),
        ("of another platform", Some(wrong)),
        ("cut short", Some(right[..right.len() / 2].to_vec())),
        ("garbage", Some(b"\xff\xfe not a key \0".to_vec())),
        ("empty", Some(Vec::new())),
    ] {
        match bytes {
            Some(bytes) => write_private(&path, &bytes),
            None => fs::remove_file(&path).unwrap(),
        }
        let before = contents(&home);

        let refusal = home.refused();

        refusal.names(&["root key"]);
        let after = contents(&home);
        for (file, bytes) in &before {
            let same = after.get(file) == Some(bytes);
            assert!(
                same,
                "a root key that is {case}: {} stays as it is",
                file.display()
            );
        }
        // SQLite may leave its working files, with nothing in them that changes the data.
        for (file, bytes) in after.iter().filter(|(file, _)| !before.contains_key(*file)) {
            let name = file.to_string_lossy();
            let idle = name.ends_with("-shm") || (name.ends_with("-wal") && bytes.is_empty());
            assert!(idle, "a root key that is {case}: {name} comes");
        }
    }

    write_private(&path, &right);
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    home.refused().names(&[&name, "chmod 600"]);

    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let platform = home.start().await;
    platform.admin().get("/tenants/acme").await.expect(200);
}

#[tokio::test]
async fn an_unknown_key_in_the_configuration_is_named_wherever_it_stands() {
    let home = Home::new().with_env("TURNBUCKLE_LISTTEN", "127.0.0.1:1");
    home.refused().names(&["listten"]);

    let home = Home::new().with_env("TURNBUCKLE_LOG__FORMATT", "json");
    home.refused().names(&["formatt"]);

    let home = Home::new();
    fs::write(home.path().join("t.toml"), "[log]\ncolour = true\n").unwrap();
    home.refused_with(&["--config", "t.toml"])
        .names(&["colour"]);
    home.refused_with(&["--config", "absent.toml"])
        .names(&["absent.toml"]);

    let refusal = Home::new().refused_with(&["--no-such-flag"]);
    assert_eq!(
        refusal.code, 2,
        "a wrong flag is wrong usage: {}",
        refusal.text
    );
}

#[tokio::test]
async fn a_wrong_value_in_the_configuration_is_named() {
    let refusal = Home::new().refused_with(&["--listen", "nowhere"]);

    assert!([1, 2].contains(&refusal.code), "{}", refusal.text);
    assert!(
        refusal.text.contains("nowhere") || refusal.text.contains("listen"),
        "{}",
        refusal.text
    );
}

#[tokio::test]
async fn a_broken_database_is_refused() {
    let home = used_home().await;
    let database = contents(&home)
        .into_iter()
        .find(|(_, bytes)| bytes.starts_with(b"SQLite format 3\0"))
        .map(|(path, _)| path)
        .expect("a database file");
    fs::write(
        &database,
        json!({ "this": "is no database" }).to_string().repeat(400),
    )
    .unwrap();

    let refusal = home.refused();

    assert_eq!(refusal.code, 1, "{}", refusal.text);
    assert!(!refusal.text.contains("panicked"), "{}", refusal.text);
}

#[tokio::test]
async fn a_lost_database_is_not_begun_anew() {
    let home = used_home().await;
    let key = home.admin_key();
    for file in ["turnbuckle.db", "turnbuckle.db-wal"] {
        let _ = fs::remove_file(home.data_dir().join(file));
    }

    home.refused()
        .names(&["turnbuckle.db", "missing", "restore"]);

    assert_eq!(
        home.admin_key(),
        key,
        "the key that opens the backup is kept"
    );
}

#[tokio::test]
async fn a_ready_file_that_cannot_be_written_is_named_before_anything_is_made() {
    let home = Home::new();

    home.refused_with(&["--ready-file", "nowhere/ready.json"])
        .names(&["nowhere/ready.json"]);

    assert!(!home.data_dir().exists());
}
