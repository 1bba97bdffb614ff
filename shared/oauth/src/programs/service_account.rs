//! The key file of a service account, as Google's console gives it.

use serde_json::{Map, Value};

use super::grant::PemKey;
use crate::{KeyError, SigningAlgorithm};

/// Bytes of such a file: some 2,400 in fact.
const FILE_MAX: usize = 32 * 1024;

/// What such a file says, as far as signing in needs it.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    pub email: String,
    pub key: PemKey,
}

/// Why a file is none: a rule to follow its name with. Says nothing of what it holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceAccountError {
    #[error("must be the JSON key file of a service account, whole and unchanged")]
    NoJson,
    #[error(
        "must be the key file of a service account (`\"type\": \"service_account\"`), and is of \
         another kind"
    )]
    Kind,
    #[error("must have the member {0}, as the file that was downloaded has")]
    Member(&'static str),
    /// A file that sends its signature to somebody else.
    #[error("must have {0} as its token_uri, or none")]
    TokenUri(String),
    #[error("has a private_key which {0}")]
    Key(KeyError),
    #[error("has a private_key that is no RSA key")]
    Algorithm,
}

impl std::fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceAccount")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

impl ServiceAccount {
    /// Reads a key file. `token_url` is where its assertions may go: the file does not say where.
    pub fn of_file(text: &str, token_url: &str) -> Result<Self, ServiceAccountError> {
        let file = Some(text).filter(|text| text.len() <= FILE_MAX);
        let file = file.and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
        let file = file.ok_or(ServiceAccountError::NoJson)?;
        let member = |name: &str| {
            let text = file.get(name)?.as_str()?;
            Some(text).filter(|text| !text.is_empty())
        };
        if member("type").is_some_and(|kind| kind != "service_account") {
            return Err(ServiceAccountError::Kind);
        }
        let needed = |name: &'static str| member(name).ok_or(ServiceAccountError::Member(name));
        let (email, pem) = (needed("client_email")?, needed("private_key")?);
        needed("type")?;
        if email.len() > 320 || email.chars().any(char::is_control) {
            return Err(ServiceAccountError::Member("client_email"));
        }
        if member("token_uri").is_some_and(|uri| uri != token_url) {
            return Err(ServiceAccountError::TokenUri(token_url.to_owned()));
        }
        let key = PemKey {
            pem: pem.to_owned(),
            key_id: member("private_key_id").map(str::to_owned),
        };
        let parsed = key.parsed().map_err(ServiceAccountError::Key)?;
        if parsed.algorithm() != SigningAlgorithm::Rs256 {
            return Err(ServiceAccountError::Algorithm);
        }
        Ok(Self {
            email: email.to_owned(),
            key,
        })
    }
}
