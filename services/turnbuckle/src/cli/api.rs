//! REST, as the commands use it.

use std::time::Duration;

use bytes::Bytes;
use egress::{Deadline, EgressConfig, Response};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::Full;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::failure::Failure;
use super::target::Target;
use super::wait::Enforcement;

/// How long a plain request may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What comes on top for a change that gateways are waited for: the server's own limit.
const ENFORCING: Duration = Duration::from_secs(30);
/// The parameter that says how long to wait for them.
pub(super) const WAIT: &str = "wait";
/// Bytes of an answer that are read.
pub(super) const ANSWER_MAX_BYTES: usize = 64 * 1024 * 1024;

/// A platform that requests can be sent to.
pub(super) struct Api {
    http: egress::Client,
    target: Target,
    /// Seconds to wait for gateways after a change.
    wait: Option<f64>,
    enforcement: Enforcement,
}

/// Below `/api/v1/admin`: the path's segments and the query.
pub(super) struct Resource<'a> {
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
}

impl<'a> From<&'a [&'a str]> for Resource<'a> {
    fn from(path: &'a [&'a str]) -> Self {
        Self { path, query: &[] }
    }
}

impl<'a, const N: usize> From<&'a [&'a str; N]> for Resource<'a> {
    fn from(path: &'a [&'a str; N]) -> Self {
        Self { path, query: &[] }
    }
}

impl Api {
    pub(super) fn new(
        target: Target,
        wait: Option<f64>,
        enforcement: Enforcement,
    ) -> Result<Self, Failure> {
        // This program acts for the person who runs it, who may call whatever they like; deadlines
        // are those of each request.
        let config = EgressConfig {
            allow_private: true,
            header_timeout: Duration::from_secs(24 * 3600),
            ..EgressConfig::default()
        };
        let http = egress::Client::new(&config)
            .map_err(|error| Failure::failed("internal", error.to_string()))?;
        Ok(Self {
            http,
            target,
            wait,
            enforcement,
        })
    }

