//! The API's description, for programs and in a browser.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use utoipa_swagger_ui::Config;
use web::{Path, Problem};

use crate::api::method_not_allowed;

const DOCUMENT: &str = "/api/v1/openapi.json";

/// Nothing from anywhere else. Swagger UI writes `style` attributes and has images in its sheets.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// `/api/v1/openapi.json`, open to all since there is no data in it, and `/docs`.
pub(crate) fn router() -> Router {
    let document = Bytes::from(crate::openapi::document());
    let document = move || {
        let document = document.clone();
        async move { ([(CONTENT_TYPE, "application/json")], document) }
    };
    // The online validator would be told of this server's address.
    let config = Config::from(DOCUMENT)
        .validator_url("none")
        .deep_linking(true);
    let config = Arc::new(config);
    let index = config.clone();
    Router::new()
        .route(DOCUMENT, get(document))
        // Its files are named relative to the page.
        .route("/docs", get(|| async { Redirect::permanent("/docs/") }))
        .route("/docs/", get(move || async move { file("", index) }))
        .route(
            "/docs/{*file}",
            get(|Path(name): Path<String>| async move { file(&name, config) }),
        )
        .method_not_allowed_fallback(method_not_allowed)
}

fn file(name: &str, config: Arc<Config<'static>>) -> Response {
    match utoipa_swagger_ui::serve(name, config) {
        Ok(Some(file)) => {
            let headers = [
                (CONTENT_TYPE, file.content_type.as_str()),
                (CONTENT_SECURITY_POLICY, POLICY),
                (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, file.bytes.into_owned()).into_response()
        }
        Ok(None) => {
            Problem::not_found("not-found", "there is nothing at this address").into_response()
        }
        Err(error) => Problem::internal("show the API's description", error).into_response(),
    }
}
