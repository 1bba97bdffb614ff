//! How a caller signs in to the provider.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::closed::{
    AuthKind, AuthPlace, ClientAuth, Pkce, RevokeMethod, RevokeSign, RevokeTokens, Rotation,
    TokenKind, TokenRequest,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthText {
    pub(crate) methods: Vec<MethodText>,
    pub(crate) oauth2: Option<OAuth2>,
    #[serde(default)]
    pub(crate) refusals: RefusalsText,
    #[serde(default)]
    pub(crate) notes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MethodText {
    pub(crate) kind: AuthKind,
    pub(crate) label: Option<String>,
    pub(crate) apply: ApplyText,
    pub(crate) token_kind: Option<TokenKind>,
    #[serde(default)]
    pub(crate) begins: Vec<String>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) base_url: Option<String>,
    pub(crate) path_prefix: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) token_url: Option<String>,
    #[serde(default)]
    pub(crate) needs: Vec<String>,
    pub(crate) note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplyText {
    #[serde(rename = "in")]
    pub(crate) place: AuthPlace,
    pub(crate) name: String,
    pub(crate) format: String,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RefusalsText {
    pub(crate) token: Vec<String>,
    pub(crate) scope: Vec<String>,
    pub(crate) needed_path: Option<String>,
    pub(crate) accepted_scopes_header: Option<String>,
}

/// What an OAuth sign-in needs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth2 {
    pub authorize_url: String,
    pub token_url: String,
    pub revoke_url: Option<String>,
    #[serde(default)]
    pub revoke_request: RevokeRequest,
    pub introspect_url: Option<String>,
    #[serde(default)]
    pub url_variables: BTreeMap<String, String>,
    #[serde(default)]
    pub authorize_params: BTreeMap<String, String>,
    pub scope_separator: Option<String>,
    pub scope_prefix: Option<String>,
    #[serde(default)]
    pub scope_params: BTreeMap<String, String>,
    /// The client's registration says which scopes there are, and whoever asks for others is
    /// refused: none are asked for.
    #[serde(default)]
    pub client_scopes: bool,
    pub default_scopes: Vec<String>,
    #[serde(default)]
    pub extra_scopes: Vec<String>,
    pub client_auth: Vec<ClientAuth>,
    pub token_request: TokenRequest,
    #[serde(default)]
    pub token_headers: BTreeMap<String, String>,
    #[serde(default)]
    pub token_response: TokenResponse,
    /// Error codes that say as `invalid_grant` does: connect again.
    #[serde(default)]
    pub grant_errors: Vec<String>,
    pub pkce: Pkce,
    pub pkce_note: Option<String>,
    pub refresh: Refresh,
    pub granted_scopes_header: Option<String>,
    pub after_connect: Option<AfterConnect>,
    /// Requests that tell who signed in, where the token answer does not: the first that is
    /// answered counts.
    #[serde(default)]
    pub identity: Vec<Identity>,
}

/// How a token is revoked. The default is that of RFC 7009.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RevokeRequest {
    pub method: RevokeMethod,
    pub sign: RevokeSign,
    pub body: TokenRequest,
    /// The parameter or member that holds the token. Empty: the token is sent as bearer alone.
    pub field: String,
    pub tokens: RevokeTokens,
}

impl Default for RevokeRequest {
    fn default() -> Self {
        Self {
            method: RevokeMethod::Post,
            sign: RevokeSign::Client,
            body: TokenRequest::Form,
            field: "token".to_owned(),
            tokens: RevokeTokens::All,
        }
    }
}

/// Where things stand in a token answer that is not as RFC 6749 has it. All are result paths.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenResponse {
    /// False there means an error, whatever the status.
    pub ok_path: Option<String>,
    /// The bot's token. What belongs to it (scope, refresh token, end) stands beside it.
    pub bot: Option<String>,
    /// The user's token, of a provider that gives both.
    pub user: Option<String>,
    /// The token's type, where words other than `bearer` stand there.
    pub token_type_path: Option<String>,
    /// A name for people of what was connected.
    pub subject: Option<String>,
    /// The same in words that never change and that each refresh repeats.
    pub identity: Option<String>,
}

/// How an access token is renewed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    pub rotation: Rotation,
    pub scope: Option<String>,
    pub access_token_ttl_s: Option<u64>,
    pub note: Option<String>,
}

/// The request that tells which account or site was connected.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AfterConnect {
    pub url: String,
    pub select: String,
    pub stores: String,
    pub note: Option<String>,
}

/// A request with a new access token that tells whose it is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Path and query below the connector's address.
    pub path: String,
    /// Below this address of the provider's instead; not asked for a connector with a base URL of
    /// its own, whose tokens go nowhere else.
    pub base_url: Option<String>,
    /// A GraphQL document to post. Without it the request is a GET.
    pub graphql: Option<String>,
    /// Where in the answer stands what never changes: a number or a text.
    pub id: String,
    /// Where a name for people stands.
    pub name: String,
}
