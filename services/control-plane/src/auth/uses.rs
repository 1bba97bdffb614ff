//! When keys were last used: noted at once, written now and then.

use std::collections::HashSet;
use std::sync::Mutex;

use domain::KeyId;

use crate::error::Error;
use crate::operations::Operations;

/// Keys noted between two writings at most; those beyond are not lost for long, since they are
/// noted again at their next use.
const NOTED_MAX: usize = 10_000;

/// Keys that were used since the last writing.
#[derive(Debug, Default)]
pub(crate) struct KeyUses(Mutex<HashSet<KeyId>>);

impl KeyUses {
    pub(crate) fn note(&self, key: KeyId) {
        let mut noted = self.0.lock().expect("no panic while held");
        if noted.len() < NOTED_MAX {
            noted.insert(key);
        }
    }

    fn take(&self) -> Vec<KeyId> {
        std::mem::take(&mut *self.0.lock().expect("no panic while held"))
            .into_iter()
            .collect()
    }
}

impl Operations {
    /// Writes noted uses at intervals, and once more at the end. Failing to is not worth stopping
    /// for: a use is noted again.
    pub(crate) async fn keep_key_uses(&self) -> anyhow::Result<()> {
        let shutdown = &self.process().shutdown;
        loop {
            tokio::select! {
                biased;
                () = shutdown.draining() => {}
                () = tokio::time::sleep(self.config().key_use_interval) => {}
            }
            // Asked before the writing, so that one follows the beginning of the end.
            let last = shutdown.is_draining();
            if let Err(error) = self.write_key_uses().await {
                tracing::warn!("cannot note when keys were used: {error}");
            }
            if last {
                return Ok(());
            }
        }
    }

    pub(crate) async fn write_key_uses(&self) -> Result<(), Error> {
        let keys = self.uses().take();
        if keys.is_empty() {
            return Ok(());
        }
        let written = self.storage().keys_used(&keys, self.now()).await;
        written
            .map(drop)
            .map_err(Error::storage("note the use of keys"))
    }
}
