//! A replica takes the place of its primary, which comes back and knows nothing of that.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cache::{Cache, RedisConfig};
use runtime::{Process, TimeOrderedIds};
use testkit::redis_pair::RedisPair;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::backend::{OnRedis, lasting, owner, works};

const SOON: Duration = Duration::from_secs(30);

fn node(backend: &OnRedis<RedisPair>, process: &Process) -> Cache {
    let config = RedisConfig {
        replicated: true,
        ..backend.config("p")
    };
    Cache::redis(&config, &lasting(), process, Arc::new(TimeOrderedIds)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_replica_that_was_promoted_is_used_also_when_the_former_primary_is_back() {
    let pair = RedisPair::start();
    let urls = pair.urls();
    let mut backend = OnRedis::new(pair, urls);
    let cache = node(&backend, &backend.process);
    works(&cache).await;
    let session = Uuid::from_u128(3);
    let facts = Bytes::from_static(b"facts");
    cache.sessions.begin(session, owner(), facts).await.unwrap();
    backend.server.settle();
    let mut mailbox = cache.mailboxes.open(session, &["m"]).await.unwrap();

    // Neither is told: both take changes, and who is connected finds out by looking around.
    backend.server.promote();
    let slot = format!("p:{{{}}}:r", session.as_simple());
    timeout(SOON, async {
        loop {
            backend.server.first.run(&["DEL", &slot]);
            if cache
                .sessions
                .touch(session)
                .await
                .is_ok_and(|found| found.is_some())
            {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("it goes over to the one that was promoted");
    backend.server.first.kill();
    works(&cache).await;
    assert!(cache.sessions.touch(session).await.unwrap().is_some());

    // It comes back empty, and is a primary to whoever asks it alone.
    backend.server.first.restart();
    assert!(backend.server.first.run(&["ROLE"]).starts_with("master"));
    let (_trigger, process) = Process::new();
    let other = node(&backend, &process);
    works(&other).await;
    assert!(other.sessions.touch(session).await.unwrap().is_some());
    let text = Bytes::from_static(b"text");
    let sent = other.mailboxes.send(session, "m", text.clone()).await;
    assert_eq!(sent, Ok(true));
    let mail = timeout(SOON, mailbox.next()).await.unwrap();
    assert_eq!(mail, Some(text));
    assert_eq!(backend.server.first.keys().0, 0, "nobody writes to it");
}
