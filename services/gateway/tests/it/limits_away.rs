//! Limits while the store that gateways share them in is away, and after.

use std::time::Duration;

use cache::Cache;

use crate::limits::{call_as, limited, passed};
use crate::rig::{Rig, Way};
use crate::sse::ACME;

const MOST: usize = 100;
/// What a gateway lets through before it has asked.
const UNASKED: usize = 4;
const WINDOW: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn each_gateway_keeps_to_the_whole_limit_alone_and_counts_what_passed_when_it_is_back() {
    let config = limited(MOST as u32, 0, WINDOW);
    let switch = Way::to(Cache::local(&config.cache_limits()));
    let one = Rig::over(config, switch.cache());
    let two = one.beside(switch.cache());
    let key = &one.keys[0];
    let together = async || {
        let (here, there) = tokio::join!(
            passed(&one, ACME, key, 2 * MOST),
            passed(&two, ACME, key, 2 * MOST)
        );
        here + there
    };
    let shared = MOST..=MOST + 2 * UNASKED;

    assert!(shared.contains(&together().await));

    switch.set_away(true);
    tokio::time::advance(WINDOW).await;
    for gateway in [&one, &two] {
        assert_eq!(passed(gateway, ACME, key, 2 * MOST).await, MOST);
    }

    // What passes without the store is told with the first draw after.
    tokio::time::advance(WINDOW).await;
    assert_eq!(passed(&one, ACME, key, MOST - 10).await, MOST - 10);
    switch.set_away(false);
    let rest = passed(&one, ACME, key, MOST).await;
    assert!(rest <= 10, "{rest}");
    let there = passed(&two, ACME, key, MOST).await;
    assert!((10 - rest..=UNASKED).contains(&there), "{rest} and {there}");

    tokio::time::advance(WINDOW).await;
    assert!(shared.contains(&together().await));
    assert_eq!(call_as(&two, ACME, key).await.status, 429);
}
