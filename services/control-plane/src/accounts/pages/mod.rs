//! What people see who connect an account: a few pages without scripts.

mod cookie;
mod html;
mod show;

use axum::body::{Body, to_bytes};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION, REFERRER_POLICY,
    SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::ExposeSecret;
use url::form_urlencoded;
use web::Path;

use super::connect::{Answered, ProviderAnswer, Refused};
use super::public_url::{CALLBACK_PATH, DOCUMENT_PATH, PublicUrl};
use crate::api::method_not_allowed;
use crate::error::Error;
use crate::operations::Operations;
use html::Html;

const STYLE: &str = include_str!("style.css");
const STYLE_PATH: &str = "/connect/style.css";
const LINK_PATH: &str = "/connect/{nonce}";
const CHOICE_PATH: &str = "/api/v1/oauth/choice";
/// Bytes of a form.
const FORM_MAX_BYTES: usize = 8 * 1024;

const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Nothing is loaded but the sheet, nothing runs, nothing is framed, and nothing is sent anywhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";
/// Forms go to this host. Some browsers hold the redirects after a form to the same list, over all
/// of the hosts that a provider's sign-in leads through, which only the provider knows; hence any
/// host with https.
const FORM_POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; \
    form-action 'self' https:; frame-ancestors 'none'";

pub(crate) fn router(operations: Operations) -> Router {
    Router::new()
        .route(STYLE_PATH, get(style))
        .route(LINK_PATH, get(visit).post(depart))
        .route(CALLBACK_PATH, get(callback))
        .route(CHOICE_PATH, post(choose))
        .route(DOCUMENT_PATH, get(client_document))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(operations)
}

async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

/// What servers fetch whose clients' ids are addresses of documents.
async fn client_document(State(operations): State<Operations>) -> Response {
    match operations.client_document() {
        Some(document) => Json(document).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The page behind a link. It takes nobody's link: a program that looks at links takes none.
async fn visit(
    State(operations): State<Operations>,
    Path(nonce): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Ok(at) = public_url(&operations) else {
        return refused(&Error::PublicUrlMissing.into());
    };
    let known = cookie::browser(&headers, at.is_secure());
    let visit = match operations.visit(&nonce, known).await {
        Ok(visit) => visit,
        Err(error) => return refused(&error),
    };
    let Some((browser, set)) = cookie::given(known, at.is_secure()) else {
        return refused(&Refused::NoCookie);
    };
    let token = operations.form_token(&nonce, &browser);
    let html = show::visit(&visit, &nonce, token.expose_secret());
    let policy = form_policy(&visit.signs_in_at);
    let mut response = page(StatusCode::OK, html, &policy);
    response.headers_mut().insert(SET_COOKIE, set);
    response
}

/// On to the provider.
async fn depart(
    State(operations): State<Operations>,
    Path(nonce): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let departed = async {
        let at = public_url(&operations)?;
        let browser = cookie::browser(&headers, at.is_secure()).ok_or(Refused::NoCookie)?;
        let form = form(body).await?;
        check_token(&operations, &form, &nonce, browser)?;
        operations.depart(&nonce, browser).await
    };
    match departed.await {
        Ok(url) => match HeaderValue::from_str(url.as_str()) {
            Ok(location) => redirect(location),
            Err(error) => refused(&Error::internal("send a browser to a provider", error).into()),
        },
        Err(error) => refused(&error),
    }
}

/// Back from the provider.
async fn callback(
    State(operations): State<Operations>,
    headers: HeaderMap,
    answer: Result<Query<ProviderAnswer>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let answered = async {
        let at = public_url(&operations)?;
        // What is sent twice, or is no text, is no answer of a provider.
        let Query(answer) = answer.map_err(|_| Refused::UnknownAnswer)?;
        let browser = cookie::browser(&headers, at.is_secure());
        let answered = operations.provider_answered(answer, browser).await?;
        Ok((answered, browser.unwrap_or_default().to_owned()))
    };
    let answered: Result<(Answered, String), Refused> = answered.await;
    match answered {
        Ok((Answered::Done(done), _)) => page(StatusCode::OK, show::done(&done), POLICY),
        Ok((Answered::Choose { sites, state }, browser)) => {
            let token = operations.form_token(&state, &browser);
            let html = show::sites(&sites, &state, token.expose_secret());
            page(StatusCode::OK, html, FORM_POLICY)
        }
        Err(error) => refused(&error),
    }
}

/// One of several sites.
async fn choose(State(operations): State<Operations>, headers: HeaderMap, body: Body) -> Response {
    let chosen = async {
        let at = public_url(&operations)?;
        let browser = cookie::browser(&headers, at.is_secure()).ok_or(Refused::NoCookie)?;
        let form = form(body).await?;
        let state = field(&form, "state").ok_or(Refused::NotOurForm)?;
        check_token(&operations, &form, state, browser)?;
        let site = field(&form, "site").and_then(|text| text.parse().ok());
        let site = site.ok_or(Refused::NotOurForm)?;
        operations.site_chosen(state, site, browser).await
    };
    match chosen.await {
        Ok(done) => page(StatusCode::OK, show::done(&done), POLICY),
        Err(error) => refused(&error),
    }
}

fn public_url(operations: &Operations) -> Result<&PublicUrl, Refused> {
    operations
        .public_url()
        .ok_or_else(|| Error::PublicUrlMissing.into())
}

type Form = Vec<(String, String)>;

async fn form(body: Body) -> Result<Form, Refused> {
    let bytes = to_bytes(body, FORM_MAX_BYTES).await;
    let bytes = bytes.map_err(|_| Refused::NotOurForm)?;
    Ok(form_urlencoded::parse(&bytes).into_owned().collect())
}

fn field<'f>(form: &'f Form, wanted: &str) -> Option<&'f str> {
    let found = form.iter().find(|(name, _)| name == wanted);
    found.map(|(_, value)| value.as_str())
}

fn check_token(
    operations: &Operations,
    form: &Form,
    place: &str,
    browser: &str,
) -> Result<(), Refused> {
    let token = field(form, "token").unwrap_or_default();
    match operations.is_form_token(token, place, browser) {
        true => Ok(()),
        false => Err(Refused::NotOurForm),
    }
}

/// [`FORM_POLICY`], and a provider without https, which is one on this machine.
fn form_policy(signs_in_at: &url::Url) -> String {
    match signs_in_at.scheme() {
        "https" => FORM_POLICY.to_owned(),
        _ => {
            let origin = signs_in_at.origin().ascii_serialization();
            FORM_POLICY.replace("https:", &format!("https: {origin}"))
        }
    }
}

fn refused(error: &Refused) -> Response {
    if let Refused::Failed(error @ (Error::Internal { .. } | Error::Unavailable { .. })) = error {
        tracing::error!("an account cannot be connected: {error}");
    }
    page(error.status(), show::refused(error), POLICY)
}

fn page(status: StatusCode, html: Html, policy: &str) -> Response {
    let mut response = (status, html.into_string()).into_response();
    let headers = response.headers_mut();
    let fixed = HeaderValue::from_static;
    headers.insert(CONTENT_TYPE, fixed("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, fixed("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    headers.insert(OPENER, fixed("same-origin"));
    // Nobody else learns of the page's address. With `no-referrer` a form of ours would have no
    // origin either, and pages without an origin may not call here.
    headers.insert(REFERRER_POLICY, fixed("same-origin"));
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn redirect(location: HeaderValue) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
