//! The key that opens a new installation.

use anyhow::Context;
use crypto::ApiToken;
use domain::Scope;

use crate::operations::Operations;

/// What the first key is called.
const NAME: &str = "first start";

impl Operations {
    /// See [`crate::ControlPlane::bootstrap`].
    pub(crate) async fn bootstrap(
        &self,
        keep: impl FnOnce(&ApiToken) -> anyhow::Result<()>,
    ) -> anyhow::Result<Option<ApiToken>> {
        let platform = self
            .storage()
            .platform_config()
            .await
            .context("read the platform keys")?;
        let now = self.now();
        let opens = |key: &domain::ApiKey| key.scope == Scope::PlatformAdmin && key.is_live(now);
        if platform.keys.iter().any(|stored| opens(&stored.key)) {
            return Ok(None);
        }
        self.make_admin_key(NAME, keep).await.map(Some)
    }

    /// See [`crate::ControlPlane::replace_lost_key`].
    pub(crate) async fn make_admin_key(
        &self,
        name: &str,
        keep: impl FnOnce(&ApiToken) -> anyhow::Result<()>,
    ) -> anyhow::Result<ApiToken> {
        let (token, stored) = self.mint(name.to_owned(), Scope::PlatformAdmin, None, None);
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
