//! Sessions: who loses one, and what is remembered of it.

use std::time::Duration;

use bytes::Bytes;
use cache::{CALLED_MAX, Cache, Changed, LocalLimits, SessionId, SessionLimits, SessionOwner};
use domain::{ConnectorId, KeyId, TenantId};
use uuid::Uuid;

use crate::backend::{Backend, LIMITS, on_each_backend};

on_each_backend!(
    an_owner_beyond_its_cap_loses_the_session_it_began_first_and_nobody_elses,
    a_tenant_beyond_its_cap_loses_the_session_it_began_first_whosever_it_was,
    beyond_the_cap_of_all_the_least_lately_used_session_ends,
    an_ended_session_stays_ended_and_makes_room,
    a_session_lives_while_it_is_used_but_not_beyond_its_age,
    a_session_keeps_what_it_was_begun_with_and_what_was_set_since,
    subscriptions_are_bounded_by_count_and_by_bytes,
    connectors_that_were_called_are_noted_once_each_and_bounded,
);

fn with(sessions: SessionLimits) -> LocalLimits {
    LocalLimits { sessions, ..LIMITS }
}

fn owner(tenant: u128, key: u128) -> SessionOwner {
    SessionOwner {
        tenant: TenantId::new(Uuid::from_u128(tenant)),
        key: KeyId::new(Uuid::from_u128(key)),
    }
}

async fn begin(cache: &Cache, n: u128, owner: SessionOwner) -> SessionId {
    let id = Uuid::from_u128(n);
    cache.sessions.begin(id, owner, Bytes::new()).await.unwrap();
    id
}

async fn lives(cache: &Cache, id: SessionId) -> bool {
    cache.sessions.touch(id).await.unwrap().is_some()
}

async fn an_owner_beyond_its_cap_loses_the_session_it_began_first_and_nobody_elses(
    backend: &impl Backend,
) {
    let cache = backend
        .cache(&with(SessionLimits {
            per_owner: 2,
            ..LIMITS.sessions
        }))
        .await;
    let others = begin(&cache, 9, owner(1, 2)).await;
    let first = begin(&cache, 1, owner(1, 1)).await;
    let second = begin(&cache, 2, owner(1, 1)).await;
    assert!(lives(&cache, first).await, "two are allowed");

    let third = begin(&cache, 3, owner(1, 1)).await;

    assert!(!lives(&cache, first).await, "begun first, though used last");
    for id in [second, third, others] {
        assert!(lives(&cache, id).await);
    }
    backend.settles(&|| cache.sessions.count() == 3).await;
}

async fn a_tenant_beyond_its_cap_loses_the_session_it_began_first_whosever_it_was(
    backend: &impl Backend,
) {
    let cache = backend
        .cache(&with(SessionLimits {
            per_tenant: 2,
            ..LIMITS.sessions
        }))
        .await;
    let rival = begin(&cache, 9, owner(2, 9)).await;
    let first = begin(&cache, 1, owner(1, 1)).await;
    let second = begin(&cache, 2, owner(1, 2)).await;

    let third = begin(&cache, 3, owner(1, 3)).await;

    assert!(!lives(&cache, first).await);
    for id in [second, third, rival] {
        assert!(lives(&cache, id).await);
    }
}

async fn beyond_the_cap_of_all_the_least_lately_used_session_ends(backend: &impl Backend) {
    let cache = backend
        .cache(&with(SessionLimits {
            total: 2,
            ..LIMITS.sessions
        }))
        .await;
    let first = begin(&cache, 1, owner(1, 1)).await;
    let second = begin(&cache, 2, owner(2, 2)).await;
    assert!(lives(&cache, first).await);

    let third = begin(&cache, 3, owner(3, 3)).await;

    assert!(!lives(&cache, second).await);
    assert!(lives(&cache, first).await && lives(&cache, third).await);
    backend.settles(&|| cache.sessions.count() == 2).await;
}

async fn an_ended_session_stays_ended_and_makes_room(backend: &impl Backend) {
    let cache = backend
        .cache(&with(SessionLimits {
            per_owner: 2,
            ..LIMITS.sessions
        }))
        .await;
    let first = begin(&cache, 1, owner(1, 1)).await;
    let second = begin(&cache, 2, owner(1, 1)).await;

    assert!(cache.sessions.end(first).await.unwrap());
    assert!(!cache.sessions.end(first).await.unwrap());
    begin(&cache, 3, owner(1, 1)).await;

    assert!(!lives(&cache, first).await);
    assert!(lives(&cache, second).await);
    let changed = cache.sessions.set_log_level(first, "debug").await.unwrap();
    assert_eq!(changed, Changed::Gone);
}

