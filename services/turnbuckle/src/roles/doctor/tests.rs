//! What an operator got wrong, each thing alone, and what is said of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crypto::RootKey;
use fabric_grpc::trust::certs_dev;
use storage::{Storage, StorageConfig};
use tempfile::TempDir;
use testkit::nats::Nats;
use testkit::postgres::Private;
use testkit::redis::Redis;
use testkit::redis_pair::RedisPair;
use time::Duration;

use super::*;

/// A folder with all that the roles need but servers: certificates of today, a root key.
struct Bench {
    folder: TempDir,
}

/// What was found about one thing.
struct Said(Vec<Finding>);

impl Bench {
    fn new() -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        bench.certificates("certs", Duration::ZERO);
        RootKey::create(&bench.path("root.key")).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Certificates as they were made so long ago.
    fn certificates(&self, folder: &str, ago: Duration) {
        let all = Role::ALL.map(|role| (role, "dev"));
        certs_dev(&self.path(folder), &all, clock().now() - ago).unwrap();
    }

    /// Mutual TLS with the certificate of a role, in a folder.
    fn trust(&self, folder: &str, role: &str) -> String {
        let folder = self.shown(folder);
        format!(
            "[trust]\nca = \"{folder}/ca.pem\"\ncert = \"{folder}/{role}-dev.pem\"\n\
             key = \"{folder}/{role}-dev-key.pem\"\n"
        )
    }

    async fn examine(&self, role: Role, config: &str) -> Said {
        let file = self.path("config.toml");
        fs::write(&file, config).unwrap();
        Said(examine(role, Some(&file)).await)
    }

    /// A control-plane with this database and what else its configuration says.
    async fn control_plane(&self, database: &str, more: &str) -> Said {
        private(&self.path("database.url"), database);
        let config = format!(
            "listen = \"127.0.0.1:0\"\ngrpc_listen = \"127.0.0.1:0\"\n\
             fabric_listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
             database_url_file = {:?}\nroot_key_file = {:?}\nadmin_key_file = {:?}\n{}{more}",
            self.path("database.url"),
            self.path("root.key"),
            self.path("admin.key"),
            self.trust("certs", "control-plane"),
        );
        self.examine(Role::ControlPlane, &config).await
    }

