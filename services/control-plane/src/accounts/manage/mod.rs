//! Accounts as their owners and administrators manage them.

use std::collections::BTreeMap;

use domain::{
    Account, AccountId, AccountOwner, AccountState, Action, Connector, ConnectorKind, KeyId,
    Principal, Tenant, authorize,
};
use http::HeaderValue;
use storage::{Constraint, NewAccount, StorageError};

use super::connect::too_many;
use super::programs::{SignInInput, SignedIn};
use crate::error::{Error, Resource};
use crate::fields::Violations;
use crate::operations::Operations;
use crate::page::{Page, PageRequest};

mod address;
pub(crate) mod api;
mod view;

pub use view::{AccountPatch, AccountView, DisconnectedView, NewAccountInput};

/// Bytes of a pasted token, or of a user name or password.
const TOKEN_MAX_LENGTH: usize = 16 * 1024;
/// Variables of an account, and bytes of one.
const VARIABLES_MAX: usize = 8;
const VARIABLE_MAX_LENGTH: usize = 200;

impl Operations {
    /// Accounts for a connector: of one owner, or all that `caller` may manage.
    pub async fn list_accounts(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        key: Option<&str>,
        request: &PageRequest,
    ) -> Result<Page<AccountView>, Error> {
        let (tenant, connector) = self
            .connector_for(caller, tenant, connector, Action::UseTools)
            .await?;
        let is_admin = authorize(caller, Action::ManageTenant(tenant.id)).is_ok();
        let key = match key {
            None => None,
            Some(id) => Some(
                id.parse::<KeyId>()
                    .map_err(|_| Error::invalid("key", "must be the id of a key"))?,
            ),
        };
        let owner = match (is_admin, key) {
            (true, key) => key.map(AccountOwner::Key),
            (false, Some(key)) if key != caller.key => return Err(Error::Forbidden),
            (false, _) => Some(AccountOwner::Key(caller.key)),
        };
        let list = format!("accounts/{}", connector.id);
        let after = request.after_id(&list)?;
        let rows = self.storage().tenant(tenant.id);
        let accounts = rows
            .list_accounts(connector.id, owner, after, request.limit()?)
            .await;
        let accounts = accounts.map_err(Error::storage("list accounts"))?;
        let page = request.page(&list, accounts, |account| account.id.to_string())?;
        Ok(page.map(|account| AccountView::new(&connector, account)))
    }

    pub async fn get_account(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        id: &str,
    ) -> Result<AccountView, Error> {
        let (_, connector, account) = self.managed_account(caller, tenant, connector, id).await?;
        Ok(AccountView::new(&connector, account))
    }

    /// Makes an account of a token, or of a user name and a password, that somebody pasted, or of
    /// what a program signs in with.
    pub async fn create_account(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        input: NewAccountInput,
    ) -> Result<AccountView, Error> {
        let (tenant, connector) = self
            .connector_for(caller, tenant, connector, Action::UseTools)
            .await?;
        let owner = self.owner_for(caller, &tenant, input.key).await?;
        if let ConnectorKind::HostedMcp { .. } = connector.kind {
            let why = "a hosted MCP server has its own environment";
            return Err(Error::TakesNoAccounts(why.to_owned()));
        }
        let is_programs_own = input.sign_in.is_some();
        if is_programs_own {
            authorize(caller, Action::ManageTenant(tenant.id))?;
        }
        let mut violations = Violations::default();
        violations.name("name", &input.name);
        check_variables(&input.variables, &mut violations);
        if !is_programs_own {
            address::check(
                self.catalog(),
                &connector,
                &input.variables,
                &mut violations,
            );
        }
        let token = pasted(&input, &mut violations);
        violations.finish()?;
        let NewAccountInput {
            name,
            sign_in,
            preferred,
            variables,
            ..
        } = input;
        let given = match (sign_in, token) {
            (Some(sign_in), _) => {
                self.sign_program_in(&connector, &sign_in, variables)
                    .await?
            }
            (None, Some(token)) => SignedIn::pasted(token, variables),
            (None, None) => return Err(Error::invalid("token", "is missing")),
        };
        let now = self.now();
        let account = Account {
            id: AccountId::new(self.ids().next()),
            tenant: tenant.id,
            connector: connector.id,
            owner,
            name,
            method: given.method,
            state: AccountState::Connected,
            preferred: preferred.unwrap_or(true),
            subject: given.subject,
            scopes: given.scopes,
            variables: given.variables,
            generation: 0,
            expires_at: given.expires_at,
            problem: None,
            created_at: now,
            updated_at: now,
            refreshed_at: None,
        };
        let new = NewAccount {
            account,
            secrets: given.secrets,
            oauth_client: None,
            refresh_at: given.refresh_at,
        };
        self.store_made(tenant, &connector, new).await
    }

