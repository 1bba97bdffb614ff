//! Signing in at a scenario's server, as the control-plane does it for a person who always agrees.

use anyhow::{Context, bail};
use bytes::Bytes;
use fabric::{AccountLease, Credential, CredentialError, CredentialRequest};
use http_body_util::Full;
use oauth::{
    ClientAuth, Deadline, Discovered, Endpoints, Limits, OAuthClient, Registration, Scopes,
    TokenEndpoint, Tokens, authorization, check_issuer, registration,
};
use secrecy::SecretString;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::Mutex;
use url::Url;
use uuid::Uuid;

/// Where the suite keeps the document about its client.
const DOCUMENT: &str = "https://conformance-test.local/client-metadata.json";
const REDIRECT: &str = "http://localhost:3000/callback";
const HOME: &str = "http://localhost:3000/";
const DEADLINE: Duration = Duration::from_secs(15);

/// One account at one server.
pub(crate) struct SignIn {
    url: Url,
    http: egress::Client,
    tokens: TokenEndpoint,
    /// What was registered by hand, where the scenario says so.
    by_hand: Option<OAuthClient>,
    account: Mutex<Option<Account>>,
}

struct Account {
    found: Discovered,
    client: OAuthClient,
    tokens: Tokens,
    asked: Vec<String>,
    generation: i64,
}

impl SignIn {
    pub(crate) fn new(url: Url, http: egress::Client, context: &Value) -> Self {
        let text = |name: &str| context[name].as_str().map(str::to_owned);
        let by_hand = text("client_id").map(|client_id| OAuthClient {
            client_id,
            client_secret: text("client_secret").map(SecretString::from),
            auth: None,
        });
        Self {
            url,
            tokens: TokenEndpoint::new(http.clone(), Limits::default()),
            http,
            by_hand,
            account: Mutex::new(None),
        }
    }

    pub(crate) async fn credential(
        &self,
        request: CredentialRequest,
    ) -> Result<Credential, CredentialError> {
        let mut account = self.account.lock().await;
        let good = account.as_ref().filter(|known| {
            let refused = request
                .refused
                .is_some_and(|(_, at)| at == known.generation);
            let lacks = |scope: &String| !known.asked.contains(scope);
            !refused && !request.further_scopes.iter().any(lacks)
        });
        if good.is_none() {
            let known = account.take();
            match self.sign_in(known.as_ref(), &request.further_scopes).await {
                Ok(new) => *account = Some(new),
                Err(error) => {
                    let message = format!("{error:#}");
                    return Err(CredentialError::Missing {
                        connect_url: None,
                        message,
                    });
                }
            }
        }
        let Some(account) = account.as_ref() else {
            return Ok(Credential::Own);
        };
        Ok(Credential::Account(lease(account)))
    }

    async fn sign_in(
        &self,
        known: Option<&Account>,
        further: &[String],
    ) -> anyhow::Result<Account> {
        let deadline = Deadline::after(DEADLINE);
        let found = self.tokens.discover(&self.url, deadline).await?;
        let same = known.filter(|known| known.found.server.issuer == found.server.issuer);
        let client = match (&self.by_hand, same) {
            (Some(by_hand), _) => by_hand.clone(),
            (None, Some(same)) => same.client.clone(),
            (None, None) => self.become_known(&found, deadline).await?,
        };
        let granted = same.map(|same| same.asked.clone()).unwrap_or_default();
        let asked = found.scopes(if further.is_empty() { &[] } else { &granted }, further);
        let endpoints = Endpoints::of_server(&found)?;
        let redirect: Url = REDIRECT.parse()?;
        let scopes = Scopes {
            bot: Vec::new(),
            user: asked.clone(),
        };
        let attempt = authorization(&endpoints, &client, &redirect, &scopes);
        let answer = self.agree(&attempt.url, deadline).await?;
        let of = |name: &str| answer.get(name).map(String::as_str);
        check_issuer(&endpoints, of("iss"))?;
        let code = of("code").context("the server sent no code")?;
        let tokens = self
            .tokens
            .exchange(
                &endpoints,
                &client,
                code,
                attempt.verifier.as_ref(),
                &redirect,
                deadline,
            )
            .await?;
        Ok(Account {
            found,
            client,
            tokens,
            asked,
            generation: known.map_or(1, |known| known.generation + 1),
        })
    }

    async fn become_known(
        &self,
        found: &Discovered,
        deadline: Deadline,
    ) -> anyhow::Result<OAuthClient> {
        let document: Url = DOCUMENT.parse()?;
        Ok(match registration(&found.server, Some(&document)) {
            Registration::Document => OAuthClient {
                client_id: document.into(),
                client_secret: None,
                auth: Some(ClientAuth::None),
            },
            Registration::Dynamic => {
                let (home, redirect) = (HOME.parse()?, REDIRECT.parse()?);
                self.tokens
                    .register(&found.server, "Turnbuckle", &home, &redirect, deadline)
                    .await?
            }
            Registration::ByHand => bail!("nobody registered a client"),
        })
    }

    /// What a browser brings back from the page, whose owner agrees by itself.
    async fn agree(
        &self,
        page: &Url,
        deadline: Deadline,
    ) -> anyhow::Result<BTreeMap<String, String>> {
        let mut request = http::Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = page.as_str().parse()?;
        let response = self.http.send(request, deadline).await?;
        let location = response.headers().get(http::header::LOCATION);
        let location: Url = location.context("no redirect")?.to_str()?.parse()?;
        Ok(location.query_pairs().into_owned().collect())
    }
}

fn lease(account: &Account) -> AccountLease {
    let token = account.tokens.secrets.access_token.clone();
    AccountLease {
        account: domain::AccountId::new(Uuid::from_u128(4)),
        generation: account.generation,
        access_token: SecretString::from(token.unwrap_or_default()),
        user_token: None,
        scopes: account.asked.clone(),
        variables: BTreeMap::new(),
        usable_for: account.tokens.expires_in,
        method: domain::AccountMethod::OAuth,
    }
}
