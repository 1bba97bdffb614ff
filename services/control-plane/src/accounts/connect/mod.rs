//! How a person connects an account: a link, the page behind it, the provider, and back.
//!
//! A link is for one owner of one connector and works once. Whoever posts the form of its page
//! first takes it for their browser; the provider's answer counts only in that browser, only for
//! the newest `state`, and once: each step is a compare-and-set in the database, so it does not
//! matter which control-plane a request reaches. What a browser carries is stored as a keyed hash.

mod callback;
mod details;
mod finish;
mod identity;
mod refused;
mod view;
mod visit;

pub(crate) mod api;

use crypto::unguessable;
use domain::{AccountId, AccountOwner, Action, Connector, KeyId, Principal, Scope, Tenant};
use domain::{ConnectorId, authorize};
use storage::{ConnectFlow, Constraint, FlowStatus, StorageError};
use time::OffsetDateTime;
use uuid::Uuid;

pub(crate) use callback::{Answered, ProviderAnswer};
pub(crate) use finish::Done;
pub(super) use finish::too_many;
pub(crate) use refused::Refused;
pub(crate) use view::short_code;
pub use view::{ConnectionView, NewConnection};
pub(crate) use visit::{Sites, Visit};

use crate::error::{Error, Resource};
use crate::fields::Violations;
use crate::operations::Operations;
use details::Details;

/// Links of one owner for one connector that are looked at before another is made.
const LOOKED_AT: u32 = 10;
/// Scopes that may be asked for beside those that tools need, and bytes of one.
const FURTHER_MAX: usize = 50;
const SCOPE_MAX_LENGTH: usize = 256;

/// A link for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) id: Uuid,
    /// Opens the page; for the one person alone.
    pub(crate) url: String,
    pub(crate) expires_at: OffsetDateTime,
}

/// What a link is to be for.
pub(super) struct Wish<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) connector: &'a Connector,
    pub(super) owner: AccountOwner,
    /// To be connected again.
    pub(super) account: Option<AccountId>,
    pub(super) further: Vec<String>,
    pub(super) name: Option<String>,
}

/// What a hash is of, so that one thing cannot stand for another.
#[derive(Clone, Copy)]
pub(super) enum Hashed {
    Nonce,
    State,
    Browser,
}

impl Operations {
    /// Begins to connect an account. An administrator does it for the tenant or for a key, whoever
    /// has a key for that key.
    pub async fn create_connection(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        input: NewConnection,
    ) -> Result<ConnectionView, Error> {
        let (tenant, connector) = self
            .connector_for(caller, tenant, connector, Action::UseTools)
            .await?;
        let owner = self.owner_for(caller, &tenant, input.key).await?;
        let mut violations = Violations::default();
        if let Some(name) = &input.name {
            violations.name("name", name);
        }
        check_scopes(&input.scopes, &mut violations);
        violations.finish()?;
        let account = match input.account {
            None => None,
            Some(id) => {
                let id = AccountId::new(id);
                let known = self.account_of(&connector, id).await?;
                if known.owner != owner {
                    return Err(Error::NotFound(Resource::Account));
                }
                Some(id)
            }
        };
        let wish = Wish {
            tenant: &tenant,
            connector: &connector,
            owner,
            account,
            further: input.scopes,
            name: input.name,
        };
        self.look_for_sign_in(&tenant, &connector).await?;
        self.provider_for(&tenant, &connector).await?;
        let (flow, offer) = self.begin_flow(wish).await?;
        Ok(self.connection_view(&flow, &connector, Some(offer.url)))
    }

    /// How far an attempt to connect an account is.
    pub async fn get_connection(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        id: &str,
    ) -> Result<ConnectionView, Error> {
        let (tenant, connector) = self
            .connector_for(caller, tenant, connector, Action::UseTools)
            .await?;
        let missing = || Error::NotFound(Resource::Connection);
        let id = id.parse().map_err(|_| missing())?;
        let found = self.storage().tenant(tenant.id).find_flow(id).await;
        let found = found.map_err(Error::storage("find an attempt to connect"))?;
        let flow = found.filter(|flow| flow.connector == connector.id);
        let flow = flow.ok_or_else(missing)?;
        if authorize(caller, Action::ManageTenant(tenant.id)).is_err()
            && flow.owner != AccountOwner::Key(caller.key)
        {
            return Err(missing());
        }
        Ok(self.connection_view(&flow, &connector, None))
    }

