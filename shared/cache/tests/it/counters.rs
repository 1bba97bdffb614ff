//! Counters: how often something may happen.

use std::time::Duration;

use cache::Rate;
use uuid::Uuid;

use crate::backend::{Backend, LIMITS, on_each_backend};

on_each_backend!(
    a_rate_allows_so_many_in_a_window_and_says_when_the_next_may_be,
    rates_are_counted_apart,
);

async fn a_rate_allows_so_many_in_a_window_and_says_when_the_next_may_be(backend: &impl Backend) {
    let cache = backend.cache(&LIMITS).await;
    let window = Duration::from_millis(1_000) * backend.slowness();
    let hit = async || {
        let rate = Rate { most: 5, window };
        cache.counters.hit(Uuid::from_u128(1), rate).await.unwrap()
    };

    // Windows begin when they like, so that one may end in between.
    let allowed = |waits: &[Option<Duration>]| waits.iter().filter(|wait| wait.is_none()).count();
    let mut waits = Vec::new();
    for _ in 0..10 {
        waits.push(hit().await);
    }
    let first = allowed(&waits);
    assert!((5..=6).contains(&first), "{waits:?}");
    let wait = waits.last().copied().flatten().unwrap();
    assert!(wait <= window, "{wait:?}");

    backend.pass(Duration::from_millis(2_000)).await;
    let mut waits = Vec::new();
    for _ in 0..10 {
        waits.push(hit().await);
    }
    assert!((5..=6).contains(&allowed(&waits)), "{waits:?}");
}

async fn rates_are_counted_apart(backend: &impl Backend) {
    let cache = backend.cache(&LIMITS).await;
    let window = Duration::from_secs(3_600);
    let hit = async |what, most| {
        let rate = Rate { most, window };
        let hit = cache.counters.hit(Uuid::from_u128(what), rate).await;
        hit.unwrap().is_none()
    };

    assert!(hit(1, 1).await);
    assert!(!hit(1, 1).await);
    assert!(hit(2, 1).await);
    assert!(!hit(3, 0).await);
}
