//! Streams: replay, tail, take-over, and what is dropped.

use std::time::Duration;

use bytes::Bytes;
use cache::{Cache, LocalLimits, Read, Reader, StreamId, StreamLimits};
use futures_util::FutureExt;
use uuid::Uuid;

use crate::backend::{Backend, LIMITS, on_each_backend};

on_each_backend!(
    events_are_replayed_from_any_place_and_then_tailed,
    a_new_reader_takes_over_from_the_one_that_waits,
    a_stream_that_ended_is_read_to_its_end,
    a_stream_is_unknown_to_every_other_session,
    a_place_that_never_was_is_lost,
    beyond_the_count_the_oldest_events_are_dropped,
    beyond_the_bytes_the_oldest_events_are_dropped_but_never_the_newest,
    a_stream_that_ended_is_kept_for_its_age,
    old_events_are_dropped_though_the_stream_goes_on,
    a_stream_that_nobody_reads_stays_open_for_a_while,
    a_session_beyond_its_cap_loses_what_ended_then_what_nobody_reads,
    beyond_the_bytes_of_all_what_ended_first_goes_first,
    beyond_the_bytes_of_all_a_stream_that_grows_gives_way_at_last,
    the_newest_standalone_stream_closes_the_one_before,
    a_forgotten_sessions_streams_are_lost_to_who_waits,
);

const SESSION: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);

fn with(streams: StreamLimits) -> LocalLimits {
    LocalLimits { streams, ..LIMITS }
}

async fn open(cache: &Cache, session: Uuid, n: u128) -> StreamId {
    let id = Uuid::from_u128(n);
    cache.streams.open(session, id).await.unwrap();
    id
}

async fn append(cache: &Cache, stream: StreamId, text: &str) -> Option<u64> {
    append_to(cache, SESSION, stream, text).await
}

async fn append_to(cache: &Cache, session: Uuid, stream: StreamId, text: &str) -> Option<u64> {
    let message = Bytes::copy_from_slice(text.as_bytes());
    let appended = cache.streams.append(session, stream, message).await;
    appended.unwrap()
}

async fn attach(cache: &Cache, stream: StreamId) -> Option<Reader> {
    attach_behind(cache, SESSION, stream, 0).await
}

async fn attach_behind(
    cache: &Cache,
    session: Uuid,
    stream: StreamId,
    after: u64,
) -> Option<Reader> {
    let attached = cache.streams.attach(session, stream, after).await;
    attached.unwrap()
}

async fn read(cache: &Cache, reader: Reader, after: u64) -> Read {
    cache.streams.read(reader, after).await.unwrap()
}

fn events(first: u64, texts: &[&str]) -> Read {
    let texts = texts
        .iter()
        .map(|text| Bytes::copy_from_slice(text.as_bytes()));
    Read::Events((first..).zip(texts).collect())
}

async fn events_are_replayed_from_any_place_and_then_tailed(backend: &impl Backend) {
    let cache = backend.cache(&LIMITS).await;
    let stream = open(&cache, SESSION, 1).await;
    assert_eq!(append(&cache, stream, "a").await, Some(1));
    assert_eq!(append(&cache, stream, "b").await, Some(2));
    let reader = attach(&cache, stream).await.unwrap();

    assert_eq!(read(&cache, reader, 0).await, events(1, &["a", "b"]));
    assert_eq!(read(&cache, reader, 1).await, events(2, &["b"]));
    assert_eq!(read(&cache, reader, 0).await, events(1, &["a", "b"]));

    let (tailed, _) = tokio::join!(read(&cache, reader, 2), append(&cache, stream, "c"));
    assert_eq!(tailed, events(3, &["c"]));
    let (ended, _) = tokio::join!(
        read(&cache, reader, 3),
        cache.streams.close(SESSION, stream)
    );
    assert_eq!(ended, Read::End);
}