    /// A link for whoever owns what is missing: the one that was offered before, if nobody has used
    /// it and it is good for a while.
    ///
    /// # Errors
    /// `TakesNoAccounts`, `OAuthClientMissing` and `PublicUrlMissing` when nobody can connect
    /// anything here: their texts say what an administrator must do.
    pub(crate) async fn offer_connection(
        &self,
        tenant: &Tenant,
        connector: &Connector,
        owner: AccountOwner,
        account: Option<AccountId>,
        further: &[String],
    ) -> Result<Offer, Error> {
        self.provider_for(tenant, connector).await?;
        let public_url = self.public_url().ok_or(Error::PublicUrlMissing)?;
        let mut further = further.to_vec();
        further.retain(|scope| is_scope(scope));
        further.truncate(FURTHER_MAX);
        let good_until = self.now() + self.config().oauth.link_lifetime / 2;
        let rows = self.storage().tenant(tenant.id);
        let unused = rows
            .list_unused_flows(connector.id, owner, good_until, LOOKED_AT)
            .await;
        for flow in unused.map_err(Error::storage("find attempts to connect"))? {
            let details = Details::of(&flow)?;
            if flow.account == account && details.further == further && details.name.is_none() {
                return Ok(Offer {
                    id: flow.id,
                    url: public_url.connect_page(&details.nonce).into(),
                    expires_at: flow.expires_at,
                });
            }
        }
        let wish = Wish {
            tenant,
            connector,
            owner,
            account,
            further,
            name: None,
        };
        self.begin_flow(wish).await.map(|(_, offer)| offer)
    }

    async fn begin_flow(&self, wish: Wish<'_>) -> Result<(ConnectFlow, Offer), Error> {
        let public_url = self.public_url().ok_or(Error::PublicUrlMissing)?;
        let nonce = unguessable();
        let details = Details {
            nonce: nonce.to_string(),
            further: wish.further,
            name: wish.name,
            ..Details::default()
        };
        let now = self.now();
        let flow = ConnectFlow {
            id: self.ids().next(),
            tenant: wish.tenant.id,
            connector: wish.connector.id,
            owner: wish.owner,
            nonce_hash: self.hash_of(Hashed::Nonce, &nonce),
            state_hash: None,
            browser_hash: None,
            status: FlowStatus::Offered,
            account: wish.account,
            details: details.sealed()?,
            problem: None,
            created_at: now,
            expires_at: now + self.config().oauth.link_lifetime,
        };
        let rows = self.storage().tenant(flow.tenant);
        rows.create_flow(&flow).await.map_err(|error| match error {
            StorageError::Conflict(Constraint::LimitReached) => {
                let most = domain::limits::CONNECT_FLOWS_PER_OWNER;
                Error::LimitReached(format!(
                    "there are {most} links for this under way: use one, or wait until they are \
                     over"
                ))
            }
            StorageError::NotFound => Error::NotFound(Resource::Key),
            error => Error::storage("begin to connect an account")(error),
        })?;
        let offer = Offer {
            id: flow.id,
            url: public_url.connect_page(&nonce).into(),
            expires_at: flow.expires_at,
        };
        Ok((flow, offer))
    }

    /// For whom `caller` may connect accounts, and manage them: a `tenant_user` for its own key, an
    /// administrator for the tenant or, when one is given, for a key.
    pub(super) async fn owner_for(
        &self,
        caller: &Principal,
        tenant: &Tenant,
        key: Option<Uuid>,
    ) -> Result<AccountOwner, Error> {
        let key = key.map(KeyId::new);
        if caller.scope == Scope::TenantUser {
            return match key {
                None => Ok(AccountOwner::Key(caller.key)),
                Some(key) if key == caller.key => Ok(AccountOwner::Key(key)),
                Some(_) => Err(Error::Forbidden),
            };
        }
        authorize(caller, Action::ManageTenant(tenant.id))?;
        let Some(key) = key else {
            return Ok(AccountOwner::Tenant);
        };
        let found = self.storage().find_key(key).await;
        let found = found.map_err(Error::storage("find a key"))?;
        let own = |key: &domain::ApiKey| {
            let theirs = key.tenant == Some(tenant.id) || key.id == caller.key;
            theirs && key.is_live(self.now())
        };
        match found.filter(|found| own(&found.key)) {
            Some(_) => Ok(AccountOwner::Key(key)),
            None => Err(Error::NotFound(Resource::Key)),
        }
    }

    pub(super) fn hash_of(&self, what: Hashed, text: &str) -> [u8; 32] {
        let what = match what {
            Hashed::Nonce => "connect link",
            Hashed::State => "connect state",
            Hashed::Browser => "connect browser",
        };
        self.hasher().hash(&format!("{what}\n{text}"))
    }

    pub(super) async fn connector_by_id(
        &self,
        tenant: &Tenant,
        id: ConnectorId,
    ) -> Result<Connector, Error> {
        let found = self
            .storage()
            .tenant(tenant.id)
            .find_connector_by_id(id)
            .await;
        let found = found.map_err(Error::storage("find a connector"))?;
        found.ok_or(Error::NotFound(Resource::Connector))
    }
}

fn check_scopes(scopes: &[String], violations: &mut Violations) {
    if scopes.len() > FURTHER_MAX {
        let rule = format!("may have {FURTHER_MAX} entries at most");
        violations.add("scopes", rule);
    }
    if !scopes.iter().all(|scope| is_scope(scope)) {
        violations.add(
            "scopes",
            "must be words of visible ASCII characters without quotes, as the provider writes them",
        );
    }
}

/// RFC 6749 §3.3; commas separate scopes at some providers.
fn is_scope(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b',');
    (1..=SCOPE_MAX_LENGTH).contains(&text.len()) && text.bytes().all(fits)
}
