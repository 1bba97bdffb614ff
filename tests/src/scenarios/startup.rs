//! The first minute of an operator.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::harness::{Home, Platform};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The file that everything sealed hangs on.
pub(super) fn root_key(home: &Home) -> PathBuf {
    let mut keys: Vec<PathBuf> = fs::read_dir(home.data_dir())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "key"))
        .filter(|path| !path.ends_with("admin.key"))
        .collect();
    assert_eq!(keys.len(), 1, "one root key: {keys:?}");
    keys.remove(0)
}

/// What of a key is secret. It may hold an underscore itself.
pub(crate) fn secret_of(key: &str) -> &str {
    let secret = key.splitn(4, '_').nth(3).expect("tb_<scope>_<id>_<secret>");
    assert_eq!(secret.len(), 43, "of a whole key");
    secret
}

#[tokio::test]
async fn the_first_start_writes_the_admin_key_for_its_owner_only_and_never_logs_it() {
    let platform = Platform::start().await;

    let path = platform.home().data_dir().join("admin.key");
    let key = platform.home().admin_key();
    assert!(key.starts_with("tb_pa_"), "a platform admin's key");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&root_key(platform.home())), 0o600);

    let who = platform.admin().get("/whoami").await.expect(200);
    assert_eq!(who["key"]["scope"], "platform_admin");

    let log = platform.home().log();
    assert!(
        log.contains("admin.key"),
        "it says where the key lies:\n{log}"
    );
    let secret = secret_of(&key);
    assert!(!log.contains(secret), "it must not say the key itself");
}

#[tokio::test]
async fn it_answers_on_all_its_doors() {
    let platform = Platform::start().await;

    let start = platform.public().get("/").await;
    assert_eq!(start.status, 200);
    assert!(
        start.text.contains("/mcp"),
        "the start page tells how to make the first call"
    );
    let docs = platform.public().get("/docs").await;
    assert_eq!(docs.status, 200);
    for outside in ["src=\"http", "href=\"http", "src=\"//", "@import"] {
        assert!(
            !docs.text.contains(outside),
            "/docs loads nothing from outside: {outside}"
        );
    }
    let openapi = platform
        .public()
        .get("/api/v1/openapi.json")
        .await
        .expect(200);
    assert!(openapi["openapi"].as_str().unwrap().starts_with("3.1"));

    for probe in ["/health/live", "/health/ready", "/health/startup"] {
        assert_eq!(platform.operator().get(probe).await.status, 200, "{probe}");
        assert_eq!(
            platform.public().get(probe).await.status,
            404,
            "{probe} is not public"
        );
    }
    assert!(platform.metrics().await.contains("turnbuckle_"));
    assert_eq!(platform.public().get("/metrics").await.status, 404);

    let grpc = platform
        .grpc_url()
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    tokio::net::TcpStream::connect(grpc)
        .await
        .expect("gRPC listens");
}

#[tokio::test]
async fn print_config_shows_what_is_in_force_and_starts_nothing() {
    let home = Home::new();

    let mut command = home.command(&["up", "--listen", "127.0.0.1:4711", "--print-config"]);
    command.env("TURNBUCKLE_LOG__FILTER", "warn,gateway=debug");
    let output = command.output().unwrap();

    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("127.0.0.1:4711"),
        "a flag is in force:\n{text}"
    );
    assert!(
        text.contains("warn,gateway=debug"),
        "a variable is in force:\n{text}"
    );
    assert!(
        text.contains("127.0.0.1:9000"),
        "a default is in force:\n{text}"
    );
    assert!(!home.data_dir().exists(), "nothing was started");
}
