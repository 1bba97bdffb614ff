//! Quotas: how often something may happen, over all who draw on them.

use std::time::Duration;

use cache::{Draw, Rate};
use uuid::Uuid;

use crate::backend::{Backend, LIMITS, on_each_backend};

on_each_backend!(
    what_is_granted_and_spent_in_a_window_is_never_more_than_the_rate_but_for_what_was_spent_unasked,
    quotas_are_kept_apart,
);

const fn draw(spent: u32, wanted: u32) -> Draw {
    Draw { spent, wanted }
}

async fn what_is_granted_and_spent_in_a_window_is_never_more_than_the_rate_but_for_what_was_spent_unasked(
    backend: &impl Backend,
) {
    let cache = backend.cache(&LIMITS).await;
    let window = Duration::from_secs(2) * backend.slowness();
    let rate = Rate { most: 10, window };
    let ask = async |wish| {
        let what = Uuid::from_u128(1);
        cache.quotas.draw(what, rate, wish).await.unwrap()
    };

    // Windows begin when they like: enough of one must be left.
    let mut first = ask(draw(0, 0)).await;
    while first.left < window / 2 {
        backend.pass(Duration::from_millis(100)).await;
        first = ask(draw(0, 0)).await;
    }
    assert!(first.left <= window, "{first:?}");
    assert_eq!(ask(draw(0, 4)).await.granted, 4);
    assert_eq!(ask(draw(3, 2)).await.granted, 2);
    assert_eq!(ask(draw(0, 4)).await.granted, 1, "as much as there is");
    assert_eq!(ask(draw(5, 1)).await.granted, 0, "spent is spent");
    assert_eq!(ask(draw(0, 1)).await.granted, 0);

    backend.pass(Duration::from_secs(2)).await;
    let next = ask(draw(0, 100)).await;
    assert_eq!(next.granted, 10, "a new window, of which nothing is used");
}

async fn quotas_are_kept_apart(backend: &impl Backend) {
    let cache = backend.cache(&LIMITS).await;
    let ask = async |what, most, hours: u64| {
        let window = Duration::from_secs(3_600 * hours);
        let rate = Rate { most, window };
        let drawn = cache.quotas.draw(Uuid::from_u128(what), rate, draw(0, 1));
        drawn.await.unwrap().granted
    };

    assert_eq!(ask(1, 1, 1).await, 1);
    assert_eq!(ask(1, 1, 1).await, 0);
    assert_eq!(ask(1, 1, 2).await, 1, "another window");
    assert_eq!(ask(2, 1, 1).await, 1);
    assert_eq!(ask(3, 0, 1).await, 0);
}