    /// Gives an account another name, has its owner's calls made with it, or replaces what its
    /// program signs in with.
    pub async fn update_account(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        id: &str,
        change: AccountPatch,
    ) -> Result<AccountView, Error> {
        let (tenant, connector, account) =
            self.managed_account(caller, tenant, connector, id).await?;
        if change.sign_in.is_some() {
            authorize(caller, Action::ManageTenant(tenant.id))?;
        }
        let mut violations = Violations::default();
        check_again(&change, &account, &mut violations);
        let name = change.name.map(Option::unwrap_or_default);
        if let Some(name) = &name {
            violations.name("name", name);
        }
        // Of several accounts one is always preferred: another takes that over.
        let prefer = change.preferred.map(Option::unwrap_or_default);
        if prefer == Some(false) && account.preferred {
            violations.add(
                "preferred",
                "may only be true: prefer another account instead",
            );
        }
        violations.finish()?;
        let prefer = prefer == Some(true);
        if let Some(sign_in) = change.sign_in {
            let account = Account {
                name: name.unwrap_or(account.name),
                preferred: prefer || account.preferred,
                ..account
            };
            let said = (&sign_in, change.variables);
            return self.sign_in_anew(tenant, &connector, account, said).await;
        }
        if name.as_ref().is_none_or(|name| *name == account.name) && (!prefer || account.preferred)
        {
            return Ok(AccountView::new(&connector, account));
        }
        let (this, at) = (self.clone(), self.now());
        let changed = self.uninterrupted(async move {
            let rows = this.storage().tenant(tenant.id);
            let changed = rows
                .change_account(account.id, name.as_deref(), prefer, at)
                .await
                .map_err(|error| match error {
                    StorageError::NotFound => Error::NotFound(Resource::Account),
                    StorageError::Conflict(Constraint::NameTaken) => Error::NameTaken,
                    error => Error::storage("change an account")(error),
                })?;
            this.tenant_changed(&tenant, changed.revision);
            Ok(changed.account)
        });
        Ok(AccountView::new(&connector, changed.await?))
    }

    /// Stores that a program signs in with something else. Without variables those from before
    /// stay.
    async fn sign_in_anew(
        &self,
        tenant: Tenant,
        connector: &Connector,
        account: Account,
        (sign_in, mut variables): (&SignInInput, BTreeMap<String, String>),
    ) -> Result<AccountView, Error> {
        if variables.is_empty() {
            variables = self.said_of_program(&account).await?;
        }
        let given = self.sign_program_in(connector, sign_in, variables).await?;
        let account = Account {
            method: given.method,
            subject: given.subject,
            scopes: given.scopes,
            variables: given.variables,
            expires_at: given.expires_at,
            updated_at: self.now(),
            ..account
        };
        let new = NewAccount {
            account,
            secrets: given.secrets,
            oauth_client: None,
            refresh_at: given.refresh_at,
        };
        self.store_made(tenant, connector, new).await
    }

    async fn store_made(
        &self,
        tenant: Tenant,
        connector: &Connector,
        new: NewAccount,
    ) -> Result<AccountView, Error> {
        let this = self.clone();
        let stored = self.uninterrupted(async move {
            let rows = this.storage().tenant(tenant.id);
            let stored = rows
                .connect_account(&new, None)
                .await
                .map_err(creation_error)?;
            this.tenant_changed(&tenant, stored.revision);
            Ok(stored.account)
        });
        Ok(AccountView::new(connector, stored.await?))
    }

    /// Ends an account: here at once and in any case, and then at its provider, if that answers in
    /// time.
    pub async fn disconnect_account(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        id: &str,
    ) -> Result<DisconnectedView, Error> {
        let (tenant, _, account) = self.managed_account(caller, tenant, connector, id).await?;
        let this = self.clone();
        self.uninterrupted(async move {
            let rows = this.storage().tenant(tenant.id);
            let (revision, held) = match rows.delete_account(account.id).await {
                Ok(deleted) => deleted,
                Err(StorageError::NotFound) => return Err(Error::NotFound(Resource::Account)),
                Err(error) => return Err(Error::storage("disconnect an account")(error)),
            };
            this.tenant_changed(&tenant, revision);
            let given = this.given_back(&tenant, held).await;
            let provider = this.revoke(given).await;
            Ok(DisconnectedView {
                id: account.id.as_uuid(),
                provider: provider.as_str().to_owned(),
            })
        })
        .await
    }

