//! The page behind a link: what it shows, and the way from there to the provider.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{AccountOwner, Connector, Tenant, TenantState};
use oauth::authorization;
use secrecy::{ExposeSecret, SecretString};
use storage::{ConnectFlow, FlowStatus};
use url::Url;

use super::details::Details;
use super::{Hashed, Refused, short_code};
use crate::accounts::provider::Provider;
use crate::accounts::scopes::Wanted;
use crate::error::{Error, Resource};
use crate::operations::Operations;

/// What a person is asked, before anything happens.
pub(crate) struct Visit {
    pub(crate) tenant: String,
    pub(crate) connector: String,
    pub(crate) provider: String,
    /// Where the person signs in.
    pub(crate) signs_in_at: Url,
    /// The host where calls with the account go.
    pub(crate) goes_to: String,
    /// The key whose calls it is for; none: all of the tenant's.
    pub(crate) key: Option<String>,
    /// The account that is to be connected again.
    pub(crate) again: Option<String>,
    pub(crate) wanted: Wanted,
    pub(crate) code: String,
    /// From now on, rounded up.
    pub(crate) minutes: i64,
}

/// The sites to choose one from.
pub(crate) struct Sites {
    pub(crate) provider: String,
    pub(crate) labels: Vec<String>,
}

/// An attempt, and what it is about.
pub(super) struct Subject {
    pub(super) flow: ConnectFlow,
    pub(super) details: Details,
    pub(super) tenant: Tenant,
    pub(super) connector: Connector,
}

impl Operations {
    /// What the page shows behind a link. `browser` is what the browser was given before. Nothing
    /// happens to the attempt by it but that it counts as opened: programs look at links too.
    pub(crate) async fn visit(&self, nonce: &str, browser: Option<&str>) -> Result<Visit, Refused> {
        let subject = self.subject_of_link(nonce).await?;
        self.check_usable(&subject.flow, browser)?;
        if subject.flow.status == FlowStatus::Offered {
            let opened = ConnectFlow {
                status: FlowStatus::Opened,
                ..subject.flow.clone()
            };
            // Whoever was faster has it opened as well.
            self.advance(&subject.flow, &opened).await?;
        }
        let (provider, wanted) = self.asked_for(&subject).await?;
        let key = match subject.flow.owner {
            AccountOwner::Tenant => None,
            AccountOwner::Key(id) => {
                let key = self.storage().find_key(id).await;
                let key = key.map_err(Error::storage("find a key"))?;
                let key = key.ok_or(Error::NotFound(Resource::Key))?.key;
                Some(key.name)
            }
        };
        let again = match subject.flow.account {
            None => None,
            Some(id) => {
                let rows = self.storage().tenant(subject.tenant.id);
                let known = rows.find_account(id).await;
                known.map_err(Error::storage("find an account"))?
            }
        };
        let left = subject.flow.expires_at - self.now();
        Ok(Visit {
            tenant: subject.tenant.name,
            connector: subject.connector.display_name,
            signs_in_at: provider.endpoints.authorize,
            provider: provider.name,
            goes_to: provider.goes_to,
            key,
            again: again.map(|account| account.name),
            wanted,
            code: short_code(&subject.flow),
            minutes: (left.whole_seconds() + 59) / 60,
        })
    }

    /// Takes the link for this browser and says where it goes: to the provider, with a `state` that
    /// ends the one before.
    pub(crate) async fn depart(&self, nonce: &str, browser: &str) -> Result<Url, Refused> {
        // A second click of the same browser meets the first one, and counts.
        match self.try_depart(nonce, browser).await {
            Ok(None) => self.try_depart(nonce, browser).await?,
            departed => departed?,
        }
        .ok_or(Refused::Elsewhere)
    }

    /// `None`: somebody else went on at this moment.
    async fn try_depart(&self, nonce: &str, browser: &str) -> Result<Option<Url>, Refused> {
        let subject = self.subject_of_link(nonce).await?;
        self.check_usable(&subject.flow, Some(browser))?;
        let public_url = self.public_url().ok_or(Error::PublicUrlMissing)?;
        // A server may have gone to another issuer since.
        self.look_for_sign_in(&subject.tenant, &subject.connector)
            .await?;
        let (provider, wanted) = self.asked_for(&subject).await?;
        let authorization = authorization(
            &provider.endpoints,
            &provider.client(),
            &public_url.redirect_uri(),
            &wanted.scopes,
        );
        let verifier = authorization.verifier.as_ref();
        let details = Details {
            client: Some(provider.registration.id),
            asked: [wanted.scopes.bot, wanted.scopes.user].concat(),
            verifier: verifier.map(|verifier| verifier.expose_secret().to_owned()),
            ..subject.details
        };
        let state = authorization.state.expose_secret();
        let redirected = ConnectFlow {
            status: FlowStatus::Redirected,
            state_hash: Some(self.hash_of(Hashed::State, state)),
            browser_hash: Some(self.hash_of(Hashed::Browser, browser)),
            details: details.sealed()?,
            ..subject.flow.clone()
        };
        let advanced = self.advance(&subject.flow, &redirected).await?;
        Ok(advanced.then_some(authorization.url))
    }

