//! Marks: what happens once.

use std::time::Duration;

use cache::LocalLimits;
use uuid::Uuid;

use crate::backend::{Backend, LIMITS, on_each_backend};

on_each_backend!(a_mark_is_taken_once_until_its_time_is_over);

async fn a_mark_is_taken_once_until_its_time_is_over(backend: &impl Backend) {
    let cache = backend.cache(&LIMITS).await;
    let take = async |n, keep| {
        let keep = Duration::from_millis(keep) * backend.slowness();
        let mark = Uuid::from_u128(n);
        cache.marks.take(mark, keep).await.unwrap()
    };

    assert!(take(1, 300).await);
    assert!(take(2, 10_000).await);
    assert!(!take(1, 300).await);
    backend.pass(Duration::from_millis(400)).await;
    assert!(take(1, 300).await);
    assert!(!take(2, 300).await);
}

#[tokio::test(start_paused = true)]
async fn when_memory_is_full_of_marks_none_is_forgotten_and_none_can_be_taken() {
    let limits = LocalLimits { marks: 2, ..LIMITS };
    let cache = crate::backend::Local.cache(&limits).await;
    let take = async |n| {
        let keep = Duration::from_millis(300 * n as u64);
        cache.marks.take(Uuid::from_u128(n), keep).await.ok()
    };

    assert_eq!((take(1).await, take(2).await), (Some(true), Some(true)));
    assert_eq!(take(3).await, None);
    assert_eq!(take(1).await, Some(false), "remembered all the same");
    tokio::time::advance(Duration::from_millis(400)).await;
    assert_eq!(take(3).await, Some(true));
}
