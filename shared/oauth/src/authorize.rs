//! Where a person is sent to consent.

use oauth2::{AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, RedirectUrl};
use secrecy::SecretString;
use url::Url;

use crate::{Endpoints, OAuthClient, Scopes};

/// Bytes of randomness in `state`.
const STATE_BYTES: u32 = 32;

/// One attempt to get consent.
#[derive(Clone)]
pub struct Authorization {
    /// For the person's browser. Holds `state`.
    pub url: Url,
    /// Comes back with the answer; what comes with another is not ours. Good once.
    pub state: SecretString,
    /// Proves at the token endpoint that the code was asked for by us; none where the provider
    /// does not do that.
    pub verifier: Option<SecretString>,
}

impl std::fmt::Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authorization(..)")
    }
}

/// A new attempt, with a `state` and a PKCE verifier of its own.
pub fn authorization(
    endpoints: &Endpoints,
    client: &OAuthClient,
    redirect_uri: &Url,
    scopes: &Scopes,
) -> Authorization {
    let authorize = AuthUrl::from_url(endpoints.authorize.clone());
    let redirect_uri = RedirectUrl::from_url(redirect_uri.clone());
    let oauth = oauth2::basic::BasicClient::new(ClientId::new(client.client_id.clone()))
        .set_auth_uri(authorize)
        .set_redirect_uri(redirect_uri);
    let mut request = oauth.authorize_url(|| CsrfToken::new_random_len(STATE_BYTES));
    for (name, value) in &endpoints.authorize_params {
        request = request.add_extra_param(name.as_str(), value.as_str());
    }
    for (name, value) in endpoints.scopes.parameters(scopes) {
        request = request.add_extra_param(name, value);
    }
    if let Some(resource) = &endpoints.resource {
        request = request.add_extra_param("resource", resource.as_str());
    }
    let verifier = endpoints.uses_pkce(client).then(|| {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        (challenge, SecretString::from(verifier.into_secret()))
    });
    let verifier = match verifier {
        Some((challenge, verifier)) => {
            request = request.set_pkce_challenge(challenge);
            Some(verifier)
        }
        None => None,
    };
    let (url, state) = request.url();
    Authorization {
        url,
        state: SecretString::from(state.into_secret()),
        verifier,
    }
}
