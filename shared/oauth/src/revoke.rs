//! Tokens are given back.

use catalog::OAuth2;
use catalog::closed::{RevokeMethod, RevokeSign, RevokeTokens, TokenRequest};
use domain::AccountSecrets;
use egress::{Deadline, Origins};
use http::Method;
use secrecy::ExposeSecret;
use url::Url;

use crate::client::ClientAuth;
use crate::http::{Outgoing, send};
use crate::variables::Variables;
use crate::{Endpoints, EndpointsError, OAuthClient, TokenEndpoint, TokenError};

/// Stands for the client's id in an address.
const CLIENT_ID: &str = "{client_id}";

/// How this provider takes tokens back.
#[derive(Clone, Debug)]
pub(crate) struct RevokeRules {
    /// May name the client.
    pub(crate) url: String,
    pub(crate) method: Method,
    pub(crate) sign: RevokeSign,
    pub(crate) body: TokenRequest,
    /// Empty where the token is sent as bearer alone.
    pub(crate) field: String,
    pub(crate) tokens: RevokeTokens,
}

impl RevokeRules {
    pub(crate) fn new(
        oauth2: &OAuth2,
        variables: &Variables,
        origins: &Origins,
    ) -> Result<Option<Self>, EndpointsError> {
        let Some(url) = &oauth2.revoke_url else {
            return Ok(None);
        };
        // The braces would be encoded; a word that no address holds stands for them meanwhile.
        let mark = "client-id-stands-here";
        let url = origins.reroute(&variables.url(&url.replace(CLIENT_ID, mark))?);
        let request = &oauth2.revoke_request;
        Ok(Some(Self {
            url: url.as_str().replace(mark, CLIENT_ID),
            method: match request.method {
                RevokeMethod::Post => Method::POST,
                RevokeMethod::Delete => Method::DELETE,
            },
            sign: request.sign,
            body: request.body,
            field: request.field.clone(),
            tokens: request.tokens,
        }))
    }

    fn address(&self, client: &OAuthClient) -> Option<Url> {
        let id = client.client_id.as_str();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let plain = !id.is_empty() && !id.starts_with('.') && id.bytes().all(fits);
        if self.url.contains(CLIENT_ID) && !plain {
            return None;
        }
        Url::parse(&self.url.replace(CLIENT_ID, id)).ok()
    }
}

impl TokenEndpoint {
    /// Gives all tokens of an account back, as far as the provider takes them: nothing to do
    /// where it has no such endpoint. A token that it no longer knows counts as given back.
    ///
    /// # Errors
    /// The first one; the other tokens are tried all the same.
    pub async fn revoke(
        &self,
        endpoints: &Endpoints,
        client: &OAuthClient,
        secrets: &AccountSecrets,
        deadline: Deadline,
    ) -> Result<(), TokenError> {
        let Some(rules) = &endpoints.revoke else {
            return Ok(());
        };
        let access = [&secrets.access_token, &secrets.user_token];
        let refresh = [&secrets.refresh_token, &secrets.user_refresh_token];
        let access = access.map(|token| (token, "access_token"));
        // A refresh token first: with many providers the access tokens end with it.
        let each = match rules.tokens {
            RevokeTokens::All => {
                let refresh = refresh.map(|token| (token, "refresh_token"));
                refresh.into_iter().chain(access).collect::<Vec<_>>()
            }
            RevokeTokens::Access => access.to_vec(),
        };
        let mut outcome = Ok(());
        for (token, kind) in each {
            let Some(token) = token else { continue };
            let one = self
                .revoke_one(endpoints, rules, client, (token, kind), deadline)
                .await;
            outcome = outcome.and(one);
        }
        outcome
    }

    async fn revoke_one(
        &self,
        endpoints: &Endpoints,
        rules: &RevokeRules,
        client: &OAuthClient,
        (token, kind): (&str, &str),
        deadline: Deadline,
    ) -> Result<(), TokenError> {
        let unsent = |why: &str| TokenError::Unsent(why.to_owned());
        let to = rules
            .address(client)
            .ok_or_else(|| unsent("the client's id does not fit into the address"))?;
        let mut request = Outgoing::new(rules.method.clone(), to);
        if !rules.field.is_empty() {
            request.field(&rules.field, token);
            if rules.tokens == RevokeTokens::All && rules.sign != RevokeSign::None {
                request.field("token_type_hint", kind);
            }
        }
        match rules.sign {
            RevokeSign::Client => {
                let auth = endpoints.auth_of(client);
                let auth = auth.map_err(|error| unsent(&error.to_string()))?;
                self.prove(&mut request, endpoints, client, auth)?;
            }
            RevokeSign::Basic => request.sign(client, ClientAuth::Basic),
            RevokeSign::Bearer => request.bearer(token),
            RevokeSign::None => {}
        }
        let request = request.finish(rules.body)?;
        let incoming = send(&self.client, self.limits, request, deadline).await?;
        let secret = client.client_secret.as_ref();
        let mut sent = vec![token];
        sent.extend(secret.map(ExposeSecret::expose_secret));
        match endpoints.answer.checked(&incoming, &sent) {
            Ok(_) | Err(TokenError::InvalidGrant { .. }) => Ok(()),
            Err(TokenError::Refused { code, .. }) if is_gone(&code) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether the provider says that it knows the token no more.
fn is_gone(code: &str) -> bool {
    [
        "invalid_token",
        "token_not_found",
        "not_found",
        "invalid_auth",
        "HTTP 404",
    ]
    .contains(&code)
}
