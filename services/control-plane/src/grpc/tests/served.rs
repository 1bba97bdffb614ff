//! gRPC over a socket, as the process serves it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use proto::admin::v1 as pb;
use proto::admin::v1::tenant_service_client::TenantServiceClient;
use runtime::SequentialIds;
use tonic::Request;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_types::StatusExt;

use super::world::World;

async fn serve(world: &World) -> (Channel, tokio::task::JoinHandle<anyhow::Result<()>>) {
    let listener = web::bind("127.0.0.1:0".parse().unwrap(), "--grpc-listen").unwrap();
    let url = format!("http://{}", listener.addr());
    let observer = web::Observer::new(&world.process, Arc::new(SequentialIds::default()));
    let router = observer.observe(world.grpc.clone());
    let process = world.process.clone();
    let limits = web::ServeLimits::default();
    let served = world
        .process
        .tasks
        .joinable(async move { listener.serve(router, &process, limits).await });
    (
        Channel::from_shared(url).unwrap().connect().await.unwrap(),
        served,
    )
}

fn with_key<T>(message: T, world: &World) -> Request<T> {
    let mut request = Request::new(message);
    let token = format!("Bearer {}", world.root).parse().unwrap();
    request.metadata_mut().insert("authorization", token);
    request
}

#[tokio::test]
async fn a_failed_call_names_its_request() {
    let world = World::new().await;
    let (channel, _) = serve(&world).await;
    let mut tenants = TenantServiceClient::new(channel);

    let mut request = with_key(
        pb::GetTenantRequest {
            name: "tenants/nope".to_owned(),
        },
        &world,
    );
    request
        .metadata_mut()
        .insert("x-request-id", "r-1".parse().unwrap());
    let refused = tenants.get_tenant(request).await.unwrap_err();

    let details = refused.get_error_details();
    assert_eq!(details.request_info().unwrap().request_id, "r-1");
    assert_eq!(details.error_info().unwrap().reason, "TENANT_NOT_FOUND");
    assert_eq!(refused.metadata().get("x-request-id").unwrap(), "r-1");
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused() {
    let world = World::new().await;
    let (channel, _) = serve(&world).await;
    let mut tenants = TenantServiceClient::new(channel);

    let name = "x".repeat(domain::limits::BODY_MAX_BYTES + 1);
    let refused = tenants
        .get_tenant(with_key(pb::GetTenantRequest { name }, &world))
        .await;

    assert_eq!(refused.unwrap_err().code(), tonic::Code::OutOfRange);
}

#[tokio::test]
async fn reflection_tells_of_all_services_to_who_has_a_key() {
    let world = World::new().await;
    let (channel, _) = serve(&world).await;
    let mut reflection = ServerReflectionClient::new(channel);
    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };

    let request = with_key(futures_util::stream::iter([list]), &world);
    let mut answers = reflection
        .server_reflection_info(request)
        .await
        .unwrap()
        .into_inner();
    let answer = answers
        .next()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap();

    let MessageResponse::ListServicesResponse(list) = answer else {
        panic!("{answer:?}")
    };
    let mut services: Vec<String> = list
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    services.sort();
    assert_eq!(
        services,
        [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "turnbuckle.admin.v1.AccountService",
            "turnbuckle.admin.v1.ConnectorService",
            "turnbuckle.admin.v1.KeyService",
            "turnbuckle.admin.v1.NodeService",
            "turnbuckle.admin.v1.TenantService",
            "turnbuckle.admin.v1.ToolService",
        ]
    );
}

#[tokio::test]
async fn health_watchers_hear_of_the_drain_and_do_not_hold_it_up() {
    let world = World::new().await;
    let (channel, served) = serve(&world).await;
    let mut health = HealthClient::new(channel);
    let service = "turnbuckle.admin.v1.TenantService".to_owned();
    let watch = health.watch(HealthCheckRequest { service }).await.unwrap();
    let mut watch = watch.into_inner();
    assert_eq!(watch.next().await.unwrap().unwrap().status, 1, "serving");

    world.trigger.drain();

    assert_eq!(
        watch.next().await.unwrap().unwrap().status,
        2,
        "not serving"
    );
    assert!(watch.next().await.is_none());
    drop((watch, health));
    let ended = tokio::time::timeout(Duration::from_secs(10), served).await;
    ended
        .expect("the drain is over long before its deadline")
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_call_that_changes_something_says_its_revision_and_may_wait_for_gateways() {
    let world = World::new().await;
    let (channel, _) = serve(&world).await;
    let mut tenants = TenantServiceClient::new(channel);
    let create = |slug: &str, wait: Option<&'static str>| {
        let mut request = with_key(
            pb::CreateTenantRequest {
                tenant_id: slug.to_owned(),
                tenant: Some(pb::Tenant {
                    display_name: slug.to_owned(),
                    ..Default::default()
                }),
                ..Default::default()
            },
            &world,
        );
        if let Some(wait) = wait {
            let metadata = request.metadata_mut();
            metadata.insert("turnbuckle-wait", wait.parse().unwrap());
        }
        request
    };

    let plain = tenants.create_tenant(create("one", None)).await.unwrap();
    let waited = tenants
        .create_tenant(create("two", Some("5")))
        .await
        .unwrap();
    let refused = tenants.create_tenant(create("three", Some("soon"))).await;

    let (plain, waited) = (plain.metadata(), waited.metadata());
    // The first key was the first change.
    assert_eq!(plain.get("turnbuckle-revision").unwrap(), "2");
    assert!(plain.get("turnbuckle-enforced").is_none());
    assert_eq!(waited.get("turnbuckle-revision").unwrap(), "3");
    assert_eq!(waited.get("turnbuckle-enforced").unwrap(), "true");
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    let rule = "turnbuckle-wait must be true, false, or a number of seconds from 0 to 30";
    assert_eq!(refused.message(), rule);
}
