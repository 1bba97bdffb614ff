//! Creations that can be asked for twice and happen once.

use std::fmt;
use std::time::Duration;

use domain::Principal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use storage::{REMEMBERED_FOR, Remembered};
use time::OffsetDateTime;

use crate::error::Error;
use crate::operations::Operations;

/// How often those whose time is over are looked for.
const FORGETTING_EVERY: Duration = Duration::from_secs(3600);
/// Characters of an idempotency key.
const KEY_MAX_LENGTH: usize = 255;

/// What a creation gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created<T> {
    /// The resource as it was created.
    pub value: T,
    /// Whether this is the kept answer to an earlier, equal request.
    pub replayed: bool,
}

/// How a creation is asked for.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Creation {
    /// 1 to 255 visible ASCII characters, chosen by the caller: the same request with the same
    /// key within 24 h creates nothing more and gets the first answer again.
    pub idempotency_key: Option<String>,
}

impl fmt::Debug for Creation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Creation")
            .field("has_key", &self.idempotency_key.is_some())
            .finish()
    }
}

/// A creation under way that is to be remembered.
pub(crate) struct Attempt {
    caller: Principal,
    operation: String,
    key: String,
    request_hash: [u8; 32],
}

impl Attempt {
    /// The record of this attempt's answer.
    pub(crate) fn record<T: Serialize>(
        &self,
        answer: &T,
        now: OffsetDateTime,
    ) -> Result<Remembered, Error> {
        let response = serde_json::to_vec(answer)
            .map_err(|error| Error::internal("remember an answer", error))?;
        Ok(Remembered {
            caller: self.caller.key,
            operation: self.operation.clone(),
            key: self.key.clone(),
            request_hash: self.request_hash,
            status: 201,
            response,
            created_at: now,
        })
    }
}

impl Operations {
    /// Begins a creation: an attempt to record when the caller wants that.
    ///
    /// The request is kept as a keyed hash, since it may hold secrets that are easy to guess.
    pub(crate) fn attempt<T: Serialize>(
        &self,
        caller: &Principal,
        creation: &Creation,
        operation: String,
        input: &T,
    ) -> Result<Option<Attempt>, Error> {
        let Some(key) = creation.idempotency_key.clone() else {
            return Ok(None);
        };
        if !(1..=KEY_MAX_LENGTH).contains(&key.len()) || !key.bytes().all(|b| b.is_ascii_graphic())
        {
            let rule = format!("must have 1 to {KEY_MAX_LENGTH} visible ASCII characters");
            return Err(Error::invalid("Idempotency-Key", rule));
        }
        let text = serde_json::to_string(input)
            .map_err(|error| Error::internal("read a request", error))?;
        let request_hash = self.hasher().hash(&text);
        Ok(Some(Attempt {
            caller: *caller,
            operation,
            key,
            request_hash,
        }))
    }

    /// The kept answer to an earlier request like `attempt`.
    ///
    /// # Errors
    /// `IdempotencyKeyReused` when the earlier request was another one.
    pub(crate) async fn recall<T: DeserializeOwned>(
        &self,
        attempt: &Attempt,
    ) -> Result<Option<Created<T>>, Error> {
        let kept = self
            .storage()
            .find_remembered(
                attempt.caller.key,
                &attempt.operation,
                &attempt.key,
                self.now() - REMEMBERED_FOR,
            )
            .await
            .map_err(Error::storage("find a kept answer"))?;
        let Some(kept) = kept else { return Ok(None) };
        if kept.request_hash != attempt.request_hash {
            return Err(Error::IdempotencyKeyReused);
        }
        let value = serde_json::from_slice(&kept.response)
            .map_err(|error| Error::internal("read a kept answer", error))?;
        Ok(Some(Created {
            value,
            replayed: true,
        }))
    }

    /// The answer of the equal request that was written first while this one was under way.
    pub(crate) async fn recall_raced<T: DeserializeOwned>(
        &self,
        attempt: Option<&Attempt>,
    ) -> Result<Created<T>, Error> {
        match attempt {
            Some(attempt) => self.recall(attempt).await?.ok_or(Error::ConcurrentChange),
            None => Err(Error::ConcurrentChange),
        }
    }

    /// Forgets kept answers whose time is over, every hour.
    pub(crate) async fn forget_kept_answers(&self) -> anyhow::Result<()> {
        let shutdown = &self.process().shutdown;
        loop {
            if let Err(error) = self
                .storage()
                .purge_remembered(self.now() - REMEMBERED_FOR)
                .await
            {
                tracing::warn!("cannot forget old answers: {error}");
            }
            tokio::select! {
                biased;
                () = shutdown.draining() => return Ok(()),
                () = tokio::time::sleep(FORGETTING_EVERY) => {}
            }
        }
    }
}