async fn a_new_reader_takes_over_from_the_one_that_waits(backend: &impl Backend) {
    let cache = backend.cache(&LIMITS).await;
    let stream = open(&cache, SESSION, 1).await;
    let first = attach(&cache, stream).await.unwrap();

    let (found, second) = tokio::join!(read(&cache, first, 0), attach(&cache, stream));
    assert_eq!(found, Read::TakenOver);
    append(&cache, stream, "a").await;

    assert_eq!(read(&cache, first, 0).await, Read::TakenOver);
    assert_eq!(read(&cache, second.unwrap(), 0).await, events(1, &["a"]));
    cache.streams.detach(first);
    backend.pass(Duration::from_millis(500)).await;
    let still = read(&cache, second.unwrap(), 0).await;
    assert_eq!(
        still,
        events(1, &["a"]),
        "the older one's leaving is nothing"
    );
}

async fn a_stream_that_ended_is_read_to_its_end(backend: &impl Backend) {
    let cache = backend.cache(&LIMITS).await;
    let stream = open(&cache, SESSION, 1).await;
    append(&cache, stream, "a").await;
    cache.streams.close(SESSION, stream).await.unwrap();

    assert_eq!(append(&cache, stream, "b").await, None);
    let reader = attach(&cache, stream).await.unwrap();
    assert_eq!(read(&cache, reader, 0).await, events(1, &["a"]));
    assert_eq!(read(&cache, reader, 1).await, Read::End);
}

async fn a_stream_is_unknown_to_every_other_session(backend: &impl Backend) {
    let cache = backend.cache(&LIMITS).await;
    let stream = open(&cache, SESSION, 1).await;
    append(&cache, stream, "a").await;
    let reader = attach(&cache, stream).await.unwrap();

    let foreign = attach_behind(&cache, OTHER, stream, 0).await;
    assert_eq!(foreign, None);
    let unknown = attach_behind(&cache, SESSION, Uuid::from_u128(9), 0).await;
    assert_eq!(unknown, None);
    let forged = Reader {
        session: OTHER,
        ..reader
    };
    assert_eq!(read(&cache, forged, 0).await, Read::Unknown);
    assert_eq!(append(&cache, Uuid::from_u128(9), "b").await, None);
    assert_eq!(append_to(&cache, OTHER, stream, "b").await, None);
    cache.streams.close(OTHER, stream).await.unwrap();
    assert_eq!(read(&cache, reader, 0).await, events(1, &["a"]));
}

async fn a_place_that_never_was_is_lost(backend: &impl Backend) {
    let cache = backend.cache(&LIMITS).await;
    let stream = open(&cache, SESSION, 1).await;
    append(&cache, stream, "a").await;
    let reader = attach(&cache, stream).await.unwrap();

    for never in [2, u64::MAX] {
        assert_eq!(read(&cache, reader, never).await, Read::Lost);
        let taken = attach_behind(&cache, SESSION, stream, never).await;
        assert_eq!(taken, None);
    }
    let still = read(&cache, reader, 0).await;
    assert_eq!(still, events(1, &["a"]), "the reader before stays");
}

async fn beyond_the_count_the_oldest_events_are_dropped(backend: &impl Backend) {
    let cache = backend
        .cache(&with(StreamLimits {
            events: 2,
            ..LIMITS.streams
        }))
        .await;
    let stream = open(&cache, SESSION, 1).await;
    let reader = attach(&cache, stream).await.unwrap();
    append(&cache, stream, "a").await;
    append(&cache, stream, "b").await;
    assert_eq!(read(&cache, reader, 0).await, events(1, &["a", "b"]));

    append(&cache, stream, "c").await;

    assert_eq!(read(&cache, reader, 0).await, Read::Lost);
    assert_eq!(attach(&cache, stream).await, None);
    assert_eq!(read(&cache, reader, 1).await, events(2, &["b", "c"]));
}

