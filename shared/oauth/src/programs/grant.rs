//! What a program signs in with.

use std::collections::BTreeMap;

use catalog::OAuth2;
use domain::AccountMethod;
use egress::Origins;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::variables::Variables;
use crate::{ClientSettings, Endpoints, EndpointsError, KeyError, OAuthClient, SigningKey};

/// The variable of a manifest's address that says which installation of an app tokens are for.
const INSTALLATION: &str = "installation_id";

/// A program's sign-in at one provider: secret as a whole, and stored as the text that
/// [`Self::written`] gives.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    pub grant: Grant,
    /// Where that is.
    #[serde(default)]
    pub settings: ClientSettings,
    /// What it asks for, in the manifest's words. Empty: what is needed at the time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
}

/// What it has, by what it gets tokens for it with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Grant {
    /// RFC 6749 §4.4.
    ClientCredentials { client_id: String, proof: Proof },
    /// RFC 7523 §2.1, as Google has it.
    JwtBearer {
        issuer: String,
        key: PemKey,
        /// Whom it acts for; nobody but itself without.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
    },
    /// Zoom's, for apps between servers.
    AccountCredentials {
        client_id: String,
        client_secret: String,
        account_id: String,
    },
    /// GitHub's, for apps.
    AppInstallation {
        /// Its client id, or its number.
        app_id: String,
        key: PemKey,
        installation_id: String,
    },
}

/// How a client proves itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    Secret(String),
    Key(PemKey),
}

/// A private key as it was given: see [`SigningKey::of_pem`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PemKey {
    pub pem: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
}

/// What is stored is no program's sign-in. Says nothing of what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what the program signs in with cannot be read")]
pub struct ProgramUnreadable;

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Program")
            .field(&self.grant.method())
            .finish()
    }
}

impl Program {
    /// As it is stored, sealed.
    pub fn written(&self) -> Result<String, ProgramUnreadable> {
        serde_json::to_string(self).map_err(|_| ProgramUnreadable)
    }

    /// # Errors
    /// When it is not what [`Self::written`] gave.
    pub fn read(text: &str) -> Result<Self, ProgramUnreadable> {
        serde_json::from_str(text).map_err(|_| ProgramUnreadable)
    }

    /// Who that is at the provider, for people.
    pub fn subject(&self) -> String {
        match &self.grant {
            Grant::ClientCredentials { client_id, .. } => client_id.clone(),
            Grant::JwtBearer {
                issuer, subject, ..
            } => match subject {
                Some(subject) => format!("{subject} (by {issuer})"),
                None => issuer.clone(),
            },
            Grant::AccountCredentials { account_id, .. } => format!("account {account_id}"),
            Grant::AppInstallation {
                installation_id, ..
            } => format!("installation {installation_id}"),
        }
    }
}

impl Grant {
    pub const fn method(&self) -> AccountMethod {
        match self {
            Self::ClientCredentials { .. } => AccountMethod::ClientCredentials,
            Self::JwtBearer { .. } => AccountMethod::JwtBearer,
            Self::AccountCredentials { .. } => AccountMethod::AccountCredentials,
            Self::AppInstallation { .. } => AccountMethod::AppInstallation,
        }
    }

    /// The client that asks; none where an assertion of its own is all that it shows.
    pub(super) fn client(&self) -> Result<Option<OAuthClient>, KeyError> {
        let (client_id, secret, key) = match self {
            Self::ClientCredentials { client_id, proof } => match proof {
                Proof::Secret(secret) => (client_id, Some(secret), None),
                Proof::Key(key) => (client_id, None, Some(key.parsed()?)),
            },
            Self::AccountCredentials {
                client_id,
                client_secret,
                ..
            } => (client_id, Some(client_secret), None),
            Self::JwtBearer { .. } | Self::AppInstallation { .. } => return Ok(None),
        };
        Ok(Some(OAuthClient {
            client_id: client_id.clone(),
            client_secret: secret.map(|secret| SecretString::from(secret.as_str())),
            key,
            auth: None,
        }))
    }
}

impl PemKey {
    pub fn parsed(&self) -> Result<SigningKey, KeyError> {
        SigningKey::of_pem(&self.pem, self.key_id.clone())
    }
}

impl Endpoints {
    /// Of a provider that its manifest describes, for a program. `token_url` is the place that the
    /// manifest names for its kind of sign-in alone; `{installation_id}` in it is the grant's.
    ///
    /// # Errors
    /// When the manifest's addresses with the program's variables are none.
    pub fn of_program(
        oauth2: &OAuth2,
        token_url: Option<&str>,
        program: &Program,
        origins: &Origins,
    ) -> Result<Self, EndpointsError> {
        let mut endpoints = Self::of_manifest(oauth2, &program.settings, origins)?;
        if let Some(token_url) = token_url {
            let (mut declared, mut chosen) = (
                oauth2.url_variables.clone(),
                program.settings.variables.clone(),
            );
            if let Grant::AppInstallation {
                installation_id, ..
            } = &program.grant
            {
                add(&mut declared, &mut chosen, installation_id);
            }
            let variables = Variables::new(&declared, &chosen)?;
            endpoints.token = origins.reroute(&variables.url(token_url)?);
            endpoints.audience = variables.fill(token_url);
        }
        Ok(endpoints)
    }
}

/// One variable more that the manifest need not declare.
fn add(
    declared: &mut BTreeMap<String, String>,
    chosen: &mut BTreeMap<String, String>,
    installation_id: &str,
) {
    declared.insert(INSTALLATION.to_owned(), String::new());
    chosen.insert(INSTALLATION.to_owned(), installation_id.to_owned());
}
