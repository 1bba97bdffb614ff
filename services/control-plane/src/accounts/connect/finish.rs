//! From what a provider gave to an account.

use domain::{Account, AccountId, AccountMethod, AccountOwner, AccountState, Connector};
use oauth::{Tokens, same_source};
use storage::{ConnectFlow, Constraint, FlowStatus, NewAccount, StorageError};

use super::Refused;
use super::details::Grant;
use super::visit::Subject;
use crate::error::Error;
use crate::operations::Operations;

/// Names that are tried for a new account.
const NAMES_TRIED: usize = 50;
/// Changes that others make meanwhile are tried again so often.
const TRIES: usize = 3;

/// An account that was just connected.
pub(crate) struct Done {
    pub(crate) provider: String,
    pub(crate) account: String,
    /// Who signed in, where the provider says so.
    pub(crate) subject: Option<String>,
    pub(crate) tenant: String,
    pub(crate) connector: String,
    /// Whether it is for the calls of one key alone.
    pub(crate) for_key: bool,
}

impl Operations {
    /// What is kept of the provider's answer. Where it does not say what it granted, that is what it
    /// was `asked` for (RFC 6749 §5.1).
    pub(super) fn grant(&self, tokens: Tokens, asked: &[String]) -> Grant {
        let now = self.now();
        let secrets = tokens.secrets;
        let has_refresh = secrets.refresh_token.is_some() || secrets.user_refresh_token.is_some();
        Grant {
            expires_at: tokens.expires_in.map(|lasts| now + lasts),
            refresh_at: crate::accounts::refresh_at(
                now,
                tokens.expires_in,
                has_refresh,
                self.ids(),
            ),
            secrets,
            scopes: match tokens.scopes.is_empty() {
                true => asked.to_vec(),
                false => tokens.scopes,
            },
            subject: tokens.subject,
            variables: tokens.variables,
        }
    }

    /// Stores the account, and that the attempt led to it, in one moment.
    pub(super) async fn finish(&self, subject: Subject, grant: Grant) -> Result<Done, Refused> {
        let provider = self
            .provider_for(&subject.tenant, &subject.connector)
            .await?;
        let grant = self
            .with_identity(&provider, &subject.connector, grant)
            .await;
        let ended = self.store_account(&subject, &grant).await;
        let account = match ended {
            Ok(account) => account,
            Err(refused) => {
                if subject.flow.status == FlowStatus::Choosing {
                    self.note_failure(&subject.flow, &refused).await;
                }
                return Err(refused);
            }
        };
        tracing::info!(
            tenant.id = %account.tenant,
            connector.id = %account.connector,
            account.id = %account.id,
            "an account was connected"
        );
        Ok(Done {
            provider: provider.name,
            account: account.name,
            subject: account.subject,
            tenant: subject.tenant.name,
            connector: subject.connector.display_name,
            for_key: account.owner != AccountOwner::Tenant,
        })
    }

    async fn store_account(&self, subject: &Subject, grant: &Grant) -> Result<Account, Refused> {
        let rows = self.storage().tenant(subject.tenant.id);
        for _ in 0..TRIES {
            let before = self.account_before(subject, grant).await?;
            let account = self.new_account(subject, grant, before).await?;
            let connected = ConnectFlow {
                status: FlowStatus::Connected,
                account: Some(account.id),
                details: super::Details::default().sealed()?,
                problem: None,
                ..subject.flow.clone()
            };
            let new = NewAccount {
                account,
                secrets: grant.secrets.clone(),
                oauth_client: subject.details.client,
                refresh_at: grant.refresh_at,
            };
            match rows
                .connect_account(&new, Some((&subject.flow, &connected)))
                .await
            {
                Ok(connected) => {
                    self.tenant_changed(&subject.tenant, connected.revision);
                    return Ok(connected.account);
                }
                // Somebody took the name at this moment.
                Err(StorageError::Conflict(Constraint::NameTaken)) => {}
                Err(StorageError::VersionMismatch) => return Err(Refused::AnsweredBefore),
                Err(StorageError::Conflict(Constraint::LimitReached)) => {
                    return Err(too_many().into());
                }
                Err(error) => return Err(Error::storage("store an account")(error).into()),
            }
        }
        Err(Error::ConcurrentChange.into())
    }

