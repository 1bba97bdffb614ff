//! Redis stopped, paused, emptied, started again, and failed over: operations fail soon and in
//! words, nothing crosses over, and all recovers by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cache::{Cache, CacheError, Draw, LocalLimits, Rate, Read, RedisUrl, StreamLimits};
use futures_util::future::join_all;
use runtime::{Process, TimeOrderedIds};
use testkit::redis::Redis;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::backend::{OnRedis, SESSION, STREAM, in_time, lasting, owner, text, works};

/// What an operation may take: the time of `RedisConfig`, and something for a busy machine.
const SOON: Duration = Duration::from_millis(1_500);

/// Each kind of operation, and how it went.
async fn each_operation(cache: &Cache) -> Vec<(&'static str, Result<(), CacheError>)> {
    let rate = Rate {
        most: 1_000,
        window: Duration::from_secs(1),
    };
    let wish = Draw {
        spent: 0,
        wanted: 1,
    };
    let (sessions, streams) = (&cache.sessions, &cache.streams);
    let mark = Uuid::from_u128(77);
    let other = Uuid::from_u128(99);
    vec![
        ("begin", sessions.begin(other, owner(), text(1)).await),
        ("touch", sessions.touch(SESSION).await.map(drop)),
        (
            "level",
            sessions.set_log_level(SESSION, "info").await.map(drop),
        ),
        (
            "subscribe",
            sessions.subscribe(SESSION, "a:1").await.map(drop),
        ),
        ("end", sessions.end(other).await.map(drop)),
        ("open", streams.open(SESSION, other).await),
        (
            "append",
            streams.append(SESSION, STREAM, text(1)).await.map(drop),
        ),
        ("attach", streams.attach(SESSION, STREAM, 0).await.map(drop)),
        ("close", streams.close(SESSION, other).await),
        ("forget", streams.forget(other).await),
        (
            "send",
            cache
                .mailboxes
                .send(SESSION, "nobody", text(1))
                .await
                .map(drop),
        ),
        ("send all", cache.mailboxes.send_all(SESSION, text(1)).await),
        (
            "mark",
            cache
                .marks
                .take(mark, Duration::from_secs(1))
                .await
                .map(drop),
        ),
        ("draw", cache.quotas.draw(mark, rate, wish).await.map(drop)),
    ]
}

