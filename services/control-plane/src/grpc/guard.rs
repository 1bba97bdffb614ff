//! What stands before all services: the key.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use web::RequestId;

use super::status::{AS_IN_REST, to_status};
use crate::auth::api::bearer;
use crate::operations::Operations;

/// Open to all, and says nothing but whether we serve.
const HEALTH: &str = "/grpc.health.v1.Health/";

/// Lets through whoever has a key, and hands on who it is.
pub(super) async fn require_key(
    State(operations): State<Operations>,
    mut request: Request,
    next: Next,
) -> Response {
    if request.uri().path().starts_with(HEALTH) {
        return next.run(request).await;
    }
    match operations.authenticate(bearer(request.headers())).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => {
            let id = request.extensions().get::<RequestId>();
            to_status(&error, AS_IN_REST, id).into_http()
        }
    }
}
