//! Whose token it is, asked with the token itself, of a provider whose token answer does not say.

use std::collections::BTreeMap;

use bytes::Bytes;
use catalog::{Identity, ResultPath};
use egress::{Deadline, Origins};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use url::Url;

use crate::answer::garbage;
use crate::http::{Outgoing, json_request, send};
use crate::{EndpointsError, TokenEndpoint, TokenError, identity};

/// What the identity begins with that was asked for so. A token answer's own is in other words:
/// the two say nothing of each other.
const ASKED: &str = "asked:";

/// One request that tells who somebody is.
#[derive(Clone, Debug)]
pub struct WhoAmI {
    url: Url,
    headers: HeaderMap,
    graphql: Option<String>,
    id: ResultPath,
    name: ResultPath,
}

/// Who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Never changes, and differs from what any token answer says.
    pub identity: String,
    /// For people, where the provider says one.
    pub name: Option<String>,
}

impl WhoAmI {
    /// `base` is the address that calls of the connector go to, `headers` what the manifest sends
    /// with each. `origins` says which origins are answered elsewhere.
    ///
    /// # Errors
    /// When the manifest's words make no request.
    pub fn new(
        ask: &Identity,
        base: &str,
        headers: &BTreeMap<String, String>,
        origins: &Origins,
    ) -> Result<Self, EndpointsError> {
        let text = format!("{}{}", base.trim_end_matches('/'), ask.path);
        let url = Url::parse(&text).map_err(|_| EndpointsError::Address(text.clone()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EndpointsError::Address(text));
        }
        let fault = |problem: String| EndpointsError::Manifest {
            key: "identity",
            problem,
        };
        let each = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        });
        let headers: Option<HeaderMap> = each.collect();
        Ok(Self {
            url: origins.reroute(&url),
            headers: headers.ok_or_else(|| fault("headers are no header fields".to_owned()))?,
            graphql: ask.graphql.clone(),
            id: ResultPath::fixed(&ask.id).map_err(fault)?,
            name: ResultPath::fixed(&ask.name).map_err(fault)?,
        })
    }

    fn person(&self, body: &Value) -> Option<Person> {
        let text = |path: &ResultPath| match path.get(body)? {
            Value::String(text) => identity::name(text),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        Some(Person {
            identity: format!("{ASKED}{}", text(&self.id)?),
            name: text(&self.name),
        })
    }
}

/// Whether two identities can be held against each other.
pub fn same_source(one: &str, other: &str) -> bool {
    one.starts_with(ASKED) == other.starts_with(ASKED)
}

impl TokenEndpoint {
    /// Asks who somebody is. Nothing follows from not knowing.
    ///
    /// # Errors
    /// The provider refuses, for want of a scope for example, or its answer does not say.
    pub async fn whoami(
        &self,
        ask: &WhoAmI,
        access_token: &str,
        deadline: Deadline,
    ) -> Result<Person, TokenError> {
        let method = match ask.graphql {
            Some(_) => Method::POST,
            None => Method::GET,
        };
        let mut request = Outgoing::new(method, ask.url.clone());
        request.headers.extend(ask.headers.clone());
        request.bearer(access_token);
        let (kind, body) = match &ask.graphql {
            None => (None, Bytes::new()),
            Some(document) => {
                // The connector's own content type, or this one.
                let said = request.headers.remove(CONTENT_TYPE);
                let kind = said.unwrap_or(HeaderValue::from_static("application/json"));
                let body = json!({ "query": document }).to_string();
                (Some(kind), Bytes::from(body))
            }
        };
        let request = json_request(request.method, &request.to, request.headers, kind, body)?;
        let incoming = send(&self.client, self.limits, request, deadline).await?;
        if !incoming.status.is_success() {
            let code = format!("HTTP {}", incoming.status.as_u16());
            let description = "it does not say who signed in".to_owned();
            return Err(TokenError::Refused { code, description });
        }
        let person = incoming.json().as_ref().and_then(|body| ask.person(body));
        person.ok_or_else(|| garbage("it does not say who signed in"))
    }
}
