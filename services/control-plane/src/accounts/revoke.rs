//! Ending what was granted at providers, when accounts end here.
//!
//! An account ends here in any case and first; the provider is told afterwards, within bounds of
//! time and number. What it was not told is said in the log. Tokens of an attempt that leads to no
//! account are forgotten, not revoked: some providers end all that a user granted to the client,
//! and that may be an account that somebody uses.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{AccountMethod, AccountSecrets, ConnectorId, Tenant, TenantId};
use futures_util::StreamExt;
use futures_util::stream;
use oauth::{Deadline, Endpoints, Management, OAuthClient};
use storage::HeldAccount;
use uuid::Uuid;

use super::clients::settings;
use super::provider::client;
use crate::error::Error;
use crate::operations::Operations;

/// Providers that are told at once, for one deletion.
const AT_ONCE: usize = 4;
/// Accounts that are told of for one deletion, and read at once.
const ACCOUNTS_MAX: usize = 2_000;
const CHUNK: u32 = 200;
/// How long providers are told of one deletion.
const ALL_WITHIN: Duration = Duration::from_secs(120);

/// What a provider said to the end of an account's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revoked {
    Confirmed,
    /// It has no such thing: the tokens end by themselves, or by hand there.
    Unsupported,
    /// It did not answer, or refused.
    Failed,
    /// Pasted tokens are their owner's to end.
    NotOurs,
}

impl Revoked {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "revoked",
            Self::Unsupported => "unsupported",
            Self::Failed => "failed",
            Self::NotOurs => "not_ours",
        }
    }
}

/// Tokens, and where they are given back.
pub(crate) struct GivenBack {
    secrets: AccountSecrets,
    way: Way,
}

#[derive(Clone)]
enum Way {
    To(Arc<(Endpoints, OAuthClient)>),
    Unsupported,
    /// The registration is gone.
    Lost,
    NotOurs,
}

impl Operations {
    /// Tells the provider of an account that ended; answers within `oauth.revocation_deadline`.
    pub(crate) async fn revoke(&self, given: GivenBack) -> Revoked {
        let way = match given.way {
            Way::To(way) => way,
            Way::Unsupported => return Revoked::Unsupported,
            Way::Lost => return Revoked::Failed,
            Way::NotOurs => return Revoked::NotOurs,
        };
        let (endpoints, client) = &*way;
        let limit = self.config().oauth.revocation_deadline;
        let asked = self.tokens();
        let told = asked.revoke(endpoints, client, &given.secrets, Deadline::after(limit));
        match tokio::time::timeout(limit, told).await {
            Ok(Ok(())) => Revoked::Confirmed,
            Ok(Err(error)) => {
                tracing::warn!("a provider did not end the tokens of an account: {error}");
                Revoked::Failed
            }
            Err(_) => {
                tracing::warn!("a provider did not end the tokens of an account in time");
                Revoked::Failed
            }
        }
    }

    /// Where the tokens of an account are given back. To be asked before the registration that they
    /// were got with is deleted.
    pub(crate) async fn given_back(&self, tenant: &Tenant, held: HeldAccount) -> GivenBack {
        let way = self.way_of(tenant, &held).await;
        GivenBack {
            secrets: held.secrets,
            way,
        }
    }

    async fn way_of(&self, tenant: &Tenant, held: &HeldAccount) -> Way {
        if !is_granted_to_us(held) {
            return Way::NotOurs;
        }
        match self.signed_in_with(tenant.id, held).await {
            Ok(None) => Way::Lost,
            Ok(Some((endpoints, _))) if !endpoints.can_revoke() => Way::Unsupported,
            Ok(Some(way)) => Way::To(Arc::new(way)),
            Err(error) => {
                tracing::warn!(account.id = %held.account.id, "cannot tell its provider: {error}");
                Way::Lost
            }
        }
    }

