//! Codes and refresh tokens become tokens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::AccountSecrets;
use egress::Deadline;
use http::Method;
use runtime::Clock;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::answer::Answer;
use crate::assertions::Assertion;
use crate::client::ClientAuth;
use crate::http::{Limits, Outgoing, send};
use crate::{Endpoints, OAuthClient, TokenError};

/// Sends what a provider's token endpoint, and what stands beside it, is asked. Cheap to clone.
#[derive(Clone)]
pub struct TokenEndpoint {
    pub(crate) client: egress::Client,
    pub(crate) limits: Limits,
    /// Assertions are dated.
    pub(crate) clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for TokenEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenEndpoint")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What a provider gave.
#[derive(Clone)]
pub struct Tokens {
    pub secrets: AccountSecrets,
    /// Of the access token that ends first; none for tokens that do not end, or where the
    /// provider does not say.
    pub expires_in: Option<Duration>,
    /// What was granted, in the manifest's words; empty where the provider does not say.
    pub scopes: Vec<String>,
    /// A name for people, where the provider gives one.
    pub subject: Option<String>,
    /// Variables of the connector's base URL that the answer itself tells.
    pub variables: BTreeMap<String, String>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("expires_in", &self.expires_in)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

impl TokenEndpoint {
    pub const fn new(client: egress::Client, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        Self {
            client,
            limits,
            clock,
        }
    }

    /// Trades the code of a consent for tokens. `verifier` and `redirect_uri` are those of its
    /// [`crate::Authorization`].
    pub async fn exchange(
        &self,
        endpoints: &Endpoints,
        client: &OAuthClient,
        code: &str,
        verifier: Option<&SecretString>,
        redirect_uri: &Url,
        deadline: Deadline,
    ) -> Result<Tokens, TokenError> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri.as_str()),
        ];
        let mut sent = vec![code];
        if let Some(verifier) = verifier {
            fields.push(("code_verifier", verifier.expose_secret()));
            sent.push(verifier.expose_secret());
        }
        let answer = self
            .ask(endpoints, Some(client), &fields, &sent, deadline)
            .await?;
        Ok(tokens(endpoints, answer))
    }

    /// One request to the token endpoint; without a client for a grant that proves itself.
    pub(crate) async fn ask(
        &self,
        endpoints: &Endpoints,
        client: Option<&OAuthClient>,
        fields: &[(&str, &str)],
        sent: &[&str],
        deadline: Deadline,
    ) -> Result<Answer, TokenError> {
        let mut request = Outgoing::new(Method::POST, endpoints.token.clone());
        for (name, value) in &endpoints.headers {
            request.headers.insert(name, value.clone());
        }
        for (name, value) in fields {
            request.field(name, value);
        }
        if let Some(resource) = &endpoints.resource {
            request.field("resource", resource);
        }
        if let Some(client) = client {
            let auth = endpoints
                .auth_of(client)
                .map_err(|error| TokenError::Unsent(error.to_string()))?;
            self.prove(&mut request, endpoints, client, auth)?;
        }
        let request = request.finish(endpoints.body)?;
        let incoming = send(&self.client, self.limits, request, deadline).await?;
        let secret = client.and_then(|client| client.client_secret.as_ref());
        let mut sent = sent.to_vec();
        sent.extend(secret.map(ExposeSecret::expose_secret));
        endpoints.answer.read(&incoming, &sent)
    }

    /// Proves who asks, in the one way that was agreed.
    pub(crate) fn prove(
        &self,
        request: &mut Outgoing,
        endpoints: &Endpoints,
        client: &OAuthClient,
        auth: ClientAuth,
    ) -> Result<(), TokenError> {
        let key = client.key.as_ref();
        let Some(key) = key.filter(|_| auth == ClientAuth::PrivateKeyJwt) else {
            request.sign(client, auth);
            return Ok(());
        };
        let assertion = Assertion::of_client(&client.client_id, &endpoints.audience);
        let assertion = assertion.signed(key, self.clock.now())?;
        request.field("client_id", &client.client_id);
        request.field(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        );
        request.field("client_assertion", &assertion);
        Ok(())
    }
}

/// What the first answer for an account says.
pub(crate) fn tokens(endpoints: &Endpoints, answer: Answer) -> Tokens {
    let Answer {
        main,
        user,
        subject,
        identity,
    } = answer;
    let user = user.unwrap_or_default();
    let granted = [main.scope, user.scope].into_iter().flatten();
    let granted: Vec<String> = granted.collect();
    Tokens {
        secrets: AccountSecrets {
            access_token: main.access_token,
            user_token: user.access_token,
            refresh_token: main.refresh_token,
            user_refresh_token: user.refresh_token,
            identity,
            program: None,
        },
        expires_in: main.expires_in.into_iter().chain(user.expires_in).min(),
        scopes: endpoints.scopes.granted(&granted.join(" ")),
        subject,
        variables: BTreeMap::new(),
    }
}
