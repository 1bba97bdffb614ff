//! Which names and pages may reach a listener: the wall against DNS rebinding, where a page of
//! somebody else's makes a browser on this network call us under a name of that page's.
//!
//! MCP 2025-11-25 and 2026-07-28 demand the check of `Origin`; that of `Host` closes the same hole
//! for requests that carry none.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures_util::future::{Either, Ready, ready};
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, StatusCode, Uri};
use tower::{Layer, Service};

use crate::Problem;

/// Names and origins that are let through. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HostPolicy(Arc<Allowed>);

#[derive(Debug)]
struct Allowed {
    hosts: Vec<String>,
    origins: Vec<String>,
    bound: IpAddr,
}

impl HostPolicy {
    /// Loopback names and the bound address always pass; `hosts` are further names without a
    /// port, `origins` further origins as browsers write them (`https://app.example.com`).
    pub fn new(bound: SocketAddr, hosts: &[String], origins: &[String]) -> Self {
        let lower = |list: &[String]| list.iter().map(|text| text.to_ascii_lowercase()).collect();
        Self(Arc::new(Allowed {
            hosts: lower(hosts),
            origins: lower(origins),
            bound: bound.ip(),
        }))
    }

    /// Puts the check before every route of `router`.
    pub fn guard(&self, router: Router) -> Router {
        router.layer(GuardLayer(self.clone()))
    }

    fn refusal(&self, uri: &Uri, headers: &HeaderMap) -> Option<Problem> {
        // The target's own authority wins over the field (RFC 9112 §3.2.2).
        let authority = uri.authority().map(|authority| authority.as_str());
        let mut hosts = headers.get_all(HOST).iter();
        let host = match (authority, hosts.next(), hosts.next()) {
            (Some(authority), ..) => Some(authority),
            (None, Some(host), None) => host.to_str().ok(),
            _ => None,
        };
        let Some(name) = host.and_then(host_name) else {
            let detail = "the request must name one host";
            return Some(Problem::new(
                StatusCode::BAD_REQUEST,
                "host-missing",
                detail,
            ));
        };
        if !self.host_allowed(name) {
            let detail = "this host name is not served here: add it to allowed_hosts";
            return Some(Problem::new(
                StatusCode::MISDIRECTED_REQUEST,
                "host-refused",
                detail,
            ));
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        let origin = origins.next()?;
        let allowed = origins.next().is_none()
            && origin
                .to_str()
                .is_ok_and(|origin| self.origin_allowed(origin, name));
        if allowed {
            return None;
        }
        let detail = "pages of this origin may not call here: add it to allowed_origins";
        Some(Problem::new(
            StatusCode::FORBIDDEN,
            "origin-refused",
            detail,
        ))
    }

    fn host_allowed(&self, name: &str) -> bool {
        is_loopback(name)
            || name.parse::<IpAddr>().is_ok_and(|ip| ip == self.0.bound)
            || self
                .0
                .hosts
                .iter()
                .any(|host| host.eq_ignore_ascii_case(name))
    }

    /// A page may call the host that it came from, a local page a local host, and a listed one
    /// any.
    fn origin_allowed(&self, origin: &str, host: &str) -> bool {
        if self
            .0
            .origins
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(origin))
        {
            return true;
        }
        let Ok(origin) = origin.parse::<Uri>() else {
            return false;
        };
        let from_web = matches!(origin.scheme_str(), Some("http" | "https"));
        let name = origin
            .authority()
            .and_then(|authority| host_name(authority.as_str()));
        from_web
            && name.is_some_and(|name| {
                name.eq_ignore_ascii_case(host) || (is_loopback(name) && is_loopback(host))
            })
    }
}

#[derive(Clone)]
struct GuardLayer(HostPolicy);

impl<S> Layer<S> for GuardLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            inner,
            policy: self.0.clone(),
        }
    }
}

/// A service that only what the policy lets through reaches.
#[derive(Clone)]
struct Guarded<S> {
    inner: S,
    policy: HostPolicy,
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.policy.refusal(request.uri(), request.headers()) {
            Some(problem) => Either::Left(ready(Ok(problem.into_response()))),
            None => Either::Right(self.inner.call(request)),
        }
    }
}

/// The name in `name`, `name:port`, `[v6]` or `[v6]:port`.
fn host_name(authority: &str) -> Option<&str> {
    let (name, rest) = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => authority
            .find(':')
            .map_or((authority, ""), |colon| authority.split_at(colon)),
    };
    let port_is_well = match rest.strip_prefix(':') {
        Some(port) => port.parse::<u16>().is_ok(),
        None => rest.is_empty(),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    (port_is_well && !name.is_empty() && !name.contains('@')).then_some(name)
}

fn is_loopback(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(host: Option<&str>, origin: Option<&str>) -> Option<u16> {
        let bound = "192.0.2.7:8000".parse().unwrap();
        let hosts = ["mcp.example.com".to_owned()];
        let policy = HostPolicy::new(bound, &hosts, &["https://App.example.com".to_owned()]);
        let mut headers = HeaderMap::new();
        if let Some(host) = host {
            headers.insert(HOST, host.parse().unwrap());
        }
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        policy
            .refusal(&Uri::from_static("/"), &headers)
            .map(|problem| problem.status().as_u16())
    }

    #[test]
    fn only_hosts_that_are_ours_are_served() {
        let own = [
            "localhost",
            "127.0.0.1:8000",
            "[::1]:8000",
            "MCP.example.com.",
            "192.0.2.7",
        ];
        for host in own {
            assert_eq!(status(Some(host), None), None, "{host}");
        }
        let foreign = [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
        ];
        for host in foreign {
            assert_eq!(status(Some(host), None), Some(421), "{host}");
        }
        for broken in [
            None,
            Some(""),
            Some("localhost:x"),
            Some("[::1"),
            Some("a@localhost"),
        ] {
            assert_eq!(status(broken, None), Some(400), "{broken:?}");
        }
    }

    #[test]
    fn only_pages_that_are_ours_or_named_may_call() {
        let local = |origin| status(Some("localhost:8000"), Some(origin));
        let public = |origin| status(Some("mcp.example.com"), Some(origin));

        assert_eq!(local("http://127.0.0.1:6274"), None);
        assert_eq!(public("https://mcp.example.com"), None);
        assert_eq!(public("https://app.example.com"), None);
        assert_eq!(
            public("http://localhost:6274"),
            Some(403),
            "a local page, not our machine"
        );
        for origin in [
            "https://evil.example",
            "null",
            "file://",
            "http://localhost.evil.example",
        ] {
            assert_eq!(local(origin), Some(403), "{origin}");
        }
    }
}