    /// Ends the accounts of a key that was revoked, and tells their providers afterwards.
    pub(crate) async fn end_accounts_of_key(&self, tenant: &Tenant, key: KeyId) {
        let rows = self.storage().tenant(tenant.id);
        match rows.delete_accounts_of_key(key).await {
            Ok((revision, held)) => {
                if let Some(revision) = revision {
                    self.tenant_changed(tenant, revision);
                }
                self.revoke_in_background(tenant, held).await;
            }
            // They are looked for again: nobody can use them, the key is revoked.
            Err(error) => tracing::warn!(key.id = %key, "cannot end its accounts yet: {error}"),
        }
    }

    /// The account, if `caller` may manage it: its own key's, or any for an administrator.
    async fn managed_account(
        &self,
        caller: &Principal,
        tenant: &str,
        connector: &str,
        id: &str,
    ) -> Result<(Tenant, Connector, Account), Error> {
        let (tenant, connector) = self
            .connector_for(caller, tenant, connector, Action::UseTools)
            .await?;
        let missing = || Error::NotFound(Resource::Account);
        let id = id.parse().map_err(|_| missing())?;
        let account = self.account_of(&connector, id).await?;
        let is_admin = authorize(caller, Action::ManageTenant(tenant.id)).is_ok();
        if !is_admin && account.owner != AccountOwner::Key(caller.key) {
            return Err(missing());
        }
        Ok((tenant, connector, account))
    }

    /// An account of a connector.
    pub(super) async fn account_of(
        &self,
        connector: &Connector,
        id: AccountId,
    ) -> Result<Account, Error> {
        let found = self
            .storage()
            .tenant(connector.tenant)
            .find_account(id)
            .await;
        let found = found.map_err(Error::storage("find an account"))?;
        found
            .filter(|account| account.connector == connector.id)
            .ok_or(Error::NotFound(Resource::Account))
    }
}

/// What is stored of a pasted credential: a token, or a pair as `username:password`; nothing where
/// a program signs in.
fn pasted(input: &NewAccountInput, violations: &mut Violations) -> Option<String> {
    let check = |field: &str, text: &str, violations: &mut Violations| {
        let sendable = HeaderValue::from_str(text).is_ok() && !text.trim().is_empty();
        if !sendable || text.len() > TOKEN_MAX_LENGTH {
            violations.add(field, "must be one line of visible characters");
        }
    };
    let is_programs_own = input.sign_in.is_some();
    match (&input.token, &input.username, &input.password) {
        (None, None, None) if is_programs_own => None,
        (Some(token), None, None) if !is_programs_own => {
            check("token", token, violations);
            Some(token.clone())
        }
        (None, Some(username), Some(password)) if !is_programs_own => {
            check("username", username, violations);
            check("password", password, violations);
            if username.contains(':') {
                violations.add("username", "may not hold a colon");
            }
            Some(format!("{username}:{password}"))
        }
        _ => {
            let rule = "must be given, or else username and password, or sign_in: one of the three";
            violations.add("token", rule);
            None
        }
    }
}

/// What replaces a program's sign-in is of the same kind.
fn check_again(change: &AccountPatch, account: &Account, violations: &mut Violations) {
    check_variables(&change.variables, violations);
    match &change.sign_in {
        Some(_) if !account.method.is_programs_own() => {
            violations.add("sign_in", "is for accounts of programs alone");
        }
        Some(sign_in) if sign_in.kind != account.method.as_str() => {
            let rule = format!("must be {}, as before", account.method.as_str());
            violations.add("sign_in.kind", rule);
        }
        None if !change.variables.is_empty() => {
            violations.add("variables", "may only be given with sign_in");
        }
        _ => {}
    }
}

fn check_variables(variables: &BTreeMap<String, String>, violations: &mut Violations) {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_plain = |text: &String| {
        (1..=VARIABLE_MAX_LENGTH).contains(&text.len())
            && text.bytes().all(fits)
            && !text.starts_with('.')
    };
    let all = variables
        .iter()
        .all(|(name, value)| is_plain(name) && is_plain(value));
    if variables.len() > VARIABLES_MAX || !all {
        let rule = format!(
            "must be {VARIABLES_MAX} names and values at most, of letters, digits, . _ and -"
        );
        violations.add("variables", rule);
    }
}

fn creation_error(error: StorageError) -> Error {
    match error {
        StorageError::Conflict(Constraint::NameTaken) => Error::NameTaken,
        StorageError::Conflict(Constraint::LimitReached) => too_many(),
        // It was deleted, or the key revoked, meanwhile.
        StorageError::NotFound => Error::NotFound(Resource::Connector),
        error => Error::storage("store an account")(error),
    }
}