async fn beyond_the_bytes_the_oldest_events_are_dropped_but_never_the_newest(
    backend: &impl Backend,
) {
    let cache = backend
        .cache(&with(StreamLimits {
            bytes: 1_000,
            ..LIMITS.streams
        }))
        .await;
    let stream = open(&cache, SESSION, 1).await;
    let reader = attach(&cache, stream).await.unwrap();
    let (half, large) = ("h".repeat(500), "l".repeat(5_000));

    append(&cache, stream, &half).await;
    append(&cache, stream, &half).await;
    assert_eq!(read(&cache, reader, 0).await, Read::Lost);
    assert_eq!(read(&cache, reader, 1).await, events(2, &[&half]));
    append(&cache, stream, &large).await;
    assert_eq!(read(&cache, reader, 2).await, events(3, &[&large]));
    append(&cache, stream, "small").await;
    assert_eq!(read(&cache, reader, 2).await, Read::Lost);
    assert_eq!(read(&cache, reader, 3).await, events(4, &["small"]));
}

async fn a_stream_that_ended_is_kept_for_its_age(backend: &impl Backend) {
    let cache = backend.cache(&LIMITS).await;
    let stream = open(&cache, SESSION, 1).await;
    append(&cache, stream, "a").await;
    cache.streams.close(SESSION, stream).await.unwrap();

    backend.pass(Duration::from_millis(800)).await;
    assert!(attach(&cache, stream).await.is_some());
    backend.pass(Duration::from_millis(300)).await;
    assert!(attach(&cache, stream).await.is_none());
    assert_eq!(cache.streams.bytes(), 0);
}

async fn old_events_are_dropped_though_the_stream_goes_on(backend: &impl Backend) {
    let cache = backend.cache(&LIMITS).await;
    let stream = open(&cache, SESSION, 1).await;
    let reader = attach(&cache, stream).await.unwrap();
    append(&cache, stream, "a").await;

    backend.pass(Duration::from_millis(1_100)).await;
    append(&cache, stream, "b").await;

    assert_eq!(read(&cache, reader, 0).await, Read::Lost);
    assert_eq!(read(&cache, reader, 1).await, events(2, &["b"]));
}

async fn a_stream_that_nobody_reads_stays_open_for_a_while(backend: &impl Backend) {
    let cache = backend.cache(&LIMITS).await;
    let (left, waited) = (
        open(&cache, SESSION, 1).await,
        open(&cache, SESSION, 2).await,
    );
    let read = open(&cache, SESSION, 3).await;
    let reader = attach(&cache, left).await.unwrap();
    attach(&cache, read).await.unwrap();
    backend.pass(Duration::from_millis(300)).await;
    cache.streams.detach(reader);

    backend.pass(Duration::from_millis(300)).await;
    assert_eq!(append(&cache, left, "a").await, Some(1));
    assert_eq!(append(&cache, waited, "a").await, None, "unread for 600 ms");
    backend.pass(Duration::from_millis(300)).await;
    assert_eq!(append(&cache, left, "b").await, None);
    assert!(attach(&cache, left).await.is_none());
    assert_eq!(append(&cache, read, "a").await, Some(1));
}

async fn a_session_beyond_its_cap_loses_what_ended_then_what_nobody_reads(backend: &impl Backend) {
    let cache = backend
        .cache(&with(StreamLimits {
            per_session: 3,
            ..LIMITS.streams
        }))
        .await;
    let others = open(&cache, OTHER, 9).await;
    let (read, unread, ended) = (
        open(&cache, SESSION, 1).await,
        open(&cache, SESSION, 2).await,
        open(&cache, SESSION, 3).await,
    );
    attach(&cache, read).await.unwrap();
    cache.streams.close(SESSION, ended).await.unwrap();
    assert!(attach(&cache, ended).await.is_some(), "three are allowed");

    let fourth = open(&cache, SESSION, 4).await;
    attach(&cache, fourth).await.unwrap();
    assert!(attach(&cache, ended).await.is_none());
    let fifth = open(&cache, SESSION, 5).await;
    attach(&cache, fifth).await.unwrap();
    assert_eq!(append(&cache, unread, "a").await, None);

    let sixth = open(&cache, SESSION, 6).await;
    for stream in [read, fourth, fifth, sixth] {
        assert_eq!(append(&cache, stream, "a").await, Some(1), "{stream}");
    }
    assert_eq!(append_to(&cache, OTHER, others, "a").await, Some(1));
}

