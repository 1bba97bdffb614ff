//! One provider as a client sees it.

use std::collections::{BTreeMap, BTreeSet};

use catalog::OAuth2;
use catalog::closed::{Pkce, Rotation, TokenRequest};
use egress::Origins;
use url::Url;

use crate::answer::AnswerRules;
use crate::client::{ClientAuth, ClientSettings, OAuthClient};
use crate::revoke::RevokeRules;
use crate::scopes::ScopeRules;
use crate::sites::SiteRules;
use crate::variables::Variables;

/// Where a provider's endpoints are and what is peculiar about them.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Where a person consents.
    pub authorize: Url,
    /// Where codes and refresh tokens become tokens.
    pub token: Url,
    /// Who answers, where the server names itself; none for a provider known by its manifest.
    pub issuer: Option<String>,
    /// Whether each answer to an authorization request names the issuer (RFC 9207).
    pub names_itself: bool,
    /// What an assertion that goes there is for: the issuer, or else the token endpoint by its true
    /// address.
    pub(crate) audience: String,
    /// What the tokens are for (RFC 8707), where a server asks for that.
    pub resource: Option<String>,
    /// What becomes of a refresh token when it is used.
    pub rotation: Rotation,
    pub(crate) authorize_params: BTreeMap<String, String>,
    pub(crate) scopes: ScopeRules,
    /// Best first, and never empty.
    pub(crate) client_auth: Vec<ClientAuth>,
    pub(crate) body: TokenRequest,
    pub(crate) headers: Vec<(http::HeaderName, http::HeaderValue)>,
    pub(crate) answer: AnswerRules,
    pub(crate) pkce: Pkce,
    pub(crate) revoke: Option<RevokeRules>,
    pub(crate) sites: Option<SiteRules>,
}

/// Why there is no way to the provider. Says nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointsError {
    #[error("the variable {name}: {rule}")]
    Variable { name: String, rule: &'static str },
    #[error("{0:?} is no address that can be called")]
    Address(String),
    /// Neither id and secret nor the id alone is enough for the provider.
    #[error("the provider takes no way of client authentication that we know")]
    ClientAuth,
    #[error("the client has no secret, and the provider needs one")]
    NoSecret,
    #[error("the client has no private key, and was registered for one")]
    NoKey,
    #[error("the server does not do PKCE with S256")]
    Pkce,
    #[error("the manifest's {key}: {problem}")]
    Manifest { key: &'static str, problem: String },
}

/// Parameters that no data may set.
const OURS: [&str; 9] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "state",
    "scope",
    "code_challenge",
    "code_challenge_method",
    "resource",
    "client_secret",
];

impl Endpoints {
    /// Of a provider that its manifest describes. `origins` says which origins are answered
    /// elsewhere; that holds for what a browser opens as well.
    ///
    /// # Errors
    /// When the manifest's addresses with the client's variables are none.
    pub fn of_manifest(
        oauth2: &OAuth2,
        settings: &ClientSettings,
        origins: &Origins,
    ) -> Result<Self, EndpointsError> {
        let variables = Variables::new(&oauth2.url_variables, &settings.variables)?;
        let at = |text: &str| Ok(origins.reroute(&variables.url(text)?));
        let words = oauth2.client_auth.iter();
        let client_auth: Vec<ClientAuth> = words.map(|word| ClientAuth::of(*word)).collect();
        if client_auth.is_empty() {
            return Err(EndpointsError::ClientAuth);
        }
        let authorize_params = oauth2.authorize_params.iter();
        let authorize_params: BTreeMap<String, String> = authorize_params
            .map(|(name, value)| (name.clone(), variables.fill(value)))
            .collect();
        check_names(&authorize_params, &oauth2.scope_params)?;
        Ok(Self {
            authorize: at(&oauth2.authorize_url)?,
            token: at(&oauth2.token_url)?,
            issuer: None,
            names_itself: false,
            audience: variables.fill(&oauth2.token_url),
            resource: None,
            rotation: oauth2.refresh.rotation,
            authorize_params,
            scopes: ScopeRules {
                separator: oauth2
                    .scope_separator
                    .clone()
                    .unwrap_or_else(|| " ".to_owned()),
                prefix: oauth2.scope_prefix.clone(),
                of_client: oauth2.client_scopes,
                apart: apart(&oauth2.scope_params)?,
                for_refresh: oauth2.refresh.scope.clone(),
            },
            client_auth,
            body: oauth2.token_request,
            headers: headers(&oauth2.token_headers)?,
            answer: AnswerRules::new(&oauth2.token_response, &oauth2.grant_errors)?,
            pkce: oauth2.pkce,
            revoke: RevokeRules::new(oauth2, &variables, origins)?,
            sites: oauth2
                .after_connect
                .as_ref()
                .map(|after| SiteRules::new(after, at(&after.url)?))
                .transpose()?,
        })
    }

