//! Listening streams whose store forgets them, is away, or was when they began: they go on, on the
//! same connection, and nothing that there was to tell is lost.

use std::time::Duration;

use crate::away::{Cluster, cluster};
use crate::sse::{Event, Stream, get, resume, session};

impl Cluster {
    fn set_tool(&self, enabled: bool) {
        self.one.source.change("acme", |config| {
            config.connectors[0].tools[0].enabled = enabled;
        });
    }

    /// All streams, as when a Redis is emptied.
    async fn forget_streams(&self) {
        for session in 0..64 {
            let session = uuid::Uuid::from_u128(session);
            self.store.streams.forget(session).await.unwrap();
        }
    }
}

/// The next event, which has an id and nothing else.
async fn place(stream: &mut Stream) -> String {
    let event = stream.event().await.unwrap();
    assert_eq!(event.data, "", "{event:?}");
    event.id.unwrap()
}

async fn told(stream: &mut Stream) -> Event {
    let event = stream.message().await.unwrap();
    assert_eq!(
        event.json()["method"],
        "notifications/tools/list_changed",
        "{event:?}"
    );
    event
}

/// The part of an id that names a stream.
fn name(id: &str) -> &str {
    id.split('.').next().unwrap()
}

#[tokio::test(start_paused = true)]
async fn one_that_its_store_forgets_goes_on_in_another_and_is_told_what_was_due() {
    let all = cluster();
    let id = session(&all.one, "2025-11-25").await;
    let mut stream = Stream::open(&all.one, get(&all.one, &id, &[])).await;
    let first = place(&mut stream).await;
    all.set_tool(false);
    told(&mut stream).await;

    all.forget_streams().await;
    all.set_tool(true);
    // It is about to be told before it knows.
    tokio::time::sleep(Duration::from_secs(1)).await;

    let next = place(&mut stream).await;
    assert_ne!(name(&next), name(&first));
    let news = told(&mut stream).await;
    let mut there = Stream::open(&all.two, resume(&all.two, &id, &next)).await;
    assert_eq!(told(&mut there).await.id, news.id);
    all.set_tool(false);
    told(&mut there).await;
}

#[tokio::test(start_paused = true)]
async fn of_a_session_that_is_over_nothing_goes_on() {
    let all = cluster();
    let id = session(&all.one, "2025-11-25").await;
    let mut stream = Stream::open(&all.one, get(&all.one, &id, &[])).await;
    place(&mut stream).await;
    let mut delete = get(&all.two, &id, &[]);
    *delete.method_mut() = http::Method::DELETE;
    assert_eq!(all.two.send(delete).await.status, 204);

    assert_eq!(stream.rest().await, []);
}

#[tokio::test(start_paused = true)]
async fn one_that_began_while_the_store_was_away_moves_into_it() {
    let all = cluster();
    let id = session(&all.one, "2025-11-25").await;
    all.switch.set_away(true);
    let mut stream = Stream::open(&all.one, get(&all.one, &id, &[])).await;
    let here = place(&mut stream).await;
    all.set_tool(false);
    told(&mut stream).await;
    let elsewhere = all.two.send(resume(&all.two, &id, &here)).await;
    assert_eq!(elsewhere.status, 400);
    all.switch.set_away(false);

    let there = place(&mut stream).await;
    all.set_tool(true);
    let news = told(&mut stream).await;
    assert_eq!(name(news.id.as_deref().unwrap()), name(&there));
    // As if its gateway had been killed.
    drop(stream);

    let mut stream = Stream::open(&all.two, resume(&all.two, &id, &there)).await;
    assert_eq!(told(&mut stream).await.id, news.id);
    all.set_tool(false);
    told(&mut stream).await;
}

#[tokio::test(start_paused = true)]
async fn what_there_was_to_tell_while_the_store_was_away_is_told_when_it_is_back() {
    let all = cluster();
    let id = session(&all.one, "2025-11-25").await;
    let mut stream = Stream::open(&all.one, get(&all.one, &id, &[])).await;
    place(&mut stream).await;
    all.switch.set_away(true);
    for enabled in [false, true, false] {
        all.set_tool(enabled);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    all.switch.set_away(false);

    told(&mut stream).await;

    // Once is enough.
    let further = tokio::time::timeout(Duration::from_secs(60), stream.message()).await;
    assert!(further.is_err(), "{further:?}");
}
