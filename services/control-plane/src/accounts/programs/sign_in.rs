//! A program's first tokens.

use std::collections::BTreeMap;

use catalog::Connector as Manifest;
use domain::{AccountMethod, AccountSecrets, Connector, ConnectorKind};
use oauth::{ClientSettings, Deadline, Grant, Program, TokenError};
use time::OffsetDateTime;
use url::Url;

use super::SignInInput;
use super::place::{Place, apart, takes_none, way};
use crate::accounts::due::refresh_at;
use crate::accounts::provider::host_of;
use crate::error::Error;
use crate::fields::Violations;
use crate::operations::Operations;

/// The variable of a manifest that says where a provider's API is that somebody runs for
/// themselves.
const API: &str = "api";

/// What comes of a sign-in, to be stored.
pub(in crate::accounts) struct SignedIn {
    pub(in crate::accounts) method: AccountMethod,
    pub(in crate::accounts) secrets: AccountSecrets,
    pub(in crate::accounts) subject: Option<String>,
    pub(in crate::accounts) scopes: Vec<String>,
    /// Of the connector's base URL.
    pub(in crate::accounts) variables: BTreeMap<String, String>,
    pub(in crate::accounts) expires_at: Option<OffsetDateTime>,
    pub(in crate::accounts) refresh_at: Option<OffsetDateTime>,
}

impl SignedIn {
    /// What somebody pasted, and nothing is known of.
    pub(in crate::accounts) fn pasted(token: String, variables: BTreeMap<String, String>) -> Self {
        Self {
            method: AccountMethod::Token,
            secrets: AccountSecrets {
                access_token: Some(token),
                ..AccountSecrets::default()
            },
            subject: None,
            scopes: Vec::new(),
            variables,
            expires_at: None,
            refresh_at: None,
        }
    }
}

impl Operations {
    /// Has a program sign in for a connector with what an administrator gave it. `variables` are
    /// those of the provider's addresses and of the connector's.
    ///
    /// # Errors
    /// `Invalid` for what is not as it must be, and for what the provider does not take: the text
    /// says why, in the provider's words, and repeats no secret. `ProviderFailed` when it does not
    /// answer as it should.
    pub(in crate::accounts) async fn sign_program_in(
        &self,
        connector: &Connector,
        input: &SignInInput,
        variables: BTreeMap<String, String>,
    ) -> Result<SignedIn, Error> {
        let deadline = Deadline::after(self.config().oauth.exchange_deadline);
        let Some(method) = input.method() else {
            let rule = "must be client_credentials, jwt_bearer, account_credentials or \
                        app_installation";
            return Err(Error::invalid("sign_in.kind", rule));
        };
        let (grant, settings, variables) = match &connector.kind {
            ConnectorKind::Native { catalog, base_url } => {
                let manifest = self.catalog().manifest(catalog);
                let manifest = manifest.ok_or_else(|| takes_none(connector, method))?;
                of_manifest(&manifest, base_url.as_ref(), input, method, variables)
                    .map_err(|refused| refused.unwrap_or_else(|| takes_none(connector, method)))?
            }
            ConnectorKind::RemoteMcp { url } if method == AccountMethod::ClientCredentials => {
                let grant = checked(input, method, None)?;
                let found = self.tokens().discover(url, deadline).await;
                let found = found.map_err(|error| {
                    let name = &connector.display_name;
                    let why = format!("where a program signs in for {name} is not known: {error}");
                    Error::TakesNoAccounts(why)
                })?;
                let settings = ClientSettings {
                    server: Some(found),
                    ..ClientSettings::default()
                };
                (grant, settings, variables)
            }
            ConnectorKind::RemoteMcp { .. } | ConnectorKind::HostedMcp { .. } => {
                return Err(takes_none(connector, method));
            }
        };
        let program = Program {
            grant,
            settings,
            scopes: input.scopes.clone(),
        };
        let Place { endpoints, needed } = self.place_of(connector, &program).await?;
        let minted = self
            .tokens()
            .mint(&endpoints, &program, &needed, deadline)
            .await;
        let tokens = minted.map_err(refusal)?;
        let written = program.written();
        let written = written.map_err(|error| Error::internal("write a program down", error))?;
        let now = self.now();
        Ok(SignedIn {
            method,
            secrets: AccountSecrets {
                program: Some(written),
                ..tokens.secrets
            },
            subject: Some(program.subject()),
            scopes: tokens.scopes,
            variables,
            expires_at: tokens.expires_in.map(|lasts| now + lasts),
            refresh_at: refresh_at(now, tokens.expires_in, true, self.ids()),
        })
    }
}

type Said = (Grant, ClientSettings, BTreeMap<String, String>);

/// What is said for a provider that a manifest describes. No error: it has no such sign-in.
fn of_manifest(
    manifest: &Manifest,
    base_url: Option<&Url>,
    input: &SignInInput,
    method: AccountMethod,
    variables: BTreeMap<String, String>,
) -> Result<Said, Option<Error>> {
    let oauth2 = manifest.auth.oauth2.as_ref().ok_or(None)?;
    let way = way(&manifest.auth.methods, method).ok_or(None)?;
    let (mut own, of_connector) = apart(variables, &manifest.base_url_variables);
    let grant = checked(input, method, Some(oauth2))?;
    let mut violations = Violations::default();
    for name in way.needs.iter().filter(|name| !own.contains_key(*name)) {
        let rule = format!("must say {name}, for {}", oauth2.token_url);
        violations.add("variables", rule);
    }
    // Tokens are asked for where calls go: at a provider's own address, or the connector's.
    if oauth2.url_variables.contains_key(API)
        && way.token_url.is_some()
        && let Some(base_url) = base_url
    {
        let api = api_of(base_url);
        let api = own.entry(API.to_owned()).or_insert(api);
        let (said, goes) = (host_of(&format!("https://{api}")), base_url.host());
        if said != goes.map(|host| host.to_string()) {
            let rule = format!("{API} must be where the connector's calls go, {base_url}");
            violations.add("variables", rule);
        }
    }
    violations.finish()?;
    let settings = ClientSettings {
        variables: own,
        ..ClientSettings::default()
    };
    Ok((grant, settings, of_connector))
}

fn checked(
    input: &SignInInput,
    method: AccountMethod,
    oauth2: Option<&catalog::OAuth2>,
) -> Result<Grant, Error> {
    let mut violations = Violations::default();
    let grant = input.grant(method, oauth2, &mut violations);
    violations.finish()?;
    grant.ok_or_else(|| Error::invalid("sign_in", "is not complete"))
}

/// A base URL as a variable in an address has it.
fn api_of(base_url: &Url) -> String {
    let text = base_url.as_str().trim_end_matches('/');
    let bare = text.split_once("://").map_or(text, |(_, bare)| bare);
    bare.to_owned()
}

/// Why there is no token, to whoever said how to get one.
fn refusal(error: TokenError) -> Error {
    match error {
        TokenError::InvalidGrant { description } => Error::invalid(
            "sign_in",
            format!("is not taken by the provider: {description}"),
        ),
        TokenError::Refused { code, description } => {
            let rule = format!("is refused by the provider ({code}): {description}");
            Error::invalid("sign_in", rule)
        }
        other => Error::ProviderFailed(other.to_string()),
    }
}
