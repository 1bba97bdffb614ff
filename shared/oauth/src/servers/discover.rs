//! From the address of an MCP server to where one signs in for it.

use bytes::Bytes;
use egress::Deadline;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Challenge, ServerMetadata};
use crate::http::{Incoming, Outgoing, json_request, send};
use crate::{TokenEndpoint, TokenError};

/// Authorization servers that are tried, of those that a server names.
const SERVERS_MAX: usize = 4;
/// Scopes that a list may have.
const SCOPES_MAX: usize = 200;
/// What is asked to be refused: harmless in every revision of the protocol.
const PROBE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// Where one signs in for a remote MCP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discovered {
    /// What tokens must be for, as the server writes it.
    pub resource: String,
    pub server: ServerMetadata,
    /// All scopes that the server knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<String>,
    /// Those that its challenge asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    challenged: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    assumed: bool,
}

/// Why there is no way to sign in for a server. For an administrator; nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// It answers without a token, and has no metadata.
    #[error("the server asks for no sign-in")]
    Open,
    #[error("the server's metadata is about {0:?}, not about this server")]
    OtherResource(String),
    #[error("no authorization server can be found: {0}")]
    NoServer(String),
    #[error("the metadata of {asked:?} is about the issuer {named:?}")]
    OtherIssuer { asked: String, named: String },
    #[error("the authorization server does not do PKCE with S256")]
    Pkce,
    #[error("{0} is not reached over TLS")]
    Insecure(String),
    #[error(transparent)]
    Exchange(#[from] TokenError),
}

/// What a server says to a request without a token.
enum Probed {
    Challenged(Challenge),
    /// It just answers.
    Open,
    /// It did not come to that.
    Unclear,
}

/// RFC 9728.
#[derive(Deserialize)]
struct ResourceMetadata {
    resource: String,
    #[serde(default)]
    authorization_servers: Vec<String>,
    #[serde(default)]
    scopes_supported: Vec<String>,
}

impl Discovered {
    /// Whether nothing says where one signs in, and the places of servers without metadata are
    /// taken for it.
    pub const fn is_assumed(&self) -> bool {
        self.assumed
    }

    /// What a person is asked to grant: what was `granted` before; where that is nothing, what the
    /// server's challenge asked for, or else all that it knows. `further` beside that, and what
    /// makes refreshing possible where the authorization server lists it.
    pub fn scopes(&self, granted: &[String], further: &[String]) -> Vec<String> {
        let lists = [granted, &self.challenged, &self.scopes_supported];
        let base = lists.into_iter().find(|list| !list.is_empty());
        let base = [base.unwrap_or_default(), further].concat();
        let offline = "offline_access".to_owned();
        let offers = self.server.scopes_supported.contains(&offline);
        let mut scopes = Vec::new();
        for scope in base.into_iter().chain(offers.then_some(offline)) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        scopes
    }
}

impl TokenEndpoint {
    /// Finds where one signs in for the MCP server at `url`: by its own challenge, then by its
    /// metadata (named by the challenge, then at the well-known place with its path, then at the
    /// root), then by the metadata of the authorization servers named there, in their order.
    ///
    /// A server of before that metadata is taken to be its own authorization server; if that has no
    /// metadata either, with the endpoints that such servers have (MCP 2025-03-26, "Fallbacks for
    /// Servers without Metadata Discovery").
    pub async fn discover(
        &self,
        url: &Url,
        deadline: Deadline,
    ) -> Result<Discovered, DiscoveryError> {
        let probed = self.probe(url, deadline).await?;
        let (challenge, is_open) = match probed {
            Probed::Challenged(challenge) => (Some(challenge), false),
            Probed::Open => (None, true),
            Probed::Unclear => (None, false),
        };
        let wants_sign_in = challenge.is_some();
        let challenge = challenge.unwrap_or_default();
        let about = self.about_resource(url, &challenge, deadline).await?;
        // Some servers ask for a sign-in only where it matters, and say so here.
        if is_open && about.is_none() {
            return Err(DiscoveryError::Open);
        }
        let is_of_before = about.is_none() && wants_sign_in;
        let origin = url.origin().ascii_serialization();
        let about = about.unwrap_or_else(|| ResourceMetadata {
            resource: url.to_string(),
            authorization_servers: vec![origin],
            scopes_supported: Vec::new(),
        });
        let found = |server, assumed| {
            let mut scopes_supported = about.scopes_supported.clone();
            scopes_supported.truncate(SCOPES_MAX);
            Discovered {
                resource: about.resource.clone(),
                server,
                scopes_supported,
                challenged: challenge.scopes.clone(),
                assumed,
            }
        };
        let mut trouble = DiscoveryError::NoServer("the server names none".to_owned());
        for issuer in about.authorization_servers.iter().take(SERVERS_MAX) {
            match self.about_server(url, issuer, deadline).await {
                Ok(server) => return Ok(found(server, false)),
                Err(DiscoveryError::NoServer(_)) if is_of_before => {
                    return ServerMetadata::of_before(url)
                        .map(|server| found(server, true))
                        .ok_or(trouble);
                }
                Err(error) => trouble = error,
            }
        }
        Err(trouble)
    }

