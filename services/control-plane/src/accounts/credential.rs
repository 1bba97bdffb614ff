//! Which credential a call is made with: the account that its key prefers, else the one that the
//! tenant prefers, else the connector's own secret. Where a call needs a bot's token or a user's,
//! only what gives such a one counts. An account that has ended is not passed over:
//! its owner is told.

use std::sync::Arc;
use std::time::Duration;

use ::fabric::{AccountLease, Credential, CredentialError, CredentialRequest};
use catalog::Auth;
use catalog::closed::AuthKind;
use domain::{AccountMethod, AccountOwner, AccountState, Connector, ConnectorKind};
use domain::{CredentialInfo, Tenant, TenantState, TokenKind};
use secrecy::SecretString;
use storage::{HeldAccount, StorageError};

use super::due::{Good, good};
use super::renewal::Outcome;
use crate::error::Error;
use crate::operations::Operations;

/// Newer tokens that are found on the way, before it is given up.
const ROUNDS: usize = 4;
/// Accounts of a key and its tenant that are looked through for a token of one kind.
const CANDIDATES_MAX: u32 = 100;
/// Tokens that are no older and are refused all the same are not helped by renewing them again.
const FRESH: Duration = Duration::from_secs(60);

/// A call, and what it is for.
struct Asked<'a> {
    request: &'a CredentialRequest,
    tenant: Tenant,
    connector: Connector,
}

/// What is to be done with an account that was found.
enum Decided {
    Give(AccountLease),
    /// It is not any more what it was.
    ReadAgain,
    /// These are its tokens now.
    Take(Arc<HeldAccount>),
}

impl Operations {
    /// Whether calls of a connector may be made with accounts: then workers ask for each key's.
    pub(crate) async fn takes_accounts(&self, connector: &Connector) -> Result<bool, StorageError> {
        if self.signs_in_by_oauth(connector).await? {
            return Ok(true);
        }
        let rows = self.storage().tenant(connector.tenant);
        let any = rows.list_accounts(connector.id, None, None, 1).await?;
        Ok(!any.is_empty())
    }

    /// What calls of a key to a connector are made with, renewed where that is due.
    pub(crate) async fn credential(
        &self,
        request: &CredentialRequest,
    ) -> Result<Credential, CredentialError> {
        let asked = self.asked(request).await?;
        let mut found = self.read_credential(&asked).await?;
        for _ in 0..ROUNDS {
            let Some(held) = found else {
                return self.without_account(&asked).await;
            };
            found = match self.decide(&asked, &held).await? {
                Decided::Give(lease) => return Ok(Credential::Account(lease)),
                Decided::ReadAgain => self.read_credential(&asked).await?,
                Decided::Take(newer) => Some(newer),
            };
        }
        let why = "the account is being changed again and again".to_owned();
        Err(CredentialError::Unavailable(why))
    }

