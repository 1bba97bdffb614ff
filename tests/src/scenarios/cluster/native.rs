//! A worker is killed while a provider has requests of native calls before it, some that read and
//! some that write.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::provider::{Api, Provider, Reply, Rules};
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::metrics::total;
use crate::harness::cluster::{Cluster, Got, Legacy, Member, PAIR, Wire};
use crate::harness::eventually;

const READ: &str = "GET /api/v4/projects/{id}";
const WRITE: &str = "POST /api/v4/projects/{id}/issues";
/// Calls of each kind that the provider holds.
const HELD: usize = 8;
/// Calls of each kind that are made once a worker is gone.
const AFTER: usize = 20;
/// How soon a call ends whose worker has died.
const LIMIT: Duration = Duration::from_secs(2);

/// A cluster whose workers take a provider of ours for GitLab.
struct Native {
    cluster: Cluster,
    provider: Provider,
    wire: Wire,
    legacy: Legacy,
    /// Calls so far: each writes or reads something of its own.
    made: usize,
}

/// A call that ended: which, whether it writes, and how.
type Ended = (String, bool, Got);

impl Native {
    async fn open() -> Self {
        let described = [READ, WRITE].map(|operation| operation.split_once(' ').unwrap());
        let rules = Rules::authorization("Bearer the-token");
        let provider = Provider::start(Api::documented(described), rules).await;
        let mut cluster = Cluster::prepare();
        let elsewhere = provider.url().to_owned();
        cluster.configure_further("worker", |toml| {
            format!("{toml}\n[worker.origins]\n\"https://gitlab.com\" = \"{elsewhere}\"\n")
        });
        cluster.launch().await;
        let (_, key) = cluster.tenant("acme").await;
        let connector =
            json!({ "slug": "gitlab", "type": "gitlab", "secrets": { "token": "the-token" } });
        cluster.connector("acme", &connector).await;
        let wire = cluster.wire("acme", "gitlab", &key);
        let legacy = wire.open(0).await;
        Self {
            cluster,
            provider,
            wire,
            legacy,
            made: 0,
        }
    }

    /// From now on the provider holds what comes.
    fn hold(&self) {
        for operation in [READ, WRITE] {
            self.provider.answer(operation, Reply::hang());
        }
    }

    /// From now on it answers what comes.
    fn answer(&self, operations: &[&str]) {
        let answer = Reply::json(200, &json!({ "id": 1 }));
        for operation in operations {
            self.provider.answer(operation, answer.clone());
        }
    }

    /// So many calls of each kind at once, through either gateway, by clients of either era.
    fn begin(&mut self, each: usize, calls: &mut JoinSet<Ended>) {
        for n in 0..2 * each {
            self.made += 1;
            let name = format!("thing-{}", self.made);
            let (wire, legacy, writes) = (self.wire.clone(), self.legacy.clone(), n % 2 == 0);
            let (gateway, is_legacy) = ((n / 2) % PAIR, (n / 4) % 2 == 0);
            let id = self.made;
            calls.spawn(async move {
                let (tool, arguments) = match writes {
                    true => (
                        "gitlab_create_issue",
                        json!({ "project_id": "1", "title": name }),
                    ),
                    false => ("gitlab_get_project", json!({ "project_id": name })),
                };
                let got = match is_legacy {
                    true => legacy.call_as(id, gateway, tool, arguments).await,
                    false => wire.call(gateway, tool, arguments).await,
                };
                (name, writes, got)
            });
        }
    }

    /// How often the provider was asked for what, by the name that each call has for itself.
    fn asked(&self) -> BTreeMap<String, usize> {
        let mut asked = BTreeMap::new();
        for seen in self.provider.seen() {
            let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
            let path = seen.target.split('?').next().unwrap_or_default();
            let name = match body["title"].as_str() {
                Some(title) => title.to_owned(),
                None => path.rsplit('/').next().unwrap_or_default().to_owned(),
            };
            *asked.entry(name).or_default() += 1;
        }
        asked
    }

    /// Waits until the provider has been asked for so many things.
    async fn holds(&self, count: usize) {
        let what = format!("the provider holds {count}");
        eventually(Duration::from_secs(20), &what, async || {
            (self.asked().len() == count).then_some(())
        })
        .await;
    }

    /// Calls made now, with one worker gone, all have their result, and reach the provider once.
    async fn goes_on(&mut self) {
        self.answer(&[READ, WRITE]);
        let mut calls = JoinSet::new();
        self.begin(AFTER, &mut calls);
        let ended = calls.join_all().await;
        let asked = self.asked();
        for (name, _, got) in ended {
            assert!(got.is_result(), "{name}: {got:?}");
            assert_eq!(asked[&name], 1, "{name}");
        }
    }
}

async fn in_flight(worker: &Member) -> usize {
    let count = total(worker, "worker_calls_in_flight", &[]).await;
    count.unwrap_or_default() as usize
}

#[tokio::test]
async fn of_a_worker_that_dies_native_reads_go_on_elsewhere_and_no_write_is_made_twice() {
    let mut native = Native::open().await;
    native.hold();
    let mut calls = JoinSet::new();
    native.begin(HELD, &mut calls);
    native.holds(2 * HELD).await;
    let [first, second] = [
        in_flight(&native.cluster.workers[0]).await,
        in_flight(&native.cluster.workers[1]).await,
    ];
    println!("calls at the workers: {first} and {second}");
    assert_eq!(first + second, 2 * HELD);
    assert!(first > 0 && second > 0, "both have some");

    // What is read once more is answered.
    native.answer(&[READ]);
    let mut reads = 0;
    for (worker, count) in [(0, first), (1, second)] {
        native.cluster.workers[worker].kill();
        let killed = Instant::now();
        for _ in 0..count {
            let ended = timeout_at((killed + LIMIT).into(), calls.join_next()).await;
            let ended = ended.unwrap_or_else(|_| panic!("a call does not end within {LIMIT:?}"));
            let (name, writes, got) = ended.unwrap().unwrap();
            let told = format!("{got:?}");
            if !writes {
                assert!(got.is_result(), "{name}: {told}");
                assert_eq!(native.asked()[&name], 2, "{name}: once at each worker");
                reads += 1;
                continue;
            }
            assert!(!got.is_result(), "{name}: {told}");
            for words in [
                "the worker that ran the call has gone",
                "may have had an effect: check before trying again",
            ] {
                assert!(told.contains(words), "{told}");
            }
        }
        println!(
            "{count} calls have ended {:?} after their worker",
            killed.elapsed()
        );
        // The others, at the other worker, are not touched by it.
        assert!(calls.try_join_next().is_none());

        // What has not left yet goes to the other worker, and nobody notices.
        native.goes_on().await;
        println!("{} calls were made after {:?}", 2 * AFTER, killed.elapsed());
        native.cluster.workers[worker].restart().await;
    }
    native.goes_on().await;
    assert_eq!(reads, HELD);
    let asked = native.asked();
    let twice = asked.values().filter(|times| **times == 2).count();
    assert!(asked.values().all(|times| *times <= 2), "{asked:?}");
    assert_eq!(twice, reads, "nothing but these: {asked:?}");
    assert_eq!(native.provider.violations(), Vec::<String>::new());
}