    /// What the server says to a request without a token.
    async fn probe(&self, url: &Url, deadline: Deadline) -> Result<Probed, DiscoveryError> {
        let mut headers = HeaderMap::new();
        let accept = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(ACCEPT, accept);
        let kind = Some(HeaderValue::from_static("application/json"));
        let probe = Bytes::from_static(PROBE.as_bytes());
        let request = json_request(Method::POST, url, headers, kind, probe)?;
        let response = self
            .client
            .send(request, deadline.within(self.limits.time))
            .await
            .map_err(TokenError::from)?;
        // The body may be an endless stream; nobody needs it.
        let challenge = || Challenge::of(response.headers()).unwrap_or_default();
        Ok(match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Probed::Challenged(challenge()),
            status if status.is_success() => Probed::Open,
            _ => Probed::Unclear,
        })
    }

    async fn about_resource(
        &self,
        url: &Url,
        challenge: &Challenge,
        deadline: Deadline,
    ) -> Result<Option<ResourceMetadata>, DiscoveryError> {
        let well_known = "/.well-known/oauth-protected-resource";
        let path = url.path().trim_end_matches('/');
        let mut places: Vec<Url> = challenge.resource_metadata.iter().cloned().collect();
        let with_path = format!("{well_known}{path}");
        let at = [with_path.as_str(), well_known].map(|path| url.join(path));
        places.extend(at.into_iter().flatten());
        places.dedup();
        for place in places {
            as_safe_as(url, &place)?;
            let Some(about) = self.fetch::<ResourceMetadata>(&place, deadline).await? else {
                continue;
            };
            if !covers(&about.resource, url) {
                return Err(DiscoveryError::OtherResource(about.resource));
            }
            return Ok(Some(about));
        }
        Ok(None)
    }

    async fn about_server(
        &self,
        url: &Url,
        issuer: &str,
        deadline: Deadline,
    ) -> Result<ServerMetadata, DiscoveryError> {
        let none = || DiscoveryError::NoServer(format!("{issuer:?} has no metadata"));
        let at = Url::parse(issuer).map_err(|_| none())?;
        as_safe_as(url, &at)?;
        if at.query().is_some() || at.fragment().is_some() {
            return Err(none());
        }
        for place in places_of(&at) {
            let Some(server) = self.fetch::<ServerMetadata>(&place, deadline).await? else {
                continue;
            };
            if server.issuer != issuer {
                return Err(DiscoveryError::OtherIssuer {
                    asked: issuer.to_owned(),
                    named: server.issuer,
                });
            }
            for address in server.addresses() {
                as_safe_as(url, address)?;
            }
            if !server.does_s256() {
                return Err(DiscoveryError::Pkce);
            }
            return Ok(server);
        }
        Err(none())
    }

    /// A JSON document; none where there is none.
    async fn fetch<T: for<'de> Deserialize<'de>>(
        &self,
        at: &Url,
        deadline: Deadline,
    ) -> Result<Option<T>, DiscoveryError> {
        let request = Outgoing::new(Method::GET, at.clone());
        let request = request.finish(catalog::closed::TokenRequest::Form)?;
        let incoming = send(&self.client, self.limits, request, deadline).await?;
        Ok(document(&incoming))
    }
}

/// What an answer holds, if it is the document that was asked for.
fn document<T: for<'de> Deserialize<'de>>(incoming: &Incoming) -> Option<T> {
    let kind = incoming.headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let is_form = kind.starts_with("application/x-www-form-urlencoded");
    if incoming.status != StatusCode::OK || is_form {
        return None;
    }
    serde_json::from_value(incoming.json()?).ok()
}

/// Where an issuer's metadata may be, in the order that MCP demands.
fn places_of(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    let mut paths = vec![
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
        format!("{path}/.well-known/openid-configuration"),
    ];
    paths.dedup();
    let places = paths.iter().map(|path| issuer.join(path));
    places.flatten().collect()
}

/// Whether metadata about `resource` is about the server at `url`: the same, or the same origin and
/// a path above it.
fn covers(resource: &str, url: &Url) -> bool {
    let Ok(resource) = Url::parse(resource) else {
        return false;
    };
    let above = resource.path().trim_end_matches('/');
    let rest = url.path().strip_prefix(above);
    resource.origin() == url.origin()
        && resource
            .query()
            .is_none_or(|query| url.query() == Some(query))
        && resource.fragment().is_none()
        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A server over TLS leads to nobody without; user and password lead nowhere.
fn as_safe_as(url: &Url, to: &Url) -> Result<(), DiscoveryError> {
    let safe = to.scheme() == "https" || (to.scheme() == "http" && url.scheme() == "http");
    if safe && to.username().is_empty() && to.password().is_none() {
        return Ok(());
    }
    Err(DiscoveryError::Insecure(
        to.host_str()
            .unwrap_or("an address without a host")
            .to_owned(),
    ))
}
