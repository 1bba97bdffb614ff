//! Two nodes on one Redis: what one begins the other goes on with.

use std::time::Duration;

use bytes::Bytes;
use cache::{Cache, Changed, LocalLimits, Read, Reader, SessionLimits};
use futures_util::future::join_all;
use runtime::Process;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::backend::{OnRedis, SESSION, STREAM, in_time, lasting, owner, text};

async fn append(cache: &Cache, message: Bytes) -> Option<u64> {
    let appended = cache.streams.append(SESSION, STREAM, message).await;
    appended.unwrap()
}

async fn attach(cache: &Cache, after: u64) -> Option<Reader> {
    let attached = cache.streams.attach(SESSION, STREAM, after).await;
    attached.unwrap()
}

/// Reads on until number `last`, and checks that each event comes once and in order.
async fn read_until(cache: &Cache, reader: Reader, mut after: u64, last: u64) {
    while after < last {
        let read = in_time(cache.streams.read(reader, after)).await.unwrap();
        let Read::Events(events) = read else {
            panic!("{read:?} behind {after}");
        };
        for (number, message) in events {
            assert_eq!((number, message), (after + 1, text(after + 1)));
            after = number;
        }
    }
}

/// A story on a server and on a cluster.
macro_rules! on_both {
    ($($story:ident),* $(,)?) => {
        mod one {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $story() {
                    let redis = crate::backend::OnRedis::start();
                    super::$story(&redis, stringify!($story)).await;
                }
            )*
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn all_of_it_holds_on_a_cluster() {
            let redis = crate::backend::OnRedis::start_cluster();
            $($story(&redis, stringify!($story)).await;)*
        }
    };
}

on_both!(
    a_stream_is_taken_up_from_another_node_while_it_is_produced,
    a_newer_reader_of_another_node_takes_over_and_the_older_ends,
    a_newer_standalone_stream_of_another_node_closes_the_one_before,
    a_standalone_stream_hears_only_from_the_node_that_it_is_read_at,
    mail_reaches_the_node_that_waits_however_early_it_comes,
    mail_that_comes_through_both_nodes_at_once_all_arrives,
    a_name_that_a_newer_mailbox_of_another_node_took_leads_there,
    a_full_mailbox_of_another_node_refuses,
    of_all_who_race_for_a_mark_one_gets_it,
    a_cap_holds_over_all_nodes,
    a_session_that_ended_on_one_node_has_ended_on_all_for_good,
    the_stream_of_a_node_that_is_gone_ends_with_its_last_words,
    a_node_that_goes_is_missed_by_a_reader_that_asks_anew,
    what_is_left_for_a_name_waits_until_somebody_has_it,
    a_node_that_lives_but_says_nothing_is_not_taken_for_gone,
);

async fn a_stream_is_taken_up_from_another_node_while_it_is_produced<S>(
    redis: &OnRedis<S>,
    prefix: &str,
) {
    let (first, second) = redis.pair(prefix).await;
    first.streams.open(SESSION, STREAM).await.unwrap();
    let reader = attach(&first, 0).await.unwrap();

    let produce = async {
        for n in 1..=400 {
            assert_eq!(append(&first, text(n)).await, Some(n));
            sleep(Duration::from_millis(2)).await;
        }
        first.streams.close(SESSION, STREAM).await.unwrap();
    };
    let consume = async {
        read_until(&first, reader, 0, 100).await;
        let resumed = attach(&second, 100).await.unwrap();
        read_until(&second, resumed, 100, 250).await;
        let back = attach(&first, 250).await.unwrap();
        read_until(&first, back, 250, 400).await;
        in_time(first.streams.read(back, 400)).await.unwrap()
    };
    let ((), end) = tokio::join!(produce, consume);

    assert_eq!(end, Read::End);
}

async fn a_newer_reader_of_another_node_takes_over_and_the_older_ends<S>(
    redis: &OnRedis<S>,
    prefix: &str,
) {
    let (first, second) = redis.pair(prefix).await;
    first.streams.open(SESSION, STREAM).await.unwrap();
    let older = attach(&first, 0).await.unwrap();

    let (found, newer) = tokio::join!(in_time(first.streams.read(older, 0)), async {
        sleep(Duration::from_millis(50)).await;
        attach(&second, 0).await.unwrap()
    });

    assert_eq!(found.unwrap(), Read::TakenOver);
    first.streams.detach(older);
    append(&first, text(1)).await;
    read_until(&second, newer, 0, 1).await;
}

