//! Where a program asks for its tokens, and what for.

use std::collections::BTreeMap;

use catalog::AuthMethod;
use catalog::closed::AuthKind;
use domain::{Account, AccountMethod, Connector, ConnectorKind, TenantId};
use oauth::{Endpoints, EndpointsError, Program};
use storage::HeldAccount;

use crate::accounts::scopes::wanted;
use crate::error::{Error, Resource};
use crate::operations::Operations;

/// Scopes that say who a person is, and keep them signed in: nothing for a program.
const OF_PERSONS: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// Where a program asks.
pub(crate) struct Place {
    pub(crate) endpoints: Endpoints,
    /// What it asks for unless it says so itself, in the provider's words.
    pub(crate) needed: Vec<String>,
}

/// An account's program, and where it asks.
pub(crate) struct Placed {
    pub(crate) program: Program,
    pub(crate) place: Place,
}

impl Operations {
    /// Where the tokens of a program's account come from; none for one of a person's.
    ///
    /// # Errors
    /// `TakesNoAccounts` when its connector has no such sign-in any more.
    pub(crate) async fn program_of(
        &self,
        tenant: TenantId,
        held: &HeldAccount,
    ) -> Result<Option<Placed>, Error> {
        let Some(program) = &held.secrets.program else {
            return Ok(None);
        };
        let program = Program::read(program);
        let program = program.map_err(|error| Error::internal("read a program", error))?;
        let rows = self.storage().tenant(tenant);
        let connector = rows.find_connector_by_id(held.account.connector).await;
        let connector = connector.map_err(Error::storage("find a connector"))?;
        let connector = connector.ok_or_else(|| Error::TakesNoAccounts("it is gone".to_owned()))?;
        let place = self.place_of(&connector, &program).await?;
        Ok(Some(Placed { program, place }))
    }

    /// The variables that were said of a program when its account was made.
    pub(in crate::accounts) async fn said_of_program(
        &self,
        account: &Account,
    ) -> Result<BTreeMap<String, String>, Error> {
        let rows = self.storage().tenant(account.tenant);
        let held = rows.held_account(account.id).await;
        let held = held.map_err(Error::storage("read an account"))?;
        let held = held.ok_or(Error::NotFound(Resource::Account))?;
        let program = held.secrets.program.as_deref().map(Program::read);
        let program = program.transpose();
        let program = program.map_err(|error| Error::internal("read a program", error))?;
        let mut variables = account.variables.clone();
        variables.extend(
            program
                .into_iter()
                .flat_map(|program| program.settings.variables),
        );
        Ok(variables)
    }

    /// Where a program asks for tokens for a connector.
    ///
    /// # Errors
    /// `TakesNoAccounts` when the connector has no such sign-in, `Invalid` for variables that the
    /// provider has not.
    pub(super) async fn place_of(
        &self,
        connector: &Connector,
        program: &Program,
    ) -> Result<Place, Error> {
        let method = program.grant.method();
        let ConnectorKind::Native { catalog, .. } = &connector.kind else {
            return of_server(program).ok_or_else(|| takes_none(connector, method));
        };
        let manifest = self.catalog().manifest(catalog);
        let manifest = manifest.ok_or_else(|| takes_none(connector, method))?;
        let way = way(&manifest.auth.methods, method);
        let (Some(way), Some(oauth2)) = (way, &manifest.auth.oauth2) else {
            return Err(takes_none(connector, method));
        };
        let origins = self.oauth_origins();
        let endpoints = Endpoints::of_program(oauth2, way.token_url.as_deref(), program, origins);
        let endpoints = endpoints.map_err(|error| match error {
            EndpointsError::Variable { name, rule } => {
                Error::invalid("variables", format!("{name}: {rule}"))
            }
            other => Error::invalid("variables", other.to_string()),
        })?;
        let needed = match (&way.scope, method) {
            (Some(scope), _) => vec![scope.clone()],
            (None, AccountMethod::JwtBearer | AccountMethod::ClientCredentials) => {
                let enabled = self.tools_switched_on(connector).await?;
                let scopes = wanted(&manifest, oauth2, &enabled, &[]).scopes;
                let mut all = [scopes.bot, scopes.user].concat();
                all.retain(|scope| !OF_PERSONS.contains(&scope.as_str()));
                all
            }
            // What they may do is fixed at the provider.
            _ => Vec::new(),
        };
        Ok(Place { endpoints, needed })
    }
}

/// The manifest's way for such accounts.
pub(super) fn way(methods: &[AuthMethod], method: AccountMethod) -> Option<&AuthMethod> {
    let kind = AuthKind::of_account(method)?;
    methods.iter().find(|way| way.kind == kind)
}

pub(super) fn takes_none(connector: &Connector, method: AccountMethod) -> Error {
    Error::TakesNoAccounts(format!(
        "the type {} has no sign-in of the kind {}",
        connector.kind.type_name(),
        method.as_str()
    ))
}

/// For a remote MCP server: at the authorization server that it named when the program was told.
fn of_server(program: &Program) -> Option<Place> {
    let found = program.settings.server.as_ref()?;
    let mut needed = found.scopes(&[], &[]);
    needed.retain(|scope| !OF_PERSONS.contains(&scope.as_str()));
    Some(Place {
        endpoints: Endpoints::of_server(found).ok()?,
        needed,
    })
}

/// `given` apart: what is of the provider's addresses, and what is of the connector's.
pub(super) fn apart(
    given: BTreeMap<String, String>,
    of_connector: &BTreeMap<String, String>,
) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    given
        .into_iter()
        .partition(|(name, _)| !of_connector.contains_key(name))
}