    /// Whether a connection may reach several sites, of which one must be chosen: see
    /// [`crate::TokenEndpoint::after_connect`].
    pub const fn has_sites(&self) -> bool {
        self.sites.is_some()
    }

    /// Whether tokens can be revoked there.
    pub const fn can_revoke(&self) -> bool {
        self.revoke.is_some()
    }

    /// How `client` proves itself here.
    pub(crate) fn auth_of(&self, client: &OAuthClient) -> Result<ClientAuth, EndpointsError> {
        let has_secret = client.client_secret.is_some();
        let can = |way: ClientAuth| match way {
            ClientAuth::PrivateKeyJwt => client.key.is_some(),
            ClientAuth::Basic | ClientAuth::Post => has_secret,
            ClientAuth::None => client.key.is_none() && !has_secret,
        };
        match client.auth {
            Some(ClientAuth::PrivateKeyJwt) if client.key.is_none() => Err(EndpointsError::NoKey),
            Some(chosen) if chosen.wants_secret() && !has_secret => Err(EndpointsError::NoSecret),
            Some(chosen) => Ok(chosen),
            None if can(ClientAuth::None) => Ok(ClientAuth::None),
            None => {
                let mut ways = self.client_auth.iter().copied();
                ways.find(|way| can(*way)).ok_or(EndpointsError::ClientAuth)
            }
        }
    }

    pub(crate) fn uses_pkce(&self, client: &OAuthClient) -> bool {
        match self.pkce {
            Pkce::S256 => true,
            Pkce::PublicOnly => client.client_secret.is_none() && client.key.is_none(),
            Pkce::Unsupported | Pkce::Undocumented => false,
        }
    }
}

fn check_names(
    authorize_params: &BTreeMap<String, String>,
    scope_params: &BTreeMap<String, String>,
) -> Result<(), EndpointsError> {
    let taken: BTreeSet<&str> = OURS.into_iter().collect();
    let own = authorize_params
        .keys()
        .find(|name| taken.contains(name.as_str()) || scope_params.values().any(|p| p == *name));
    own.map_or(Ok(()), |name| {
        Err(EndpointsError::Manifest {
            key: "authorize_params",
            problem: format!("{name} is not for data to set"),
        })
    })
}

fn apart(params: &BTreeMap<String, String>) -> Result<Option<(String, String)>, EndpointsError> {
    if params.is_empty() {
        return Ok(None);
    }
    match (params.get("bot"), params.get("user"), params.len()) {
        (Some(bot), Some(user), 2) => Ok(Some((bot.clone(), user.clone()))),
        _ => Err(EndpointsError::Manifest {
            key: "scope_params",
            problem: "must name the parameters for bot and user".to_owned(),
        }),
    }
}

fn headers(
    texts: &BTreeMap<String, String>,
) -> Result<Vec<(http::HeaderName, http::HeaderValue)>, EndpointsError> {
    let each = texts.iter().map(|(name, value)| {
        let name = http::HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, http::HeaderValue::from_str(value).ok()?))
    });
    each.collect::<Option<_>>()
        .ok_or_else(|| EndpointsError::Manifest {
            key: "token_headers",
            problem: "are no header fields".to_owned(),
        })
}
