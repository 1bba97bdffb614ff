//! TenantService.

use proto::admin::v1 as pb;
use proto::admin::v1::tenant_service_server::TenantService;
use tonic::Request;

use super::call::{Answer, Call};
use super::mask::Mask;
use super::status::Fields;
use super::values::{creation, etag, expected, page, timestamp};
use super::{Grpc, names};
use crate::tenants::{NewTenant, TenantPatch, TenantView};

const FIELDS: Fields = &[
    ("slug", "tenant_id"),
    ("name", "tenant.display_name"),
    ("description", "tenant.description"),
    ("contact_email", "tenant.contact_email"),
    ("Idempotency-Key", "request_id"),
];
/// A request whose own `name` is the resource's.
const NAMED: Fields = &[];

pub(super) fn tenant(view: TenantView) -> pb::Tenant {
    let state = match view.state.as_str() {
        "active" => pb::tenant::State::Active,
        "inactive" => pb::tenant::State::Inactive,
        _ => pb::tenant::State::Unspecified,
    };
    pb::Tenant {
        name: format!("tenants/{}", view.slug),
        uid: view.id.to_string(),
        display_name: view.name,
        description: view.description,
        contact_email: view.contact_email,
        state: state.into(),
        create_time: Some(timestamp(view.created_at)),
        update_time: Some(timestamp(view.updated_at)),
        etag: etag(view.version),
    }
}

/// Changeable fields by their path.
fn patch(tenant: pb::Tenant, mask: Option<&Mask>) -> TenantPatch {
    let named = |path: &str, text: String| {
        let meant = mask.map_or(!text.is_empty(), |mask| mask.has(path));
        meant.then_some(Some(text))
    };
    TenantPatch {
        name: named("display_name", tenant.display_name),
        description: named("description", tenant.description),
        contact_email: named("contact_email", tenant.contact_email),
    }
}

fn is_changeable(path: &str) -> bool {
    matches!(path, "*" | "display_name" | "description" | "contact_email")
}

#[tonic::async_trait]
impl TenantService for Grpc {
    async fn create_tenant(&self, request: Request<pb::CreateTenantRequest>) -> Answer<pb::Tenant> {
        let (call, input) = Call::begin(request, FIELDS)?;
        let given = input.tenant.unwrap_or_default();
        let new = NewTenant {
            slug: input.tenant_id,
            name: given.display_name,
            description: given.description,
            contact_email: given.contact_email,
        };
        let creation = creation(input.request_id);
        let created = self
            .operations
            .create_tenant(&call.principal(), new, &creation)
            .await;
        call.end(created.map(|created| tenant(created.value)))
    }

    async fn get_tenant(&self, request: Request<pb::GetTenantRequest>) -> Answer<pb::Tenant> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let slug = names::tenant("name", &input.name)?;
            Ok(tenant(
                self.operations.get_tenant(&call.principal(), slug).await?,
            ))
        };
        call.end(done.await)
    }

    async fn list_tenants(
        &self,
        request: Request<pb::ListTenantsRequest>,
    ) -> Answer<pb::ListTenantsResponse> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let request = page(input.page_size, input.page_token)?;
            let page = self
                .operations
                .list_tenants(&call.principal(), &request)
                .await?;
            Ok(pb::ListTenantsResponse {
                tenants: page.items.into_iter().map(tenant).collect(),
                next_page_token: page.next.unwrap_or_default(),
            })
        };
        call.end(done.await)
    }

    async fn update_tenant(&self, request: Request<pb::UpdateTenantRequest>) -> Answer<pb::Tenant> {
        let (call, input) = Call::begin(request, FIELDS)?;
        let done = async {
            let mask = Mask::read(input.update_mask, is_changeable)?;
            let given = input.tenant.unwrap_or_default();
            let (name, expected) = (given.name.clone(), expected(&given.etag));
            let slug = names::tenant("tenant.name", &name)?;
            let patch = patch(given, mask.as_ref());
            let updated = self
                .operations
                .update_tenant(&call.principal(), slug, patch, &expected)
                .await?;
            Ok(tenant(updated))
        };
        call.end(done.await)
    }

    async fn delete_tenant(&self, request: Request<pb::DeleteTenantRequest>) -> Answer<()> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let slug = names::tenant("name", &input.name)?;
            let expected = expected(&input.etag);
            self.operations
                .delete_tenant(&call.principal(), slug, &expected)
                .await
        };
        call.end(done.await)
    }

    async fn activate_tenant(
        &self,
        request: Request<pb::ActivateTenantRequest>,
    ) -> Answer<pb::Tenant> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let slug = names::tenant("name", &input.name)?;
            let expected = expected(&input.etag);
            self.operations
                .activate_tenant(&call.principal(), slug, &expected)
                .await
        };
        call.end(done.await.map(tenant))
    }

    async fn deactivate_tenant(
        &self,
        request: Request<pb::DeactivateTenantRequest>,
    ) -> Answer<pb::Tenant> {
        let (call, input) = Call::begin(request, NAMED)?;
        let done = async {
            let slug = names::tenant("name", &input.name)?;
            let expected = expected(&input.etag);
            self.operations
                .deactivate_tenant(&call.principal(), slug, &expected)
                .await
        };
        call.end(done.await.map(tenant))
    }
}