    async fn asked<'a>(
        &self,
        request: &'a CredentialRequest,
    ) -> Result<Asked<'a>, CredentialError> {
        let _reading = self.renewals().readings.acquire().await;
        let tenant = self.storage().find_tenant_by_id(request.tenant).await;
        let tenant = tenant.map_err(unavailable)?;
        let tenant = tenant.filter(|tenant| tenant.state == TenantState::Active);
        let tenant = tenant.ok_or(CredentialError::Gone)?;
        let rows = self.storage().tenant(tenant.id);
        let connector = rows.find_connector_by_id(request.connector).await;
        let connector = connector.map_err(unavailable)?;
        let connector = connector.filter(|connector| connector.enabled);
        Ok(Asked {
            request,
            tenant,
            connector: connector.ok_or(CredentialError::Gone)?,
        })
    }

    async fn read_credential(
        &self,
        asked: &Asked<'_>,
    ) -> Result<Option<Arc<HeldAccount>>, CredentialError> {
        let request = asked.request;
        let _reading = self.renewals().readings.acquire().await;
        let rows = self.storage().tenant(request.tenant);
        let Some((manifest, kind)) = self.kind_of(asked) else {
            let held = rows.credential(request.connector, request.key).await;
            return Ok(held.map_err(unavailable)?.map(Arc::new));
        };
        let limit = CANDIDATES_MAX;
        let held = rows.credentials(request.connector, request.key, limit);
        let mut held = held.await.map_err(unavailable)?;
        held.retain(|held| gives(&manifest.auth, held, kind));
        let Some(first) = held.first().map(|held| held.account.owner) else {
            return Ok(None);
        };
        // Of one owner's, a token that is there goes before one that must be asked for.
        let has = |held: &HeldAccount| {
            held.account.owner == first && has_token(&manifest.auth, held, kind)
        };
        let at = held.iter().position(has).unwrap_or(0);
        Ok(Some(Arc::new(held.swap_remove(at))))
    }

    /// Whose token is asked for, and of which connector type, where that can be told.
    fn kind_of(&self, asked: &Asked<'_>) -> Option<(Arc<catalog::Connector>, TokenKind)> {
        let ConnectorKind::Native { catalog, .. } = &asked.connector.kind else {
            return None;
        };
        let manifest = self.catalog().manifest(catalog)?;
        Some((manifest, asked.request.token_kind?))
    }

    async fn without_account(&self, asked: &Asked<'_>) -> Result<Credential, CredentialError> {
        let connector = &asked.connector;
        let kind = self.kind_of(asked);
        let (mut has_own, mut connects) = (
            connector.credential != CredentialInfo::default(),
            self.signs_in_by_oauth(connector)
                .await
                .map_err(unavailable)?,
        );
        if let Some((manifest, kind)) = &kind {
            has_own = has_own && self.own_is(asked, &manifest.auth, *kind).await?;
            connects = connects && manifest.auth.connects(AuthKind::OAuth2Code, *kind);
        }
        if has_own || !connects {
            // Where there is none at all, the worker says what is missing and how it is given.
            return Ok(Credential::Own);
        }
        let name = &connector.display_name;
        let message = match kind {
            None | Some((_, TokenKind::Bot)) => format!("no account is connected for {name}"),
            Some((_, TokenKind::User)) => {
                format!("no account of a person is connected for {name}, which this tool needs")
            }
        };
        Err(self.missing(asked, None, message).await)
    }

    /// Whether the connector's own secret is such a token.
    async fn own_is(
        &self,
        asked: &Asked<'_>,
        auth: &Auth,
        kind: TokenKind,
    ) -> Result<bool, CredentialError> {
        let rows = self.storage().tenant(asked.tenant.id);
        let secrets = rows.secrets(asked.connector.id).await;
        let token = secrets.map_err(unavailable)?;
        let token = token.and_then(|secrets| secrets.token);
        Ok(token.is_some_and(|token| auth.takes(&token, kind)))
    }

    async fn decide(
        &self,
        asked: &Asked<'_>,
        held: &Arc<HeldAccount>,
    ) -> Result<Decided, CredentialError> {
        let account = &held.account;
        let name = format!(
            "the account {:?} of {}",
            account.name, asked.connector.display_name
        );
        if account.state == AccountState::NeedsReauth {
            let why = account.problem.as_deref().unwrap_or("it has ended");
            // What a program signs in with is an administrator's to replace.
            let (message, again) = match account.method.is_programs_own() {
                true => (format!("{name} needs another secret or key: {why}"), None),
                false => (
                    format!("{name} must be connected again: {why}"),
                    Some(held.as_ref()),
                ),
            };
            return Err(self.missing(asked, again, message).await);
        }
        let further = asked.request.further_scopes.iter();
        let lacking: Vec<&str> = further
            .filter(|scope| !account.scopes.contains(scope))
            .map(String::as_str)
            .collect();
        let is_fresh = account
            .refreshed_at
            .is_some_and(|at| self.now() - at < FRESH);
        let is_programs_own = account.method.is_programs_own();
        // A program asks for what tools need at the time, which may be more by now.
        let asks_again = is_programs_own && !lacking.is_empty() && !is_fresh;
        if !lacking.is_empty() && !asks_again {
            let lacking = lacking.join(", ");
            let (message, again) = match is_programs_own {
                true => {
                    let what = "an administrator gives it that at the provider";
                    (format!("{name} does not have {lacking}: {what}"), None)
                }
                false => (
                    format!("{name} does not grant {lacking} yet"),
                    Some(held.as_ref()),
                ),
            };
            return Err(self.missing(asked, again, message).await);
        }
        let ahead = self.config().accounts.refresh_ahead;
        let good = good(held, self.now(), ahead);
        let is_refused =
            asks_again || asked.request.refused == Some((account.id, account.generation));
        let is_renewable = held.secrets.is_renewable();
        match good {
            Good::For(left) if !is_refused => return lease(held, left).map(Decided::Give),
            Good::Ending(left) if !is_refused && !is_renewable => {
                return lease(held, Some(left)).map(Decided::Give);
            }
            _ if is_refused && (is_fresh || !is_renewable) => {
                let problem = "the provider refuses its token";
                self.end(held, None, problem).await.map_err(unavailable)?;
                return Ok(Decided::ReadAgain);
            }
            _ => {}
        }
        let failed = match self.renewed(held).await {
            Outcome::Renewed(newer) => return Ok(Decided::Take(newer)),
            Outcome::Changed => return Ok(Decided::ReadAgain),
            Outcome::Failed(why) => CredentialError::Provider(why),
            Outcome::Unavailable => {
                CredentialError::Unavailable("its storage does not answer".to_owned())
            }
        };
        match good {
            Good::Ending(left) if !is_refused => lease(held, Some(left)).map(Decided::Give),
            _ => Err(failed),
        }
    }

    /// Somebody must connect something: with a link for the asking key, where one was asked for.
    async fn missing(
        &self,
        asked: &Asked<'_>,
        held: Option<&HeldAccount>,
        message: String,
    ) -> CredentialError {
        let connect_url = None;
        if !asked.request.wants_link {
            return CredentialError::Missing {
                connect_url,
                message,
            };
        }
        let owner = AccountOwner::Key(asked.request.key);
        // Another's account is not the key's to connect again: it gets one of its own.
        let again = held.filter(|held| held.account.owner == owner);
        let again = again.map(|held| held.account.id);
        let mut further = asked.request.further_scopes.clone();
        // At a server nothing says which scopes its tools need: what the account of one's own takes
        // the place of is asked for too.
        let is_server = matches!(asked.connector.kind, ConnectorKind::RemoteMcp { .. });
        if let Some(held) = held.filter(|_| is_server && again.is_none() && !further.is_empty()) {
            further.extend(held.account.scopes.iter().cloned());
        }
        let offered = self
            .offer_connection(&asked.tenant, &asked.connector, owner, again, &further)
            .await;
        match offered {
            Ok(offer) => CredentialError::Missing {
                connect_url: Some(offer.url),
                message,
            },
            Err(error @ (Error::Unavailable { .. } | Error::InDoubt { .. })) => {
                tracing::warn!("cannot offer a link to connect an account: {error}");
                CredentialError::Unavailable("its storage does not answer".to_owned())
            }
            Err(error @ Error::Internal { .. }) => {
                tracing::error!("cannot offer a link to connect an account: {error}");
                CredentialError::Missing {
                    connect_url,
                    message,
                }
            }
            Err(nobody_can) => CredentialError::Missing {
                connect_url,
                message: format!("{message}, and nobody can: {nobody_can}"),
            },
        }
    }

    async fn signs_in_by_oauth(&self, connector: &Connector) -> Result<bool, StorageError> {
        match &connector.kind {
            ConnectorKind::Native { catalog, .. } => {
                let manifest = self.catalog().manifest(catalog);
                Ok(manifest.is_some_and(|manifest| manifest.auth.oauth2.is_some()))
            }
            ConnectorKind::RemoteMcp { url } => self.knows_sign_in(connector.tenant, url).await,
            ConnectorKind::HostedMcp { .. } => Ok(false),
        }
    }
}

