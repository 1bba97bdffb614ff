//! How we become known to an authorization server.

use bytes::Bytes;
use catalog::closed::TokenRequest;
use egress::Deadline;
use http::{HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::ServerMetadata;
use crate::answer::{AnswerRules, garbage};
use crate::client::{ClientAuth, OAuthClient};
use crate::http::{Outgoing, json_request, send};
use crate::{TokenEndpoint, TokenError};

/// Bytes of what a registration says of a client: its id, its secret.
const WORD_MAX: usize = 2048;

/// The way to become known that a server offers, best first. One that somebody registered by hand
/// goes before all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// The address of [`super::client_document`] is the client's id.
    Document,
    /// [`TokenEndpoint::register`].
    Dynamic,
    /// An administrator must register a client there.
    ByHand,
}

/// Which way `server` offers. `document` is the address of our own document, where the server can
/// reach it: over TLS, and below a path.
pub fn registration(server: &ServerMetadata, document: Option<&Url>) -> Registration {
    let public = server.client_auth().contains(&ClientAuth::None)
        // Servers that fetch documents often list only what else they take.
        || server.client_id_metadata_document_supported;
    let reachable = document.is_some_and(|document| {
        let as_safe = document.scheme() == "https" || server.token_endpoint.scheme() == "http";
        as_safe && document.path() != "/"
    });
    if server.client_id_metadata_document_supported && public && reachable {
        Registration::Document
    } else if server.registration_endpoint.is_some() {
        Registration::Dynamic
    } else {
        Registration::ByHand
    }
}

/// What became of a registration.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Good at this server and nowhere else.
    pub client: OAuthClient,
    /// None where the server keeps registrations to itself.
    pub management: Option<Management>,
}

/// How a registration is ended (RFC 7592 §3).
#[derive(Clone, Debug)]
pub struct Management {
    pub at: Url,
    pub token: SecretString,
}

impl TokenEndpoint {
    /// Registers a new client at `server` (RFC 7591).
    ///
    /// # Errors
    /// [`TokenError::Refused`] also where the server does not register anybody.
    pub async fn register(
        &self,
        server: &ServerMetadata,
        name: &str,
        home: &Url,
        redirect_uri: &Url,
        deadline: Deadline,
    ) -> Result<Registered, TokenError> {
        let refused = |description: &str| TokenError::Refused {
            code: "registration".to_owned(),
            description: description.to_owned(),
        };
        let to = server.registration_endpoint.as_ref();
        let to = to.ok_or_else(|| refused("the server registers nobody by itself"))?;
        let ways = server.client_auth();
        let preferred = [ClientAuth::Basic, ClientAuth::Post, ClientAuth::None];
        let way = preferred.into_iter().find(|way| ways.contains(way));
        let way = way.ok_or_else(|| refused("no way of client authentication is common"))?;
        let body = json!({
            "client_name": name,
            "client_uri": home,
            "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": way,
            "application_type": "web",
        });
        let headers = Outgoing::new(Method::POST, to.clone()).headers;
        let kind = HeaderValue::from_static("application/json");
        let body = Bytes::from(body.to_string());
        let request = json_request(Method::POST, to, headers, Some(kind), body)?;
        let incoming = send(&self.client, self.limits, request, deadline).await?;
        let body = AnswerRules::default().checked(&incoming, &[])?;
        let body = body.ok_or_else(|| garbage("the registration is no JSON"))?;
        let client = registered(&body, way);
        let client = client.ok_or_else(|| garbage("the registration names no client"))?;
        let management = management(&body, to);
        Ok(Registered { client, management })
    }

    /// Ends a registration (RFC 7592 §2.3). One that is not there any more counts as ended.
    ///
    /// # Errors
    /// [`TokenError::Refused`] also where the server ends none.
    pub async fn unregister(
        &self,
        management: &Management,
        deadline: Deadline,
    ) -> Result<(), TokenError> {
        let mut request = Outgoing::new(Method::DELETE, management.at.clone());
        let token = management.token.expose_secret();
        request.bearer(token);
        let request = request.finish(TokenRequest::Form)?;
        let incoming = send(&self.client, self.limits, request, deadline).await?;
        let ended = AnswerRules::default().checked(&incoming, &[token]);
        match incoming.status {
            StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::GONE => Ok(()),
            _ => ended.map(drop),
        }
    }
}

/// How a registration at `endpoint` is ended, as its answer says. Its token goes nowhere but where
/// it came from.
fn management(body: &Value, endpoint: &Url) -> Option<Management> {
    let at = Url::parse(&word(body, "registration_client_uri")?).ok()?;
    let token = word(body, "registration_access_token")?;
    (at.origin() == endpoint.origin()).then(|| Management {
        at,
        token: SecretString::from(token),
    })
}

fn word(body: &Value, name: &str) -> Option<String> {
    let text = body.get(name)?.as_str()?;
    let fits = !text.is_empty() && text.len() <= WORD_MAX && !text.contains(char::is_control);
    fits.then(|| text.to_owned())
}

/// The client that the answer speaks of; the server may have chosen another way than was asked.
fn registered(body: &Value, asked: ClientAuth) -> Option<OAuthClient> {
    let client_secret = word(body, "client_secret");
    let auth = match word(body, "token_endpoint_auth_method") {
        Some(way) => ClientAuth::named(&way)?,
        None => asked,
    };
    // It was told no key.
    if auth == ClientAuth::PrivateKeyJwt || auth.wants_secret() && client_secret.is_none() {
        return None;
    }
    Some(OAuthClient {
        client_id: word(body, "client_id")?,
        client_secret: client_secret
            .filter(|_| auth.wants_secret())
            .map(SecretString::from),
        key: None,
        auth: Some(auth),
    })
}
