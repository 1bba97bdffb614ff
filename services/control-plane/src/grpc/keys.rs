//! KeyService.

use domain::Scope;
use proto::admin::v1 as pb;
use proto::admin::v1::key_service_server::KeyService;
use tonic::Request;

use super::call::{Answer, Call};
use super::status::Fields;
use super::values::{creation, page, time, timestamp};
use super::{Grpc, names};
use crate::error::Error;
use crate::keys::{KeyView, NewKey};

const NEW: Fields = &[
    ("name", "key.display_name"),
    ("scope", "key.scope"),
    ("tenant", "key.tenant"),
    ("expires_at", "key.expire_time"),
    ("Idempotency-Key", "request_id"),
];
const NAMED: Fields = &[];

fn key(view: KeyView, secret: String) -> pb::Key {
    let scope = match view.scope.parse() {
        Ok(Scope::PlatformAdmin) => pb::key::Scope::PlatformAdmin,
        Ok(Scope::TenantAdmin) => pb::key::Scope::TenantAdmin,
        Ok(Scope::TenantUser) => pb::key::Scope::TenantUser,
        Err(_) => pb::key::Scope::Unspecified,
    };
    let state = match view.state.as_str() {
        "active" => pb::key::State::Active,
        "revoked" => pb::key::State::Revoked,
        "expired" => pb::key::State::Expired,
        _ => pb::key::State::Unspecified,
    };
    pb::Key {
        name: format!("keys/{}", view.id),
        display_name: view.name,
        scope: scope.into(),
        tenant: view
            .tenant
            .map(|slug| format!("tenants/{slug}"))
            .unwrap_or_default(),
        state: state.into(),
        create_time: Some(timestamp(view.created_at)),
        expire_time: view.expires_at.map(timestamp),
        revoke_time: view.revoked_at.map(timestamp),
        last_use_time: view.last_used_at.map(timestamp),
        secret,
    }
}

/// The name of a scope; one that is none is refused by the operation.
fn scope(key: &pb::Key) -> &'static str {
    match key.scope() {
        pb::key::Scope::Unspecified => "",
        pb::key::Scope::PlatformAdmin => Scope::PlatformAdmin.as_str(),
        pb::key::Scope::TenantAdmin => Scope::TenantAdmin.as_str(),
        pb::key::Scope::TenantUser => Scope::TenantUser.as_str(),
    }
}

/// A tenant that need not be named.
fn tenant(field: &str, name: &str) -> Result<Option<String>, Error> {
    match name {
        "" => Ok(None),
        name => names::tenant(field, name).map(|slug| Some(slug.to_owned())),
    }
}

fn new_key(given: pb::Key) -> Result<NewKey, Error> {
    Ok(NewKey {
        scope: scope(&given).to_owned(),
        tenant: tenant("tenant", &given.tenant)?,
        expires_at: given
            .expire_time
            .map(|at| time("expires_at", at))
            .transpose()?,
        name: given.display_name,
    })
}

#[tonic::async_trait]
impl KeyService for Grpc {
    async fn create_key(&self, request: Request<pb::CreateKeyRequest>) -> Answer<pb::Key> {
        let (call, input) = Call::begin(request, NEW)?;
        let done = async {
            let new = new_key(input.key.unwrap_or_default())?;
            let creation = creation(input.request_id);
            let created = self
                .operations
                .create_key(&call.principal(), new, &creation)
                .await?;
            Ok(key(created.value.key, created.value.secret))
        };
        call.end(done.await)
    }

    async fn get_key(&self, request: Request<pb::GetKeyRequest>) -> Answer<pb::Key> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let id = names::key("name", &input.name)?;
            Ok(key(
                self.operations.get_key(&call.principal(), id).await?,
                String::new(),
            ))
        };
        call.end(done.await)
    }

    async fn list_keys(
        &self,
        request: Request<pb::ListKeysRequest>,
    ) -> Answer<pb::ListKeysResponse> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let request = page(input.page_size, input.page_token)?;
            let slug = tenant("tenant", &input.tenant)?;
            let page = self
                .operations
                .list_keys(&call.principal(), slug.as_deref(), &request)
                .await?;
            Ok(pb::ListKeysResponse {
                keys: page
                    .items
                    .into_iter()
                    .map(|view| key(view, String::new()))
                    .collect(),
                next_page_token: page.next.unwrap_or_default(),
            })
        };
        call.end(done.await)
    }

    async fn revoke_key(&self, request: Request<pb::RevokeKeyRequest>) -> Answer<pb::Key> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let id = names::key("name", &input.name)?;
            Ok(key(
                self.operations.revoke_key(&call.principal(), id).await?,
                String::new(),
            ))
        };
        call.end(done.await)
    }

    async fn who_am_i(&self, request: Request<pb::WhoAmIRequest>) -> Answer<pb::WhoAmIResponse> {
        let (call, _) = Call::begin(request, NAMED)?;
        let own = self.operations.whoami(call.caller()).await;
        call.end(own.map(|view| pb::WhoAmIResponse {
            key: Some(key(view, String::new())),
        }))
    }
}
