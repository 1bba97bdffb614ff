//! `/`: what runs here, and how to make the first call. Says nothing that is not in the
//! documentation, and so needs no key.

use axum::Router;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;

const PAGE: &str = include_str!("start_page.html");
/// The page is one document: nothing is loaded, run or framed.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);

pub(super) fn router() -> Router {
    Router::new().route("/", get(page))
}

async fn page() -> Response {
    let html = PAGE.replace("{version}", env!("CARGO_PKG_VERSION"));
    ([(CONTENT_SECURITY_POLICY, POLICY)], Html(html)).into_response()
}