/// Whether an account has a token of that kind, or gets one when more is asked for.
fn gives(auth: &Auth, held: &HeldAccount, kind: TokenKind) -> bool {
    match AuthKind::of_account(held.account.method) {
        Some(account) => auth.connects(account, kind),
        None => {
            let token = held.secrets.access_token.as_deref();
            token.is_some_and(|token| auth.takes(token, kind))
        }
    }
}

/// Whether an account that gives tokens of that kind has one by now.
fn has_token(auth: &Auth, held: &HeldAccount, kind: TokenKind) -> bool {
    let lacks_user = kind == TokenKind::User && held.secrets.user_token.is_none();
    !(held.account.method == AccountMethod::OAuth && auth.gives_both() && lacks_user)
}

/// What the worker gets: all but what renews.
fn lease(held: &HeldAccount, left: Option<Duration>) -> Result<AccountLease, CredentialError> {
    let HeldAccount {
        account, secrets, ..
    } = held;
    let user = secrets.user_token.as_deref();
    let access = secrets.access_token.as_deref().or(user);
    Ok(AccountLease {
        account: account.id,
        generation: account.generation,
        method: account.method,
        access_token: SecretString::from(access.ok_or(CredentialError::Sealed)?),
        user_token: user.map(SecretString::from),
        scopes: account.scopes.clone(),
        variables: account.variables.clone(),
        usable_for: left,
    })
}

/// The worker passes on what the error says, so it says nothing of the inside.
fn unavailable(error: StorageError) -> CredentialError {
    match error {
        StorageError::Crypto(_) => {
            tracing::error!("cannot give a credential: {error}");
            CredentialError::Sealed
        }
        _ => {
            tracing::warn!("cannot give a credential: {error}");
            CredentialError::Unavailable("its storage does not answer".to_owned())
        }
    }
}