async fn the_stream_of_a_node_that_is_gone_ends_with_its_last_words<S>(
    redis: &OnRedis<S>,
    prefix: &str,
) {
    let (trigger, process) = Process::new();
    let lost = redis.node_of(&process, prefix, &lasting()).await;
    let second = redis.node(prefix, &lasting()).await;
    lost.streams.open(SESSION, STREAM).await.unwrap();
    let words = Bytes::from_static(b"gone");
    lost.streams
        .bequeath(SESSION, STREAM, words.clone())
        .await
        .unwrap();
    append(&lost, text(1)).await;
    let reader = attach(&second, 0).await.unwrap();
    read_until(&second, reader, 0, 1).await;

    trigger.end();
    drop(lost);

    let read = in_time(second.streams.read(reader, 1)).await.unwrap();
    assert_eq!(read, Read::Events(vec![(2, words)]));
    let read = in_time(second.streams.read(reader, 2)).await.unwrap();
    assert_eq!(read, Read::End);
}

async fn a_node_that_goes_is_missed_by_a_reader_that_asks_anew<S>(
    redis: &OnRedis<S>,
    prefix: &str,
) {
    let (trigger, process) = Process::new();
    let lost = redis.node_of(&process, prefix, &lasting()).await;
    let second = redis.node(prefix, &lasting()).await;
    lost.streams.open(SESSION, STREAM).await.unwrap();
    lost.streams
        .bequeath(SESSION, STREAM, Bytes::new())
        .await
        .unwrap();
    let reader = attach(&second, 0).await.unwrap();
    // As one does that has other things to say to its client now and then.
    let read = async || loop {
        let asked = second.streams.read(reader, 0);
        if let Ok(read) = timeout(Duration::from_millis(300), asked).await {
            return read.unwrap();
        }
    };
    assert!(timeout(Duration::from_secs(1), read()).await.is_err());

    trigger.end();
    drop(lost);

    assert_eq!(in_time(read()).await, Read::End, "it had nothing to say");
}

async fn what_is_left_for_a_name_waits_until_somebody_has_it<S>(redis: &OnRedis<S>, prefix: &str) {
    let (first, second) = redis.pair(prefix).await;
    let leave = async |name, n| {
        let left = second.mailboxes.leave(SESSION, name, text(n)).await;
        left.unwrap()
    };
    let send = async |name, n| {
        let sent = second.mailboxes.send(SESSION, name, text(n)).await;
        sent.unwrap()
    };
    let early = 2 * cache::MAILBOX_MAX as u64;
    for n in 1..=early {
        assert!(leave("c:other", n).await);
    }
    assert!(leave("c:x", 100).await);
    assert!(!send("c:x", 101).await, "nobody is there");
    assert!(!send("r:1", 102).await);
    assert!(leave("c:x", 103).await);

    let mut mailbox = first
        .mailboxes
        .open(SESSION, &["r:1", "c:x"])
        .await
        .unwrap();
    for n in [100, 103] {
        assert_eq!(in_time(mailbox.next()).await.unwrap(), text(n));
    }
    assert!(leave("c:x", 104).await);
    assert_eq!(in_time(mailbox.next()).await.unwrap(), text(104));
    let mut other = first.mailboxes.open(SESSION, &["c:other"]).await.unwrap();
    let kept = cache::MAILBOX_MAX as u64 - 2;
    for n in early - kept + 1..=early {
        assert_eq!(in_time(other.next()).await.unwrap(), text(n), "the newest");
    }
    let more = timeout(Duration::from_millis(200), other.next()).await;
    assert!(more.is_err(), "{more:?}");
}

async fn a_node_that_lives_but_says_nothing_is_not_taken_for_gone<S>(
    redis: &OnRedis<S>,
    prefix: &str,
) {
    let (first, second) = redis.pair(prefix).await;
    first.streams.open(SESSION, STREAM).await.unwrap();
    let words = Bytes::from_static(b"gone");
    first
        .streams
        .bequeath(SESSION, STREAM, words)
        .await
        .unwrap();
    let reader = attach(&second, 0).await.unwrap();

    let quiet = timeout(Duration::from_secs(9), second.streams.read(reader, 0)).await;
    assert!(quiet.is_err(), "{quiet:?}");
    append(&first, text(1)).await;
    read_until(&second, reader, 0, 1).await;
}