    pub(super) async fn get<'a>(&self, what: impl Into<Resource<'a>>) -> Result<Value, Failure> {
        self.call(Method::GET, what.into(), None, PATIENCE).await
    }

    /// A document in a form of its own.
    pub(super) async fn get_as<'a, T: DeserializeOwned>(
        &self,
        what: impl Into<Resource<'a>>,
    ) -> Result<T, Failure> {
        let answer = self
            .exchange(Method::GET, what.into(), None, PATIENCE)
            .await?;
        parse(&answer)
    }

    pub(super) async fn post<'a>(
        &self,
        what: impl Into<Resource<'a>>,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        self.call(Method::POST, what.into(), body, PATIENCE).await
    }

    /// A POST that the server answers after work of its own.
    pub(super) async fn post_slow<'a>(
        &self,
        what: impl Into<Resource<'a>>,
        body: Option<&Value>,
        patience: Duration,
    ) -> Result<Value, Failure> {
        self.call(Method::POST, what.into(), body, patience).await
    }

    pub(super) async fn put<'a>(
        &self,
        what: impl Into<Resource<'a>>,
        body: &Value,
    ) -> Result<Value, Failure> {
        self.call(Method::PUT, what.into(), Some(body), PATIENCE)
            .await
    }

    pub(super) async fn patch<'a>(
        &self,
        what: impl Into<Resource<'a>>,
        body: &Value,
    ) -> Result<Value, Failure> {
        self.call(Method::PATCH, what.into(), Some(body), PATIENCE)
            .await
    }

    /// `null` when the server has nothing to say about what is gone.
    pub(super) async fn delete<'a>(&self, what: impl Into<Resource<'a>>) -> Result<Value, Failure> {
        self.call(Method::DELETE, what.into(), None, PATIENCE).await
    }

    /// All pages of a list, as one document: the last page with the member `items` of all.
    pub(super) async fn list(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        items: &str,
    ) -> Result<Value, Failure> {
        let mut all = Vec::new();
        let mut token = String::new();
        loop {
            let mut query = query.to_vec();
            query.push(("page_size", "500"));
            if !token.is_empty() {
                query.push(("page_token", &token));
            }
            let mut page = self
                .get(Resource {
                    path,
                    query: &query,
                })
                .await?;
            let Some(Value::Array(found)) = page.get_mut(items).map(Value::take) else {
                return Err(Failure::strange(&format!("the list has no {items}")));
            };
            all.extend(found);
            match page.get("next_page_token").and_then(Value::as_str) {
                None | Some("") => {
                    page[items] = all.into();
                    return Ok(page);
                }
                Some(next) if next == token => {
                    return Err(Failure::strange("the list never ends"));
                }
                Some(next) => next.clone_into(&mut token),
            }
        }
    }

    async fn call(
        &self,
        method: Method,
        what: Resource<'_>,
        body: Option<&Value>,
        patience: Duration,
    ) -> Result<Value, Failure> {
        let answer = self.exchange(method, what, body, patience).await?;
        if answer.is_empty() {
            return Ok(Value::Null);
        }
        parse(&answer)
    }

    async fn exchange(
        &self,
        method: Method,
        what: Resource<'_>,
        body: Option<&Value>,
        patience: Duration,
    ) -> Result<Bytes, Failure> {
        let mut url = self.url(&["api", "v1", "admin"], what.path);
        for (name, value) in what.query {
            url.query_pairs_mut().append_pair(name, value);
        }
        let mut patience = patience;
        let mut waits = what.query.iter().any(|(name, _)| *name == WAIT);
        if method != Method::GET
            && !waits
            && let Some(seconds) = self.wait
        {
            let seconds = seconds.to_string();
            url.query_pairs_mut().append_pair(WAIT, &seconds);
            waits = true;
        }
        if waits {
            patience += ENFORCING;
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let body = body.map(|body| Bytes::from(body.to_string()));
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let response = self
            .send(method, &url, headers, body.unwrap_or_default(), patience)
            .await?;
        let (status, said) = (response.status(), response.headers().clone());
        let answer = response
            .collect(ANSWER_MAX_BYTES)
            .await
            .map_err(|e| self.unreachable(&e))?;
        if !status.is_success() {
            return Err(Failure::answered(status, &answer));
        }
        self.enforcement.note(&said);
        Ok(answer)
    }

    /// Sends one request with the key.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &Url,
        mut headers: HeaderMap,
        body: Bytes,
        patience: Duration,
    ) -> Result<Response, Failure> {
        headers.insert(AUTHORIZATION, self.target.authorization.clone());
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        *request.uri_mut() = url
            .as_str()
            .parse()
            .map_err(|_| Failure::Usage("the address is too long to be called".to_owned()))?;
        let sent = self.http.send(request, Deadline::after(patience)).await;
        sent.map_err(|error| self.unreachable(&error))
    }

    /// An address of the platform; each segment is one segment, whatever it holds.
    pub(super) fn url(&self, base: &[&str], path: &[&str]) -> Url {
        joined(&self.target.url, base, path)
    }

    pub(super) fn unreachable(&self, error: &egress::EgressError) -> Failure {
        let mut place = self.target.url.clone();
        place.set_path("");
        Failure::failed(
            "unreachable",
            format!(
                "{error}: is Turnbuckle running at {place}? Start it with `turnbuckle up`, or give its address with {}",
                self.target.flag
            ),
        )
    }
}

fn parse<T: DeserializeOwned>(answer: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(answer).map_err(|_| Failure::strange("the answer is no JSON"))
}

/// `url` with further segments; its query and fragment are no part of the result.
pub(super) fn joined(url: &Url, base: &[&str], path: &[&str]) -> Url {
    let mut joined = url.clone();
    joined.set_query(None);
    joined.set_fragment(None);
    if let Ok(mut segments) = joined.path_segments_mut() {
        segments.pop_if_empty().extend(base).extend(path);
    }
    joined
}
