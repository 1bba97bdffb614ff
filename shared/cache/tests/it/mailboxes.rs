//! Mailboxes: who gets a message.

use bytes::Bytes;
use cache::{Cache, MAILBOX_MAX};
use uuid::Uuid;

use crate::backend::{Backend, LIMITS, on_each_backend};

on_each_backend!(
    a_message_finds_the_mailbox_under_any_of_its_names_in_its_session_only,
    a_name_that_is_taken_goes_to_the_newer_mailbox_and_stays_there,
    a_full_mailbox_refuses_and_a_closed_one_is_gone,
);

const SESSION: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);

async fn send(cache: &Cache, session: Uuid, name: &str, text: &'static str) -> bool {
    let message = Bytes::from_static(text.as_bytes());
    cache.mailboxes.send(session, name, message).await.unwrap()
}

async fn a_message_finds_the_mailbox_under_any_of_its_names_in_its_session_only(
    backend: &impl Backend,
) {
    let cache = backend.cache(&LIMITS).await;
    let mut mailbox = cache
        .mailboxes
        .open(SESSION, &["r:1", "c:x"])
        .await
        .unwrap();
    let _others = cache.mailboxes.open(SESSION, &["r:2"]).await.unwrap();

    assert!(!send(&cache, OTHER, "r:1", "foreign").await);
    assert!(!send(&cache, SESSION, "r:3", "unknown").await);
    assert!(send(&cache, SESSION, "r:1", "first").await);
    assert!(send(&cache, SESSION, "c:x", "second").await);

    assert_eq!(mailbox.next().await.unwrap(), "first");
    assert_eq!(mailbox.next().await.unwrap(), "second");
    let any = async |session, beginning| {
        let any = cache.mailboxes.any(session, beginning);
        any.await.unwrap()
    };
    assert!(any(SESSION, "r:").await && any(SESSION, "c:x").await);
    assert!(!any(SESSION, "c:y").await && !any(OTHER, "").await);
}

async fn a_name_that_is_taken_goes_to_the_newer_mailbox_and_stays_there(backend: &impl Backend) {
    let cache = backend.cache(&LIMITS).await;
    let mut old = cache
        .mailboxes
        .open(SESSION, &["r:1", "c:x"])
        .await
        .unwrap();
    let mut new = cache
        .mailboxes
        .open(SESSION, &["r:1", "c:y"])
        .await
        .unwrap();

    assert!(send(&cache, SESSION, "r:1", "to the new").await);
    assert!(send(&cache, SESSION, "c:x", "to the old").await);
    assert_eq!(new.next().await.unwrap(), "to the new");
    assert_eq!(old.next().await.unwrap(), "to the old");

    drop(old);
    assert!(!send(&cache, SESSION, "c:x", "too late").await);
    assert!(send(&cache, SESSION, "r:1", "still there").await);
}

async fn a_full_mailbox_refuses_and_a_closed_one_is_gone(backend: &impl Backend) {
    let cache = backend.cache(&LIMITS).await;
    let mut mailbox = cache.mailboxes.open(SESSION, &["m"]).await.unwrap();
    for _ in 0..MAILBOX_MAX {
        assert!(send(&cache, SESSION, "m", "mail").await);
    }

    assert!(!send(&cache, SESSION, "m", "one too many").await);
    mailbox.next().await.unwrap();
    assert!(send(&cache, SESSION, "m", "mail").await);
    drop(mailbox);
    assert!(!send(&cache, SESSION, "m", "mail").await);
}
