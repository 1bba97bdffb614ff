//! The key that opens a new installation.

use std::time::Duration;

use anyhow::Context;
use crypto::ApiToken;
use domain::Scope;
use domain::limits::NAME_MAX_LENGTH;

use crate::operations::Operations;

/// What the first key is called.
const NAME: &str = "first start";
/// Of several that start at once on an empty database, one makes the key.
const JOB: &str = "first key";
/// How long that may take; another one makes it when the maker dies.
const TERM: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Operations {
    /// See [`crate::ControlPlane::bootstrap`].
    pub(crate) async fn bootstrap(
        &self,
        keep: impl FnOnce(&ApiToken) -> anyhow::Result<()>,
    ) -> anyhow::Result<Option<ApiToken>> {
        let (holder, _) = self.own_run();
        let lead = loop {
            if self.has_admin_key().await? {
                return Ok(None);
            }
            let lead = self.storage().lead(JOB, holder, TERM).await;
            if let Some(lead) = lead.context("agree on who makes the first key")? {
                break lead;
            }
            tokio::select! {
                () = self.process().shutdown.draining() => return Ok(None),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        };
        // Whoever led before may have made it.
        let made = if self.has_admin_key().await? {
            Ok(None)
        } else {
            self.make_admin_key(NAME, keep).await.map(Some)
        };
        // It ends by itself, too.
        lead.release().await.ok();
        made
    }

    async fn has_admin_key(&self) -> anyhow::Result<bool> {
        Ok(self.oldest_admin_key().await?.is_some())
    }

    /// The name of the live platform_admin key that was made first. Of one that a start has made,
    /// it says which process did, and so where it was written.
    pub(crate) async fn oldest_admin_key(&self) -> anyhow::Result<Option<String>> {
        let platform = self.storage().platform_config().await;
        let platform = platform.context("read the platform keys")?;
        let now = self.now();
        let keys = platform.keys.into_iter().map(|stored| stored.key);
        let live = keys.filter(|key| key.scope == Scope::PlatformAdmin && key.is_live(now));
        Ok(live
            .min_by_key(|key| (key.created_at, key.id))
            .map(|key| key.name))
    }

    /// A name that says where the key was written, if that could be elsewhere.
    fn place(&self, name: &str) -> String {
        let named = match self.own_address() {
            Some(address) => format!("{name} of {address}"),
            None => name.to_owned(),
        };
        named.chars().take(NAME_MAX_LENGTH).collect()
    }

    /// See [`crate::ControlPlane::replace_lost_key`].
    pub(crate) async fn make_admin_key(
        &self,
        name: &str,
        keep: impl FnOnce(&ApiToken) -> anyhow::Result<()>,
    ) -> anyhow::Result<ApiToken> {
        let (token, stored) = self.mint(self.place(name), Scope::PlatformAdmin, None, None);
        keep(&token)?;
        let this = self.clone();
        self.uninterrupted(async move {
            let written = this.store_key(&stored, None, None).await;
            written.map_err(crate::error::Error::storage("create the first key"))
        })
        .await?;
        Ok(token)
    }
}
