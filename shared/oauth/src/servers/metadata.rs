//! What an authorization server says of itself, and the client's side made of it.

use std::collections::BTreeMap;

use catalog::closed::{Pkce, RevokeSign, RevokeTokens, Rotation, TokenRequest};
use http::Method;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Discovered;
use crate::answer::AnswerRules;
use crate::client::ClientAuth;
use crate::revoke::RevokeRules;
use crate::scopes::ScopeRules;
use crate::{Endpoints, EndpointsError};

/// The part of RFC 8414's metadata that a client needs. Stored with what was registered there, so
/// that a refresh asks nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerMetadata {
    pub issuer: String,
    pub authorization_endpoint: Url,
    pub token_endpoint: Url,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<Url>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<Url>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// Those of RFC 8414 where it does not say.
    #[serde(default = "basic")]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    pub code_challenge_methods_supported: Vec<String>,
    #[serde(default)]
    pub client_id_metadata_document_supported: bool,
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

fn basic() -> Vec<String> {
    vec!["client_secret_basic".to_owned()]
}

impl ServerMetadata {
    /// What a server at the origin of `url` would say that is of before such metadata. It does PKCE:
    /// all such servers must.
    pub(super) fn of_before(url: &Url) -> Option<Self> {
        let at = |path| url.join(path).ok();
        let ways = ["client_secret_basic", "client_secret_post", "none"];
        Some(Self {
            issuer: url.origin().ascii_serialization(),
            authorization_endpoint: at("/authorize")?,
            token_endpoint: at("/token")?,
            revocation_endpoint: None,
            registration_endpoint: at("/register"),
            scopes_supported: Vec::new(),
            token_endpoint_auth_methods_supported: ways.map(str::to_owned).to_vec(),
            code_challenge_methods_supported: vec!["S256".to_owned()],
            client_id_metadata_document_supported: false,
            authorization_response_iss_parameter_supported: false,
        })
    }

    /// Each address that it names.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &Url> {
        let optional = [&self.revocation_endpoint, &self.registration_endpoint];
        [&self.authorization_endpoint, &self.token_endpoint]
            .into_iter()
            .chain(optional.into_iter().flatten())
    }

    pub(crate) fn does_s256(&self) -> bool {
        let methods = &self.code_challenge_methods_supported;
        methods.iter().any(|method| method == "S256")
    }

    /// The ways of client authentication that both sides know, in the server's order.
    pub(crate) fn client_auth(&self) -> Vec<ClientAuth> {
        let words = self.token_endpoint_auth_methods_supported.iter();
        words.filter_map(|word| ClientAuth::named(word)).collect()
    }
}

impl Endpoints {
    /// Of the authorization server of an MCP server, for tokens that are for that one alone.
    ///
    /// # Errors
    /// When it takes no way of client authentication that we know, or does no PKCE.
    pub fn of_server(found: &Discovered) -> Result<Self, EndpointsError> {
        let Discovered {
            resource, server, ..
        } = found;
        let client_auth = server.client_auth();
        if client_auth.is_empty() {
            return Err(EndpointsError::ClientAuth);
        }
        if !server.does_s256() {
            return Err(EndpointsError::Pkce);
        }
        let revoke = server.revocation_endpoint.as_ref().map(|url| RevokeRules {
            url: url.to_string(),
            method: Method::POST,
            sign: RevokeSign::Client,
            body: TokenRequest::Form,
            field: "token".to_owned(),
            tokens: RevokeTokens::All,
        });
        Ok(Self {
            authorize: server.authorization_endpoint.clone(),
            token: server.token_endpoint.clone(),
            issuer: Some(server.issuer.clone()),
            names_itself: server.authorization_response_iss_parameter_supported,
            audience: server.issuer.clone(),
            resource: Some(resource.clone()),
            rotation: Rotation::Optional,
            authorize_params: BTreeMap::new(),
            scopes: ScopeRules::plain(),
            client_auth,
            body: TokenRequest::Form,
            headers: Vec::new(),
            answer: AnswerRules::default(),
            pkce: Pkce::S256,
            revoke,
            sites: None,
        })
    }
}