    /// The account that is connected again: the one that the link names, or one of the same owner
    /// that is known to be of the same user.
    async fn account_before(
        &self,
        subject: &Subject,
        grant: &Grant,
    ) -> Result<Option<Account>, Refused> {
        let rows = self.storage().tenant(subject.tenant.id);
        let held = async |id| {
            let held = rows.held_account(id).await;
            held.map_err(Error::storage("find an account"))
        };
        let identity = grant.secrets.identity.as_deref();
        if let Some(id) = subject.flow.account
            && let Some(known) = held(id).await?
        {
            let before = known.secrets.identity.as_deref();
            let is_other = before
                .zip(identity)
                .is_some_and(|(one, other)| same_source(one, other) && one != other);
            let elsewhere = known.account.variables != grant.variables;
            if is_other || (elsewhere && !known.account.variables.is_empty()) {
                return Err(Refused::OtherUser);
            }
            return Ok(Some(known.account));
        }
        let Some(identity) = identity else {
            return Ok(None);
        };
        let of_owner = self
            .accounts_of(&subject.connector, subject.flow.owner)
            .await?;
        for account in of_owner {
            let alike =
                account.method == AccountMethod::OAuth && account.variables == grant.variables;
            if alike
                && let Some(known) = held(account.id).await?
                && known.secrets.identity.as_deref() == Some(identity)
            {
                return Ok(Some(known.account));
            }
        }
        Ok(None)
    }

    async fn new_account(
        &self,
        subject: &Subject,
        grant: &Grant,
        before: Option<Account>,
    ) -> Result<Account, Error> {
        let now = self.now();
        let name = match &before {
            Some(before) => before.name.clone(),
            None => {
                let wished = subject.details.name.as_ref().or(grant.subject.as_ref());
                let wished = wished.unwrap_or(&subject.connector.display_name);
                self.free_name(&subject.connector, subject.flow.owner, wished)
                    .await?
            }
        };
        Ok(Account {
            id: match &before {
                Some(before) => before.id,
                None => AccountId::new(self.ids().next()),
            },
            tenant: subject.tenant.id,
            connector: subject.connector.id,
            owner: subject.flow.owner,
            name,
            method: AccountMethod::OAuth,
            state: AccountState::Connected,
            preferred: before.as_ref().is_none_or(|before| before.preferred),
            subject: grant.subject.clone(),
            scopes: grant.scopes.clone(),
            variables: grant.variables.clone(),
            generation: 0,
            expires_at: grant.expires_at,
            problem: None,
            created_at: now,
            updated_at: now,
            refreshed_at: None,
        })
    }

    /// `wished`, or with a number behind it where the owner has one of that name.
    async fn free_name(
        &self,
        connector: &Connector,
        owner: AccountOwner,
        wished: &str,
    ) -> Result<String, Error> {
        let taken = self.accounts_of(connector, owner).await?;
        let is_taken = |name: &str| taken.iter().any(|account| account.name == name);
        let base = one_line(wished);
        let mut names = (2..NAMES_TRIED).map(|number| format!("{base} {number}"));
        let name = if is_taken(&base) {
            names.find(|name| !is_taken(name))
        } else {
            Some(base)
        };
        name.ok_or_else(too_many)
    }

    /// All accounts of one owner for a connector.
    pub(in crate::accounts) async fn accounts_of(
        &self,
        connector: &Connector,
        owner: AccountOwner,
    ) -> Result<Vec<Account>, Error> {
        let most = u32::try_from(domain::limits::ACCOUNTS_PER_OWNER).unwrap_or(u32::MAX);
        let rows = self.storage().tenant(connector.tenant);
        let accounts = rows
            .list_accounts(connector.id, Some(owner), None, most)
            .await;
        accounts.map_err(Error::storage("list accounts"))
    }
}

pub(in crate::accounts) fn too_many() -> Error {
    let most = domain::limits::ACCOUNTS_PER_OWNER;
    Error::LimitReached(format!(
        "there may be {most} accounts of one owner for a connector at most: disconnect one first"
    ))
}

/// A name as names of accounts are: one line, with room for a number.
fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let visible = words.chars().filter(|c| !c.is_control());
    let cut: String = visible.take(domain::limits::NAME_MAX_LENGTH - 4).collect();
    let cut = cut.trim();
    match cut {
        "" => "account".to_owned(),
        cut => cut.to_owned(),
    }
}
