//! Signing in at a scenario's server, as the control-plane does it for a person who always agrees,
//! or for a program that has credentials of its own.

use anyhow::{Context, bail};
use bytes::Bytes;
use fabric::{AccountLease, Credential, CredentialError, CredentialRequest};
use http_body_util::Full;
use oauth::{
    ClientAuth, Deadline, Discovered, Endpoints, Limits, OAuthClient, Registration, Scopes,
    SigningKey, TokenEndpoint, Tokens, authorization, check_issuer, registration,
};
use runtime::SystemClock;
use secrecy::SecretString;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
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
    /// What was registered by hand, where the scenario says so, and at which issuer.
    by_hand: Option<(OAuthClient, Option<String>)>,
    /// No person signs in: the client is a program's.
    is_program: bool,
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
    pub(crate) fn new(
        url: Url,
        http: egress::Client,
        is_program: bool,
        context: &Value,
    ) -> anyhow::Result<Self> {
        let text = |name: &str| context[name].as_str().map(str::to_owned);
        let key = text("private_key_pem").map(|pem| SigningKey::of_pem(&pem, None));
        let key = key.transpose()?;
        let by_hand = text("client_id").map(|client_id| OAuthClient {
            client_id,
            client_secret: text("client_secret").map(SecretString::from),
            auth: key.as_ref().map(|_| ClientAuth::PrivateKeyJwt),
            key,
        });
        let clock = Arc::new(SystemClock);
        Ok(Self {
            url,
            tokens: TokenEndpoint::new(http.clone(), Limits::default(), clock),
            http,
            by_hand: by_hand.map(|client| (client, text("issuer"))),
            is_program,
            account: Mutex::new(None),
        })
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
        let issuer = &found.server.issuer;
        let by_hand = self.by_hand.as_ref();
        let by_hand = by_hand.filter(|(_, of)| of.as_ref().is_none_or(|of| of == issuer));
        let client = match (by_hand, same) {
            (Some((by_hand, _)), _) => by_hand.clone(),
            (None, Some(same)) => same.client.clone(),
            (None, None) => self.become_known(&found, deadline).await?,
        };
        let granted = same.map(|same| same.asked.clone()).unwrap_or_default();
        let asked = found.scopes(if further.is_empty() { &[] } else { &granted }, further);
        let endpoints = Endpoints::of_server(&found)?;
        let tokens = if self.is_program {
            let asking = self
                .tokens
                .client_credentials(&endpoints, &client, &asked, deadline);
            asking.await?
        } else {
            let granting = self.granted(&endpoints, &client, &asked, deadline);
            granting.await?
        };
        Ok(Account {
            found,
            client,
            tokens,
            asked,
            generation: known.map_or(1, |known| known.generation + 1),
        })
    }

    /// What a person grants.
    async fn granted(
        &self,
        endpoints: &Endpoints,
        client: &OAuthClient,
        asked: &[String],
        deadline: Deadline,
    ) -> anyhow::Result<Tokens> {
        let redirect: Url = REDIRECT.parse()?;
        let scopes = Scopes {
            bot: Vec::new(),
            user: asked.to_vec(),
        };
        let attempt = authorization(endpoints, client, &redirect, &scopes);
        let answer = self.agree(&attempt.url, deadline).await?;
        let of = |name: &str| answer.get(name).map(String::as_str);
        check_issuer(endpoints, of("iss"))?;
        let code = of("code").context("the server sent no code")?;
        let verifier = attempt.verifier.as_ref();
        let exchanged = self
            .tokens
            .exchange(endpoints, client, code, verifier, &redirect, deadline);
        Ok(exchanged.await?)
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
                key: None,
                auth: Some(ClientAuth::None),
            },
            Registration::Dynamic => {
                let (home, redirect) = (HOME.parse()?, REDIRECT.parse()?);
                self.tokens
                    .register(&found.server, "Turnbuckle", &home, &redirect, deadline)
                    .await?
                    .client
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
