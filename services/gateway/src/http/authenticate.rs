//! Says who sends a request, and for which tenant.

use std::sync::Arc;

use domain::Principal;
use http::HeaderMap;
use web::Problem;

use crate::access::{self, Unauthenticated};
use crate::service::App;
use crate::snapshot::Snapshot;

/// Says who sends a request, and for which tenant.
pub(super) async fn authenticate(
    app: &App,
    tenant: &str,
    headers: &HeaderMap,
) -> Result<(Principal, Arc<Option<Snapshot>>), Problem> {
    let unauthenticated =
        |why: Unauthenticated| Problem::unauthenticated(why == Unauthenticated::BadToken);
    let unavailable = |error: fabric::SourceError| {
        tracing::error!("could not load configuration: {error}");
        Problem::unavailable("the configuration cannot be read now", 1)
    };
    let token = access::token(headers).map_err(unauthenticated)?;
    let now = app.clock.now();

    if access::is_platform(&token) {
        let keys = app.tenants.platform_keys().await.map_err(unavailable)?;
        let key = keys.check(&token, &app.hasher, now);
        let key = key.ok_or_else(|| unauthenticated(Unauthenticated::BadToken))?;
        key.note_use(now)
            .into_iter()
            .for_each(|id| app.usage.note(id));
        let snapshot = app.tenants.get(tenant).await.map_err(unavailable)?;
        return match snapshot.as_ref() {
            Some(found) if found.active => Ok((key.principal(), snapshot)),
            Some(_) => Err(Problem::conflict(
                "tenant-inactive",
                "the tenant is deactivated",
            )),
            None => Err(Problem::not_found(
                "tenant-not-found",
                "there is no such tenant",
            )),
        };
    }

    // A tenant that does not exist and one that the key is not of are the same to the caller.
    let snapshot = app.tenants.get(tenant).await.map_err(unavailable)?;
    let Some(found) = snapshot.as_ref() else {
        return Err(unauthenticated(Unauthenticated::BadToken));
    };
    let key = access::tenant_key(found, &token, &app.hasher, now).map_err(unauthenticated)?;
    key.note_use(now)
        .into_iter()
        .for_each(|id| app.usage.note(id));
    let principal = key.principal();
    if !access::may_use_tools(&principal, found) {
        return Err(Problem::forbidden(
            "the key's scope does not allow using tools",
        ));
    }
    Ok((principal, snapshot))
}