    async fn asked_for(&self, subject: &Subject) -> Result<(Provider, Wanted), Error> {
        let provider = self
            .provider_for(&subject.tenant, &subject.connector)
            .await?;
        let mut granted = Vec::new();
        if let Some(id) = subject.flow.account {
            let rows = self.storage().tenant(subject.tenant.id);
            let known = rows.find_account(id).await;
            let known = known.map_err(Error::storage("find an account"))?;
            granted.extend(known.into_iter().flat_map(|account| account.scopes));
        }
        let further = &subject.details.further;
        let wanted = self
            .wanted_scopes(&provider, &subject.connector, &granted, further)
            .await?;
        Ok((provider, wanted))
    }

    async fn subject_of_link(&self, nonce: &str) -> Result<Subject, Refused> {
        let hash = self.hash_of(Hashed::Nonce, nonce);
        let found = self.storage().find_flow_by_nonce(&hash).await;
        let found = found.map_err(Error::storage("find an attempt to connect"))?;
        self.subject(found.ok_or(Refused::NoLink)?).await
    }

    /// What an attempt is about, if that is still there and in use.
    pub(super) async fn subject(&self, flow: ConnectFlow) -> Result<Subject, Refused> {
        let tenant = self.tenant_by_id(flow.tenant).await?;
        if tenant.state != TenantState::Active {
            return Err(Error::NotFound(Resource::Tenant).into());
        }
        let connector = self.connector_by_id(&tenant, flow.connector).await?;
        if !connector.enabled {
            return Err(Error::NotFound(Resource::Connector).into());
        }
        if let AccountOwner::Key(id) = flow.owner {
            let key = self.storage().find_key(id).await;
            let key = key.map_err(Error::storage("find a key"))?;
            if !key.is_some_and(|key| key.key.is_live(self.now())) {
                return Err(Error::NotFound(Resource::Key).into());
            }
        }
        Ok(Subject {
            details: Details::of(&flow)?,
            flow,
            tenant,
            connector,
        })
    }

    /// Whether a link can still be used, by this browser.
    fn check_usable(&self, flow: &ConnectFlow, browser: Option<&str>) -> Result<(), Refused> {
        match flow.status {
            FlowStatus::Connected => return Err(Refused::Connected),
            FlowStatus::Failed => {
                return Err(Refused::Ended(flow.problem.clone().unwrap_or_default()));
            }
            _ if flow.expires_at <= self.now() => return Err(Refused::Expired),
            FlowStatus::Offered | FlowStatus::Opened => return Ok(()),
            FlowStatus::Redirected | FlowStatus::Exchanging | FlowStatus::Choosing => {}
        }
        if !self.is_browser_of(flow, browser) {
            return Err(Refused::Elsewhere);
        }
        // Who came back from the provider without an answer may go there again.
        match flow.status {
            FlowStatus::Redirected => Ok(()),
            _ => Err(Refused::AnsweredBefore),
        }
    }

    /// Whether this is the browser that took the link.
    pub(super) fn is_browser_of(&self, flow: &ConnectFlow, browser: Option<&str>) -> bool {
        let (Some(browser), Some(hash)) = (browser, flow.browser_hash) else {
            return false;
        };
        // The hashes are keyed: how long it takes to compare them tells nothing.
        self.hash_of(Hashed::Browser, browser) == hash
    }

    pub(super) async fn advance(
        &self,
        before: &ConnectFlow,
        after: &ConnectFlow,
    ) -> Result<bool, Error> {
        let rows = self.storage().tenant(before.tenant);
        let advanced = rows.advance_flow(before, after).await;
        advanced.map_err(Error::storage("go on with an attempt to connect"))
    }

    /// What proves that a form was given to this browser, by this page.
    pub(crate) fn form_token(&self, place: &str, browser: &str) -> SecretString {
        let hash = self.hasher().hash(&form_text(place, browser));
        SecretString::from(URL_SAFE_NO_PAD.encode(hash))
    }

    /// Whether `token` is that; takes the same time either way.
    pub(crate) fn is_form_token(&self, token: &str, place: &str, browser: &str) -> bool {
        let hash = URL_SAFE_NO_PAD.decode(token).ok();
        let hash: Option<[u8; 32]> = hash.and_then(|bytes| bytes.try_into().ok());
        hash.is_some_and(|hash| self.hasher().matches(&form_text(place, browser), &hash))
    }
}

fn form_text(place: &str, browser: &str) -> String {
    format!("connect form\n{place}\n{browser}")
}