async fn a_newer_standalone_stream_of_another_node_closes_the_one_before<S>(
    redis: &OnRedis<S>,
    prefix: &str,
) {
    let (first, second) = redis.pair(prefix).await;
    let newer = Uuid::from_u128(12);
    for (node, stream) in [(&first, STREAM), (&second, newer)] {
        node.streams.open(SESSION, stream).await.unwrap();
    }
    first
        .streams
        .make_standalone(SESSION, STREAM)
        .await
        .unwrap();
    let reader = attach(&first, 0).await.unwrap();
    assert!(reader.standalone);

    let (found, made) = tokio::join!(
        in_time(first.streams.read(reader, 0)),
        second.streams.make_standalone(SESSION, newer)
    );

    made.unwrap();
    assert_eq!(found.unwrap(), Read::End);
}

async fn a_standalone_stream_hears_only_from_the_node_that_it_is_read_at<S>(
    redis: &OnRedis<S>,
    prefix: &str,
) {
    let (first, second) = redis.pair(prefix).await;
    first.streams.open(SESSION, STREAM).await.unwrap();
    first
        .streams
        .make_standalone(SESSION, STREAM)
        .await
        .unwrap();
    attach(&first, 0).await.unwrap();
    assert_eq!(append(&first, text(1)).await, Some(1));

    let resumed = attach(&second, 1).await.unwrap();

    assert!(resumed.standalone);
    assert_eq!(append(&first, text(2)).await, None, "it listens elsewhere");
    assert_eq!(append(&second, text(2)).await, Some(2));
}

