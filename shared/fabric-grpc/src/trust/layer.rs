//! The guard before what the roles serve each other: who is not known is not heard.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use tonic::{Code, Status};

use super::certificates::peer_of;
use super::{Peer, Role, Trust};
use crate::refusal::Refused;

/// What a process says of itself where everybody is believed.
const CLAIM: HeaderName = HeaderName::from_static("turnbuckle-peer");

#[derive(Clone)]
struct Guard {
    trust: Trust,
    allowed: &'static [Role],
}

pub(super) fn protect(trust: &Trust, router: Router, allowed: &'static [Role]) -> Router {
    let guard = Guard {
        trust: trust.clone(),
        allowed,
    };
    let calls = trust.0.calls.clone();
    // Outermost: who is refused is counted too.
    router
        .layer(from_fn_with_state(guard, admit))
        .layer(from_fn(move |request, next| {
            calls.clone().count(request, next)
        }))
}

async fn admit(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let Some(peer) = guard.trust.recognise(&request) else {
        let refusal = "the caller is not known here: see `trust` in its configuration";
        return refuse(Code::Unauthenticated, refusal);
    };
    if !guard.allowed.contains(&peer.role) {
        return refuse(Code::PermissionDenied, DENIED);
    }
    request.extensions_mut().insert(peer);
    next.run(request).await
}

const DENIED: &str = "the caller's role may not ask this";

fn refuse(code: Code, message: &'static str) -> Response {
    Refused::NotAllowed.status(code, message).into_http()
}

/// Who asks, if it is of one of the `allowed` roles: for a method that is not for all of those
/// whom the router lets in.
///
/// # Errors
/// The answer for everybody else.
pub fn peer<T>(request: &tonic::Request<T>, allowed: &[Role]) -> Result<Peer, Status> {
    let peer = request.extensions().get::<Peer>();
    let peer = peer.filter(|peer| allowed.contains(&peer.role)).cloned();
    peer.ok_or_else(|| Refused::NotAllowed.status(Code::PermissionDenied, DENIED))
}

/// What a process says of itself to those who believe everybody.
pub(super) fn claim(me: &Peer) -> Vec<(HeaderName, HeaderValue)> {
    let claim = format!("{}/{}", me.role.as_str(), me.name);
    let value = HeaderValue::try_from(claim);
    value.map(|value| (CLAIM, value)).into_iter().collect()
}

impl Trust {
    /// Whose request it is.
    fn recognise(&self, request: &Request) -> Option<Peer> {
        let inner = &self.0;
        let extensions = request.extensions();
        if inner.certificates.is_some() {
            // The chain was verified when the connection began.
            return peer_of(&extensions.get::<web::PeerCertificates>()?.0);
        }
        let headers = request.headers();
        if let Some(secrets) = &inner.secrets {
            let field = headers.get(http::header::AUTHORIZATION)?;
            let verified = secrets
                .load()
                .verify(field, inner.me.role, inner.clock.now());
            return match verified {
                Ok(peer) => Some(peer),
                Err(why) => {
                    tracing::warn!("refused a service token: {why:?}");
                    None
                }
            };
        }
        let ConnectInfo(from) = extensions.get::<ConnectInfo<SocketAddr>>()?;
        if !inner.config.insecure_loopback || !from.ip().is_loopback() {
            return None;
        }
        let (role, name) = headers.get(CLAIM)?.to_str().ok()?.split_once('/')?;
        Some(Peer {
            role: Role::named(role)?,
            name: name.into(),
        })
    }
}
