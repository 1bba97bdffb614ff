//! A client and a provider that fit together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use catalog::{Catalog, OAuth2};
use domain::AccountSecrets;
use egress::{Client, EgressConfig};
use oauth::{
    ClientSettings, Deadline, Endpoints, Limits, OAuthClient, Origins, Scopes, TokenEndpoint,
    TokenError, Tokens, authorization,
};
use runtime::SystemClock;
use testkit::oauth::{Auth, Consent, OAuthProvider, Profile, Registered};
use url::Url;

pub(crate) const REDIRECT: &str = "https://turnbuckle.example/api/v1/oauth/callback";
pub(crate) const SECRET: &str = "secret-cs+/of the client";

pub(crate) fn registered(auth: Auth) -> Registered {
    Registered::new("client-1", SECRET, auth, REDIRECT)
}

/// One manifest's sign-in against a provider that stands for all its origins.
pub(crate) struct Meeting {
    pub(crate) provider: OAuthProvider,
    pub(crate) oauth2: OAuth2,
    pub(crate) endpoints: Endpoints,
    pub(crate) client: OAuthClient,
    pub(crate) tokens: TokenEndpoint,
}

pub(crate) fn manifest(connector: &str) -> OAuth2 {
    let connector = Catalog::builtin().connector(connector);
    let auth = &connector.expect("it is built in").auth;
    auth.oauth2.clone().expect("it has OAuth")
}

pub(crate) fn deadline() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

pub(crate) fn endpoint() -> TokenEndpoint {
    let config = EgressConfig {
        allow_private: true,
        ..EgressConfig::default()
    };
    let client = Client::new(&config).unwrap();
    TokenEndpoint::new(client, Limits::default(), Arc::new(SystemClock))
}

impl Meeting {
    pub(crate) async fn of(connector: &str, profile: Profile) -> Self {
        let provider = OAuthProvider::start(profile).await;
        let oauth2 = manifest(connector);
        let endpoints = Self::endpoints(&provider, &oauth2);
        Self {
            endpoints,
            oauth2,
            client: OAuthClient {
                client_id: "client-1".to_owned(),
                client_secret: Some(SECRET.into()),
                key: None,
                auth: None,
            },
            tokens: endpoint(),
            provider,
        }
    }

    fn endpoints(provider: &OAuthProvider, oauth2: &OAuth2) -> Endpoints {
        let after = oauth2.after_connect.as_ref().map(|after| after.url.clone());
        let urls = [
            Some(oauth2.authorize_url.clone()),
            Some(oauth2.token_url.clone()),
            oauth2.revoke_url.clone(),
            after,
        ];
        let origins: BTreeMap<String, Url> = urls
            .into_iter()
            .flatten()
            .map(|url| {
                let filled = oauth2.url_variables.iter().fold(url, |url, (name, value)| {
                    url.replace(&format!("{{{name}}}"), value)
                });
                let url: Url = filled.replace(['{', '}'], "").parse().unwrap();
                (url.origin().ascii_serialization(), provider.url())
            })
            .collect();
        let origins = Origins::new(&origins).unwrap();
        Endpoints::of_manifest(oauth2, &ClientSettings::default(), &origins).unwrap()
    }

    /// The scopes that the manifest asks for by default; some for a provider that must have some.
    pub(crate) fn scopes(&self) -> Scopes {
        let user = self.oauth2.default_scopes.clone();
        if self.oauth2.scope_params.is_empty() {
            return Scopes {
                bot: Vec::new(),
                user,
            };
        }
        Scopes {
            bot: vec!["channels:history".to_owned(), "chat:write".to_owned()],
            user: vec!["search:read".to_owned()],
        }
    }

    pub(crate) async fn connect(&self, consent: &Consent) -> Result<Tokens, TokenError> {
        let redirect: Url = REDIRECT.parse().unwrap();
        let authorization = authorization(&self.endpoints, &self.client, &redirect, &self.scopes());
        let back = self.provider.decide(&authorization.url, consent).await;
        let back = back.expect("the provider shows no error page");
        let code = back.query_pairs().find(|(name, _)| name == "code");
        let (_, code) = code.unwrap_or_else(|| panic!("no code in {back}"));
        let verifier = authorization.verifier.as_ref();
        self.tokens
            .exchange(
                &self.endpoints,
                &self.client,
                &code,
                verifier,
                &redirect,
                deadline(),
            )
            .await
    }

    pub(crate) async fn refresh(&self, old: &AccountSecrets) -> Result<Tokens, TokenError> {
        self.tokens
            .refresh(&self.endpoints, &self.client, old, deadline())
            .await
    }

    pub(crate) async fn revoke(&self, secrets: &AccountSecrets) -> Result<(), TokenError> {
        self.tokens
            .revoke(&self.endpoints, &self.client, secrets, deadline())
            .await
    }
}