async fn beyond_the_bytes_of_all_what_ended_first_goes_first(backend: &impl Backend) {
    let cache = backend
        .cache(&with(StreamLimits {
            total_bytes: 10_000,
            ..LIMITS.streams
        }))
        .await;
    let large = "l".repeat(3_000);
    let mut streams = Vec::new();
    for n in 1..=2 {
        let stream = open(&cache, OTHER, n).await;
        append_to(&cache, OTHER, stream, &large).await;
        cache.streams.close(OTHER, stream).await.unwrap();
        backend.pass(Duration::from_millis(10)).await;
        streams.push(stream);
    }

    let stream = open(&cache, SESSION, 3).await;
    let reader = attach(&cache, stream).await.unwrap();
    append(&cache, stream, &large).await;

    assert!(cache.streams.bytes() <= 10_000);
    let first = attach_behind(&cache, OTHER, streams[0], 0).await;
    assert_eq!(first, None);
    let second = attach_behind(&cache, OTHER, streams[1], 0).await;
    assert!(second.is_some());
    assert_eq!(read(&cache, reader, 0).await, events(1, &[&large]));
}

async fn beyond_the_bytes_of_all_a_stream_that_grows_gives_way_at_last(backend: &impl Backend) {
    let cache = backend
        .cache(&with(StreamLimits {
            total_bytes: 5_000,
            ..LIMITS.streams
        }))
        .await;
    let (quiet, grows) = (open(&cache, OTHER, 1).await, open(&cache, SESSION, 2).await);
    attach_behind(&cache, OTHER, quiet, 0).await.unwrap();
    let reader = attach(&cache, grows).await.unwrap();
    append_to(&cache, OTHER, quiet, "a").await;

    for _ in 0..4 {
        append(&cache, grows, &"l".repeat(1_500)).await;
    }
    assert_eq!(read(&cache, reader, 0).await, Read::Lost);
    assert!(matches!(read(&cache, reader, 2).await, Read::Events(_)));
    append(&cache, grows, &"l".repeat(6_000)).await;
    assert_eq!(read(&cache, reader, 4).await, Read::Lost, "never fits");
    assert!(cache.streams.bytes() <= 5_000);
    assert_eq!(append_to(&cache, OTHER, quiet, "b").await, Some(2));
}

async fn the_newest_standalone_stream_closes_the_one_before(backend: &impl Backend) {
    let cache = backend.cache(&LIMITS).await;
    let (first, second) = (
        open(&cache, SESSION, 1).await,
        open(&cache, SESSION, 2).await,
    );
    assert!(!attach(&cache, first).await.unwrap().standalone);
    let standalone = async |stream| {
        cache
            .streams
            .make_standalone(SESSION, stream)
            .await
            .unwrap()
    };
    standalone(first).await;
    standalone(first).await;
    append(&cache, first, "a").await;
    let reader = attach(&cache, first).await.unwrap();
    assert!(reader.standalone);

    let (found, ()) = tokio::join!(read(&cache, reader, 1), standalone(second));

    assert_eq!(found, Read::End);
    assert_eq!(read(&cache, reader, 0).await, events(1, &["a"]));
    assert_eq!(append(&cache, first, "b").await, None);
    assert!(!attach(&cache, first).await.unwrap().standalone);
    assert_eq!(append(&cache, second, "b").await, Some(1));
}

async fn a_forgotten_sessions_streams_are_lost_to_who_waits(backend: &impl Backend) {
    let cache = backend.cache(&LIMITS).await;
    let (stream, others) = (open(&cache, SESSION, 1).await, open(&cache, OTHER, 2).await);
    let reader = attach(&cache, stream).await.unwrap();

    let (found, forgotten) = tokio::join!(read(&cache, reader, 0), cache.streams.forget(SESSION));
    forgotten.unwrap();

    assert_eq!(found, Read::Unknown);
    assert_eq!(append(&cache, stream, "a").await, None);
    assert_eq!(append_to(&cache, OTHER, others, "a").await, Some(1));
    let idle = attach_behind(&cache, OTHER, others, 0).await.unwrap();
    let waits = cache.streams.read(idle, 1).now_or_never();
    assert!(waits.is_none(), "and nobody else is woken for nothing");
}