    /// Where an account was connected, and as whose client; none when the registration, or the
    /// provider's manifest, is gone.
    pub(crate) async fn signed_in_with(
        &self,
        tenant: TenantId,
        held: &HeldAccount,
    ) -> Result<Option<(Endpoints, OAuthClient)>, Error> {
        let Some(id) = held.oauth_client else {
            return Ok(None);
        };
        let rows = self.storage().tenant(tenant);
        let registration = rows.usable_oauth_client(id).await;
        let registration = registration.map_err(Error::storage("find an OAuth client"))?;
        let Some(registration) = registration else {
            return Ok(None);
        };
        if let Some(way) = self.way_at_server(tenant, &registration).await? {
            return Ok(Some(way));
        }
        let manifest = self.catalog().manifest(&registration.provider);
        let oauth2 = manifest
            .as_deref()
            .and_then(|manifest| manifest.auth.oauth2.as_ref());
        let Some(oauth2) = oauth2 else {
            return Ok(None);
        };
        let settings = settings(&registration)?;
        let endpoints = Endpoints::of_manifest(oauth2, &settings, self.oauth_origins());
        let endpoints = endpoints.map_err(|error| Error::internal("reach a provider", error))?;
        Ok(Some((endpoints, client(&registration))))
    }

    /// What must be told to providers when a connector, or all of a tenant, is deleted. Read
    /// before; what cannot be read is left out.
    pub(crate) async fn to_give_back(
        &self,
        tenant: &Tenant,
        connector: Option<ConnectorId>,
    ) -> Vec<GivenBack> {
        let mut all = Vec::new();
        // Of one registration, or of pasted tokens, they all go the same way.
        let mut ways: HashMap<(bool, Option<Uuid>), Way> = HashMap::new();
        let mut after = None;
        while all.len() < ACCOUNTS_MAX {
            let rows = self.storage().tenant(tenant.id);
            let page = match rows.list_held_accounts(connector, after, CHUNK).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(tenant.id = %tenant.id, "cannot revoke its accounts: {error}");
                    break;
                }
            };
            after = page.last().map(|held| held.account.id);
            let is_last = page.len() < CHUNK as usize;
            for held in page {
                let is_pasted = !is_granted_to_us(&held);
                let kind = (is_pasted, held.oauth_client);
                let way = match ways.get(&kind) {
                    Some(way) => way.clone(),
                    None => self.way_of(tenant, &held).await,
                };
                ways.insert(kind, way.clone());
                all.push(GivenBack {
                    secrets: held.secrets,
                    way,
                });
            }
            if is_last {
                break;
            }
        }
        all
    }

    /// Tells providers of accounts that ended, and then servers of registrations that are not
    /// needed any more; makes nobody wait for it.
    pub(crate) fn revoke_later(&self, all: Vec<GivenBack>, registrations: Vec<Management>) {
        if all.is_empty() && registrations.is_empty() {
            return;
        }
        let (this, accounts) = (self.clone(), all.len());
        self.process()
            .tasks
            .disposable("revoke tokens", async move {
                let told = stream::iter(all).map(|one| this.revoke(one));
                let told = told.buffer_unordered(AT_ONCE);
                let confirmed = told.filter(|one| std::future::ready(*one != Revoked::Failed));
                let confirmed = confirmed.take_until(tokio::time::sleep(ALL_WITHIN)).count();
                let failed = accounts - confirmed.await;
                if failed > 0 {
                    tracing::warn!(
                        accounts,
                        failed,
                        "accounts ended here; providers may still take the tokens of some"
                    );
                }
                // Whose registration has ended can revoke nothing.
                let ended = this.end_registrations(registrations);
                if tokio::time::timeout(ALL_WITHIN, ended).await.is_err() {
                    tracing::warn!("servers did not end our registrations in time");
                }
                Ok(())
            });
    }

    /// The same, of accounts that were deleted with what they held.
    pub(crate) async fn revoke_in_background(&self, tenant: &Tenant, held: Vec<HeldAccount>) {
        let mut all = Vec::with_capacity(held.len());
        for one in held {
            all.push(self.given_back(tenant, one).await);
        }
        self.revoke_later(all, Vec::new());
    }
}

/// Whether a person granted it: what was pasted is its owner's to end, and the tokens of a program,
/// which are short, end by themselves.
fn is_granted_to_us(held: &HeldAccount) -> bool {
    held.account.method == AccountMethod::OAuth
}