/// Appends the same message again until it is taken.
async fn append_at_last(cache: &Cache, n: u64) {
    let append = async || cache.streams.append(SESSION, STREAM, text(n)).await;
    in_time(async {
        loop {
            match append().await {
                Ok(number) => return assert_eq!(number, Some(n)),
                Err(CacheError::Unavailable(_)) => sleep(Duration::from_millis(20)).await,
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await;
}

/// Reads number after number from the start, asking again while Redis is away.
async fn read_all(cache: &Cache, last: u64) {
    let reader = cache.streams.attach(SESSION, STREAM, 0).await;
    let reader = reader.unwrap().unwrap();
    let mut after = 0;
    while after < last {
        match in_time(cache.streams.read(reader, after)).await {
            Ok(Read::Events(events)) => {
                for (number, message) in events {
                    assert_eq!((number, message), (after + 1, text(after + 1)));
                    after = number;
                }
            }
            Ok(other) => panic!("{other:?} behind {after}"),
            Err(CacheError::Unavailable(_)) => sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Appends while something is done to Redis, and reads it all on another node.
async fn keeps_all_events_while<S>(redis: &OnRedis<S>, done: impl Future<Output = ()>) {
    let (first, second) = redis.pair("events").await;
    first.streams.open(SESSION, STREAM).await.unwrap();
    let produce = async {
        for n in 1..=300 {
            append_at_last(&first, n).await;
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::join!(produce, read_all(&second, 300), async {
        sleep(Duration::from_millis(300)).await;
        done.await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_everything_fails_soon_and_says_that_it_is_unavailable() {
    let mut redis = OnRedis::start();
    let cache = redis.node("p", &lasting()).await;
    assert!(redis.process.readiness.degraded().is_empty());
    redis.server.stop();

    let start = Instant::now();
    let outcomes = each_operation(&cache).await;
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());

    for (what, outcome) in outcomes {
        let error = outcome.expect_err(what);
        assert!(error.is_unavailable(), "{what}: {error}");
    }
    in_time(async {
        while !redis.process.readiness.degraded().contains_key("redis") {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;

    redis.server.restart();
    works(&cache).await;
    for (what, outcome) in each_operation(&cache).await {
        assert_eq!(outcome, Ok(()), "{what}");
    }
    in_time(async {
        while !redis.process.readiness.degraded().is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_is_made_while_redis_is_away_and_finds_it_later() {
    let mut redis = OnRedis::start();
    redis.server.stop();
    let ids = Arc::new(TimeOrderedIds);
    let cache = Cache::redis(&redis.config("p"), &lasting(), &redis.process, ids).unwrap();

    let error = cache.sessions.touch(SESSION).await.unwrap_err();

    assert!(error.is_unavailable(), "{error}");
    redis.server.restart();
    works(&cache).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_paused_nothing_piles_up_and_then_all_goes_on() {
    let redis = OnRedis::start();
    let (cache, other) = redis.pair("p").await;
    cache
        .sessions
        .begin(SESSION, owner(), text(1))
        .await
        .unwrap();
    cache.streams.open(SESSION, STREAM).await.unwrap();
    let reader = cache.streams.attach(SESSION, STREAM, 0).await;
    let reader = reader.unwrap().unwrap();
    let waits = cache.streams.read(reader, 0);
    tokio::pin!(waits);
    let idle = timeout(Duration::from_millis(100), &mut waits).await;
    assert!(idle.is_err(), "nothing to read yet");

    redis.server.pause();
    let paused = Instant::now();
    let start = Instant::now();
    let all = join_all((0..5_000).map(|_| cache.sessions.touch(SESSION))).await;
    assert!(
        all.iter()
            .all(|one| one.as_ref().is_err_and(CacheError::is_unavailable))
    );
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    let start = Instant::now();
    for _ in 0..1_000 {
        cache.sessions.touch(SESSION).await.unwrap_err();
    }
    let failing = start.elapsed();
    assert!(failing < SOON, "they fail at once: {failing:?}");
    let rest = Duration::from_secs(5).saturating_sub(paused.elapsed());
    assert!(timeout(rest, &mut waits).await.is_err(), "it waits on");
    redis.server.resume();

    in_time(async { while cache.sessions.touch(SESSION).await.is_err() {} }).await;
    let resumed = in_time(async {
        while other.sessions.touch(SESSION).await.is_err() {}
        other.streams.append(SESSION, STREAM, text(1)).await
    });
    let (read, appended) = tokio::join!(in_time(&mut waits), resumed);
    assert_eq!(appended, Ok(Some(1)));
    assert_eq!(
        read,
        Ok(Read::Events(vec![(1, text(1))])),
        "as if nothing had been"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_come_once_and_in_order_though_redis_is_paused() {
    let redis = OnRedis::start();
    keeps_all_events_while(&redis, async {
        redis.server.pause();
        sleep(Duration::from_secs(2)).await;
        redis.server.resume();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_redis_knows_nobody_any_more_and_serves_who_comes() {
    let redis = OnRedis::start();
    let cache = redis.node("p", &lasting()).await;
    let streams = LocalLimits {
        streams: StreamLimits {
            unread: Duration::from_millis(400),
            ..lasting().streams
        },
        ..lasting()
    };
    let reads = redis.node("p", &streams).await;
    cache
        .sessions
        .begin(SESSION, owner(), text(1))
        .await
        .unwrap();
    cache.streams.open(SESSION, STREAM).await.unwrap();
    let reader = reads.streams.attach(SESSION, STREAM, 0).await;
    let reader = reader.unwrap().unwrap();
    let mut mailbox = cache.mailboxes.open(SESSION, &["m"]).await.unwrap();

    let (read, ()) = tokio::join!(in_time(reads.streams.read(reader, 0)), async {
        sleep(Duration::from_millis(50)).await;
        redis.server.flush();
    });

    assert_eq!(read, Ok(Read::Unknown), "who waits learns of it");
    assert_eq!(cache.sessions.touch(SESSION).await, Ok(None));
    assert_eq!(
        cache.streams.append(SESSION, STREAM, text(1)).await,
        Ok(None)
    );
    assert_eq!(reads.streams.attach(SESSION, STREAM, 0).await, Ok(None));
    assert_eq!(cache.mailboxes.send(SESSION, "m", text(2)).await, Ok(true));
    assert_eq!(in_time(mailbox.next()).await.unwrap(), text(2));
    cache
        .sessions
        .begin(SESSION, owner(), text(3))
        .await
        .unwrap();
    assert!(cache.sessions.touch(SESSION).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_finds_its_own_node_without_redis_and_every_node_after() {
    let mut redis = OnRedis::start();
    let cache = redis.node("p", &lasting()).await;
    redis.server.stop();

    let mut mailbox = cache.mailboxes.open(SESSION, &["m"]).await.unwrap();
    assert_eq!(cache.mailboxes.send(SESSION, "m", text(1)).await, Ok(true));
    assert_eq!(in_time(mailbox.next()).await.unwrap(), text(1));
    redis.server.restart();

    let other = redis.node("p", &lasting()).await;
    let left = other.mailboxes.leave(SESSION, "m", text(2)).await;
    assert_eq!(left, Ok(true), "whether its node was heard of or not");
    let within = Duration::from_secs(4);
    let came = timeout(within, mailbox.next()).await;
    assert_eq!(came.expect("soon after Redis is back").unwrap(), text(2));
    assert_eq!(other.mailboxes.send(SESSION, "m", text(3)).await, Ok(true));
    assert_eq!(in_time(mailbox.next()).await.unwrap(), text(3));
    redis.server.flush();
    let left = other.mailboxes.leave(SESSION, "m", text(4)).await;
    assert_eq!(left, Ok(true));
    assert_eq!(in_time(mailbox.next()).await.unwrap(), text(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_expires_and_idle_nodes_hold_two_connections_each() {
    let redis = OnRedis::start();
    let cache = redis.node("p", &lasting()).await;
    let _mailbox = cache.mailboxes.open(SESSION, &["m"]).await.unwrap();
    for (what, outcome) in each_operation(&cache).await {
        assert_eq!(outcome, Ok(()), "{what}");
    }
    cache.streams.open(SESSION, STREAM).await.unwrap();
    cache
        .streams
        .append(SESSION, STREAM, text(1))
        .await
        .unwrap();
    cache
        .streams
        .make_standalone(SESSION, STREAM)
        .await
        .unwrap();
    let waits = (0..1_000).map(|n| {
        let (streams, stream) = (cache.streams.clone(), Uuid::from_u128(1_000 + n));
        async move {
            streams.open(stream, stream).await.unwrap();
            let reader = streams.attach(stream, stream, 0).await;
            let read = streams.read(reader.unwrap().unwrap(), 0);
            timeout(Duration::from_secs(2), read).await.unwrap_err();
        }
    });
    let idle = join_all(waits);

    let count = async {
        sleep(Duration::from_secs(1)).await;
        redis.server.run(&["CLIENT", "LIST"]).lines().count()
    };
    let (_, connections) = tokio::join!(idle, count);

    assert_eq!(connections, 3, "two of the node and this one");
    let (keys, expire) = redis.server.keys();
    assert!(keys > 10 && expire, "{keys}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_and_a_socket_are_used_and_a_wrong_password_is_told_without_it() {
    let redis = Redis::start();
    let user = ["gateway", "on", ">pa55word", "~p:*", "&p:*", "+@all"];
    redis.run(&[&["ACL", "SETUSER"], user.as_slice()].concat());
    let backend = |url: String| OnRedis::new((), vec![url]);

    let by_name = backend(format!("redis://gateway:pa55word@{}", redis.address()));
    by_name.node("p", &lasting()).await;
    let by_socket = backend(redis.socket_url());
    by_socket.node("p", &lasting()).await;

    let wrong = backend(format!("redis://gateway:wr0ngword@{}", redis.address()));
    let mut config = wrong.config("p");
    config.nodes = vec![RedisUrl::new(format!(
        "redis://gateway:wr0ngword@{}",
        redis.address()
    ))];
    let (_trigger, process) = Process::new();
    let cache = Cache::redis(&config, &lasting(), &process, Arc::new(TimeOrderedIds)).unwrap();
    in_time(async {
        while process.readiness.degraded().is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let why = &process.readiness.degraded()["redis"];
    assert!(why.contains("authentication"), "{why}");
    assert!(!why.contains("wr0ngword") && !format!("{config:?}").contains("wr0ngword"));
    assert!(
        cache
            .sessions
            .touch(SESSION)
            .await
            .unwrap_err()
            .is_unavailable()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_come_once_and_in_order_though_a_replica_is_promoted() {
    let redis = OnRedis::start_cluster();
    keeps_all_events_while(&redis, async {
        tokio::task::block_in_place(|| redis.server.promote());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_lost_a_master_serves_the_rest_and_soon_all_of_it() {
    let mut redis = OnRedis::start_cluster();
    let cache = redis.node("p", &lasting()).await;
    let ids: Vec<Uuid> = (1..=100).map(Uuid::from_u128).collect();
    for id in &ids {
        cache.sessions.begin(*id, owner(), text(1)).await.unwrap();
    }
    sleep(Duration::from_millis(200)).await;

    redis.server.nodes[0].kill();
    let start = Instant::now();
    for id in &ids {
        if let Err(error) = cache.sessions.touch(*id).await {
            assert!(error.is_unavailable(), "{error}");
        }
    }
    let asked = start.elapsed();
    assert!(asked < Duration::from_secs(20), "{asked:?}");
    redis.server.wait_for_promotion();
    works(&cache).await;

    let mut living = 0;
    for id in &ids {
        living += usize::from(cache.sessions.touch(*id).await.unwrap().is_some());
    }
    assert!(living >= 95, "replication is not waited for: {living}");
    assert_eq!(redis.process.readiness.degraded().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_spoken_with_an_authority_of_our_own_and_with_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(path("cert.pem"), signed.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), signed.signing_key.serialize_pem()).unwrap();
    let port = testkit::child::free_port();
    let options = [
        ("--tls-port", port.to_string()),
        ("--tls-cert-file", path("cert.pem")),
        ("--tls-key-file", path("key.pem")),
        ("--tls-ca-cert-file", path("cert.pem")),
        ("--tls-auth-clients", "no".to_owned()),
    ];
    let options: Vec<&str> = options
        .iter()
        .flat_map(|(name, value)| [*name, value])
        .collect();
    let _server = Redis::with_options(&options);
    let backend = OnRedis::new((), vec![format!("rediss://127.0.0.1:{port}")]);
    let make = |ca_file| {
        let mut config = backend.config("p");
        config.ca_file = ca_file;
        let ids = Arc::new(TimeOrderedIds);
        Cache::redis(&config, &lasting(), &backend.process, ids).unwrap()
    };

    let trusting = make(Some(path("cert.pem").into()));
    works(&trusting).await;
    let system = make(None);
    sleep(Duration::from_millis(300)).await;

    let error = system.sessions.touch(SESSION).await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
}