async fn a_session_lives_while_it_is_used_but_not_beyond_its_age(backend: &impl Backend) {
    let cache = backend.cache(&LIMITS).await;
    let (used, idle) = (
        begin(&cache, 1, owner(1, 1)).await,
        begin(&cache, 2, owner(1, 1)).await,
    );

    backend.pass(Duration::from_millis(300)).await;
    assert!(lives(&cache, used).await);
    backend.pass(Duration::from_millis(200)).await;
    assert!(lives(&cache, used).await);
    assert!(!lives(&cache, idle).await, "unused for 500 ms");

    backend.pass(Duration::from_millis(300)).await;
    assert!(lives(&cache, used).await);
    backend.pass(Duration::from_millis(300)).await;
    assert!(!lives(&cache, used).await, "1,100 ms old");
    backend.settles(&|| cache.sessions.count() == 0).await;
}

async fn a_session_keeps_what_it_was_begun_with_and_what_was_set_since(backend: &impl Backend) {
    let cache = backend.cache(&LIMITS).await;
    let sessions = cache.sessions.as_ref();
    let id = Uuid::from_u128(1);
    let facts = Bytes::from_static(b"\x00facts\xff");
    sessions
        .begin(id, owner(1, 1), facts.clone())
        .await
        .unwrap();
    let before = sessions.touch(id).await.unwrap().unwrap();
    assert_eq!((&before.facts, &before.log_level), (&facts, &None));

    for uri in ["a:1", "a:2", "a:1", "a:3"] {
        assert_eq!(sessions.subscribe(id, uri).await.unwrap(), Changed::Done);
    }
    for uri in ["a:2", "never"] {
        assert_eq!(sessions.unsubscribe(id, uri).await.unwrap(), Changed::Done);
    }
    let changed = sessions.set_log_level(id, "warning").await.unwrap();
    assert_eq!(changed, Changed::Done);

    let now = sessions.touch(id).await.unwrap().unwrap();
    assert_eq!(now.facts, facts);
    assert_eq!(now.log_level.as_deref(), Some("warning"));
    let subscriptions: Vec<&str> = now.subscriptions.iter().map(AsRef::as_ref).collect();
    assert_eq!(subscriptions, ["a:1", "a:3"]);
    assert_eq!(before.log_level, None, "what was read stays as it was read");
}

async fn connectors_that_were_called_are_noted_once_each_and_bounded(backend: &impl Backend) {
    let cache = backend.cache(&LIMITS).await;
    let sessions = cache.sessions.as_ref();
    let id = begin(&cache, 1, owner(1, 1)).await;
    let connector = |n: usize| ConnectorId::new(Uuid::from_u128(n as u128));
    let note = async |n| sessions.note_call(id, connector(n)).await.unwrap();

    for n in 0..CALLED_MAX {
        assert_eq!(note(n).await, Changed::Done);
        assert_eq!(note(n / 2).await, Changed::Done, "noted already");
    }
    assert_eq!(note(CALLED_MAX).await, Changed::Full);

    let record = sessions.touch(id).await.unwrap().unwrap();
    let all: Vec<ConnectorId> = (0..CALLED_MAX).map(connector).collect();
    assert_eq!(record.called, all);
    sessions.end(id).await.unwrap();
    assert_eq!(note(1).await, Changed::Gone);
}

async fn subscriptions_are_bounded_by_count_and_by_bytes(backend: &impl Backend) {
    let cache = backend
        .cache(&with(SessionLimits {
            subscriptions: 2,
            subscription_bytes: 10,
            ..LIMITS.sessions
        }))
        .await;
    let sessions = cache.sessions.as_ref();
    let id = begin(&cache, 1, owner(1, 1)).await;
    let add = async |uri: &str| sessions.subscribe(id, uri).await.unwrap();

    assert_eq!(add("four").await, Changed::Done);
    assert_eq!(add("seven..").await, Changed::Full, "11 bytes");
    assert_eq!(add("six...").await, Changed::Done, "10 bytes");
    assert_eq!(add("").await, Changed::Full, "a third");
    assert_eq!(add("four").await, Changed::Done, "there already");
    sessions.unsubscribe(id, "four").await.unwrap();
    assert_eq!(add("new").await, Changed::Done);
}
