//! What stands before all services: the key.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use web::RequestId;

use super::status::{AS_IN_REST, to_status};
use crate::auth::api::bearer;
use crate::enforcement::{Wait, follow};
use crate::error::Error;
use crate::operations::Operations;

/// Open to all, and says nothing but whether we serve.
const HEALTH: &str = "/grpc.health.v1.Health/";

/// Lets through whoever has a key, and hands on who it is. What the call changes is said in the
/// metadata of the answer, as the header of REST says it.
pub(super) async fn require_key(
    State(operations): State<Operations>,
    mut request: Request,
    next: Next,
) -> Response {
    if request.uri().path().starts_with(HEALTH) {
        return next.run(request).await;
    }
    let headers = request.headers();
    let allowed = async {
        let caller = operations.authenticate(bearer(headers)).await?;
        Ok((caller, Wait::of_metadata(headers)?))
    };
    match allowed.await {
        Ok((caller, wait)) => {
            request.extensions_mut().insert(caller);
            follow(&operations, wait, next.run(request), is_done).await
        }
        Err(error) => {
            let error: Error = error;
            let id = request.extensions().get::<RequestId>();
            to_status(&error, AS_IN_REST, id).into_http()
        }
    }
}

/// A call that fails says so before it says anything else.
fn is_done(response: &Response) -> bool {
    response
        .headers()
        .get("grpc-status")
        .is_none_or(|status| status == "0")
}