async fn mail_reaches_the_node_that_waits_however_early_it_comes<S>(
    redis: &OnRedis<S>,
    prefix: &str,
) {
    let (first, second) = redis.pair(prefix).await;
    let mut mailbox = first
        .mailboxes
        .open(SESSION, &["r:1", "c:x"])
        .await
        .unwrap();
    let send = async |session, name, n| {
        let sent = second.mailboxes.send(session, name, text(n)).await;
        sent.unwrap()
    };

    assert!(!send(SESSION, "r:2", 9).await);
    assert!(!send(Uuid::from_u128(2), "r:1", 9).await);
    assert!(send(SESSION, "r:1", 1).await, "before anybody waits");
    assert!(send(SESSION, "c:x", 2).await);
    second.mailboxes.send_all(SESSION, text(3)).await.unwrap();
    for n in 1..=3 {
        assert_eq!(in_time(mailbox.next()).await.unwrap(), text(n));
    }
    let (got, sent) = tokio::join!(in_time(mailbox.next()), send(SESSION, "r:1", 4));
    assert!(sent);
    assert_eq!(got.unwrap(), text(4));

    drop(mailbox);
    in_time(async {
        while send(SESSION, "r:1", 5).await {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

async fn mail_that_comes_through_both_nodes_at_once_all_arrives<S>(
    redis: &OnRedis<S>,
    prefix: &str,
) {
    let (first, second) = redis.pair(prefix).await;
    let mut mailbox = first.mailboxes.open(SESSION, &["c:x"]).await.unwrap();

    for round in 0..100 {
        let (here, there) = (text(2 * round), text(2 * round + 1));
        let sent = tokio::join!(
            first.mailboxes.send(SESSION, "c:x", here.clone()),
            second.mailboxes.send(SESSION, "c:x", there.clone()),
            // Comes to its own node while that fetches what has come from the other.
            async {
                sleep(Duration::from_micros(50 * round)).await;
                first.mailboxes.send(SESSION, "c:x", here.clone()).await
            },
        );
        assert!(
            sent.0.unwrap() && sent.1.unwrap() && sent.2.unwrap(),
            "{round}"
        );
        let mut got = Vec::new();
        while got.len() < 3 {
            got.push(in_time(mailbox.next()).await.unwrap());
        }
        let count = |wanted: &Bytes| got.iter().filter(|message| *message == wanted).count();
        assert_eq!((count(&here), count(&there)), (2, 1));
    }
}

async fn a_name_that_a_newer_mailbox_of_another_node_took_leads_there<S>(
    redis: &OnRedis<S>,
    prefix: &str,
) {
    let (first, second) = redis.pair(prefix).await;
    let mut old = first
        .mailboxes
        .open(SESSION, &["r:1", "c:x"])
        .await
        .unwrap();
    let mut new = second
        .mailboxes
        .open(SESSION, &["r:1", "c:y"])
        .await
        .unwrap();

    assert!(first.mailboxes.send(SESSION, "r:1", text(1)).await.unwrap());
    assert!(
        second
            .mailboxes
            .send(SESSION, "c:x", text(2))
            .await
            .unwrap()
    );

    assert_eq!(in_time(new.next()).await.unwrap(), text(1));
    assert_eq!(in_time(old.next()).await.unwrap(), text(2));
}

async fn a_full_mailbox_of_another_node_refuses<S>(redis: &OnRedis<S>, prefix: &str) {
    let (first, second) = redis.pair(prefix).await;
    let mut mailbox = first.mailboxes.open(SESSION, &["m"]).await.unwrap();

    let mut sent = 0;
    while second
        .mailboxes
        .send(SESSION, "m", text(sent + 1))
        .await
        .unwrap()
    {
        sent += 1;
        // What waits there has moved on to the mailbox, or is in Redis still.
        assert!(sent <= 2 * cache::MAILBOX_MAX as u64);
    }

    assert!(sent >= cache::MAILBOX_MAX as u64);
    for n in 1..=sent {
        assert_eq!(
            in_time(mailbox.next()).await.unwrap(),
            text(n),
            "none is lost"
        );
    }
}

async fn of_all_who_race_for_a_mark_one_gets_it<S>(redis: &OnRedis<S>, prefix: &str) {
    let (first, second) = redis.pair(prefix).await;
    let nodes = [first, second];

    for round in 0..50 {
        let takes = (0..8).map(|n| {
            let cache: &Cache = &nodes[n % 2];
            cache
                .marks
                .take(Uuid::from_u128(round), Duration::from_secs(60))
        });
        let taken = join_all(takes).await.into_iter().map(Result::unwrap);
        assert_eq!(taken.filter(|taken| *taken).count(), 1);
    }
}

async fn a_cap_holds_over_all_nodes<S>(redis: &OnRedis<S>, prefix: &str) {
    let limits = LocalLimits {
        sessions: SessionLimits {
            per_owner: 10,
            ..lasting().sessions
        },
        ..lasting()
    };
    let nodes = [
        redis.node(prefix, &limits).await,
        redis.node(prefix, &limits).await,
    ];
    let id = |n: usize| Uuid::from_u128(100 + n as u128);

    for round in 0..5 {
        let begins = (0..8).map(|n| {
            let cache: &Cache = &nodes[n % 2];
            cache
                .sessions
                .begin(id(8 * round + n), owner(), Bytes::new())
        });
        join_all(begins).await.into_iter().for_each(Result::unwrap);
    }

    let mut living = Vec::new();
    for n in 0..40 {
        if nodes[n % 2].sessions.touch(id(n)).await.unwrap().is_some() {
            living.push(n);
        }
    }
    assert_eq!(living.len(), 10, "{living:?}");
    assert!(
        living.iter().all(|n| *n >= 24),
        "the oldest went: {living:?}"
    );
}

async fn a_session_that_ended_on_one_node_has_ended_on_all_for_good<S>(
    redis: &OnRedis<S>,
    prefix: &str,
) {
    let (first, second) = redis.pair(prefix).await;
    let begin = async |cache: &Cache| cache.sessions.begin(SESSION, owner(), text(1)).await;
    begin(&first).await.unwrap();
    let changed = second.sessions.subscribe(SESSION, "a:1").await.unwrap();
    assert_eq!(changed, Changed::Done);
    let record = first.sessions.touch(SESSION).await.unwrap().unwrap();
    assert_eq!(record.subscriptions.len(), 1);

    assert!(second.sessions.end(SESSION).await.unwrap());
    begin(&first).await.unwrap();

    assert_eq!(first.sessions.touch(SESSION).await.unwrap(), None);
}
