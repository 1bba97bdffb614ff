//! What the requests of a call are signed with, and where the manifest says that it goes. It is
//! in clear here and nowhere else, and the field that carries it is marked so that nothing prints
//! it.

use std::sync::{Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use catalog::closed::{AuthKind, AuthPlace, TokenKind, ToolToken};
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
        Url::parse(&connector.address_with(&lease.variables)?).ok()
    }
}

/// What a tool's requests are signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Whose token, where the provider tells them apart and the tool takes but one kind.
    pub(crate) kind: Option<TokenKind>,
}

impl Wanted {
    /// None for tools that send no credential.
    pub(super) fn of(connector: &Connector, tool: &Tool) -> Option<Self> {
        let kind = match tool.token {
            Some(ToolToken::None) => return None,
            Some(ToolToken::Bot) => Some(TokenKind::Bot),
            Some(ToolToken::User) => Some(TokenKind::User),
            None => None,
        };
        Some(Self {
            kind: kind.filter(|_| connector.auth.tells_apart()),
        })
    }
}

impl Call<'_> {
    /// Whether the tool wants the user's token of a provider that gives a bot's and a user's.
    pub(super) fn needs_user_token(&self) -> bool {
        self.tool.token == Some(ToolToken::User) && self.connector.auth.gives_both()
    }

    /// Puts the credential where the manifest says.
    pub(super) fn sign(&self, draft: &mut Draft, signature: &Signature) -> Result<(), Sent> {
        let Some(Wanted { kind }) = Wanted::of(self.connector, self.tool) else {
            return Ok(());
        };
        let token = match signature {
            Signature::Own => self.signed.own_token(),
            Signature::Given(token) => Some(token.expose_secret()),
            Signature::Account(lease) => self.token_of(lease),
        };
        let Some(token) = token.map(str::trim).filter(|token| !token.is_empty()) else {
            return Err(Sent::before(Trouble::NoCredential));
        };
        let auth = &self.connector.auth;
        let path = draft.path.as_str();
        let method = match signature {
            Signature::Own => auth.pasted(path, token, kind),
            Signature::Given(_) => auth.brought(path, token, kind),
            Signature::Account(lease) => match AuthKind::of_account(lease.method) {
                Some(account) => auth.of_account(account, path),
                None => auth.pasted(path, token, kind),
            },
        };
        // Nothing goes out without a credential, and none in the place of another.
        let Some(method) = method else {
            return Err(Sent::before(Trouble::NoCredential));
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
