//! Who we are at a provider.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::{Discovered, SigningKey};

/// What somebody registered at a provider.
#[derive(Clone, Debug)]
pub struct OAuthClient {
    pub client_id: String,
    /// None for a public client. Of one with a key it is never sent.
    pub client_secret: Option<SecretString>,
    /// Of a client that proves itself by signatures.
    pub key: Option<SigningKey>,
    /// How it proves itself, where it was registered for one way; else the first way that the
    /// provider offers and the client can.
    pub auth: Option<ClientAuth>,
}

/// How a client proves itself at the token endpoint, by RFC 6749 §2.3.1, RFC 7523 §2.2 and RFC 7591
/// §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientAuth {
    /// Id and secret in the header `Authorization`.
    #[serde(rename = "client_secret_basic")]
    Basic,
    /// Id and secret in the body.
    #[serde(rename = "client_secret_post")]
    Post,
    /// An assertion in the body, which the client's key signed.
    #[serde(rename = "private_key_jwt")]
    PrivateKeyJwt,
    /// The id alone, in the body: a public client.
    #[serde(rename = "none")]
    None,
}

impl ClientAuth {
    pub(crate) const fn of(word: catalog::closed::ClientAuth) -> Self {
        match word {
            catalog::closed::ClientAuth::SecretBasic => Self::Basic,
            catalog::closed::ClientAuth::SecretPost => Self::Post,
            catalog::closed::ClientAuth::PrivateKeyJwt => Self::PrivateKeyJwt,
        }
    }

    /// Whether that takes a secret.
    pub(crate) const fn wants_secret(self) -> bool {
        matches!(self, Self::Basic | Self::Post)
    }

    /// By its word in a server's metadata.
    pub(crate) fn named(word: &str) -> Option<Self> {
        match word {
            "client_secret_basic" => Some(Self::Basic),
            "client_secret_post" => Some(Self::Post),
            "private_key_jwt" => Some(Self::PrivateKeyJwt),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

/// What a client's registration says besides id and secret. Stored as JSON; nothing secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientSettings {
    /// Values of the manifest's `url_variables`, where they differ from what stands there: a
    /// Microsoft tenant, the host of a provider that one runs oneself.
    pub variables: BTreeMap<String, String>,
    /// The authorization server where it was registered, and for which MCP server. What was
    /// registered there is good nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Discovered>,
    /// How it proves itself, where it was registered for one way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<ClientAuth>,
    /// Where the registration is ended, if it was made by itself; what is needed for that besides
    /// is a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration: Option<url::Url>,
}