    /// A gateway with this section `redis`, or what else its configuration says at its end.
    async fn gateway(&self, more: &str) -> Said {
        let config = format!(
            "listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
             control_planes = [\"127.0.0.1:1\"]\nstate_dir = {:?}\n{}{more}",
            self.path("state"),
            self.trust("certs", "gateway"),
        );
        self.examine(Role::Gateway, &config).await
    }

    /// A worker with this section `trust`.
    async fn worker(&self, trust: &str) -> Said {
        let config = format!(
            "listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
             control_planes = [\"127.0.0.1:1\"]\nstate_dir = {:?}\n{trust}",
            self.path("state"),
        );
        self.examine(Role::Worker, &config).await
    }
}

impl Said {
    /// Asserts that it was said of `what`, in these words among others.
    fn of(&self, what: &str, level: Level, words: &str) -> &Self {
        let is_so = |found: &&Finding| {
            found.what == what && found.level == level && found.says.contains(words)
        };
        let all = || format!("{what} {level:?} {words:?} is not among {:#?}", self.0);
        assert!(self.0.iter().any(|found| is_so(&found)), "{}", all());
        self
    }

    /// Asserts that nothing else is wrong than this.
    fn but(&self, wrong: &[&str]) {
        let others = self.0.iter().filter(|found| found.level != Level::Ok);
        let others: Vec<_> = others
            .filter(|found| !wrong.contains(&found.what))
            .collect();
        assert!(others.is_empty(), "{others:#?}");
    }
}

fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn of_a_database_is_said_what_a_start_would_meet() {
    let (bench, server) = (Bench::new(), Private::start());
    let root = Arc::new(RootKey::read(&bench.path("root.key")).unwrap());
    let url = server.url();
    let bare = ["NATS", "database TLS"];
    let said = bench.control_plane(&url, "").await;
    said.of("schema", Level::Ok, "it is empty")
        .of("database", Level::Ok, "answers")
        .of("database TLS", Level::Warn, "sslmode=verify-full")
        .of("database role", Level::Ok, "row-level security holds")
        .of("clock", Level::Ok, "differs")
        .but(&bare);
    assert_eq!(
        server.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"),
        "0\n"
    );

    let storage = Storage::open(&StorageConfig::postgres(url.clone().into()), root).await;
    storage.unwrap().close().await;
    let said = bench.control_plane(&url, "").await;
    said.of("schema", Level::Ok, "this version's").but(&bare);

    server.psql("DELETE FROM migrations WHERE version = (SELECT max(version) FROM migrations)");
    let said = bench.control_plane(&url, "").await;
    said.of("schema", Level::Warn, "1 migrations are missing");
    server.psql("INSERT INTO migrations (version, checksum, needs) VALUES (9999, '', 9999)");
    let said = bench.control_plane(&url, "").await;
    said.of("database", Level::Fail, "a newer version of Turnbuckle");
    server.psql("DELETE FROM migrations WHERE version = 9999");

    server.set_read_only(true);
    let said = bench.control_plane(&url, "").await;
    said.of("database", Level::Fail, "name the primary");
    server.set_read_only(false);

    let (_, rest) = url.split_once('@').unwrap();
    let superuser = format!("postgres://postgres@{rest}");
    let said = bench.control_plane(&superuser, "").await;
    said.of("database role", Level::Warn, "a plain role");

    fs::remove_file(bench.path("root.key")).unwrap();
    RootKey::create(&bench.path("root.key")).unwrap();
    let said = bench.control_plane(&url, "").await;
    said.of("database", Level::Fail, "this root key is not the one");

    server.psql(
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC; \
         CREATE TABLE x (y INT); GRANT ALL ON x TO PUBLIC",
    );
    let said = bench.control_plane(&url, "").await;
    said.of("database", Level::Fail, "give it a database of its own");
}

#[tokio::test]
async fn an_address_of_a_database_that_leads_nowhere_is_told_and_not_repeated() {
    let bench = Bench::new();
    for (url, words) in [
        ("hunter2", "its URL must be postgres://"),
        ("postgres://me:hunter2@127.0.0.1:1/x", "unavailable"),
        ("", "is empty"),
    ] {
        let said = bench.control_plane(url, "").await;
        said.of("database", Level::Fail, words);
        assert!(said.0.iter().all(|found| !found.says.contains("hunter2")));
    }
    fs::remove_file(bench.path("root.key")).unwrap();
    let said = bench.control_plane("postgres://x", "").await;
    said.of("configuration", Level::Fail, "root_key_file");
}

#[tokio::test]
async fn a_root_key_that_cannot_be_used_is_told_with_how_to_mend_it() {
    let bench = Bench::new();
    let key = bench.path("root.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let said = bench.control_plane("postgres://x", "").await;
    said.of("root key", Level::Fail, "chmod 600");

    private(&key, "no key");
    let said = bench.control_plane("postgres://x", "").await;
    said.of("root key", Level::Fail, "is not a root key file");
}

#[tokio::test]
async fn of_nats_is_said_whether_it_lets_us_in() {
    let bench = Bench::new();
    let section = |url: &str| format!("[nats]\nservers = [{url:?}]\n");
    let open = Nats::start();
    let said = bench
        .control_plane("postgres://x", &section(&open.url()))
        .await;
    said.of("NATS", Level::Ok, "answers");

    let said = bench
        .control_plane("postgres://x", &section("nats://127.0.0.1:1"))
        .await;
    said.of("NATS", Level::Fail, "check nats.servers");
    let closed = Nats::with_config("authorization { user: a, password: b }");
    let said = bench
        .control_plane("postgres://x", &section(&closed.url()))
        .await;
    said.of("NATS", Level::Fail, "check nats.servers");
    let said = bench.control_plane("postgres://x", "").await;
    said.of("NATS", Level::Warn, "is not set");
}

#[tokio::test]
async fn of_redis_is_said_what_would_cost_sessions() {
    let bench = Bench::new();
    let section = |url: &str| format!("[redis]\nnodes = [{url:?}]\n");
    let server = Redis::start();
    let said = bench.gateway(&section(&server.url())).await;
    said.of("Redis", Level::Ok, "answers, as master")
        .of("Redis memory", Level::Ok, "nothing is evicted")
        .but(&["control-plane"]);

    server.run(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let said = bench.gateway(&section(&server.url())).await;
    said.of("Redis memory", Level::Warn, "`maxmemory-policy noeviction`");

    let with_password = format!("redis://:hunter2@{}", server.address());
    server.run(&["CONFIG", "SET", "requirepass", "hunter2"]);
    let said = bench.gateway(&section(&with_password)).await;
    said.of("Redis", Level::Warn, "redis.nodes_file");
    private(&bench.path("nodes"), &with_password);
    let from_file = format!("[redis]\nnodes_file = {:?}\n", bench.path("nodes"));
    let said = bench.gateway(&from_file).await;
    said.of("Redis", Level::Ok, "answers")
        .but(&["control-plane", "Redis memory"]);
    let wrong = section(&with_password.replace("hunter2", "hunter3"));
    let said = bench.gateway(&wrong).await;
    said.of("Redis", Level::Fail, "check redis.nodes");
    assert!(said.0.iter().all(|found| !found.says.contains("hunter")));

    let pair = RedisPair::start();
    let said = bench.gateway(&section(&pair.second.url())).await;
    said.of("Redis", Level::Fail, "takes changes");
    let both = format!(
        "[redis]\nreplicated = true\nnodes = [{:?}, {:?}]\n",
        pair.second.url(),
        pair.first.url()
    );
    let said = bench.gateway(&both).await;
    said.of("Redis", Level::Ok, "as master")
        .of("Redis", Level::Ok, "as slave")
        .but(&["control-plane"]);

    for (config, level, words) in [
        (
            section("redis://127.0.0.1:1"),
            Level::Fail,
            "check redis.nodes",
        ),
        ("[redis]\n".to_owned(), Level::Fail, "redis.nodes is empty"),
        (String::new(), Level::Warn, "is not set"),
    ] {
        bench.gateway(&config).await.of("Redis", level, words);
    }
}

#[tokio::test]
async fn of_certificates_is_said_when_nobody_would_believe_them() {
    let bench = Bench::new();
    let year = Duration::days(365);
    bench.certificates("old", year + Duration::days(1));
    bench.certificates("ending", year - Duration::days(3));
    bench.certificates("others", Duration::ZERO);
    let good = bench.trust("certs", "worker");
    let cases = [
        (good.clone(), Level::Ok, "is good, and of the role"),
        (
            bench.trust("old", "worker"),
            Level::Fail,
            "put a new certificate there",
        ),
        (
            bench.trust("ending", "worker"),
            Level::Warn,
            "ends within 14 days",
        ),
        (bench.trust("certs", "gateway"), Level::Fail, "worker"),
        (
            good.replace(
                &bench.shown("certs/worker-dev-key.pem"),
                &bench.shown("others/worker-dev-key.pem"),
            ),
            Level::Fail,
            "",
        ),
        (
            good.replace(&bench.shown("certs/ca.pem"), &bench.shown("others/ca.pem")),
            Level::Fail,
            "",
        ),
        (
            good.replace("certs/ca.pem", "certs/none.pem"),
            Level::Fail,
            "none.pem",
        ),
        (
            "[trust]\ninsecure_loopback = true\n".to_owned(),
            Level::Warn,
            "is believed",
        ),
        (String::new(), Level::Fail, ""),
    ];
    for (trust, level, words) in cases {
        println!("{trust}");
        bench.worker(&trust).await.of("trust", level, words);
    }
}

#[tokio::test]
async fn of_what_a_node_keeps_and_reaches_is_said_what_is_in_the_way() {
    let bench = Bench::new();
    let trust = bench.trust("certs", "worker");
    let said = bench.worker(&trust).await;
    said.of("control-plane", Level::Fail, "127.0.0.1:1")
        .of("state_dir", Level::Ok, "is made at the start")
        .but(&["control-plane"]);

    fs::write(bench.path("state"), "").unwrap();
    bench
        .worker(&trust)
        .await
        .of("state_dir", Level::Fail, "is no folder");
    fs::remove_file(bench.path("state")).unwrap();
    fs::create_dir(bench.path("state")).unwrap();
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(bench.path("state"), open).unwrap();
    bench
        .worker(&trust)
        .await
        .of("state_dir", Level::Warn, "chmod 700");

    let elsewhere = "listen = \"192.0.2.1:9200\"\ncontrol_planes = []\n";
    let said = bench.examine(Role::Worker, elsewhere).await;
    said.of("configuration", Level::Fail, "control_planes");
    let elsewhere = "listen = \"192.0.2.1:9200\"\ncontrol_planes = [\"127.0.0.1:1\"]\n";
    let said = bench
        .examine(Role::Worker, &format!("{elsewhere}{trust}"))
        .await;
    said.of("listen", Level::Fail, "cannot listen on 192.0.2.1:9200");
}
