//! Postgres is stopped, killed, paused or takes no changes, during admin writes and traffic.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::postgres::Private;
use tokio::task::JoinSet;

use crate::harness::cluster::{PAIR, Stage, Traffic};
use crate::harness::{Api, eventually};

const SOON: Duration = Duration::from_secs(15);
/// How soon a change is refused: `database_patience`, a second, and something for a busy machine.
const REFUSED: Duration = Duration::from_millis(2_500);
const TENANTS: &str = "/tenants";

/// Administrators who make tenants without a pause, and what became of each.
struct Writers {
    seen: Arc<Mutex<Seen>>,
    tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Slugs that the answer said are made.
    made: BTreeSet<String>,
    /// Those that the answer said are not.
    refused: BTreeSet<String>,
    /// Those of which it said that nobody knows.
    doubted: BTreeSet<String>,
    slowest: Duration,
}

impl Writers {
    /// One at each control-plane.
    fn start(stage: &Stage) -> Self {
        let (seen, next) = (Arc::<Mutex<Seen>>::default(), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        for control_plane in 0..PAIR {
            let admin = stage.cluster.admin(control_plane);
            let (seen, next) = (seen.clone(), next.clone());
            tasks.spawn(async move {
                loop {
                    let slug = format!("w{}", next.fetch_add(1, Ordering::Relaxed));
                    write(&admin, &slug, &seen).await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        }
        Self { seen, tasks }
    }

    /// Waits until a tenant is made that was not asked for before now.
    async fn write_again(&self) -> Duration {
        let back = Instant::now();
        let made = || self.seen.lock().unwrap().made.len();
        let before = made();
        eventually(SOON, "changes work again", async || {
            (made() > before + PAIR).then_some(())
        })
        .await;
        back.elapsed()
    }

    async fn end(mut self) -> Seen {
        self.tasks.shutdown().await;
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

async fn write(admin: &Api, slug: &str, seen: &Mutex<Seen>) {
    let began = Instant::now();
    let answer = admin
        .post(TENANTS, &json!({ "slug": slug, "name": slug }))
        .await;
    let mut seen = seen.lock().unwrap();
    seen.slowest = seen.slowest.max(began.elapsed());
    let name = answer.json["type"].as_str().unwrap_or_default();
    let set = match (answer.status, name.rsplit(':').next()) {
        (201, _) => &mut seen.made,
        (503, Some("unavailable")) => &mut seen.refused,
        (503, Some("in-doubt")) => &mut seen.doubted,
        // Nobody may be asked so: the test fails on it.
        _ => panic!("{slug}: {} {}", answer.status, answer.text),
    };
    set.insert(slug.to_owned());
}

/// A change of each kind, through each control-plane, is refused in words and soon.
async fn changes_are_refused(stage: &Stage, what: &str) {
    let tool = "/tenants/acme/connectors/legacy/tools/hold";
    let off = json!({ "enabled": false });
    let tenant = json!({ "slug": "half", "name": "half" });
    let connector = json!({
        "slug": "half", "type": "remote_mcp", "config": { "url": "https://example.com/mcp" },
    });
    let key = json!({ "name": "half", "scope": "tenant_user", "tenant": "acme" });
    let mut slowest = Duration::ZERO;
    for control_plane in 0..PAIR {
        let admin = stage.cluster.admin(control_plane);
        for (path, body) in [
            (TENANTS, &tenant),
            ("/tenants/acme/connectors", &connector),
            ("/keys", &key),
            (tool, &off),
        ] {
            let began = Instant::now();
            let answer = match path == tool {
                true => admin.patch(path, body).await,
                false => admin.post(path, body).await,
            };
            slowest = slowest.max(began.elapsed());
            answer.expect_problem(503, "unavailable");
        }
    }
    println!("{what}: changes are refused after {slowest:?} at most");
    assert!(slowest < REFUSED, "{what}: {slowest:?}");
}

/// What is in the database is what was acknowledged, each thing as a whole.
fn nothing_is_half_written(stage: &Stage, seen: &Seen) {
    let Seen {
        made,
        refused,
        doubted,
        slowest,
    } = seen;
    println!(
        "made {}, refused {}, in doubt {}, slowest {slowest:?}",
        made.len(),
        refused.len(),
        doubted.len()
    );
    let sql = |statement: &str| stage.cluster.sql(statement);
    let stored = sql("SELECT slug FROM tenants WHERE slug LIKE 'w%'");
    let stored: BTreeSet<String> = stored.lines().map(str::to_owned).collect();
    let lost: Vec<_> = made.difference(&stored).collect();
    assert!(lost.is_empty(), "acknowledged, and not there: {lost:?}");
    let ghosts: Vec<_> = refused.intersection(&stored).collect();
    assert!(ghosts.is_empty(), "refused, and there: {ghosts:?}");
    for (what, count) in [
        (
            "tenants without a data key",
            "SELECT count(*) FROM tenants t WHERE NOT EXISTS \
             (SELECT 1 FROM data_keys k WHERE k.tenant_id = t.id)",
        ),
        (
            "tenants without a change that made them",
            "SELECT count(*) FROM tenants t WHERE 1 <> (SELECT count(*) FROM config_changes c \
             WHERE c.tenant_id = t.id AND c.kind = 'tenant_created')",
        ),
        (
            "changes that made nothing",
            "SELECT count(*) FROM config_changes c WHERE c.kind = 'tenant_created' \
             AND NOT EXISTS (SELECT 1 FROM tenants t WHERE t.id = c.tenant_id)",
        ),
        (
            "numbers of changes that are missing",
            "SELECT (SELECT last FROM revision_counter) - count(*) FROM config_changes",
        ),
        (
            "things of refused changes",
            "SELECT (SELECT count(*) FROM tenants WHERE slug = 'half') + \
             (SELECT count(*) FROM connectors WHERE slug = 'half') + \
             (SELECT count(*) FROM api_keys WHERE name = 'half') + \
             (SELECT count(*) FROM tools WHERE NOT enabled)",
        ),
    ] {
        assert_eq!(sql(count), "0", "{what}");
    }
}

#[tokio::test]
async fn changes_fail_clearly_soon_and_as_a_whole_while_postgres_is_away_and_calls_are_unharmed() {
    let mut stage = Stage::open().await;
    stage.works().await;
    let all = [&stage.legacy, &stage.modern, &stage.hosted];
    let traffic = Traffic::start(&all, &[0, 1]).await;
    let writers = Writers::start(&stage);
    stage.cluster.expect_error("database");
    type Deed = fn(&mut Private);
    let faults: [(&str, Deed, Deed); 4] = [
        ("stopped", Private::stop, Private::restart),
        (
            "read-only",
            |server| server.set_read_only(true),
            |server| server.set_read_only(false),
        ),
        ("killed", Private::kill, Private::restart),
        ("paused", |server| server.pause(), |server| server.resume()),
    ];
    for (what, strike, mend) in faults {
        writers.write_again().await;
        strike(stage.cluster.postgres());
        changes_are_refused(&stage, what).await;
        stage.works().await;
        traffic.take().unharmed();
        mend(stage.cluster.postgres());
        println!(
            "{what}: works again after {:?}",
            writers.write_again().await
        );
    }
    let seen = writers.end().await;
    nothing_is_half_written(&stage, &seen);
    assert!(seen.slowest < Duration::from_secs(8), "{seen:?}");
    stage.works().await;
    traffic.take().unharmed();
    for member in stage.cluster.members() {
        eventually(SOON, "it is ready again", async || {
            (member.ready().await["status"] == "ready").then_some(())
        })
        .await;
    }
}
