//! What the requests of a call are signed with, and where the manifest says that it goes. It is
//! in clear here and nowhere else, and the field that carries it is marked so that nothing prints
//! it.

use std::sync::{Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use catalog::closed::{AuthPlace, TokenKind, ToolToken};
use catalog::{AuthMethod, Connector, CredentialPart, Tool};
use domain::AccountMethod;
use fabric::{AccountLease, Lease, Outcome};
use http::{HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};
use url::Url;

use super::call::Call;
use super::redact::redact;
use super::request::Draft;
use super::trouble::{Sent, Trouble};
use crate::credentials::{Renewal, Signature};

/// A connector, and what a call's requests to its provider are signed with.
pub struct Signed<'a> {
    pub(super) lease: &'a Lease,
    /// The last is the one in use; those before it the provider refused. None of them is ever told.
    signatures: Mutex<Vec<Signature>>,
    pub(super) renewal: Option<Renewal<'a>>,
}

impl std::fmt::Debug for Signed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signed(..)")
    }
}

impl<'a> Signed<'a> {
    /// With the connector's own secret.
    pub fn own(lease: &'a Lease) -> Self {
        Self::new(lease, Signature::Own, None)
    }

    pub(crate) fn new(
        lease: &'a Lease,
        signature: Signature,
        renewal: Option<Renewal<'a>>,
    ) -> Self {
        Self {
            lease,
            signatures: Mutex::new(vec![signature]),
            renewal,
        }
    }

    /// What is signed with now.
    pub(super) fn signature(&self) -> Signature {
        let signatures = self.signatures();
        signatures.last().cloned().unwrap_or(Signature::Own)
    }

    /// From now on with this.
    pub(super) fn take(&self, signature: Signature) {
        self.signatures().push(signature);
    }

    fn signatures(&self) -> MutexGuard<'_, Vec<Signature>> {
        self.signatures.lock().expect("no panic while held")
    }

    fn own_token(&self) -> Option<&str> {
        self.lease.secrets.expose_secret().0.token.as_deref()
    }

    /// Takes every secret out of what is told of the call.
    pub(super) fn redact(&self, mut outcome: Outcome) -> Outcome {
        for signature in &*self.signatures() {
            outcome = match signature {
                Signature::Own => redact(outcome, self.own_token()),
                Signature::Given(token) => redact(outcome, Some(token.expose_secret())),
                Signature::Account(lease) => {
                    let user = lease.user_token.as_ref().map(ExposeSecret::expose_secret);
                    let outcome = redact(outcome, Some(lease.access_token.expose_secret()));
                    redact(outcome, user)
                }
            };
        }
        outcome
    }

    /// The base URL that the account's connection makes, where the connector's has variables.
    pub(super) fn base_url(&self, connector: &Connector) -> Option<Url> {
        let Signature::Account(lease) = self.signature() else {
            return None;
        };
        if connector.base_url_variables.is_empty() {
            return None;
        }
        let alternatives = connector.base_url_alternatives.values();
        let mut templates = std::iter::once(&connector.base_url).chain(alternatives);
        templates.find_map(|template| filled(template, &lease))
    }
}

/// Whether an account can be what a tool's requests are signed with.
pub(super) fn takes_account(connector: &Connector, tool: &Tool) -> bool {
    let methods = &connector.auth.methods;
    let connected = methods
        .iter()
        .find(|method| method.kind == catalog::closed::AuthKind::OAuth2Code);
    match tool.token {
        Some(ToolToken::None) => false,
        // A person's account is no bot.
        Some(ToolToken::Bot) => {
            connected.is_some_and(|method| method.token_kind != Some(TokenKind::User))
        }
        Some(ToolToken::User) | None => connected.is_some(),
    }
}

/// `template` with the account's variables, if it says all of them.
fn filled(template: &str, lease: &AccountLease) -> Option<Url> {
    let (mut url, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        url.push_str(before);
        url.push_str(
            lease
                .variables
                .get(name)
                .filter(|value| is_plain(value))
                .map(String::as_str)?,
        );
        rest = after;
    }
    url.push_str(rest);
    Url::parse(&url).ok()
}

/// Whether a value stays within its place in a host or a path.
fn is_plain(value: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !value.is_empty()
        && value.bytes().all(plain)
        && !value.starts_with('.')
        && !value.contains("..")
}

impl Call<'_> {
    /// Whether the tool wants the user's token of a provider that gives a bot's and a user's.
    pub(super) fn needs_user_token(&self) -> bool {
        let oauth = self.connector.auth.oauth2.as_ref();
        let gives_both = oauth.is_some_and(|oauth| oauth.scope_params.contains_key("user"));
        self.tool.token == Some(ToolToken::User) && gives_both
    }

    /// Puts the credential where the manifest says.
    pub(super) fn sign(&self, draft: &mut Draft, signature: &Signature) -> Result<(), Sent> {
        if self.tool.token == Some(ToolToken::None) {
            return Ok(());
        }
        let token = match signature {
            Signature::Own => self.signed.own_token(),
            Signature::Given(token) => Some(token.expose_secret()),
            Signature::Account(lease) => self.token_of(lease),
        };
        let Some(token) = token.map(str::trim).filter(|token| !token.is_empty()) else {
            return Err(Sent::before(Trouble::NoCredential));
        };
        let auth = &self.connector.auth;
        let method = match signature {
            Signature::Account(lease) if lease.method == AccountMethod::OAuth => {
                auth.connected(&draft.path)
            }
            _ => auth.pasted(&draft.path, token.contains(':')),
        };
        let Some(method) = method else {
            return Ok(());
        };
        let credential = credential(method, token);
        match method.place {
            AuthPlace::Header => {
                let name = HeaderName::try_from(method.name.as_str());
                let value = HeaderValue::try_from(credential);
                let (Ok(name), Ok(mut value)) = (name, value) else {
                    return Err(Sent::before(Trouble::BadCredential));
                };
                value.set_sensitive(true);
                draft.headers.insert(name, value);
            }
            AuthPlace::Body => {
                let body = draft.body.get_or_insert_with(|| Value::Object(Map::new()));
                if let Some(members) = body.as_object_mut() {
                    members.insert(method.name.clone(), Value::from(credential));
                }
            }
        }
        Ok(())
    }

    fn token_of<'l>(&self, lease: &'l AccountLease) -> Option<&'l str> {
        let user = lease.user_token.as_ref().map(ExposeSecret::expose_secret);
        let own = lease.access_token.expose_secret();
        match self.needs_user_token() && lease.method == AccountMethod::OAuth {
            true => user,
            // A grant without a bot has the user's alone.
            false => Some(own).filter(|own| !own.is_empty()).or(user),
        }
    }

    /// Whether an account lacks the kind of token that the tool needs.
    pub(super) fn lacks_user_token(&self, lease: &AccountLease) -> bool {
        self.needs_user_token() && self.token_of(lease).is_none()
    }
}

fn credential(method: &AuthMethod, token: &str) -> String {
    let parts = method.format.iter().map(|part| match part {
        CredentialPart::Text(text) => text.clone(),
        CredentialPart::Token => token.to_owned(),
        // A key that is all there is stands as the user name of an empty password.
        CredentialPart::Pair if method.password.as_deref() == Some("") => {
            STANDARD.encode(format!("{}:", token.trim_end_matches(':')))
        }
        CredentialPart::Pair => STANDARD.encode(token),
    });
    parts.collect()
}
