//! REST and gRPC are equal: the same operations, the same resources, the same refusals.
//!
//! Two platforms that are alike down to ids and times are driven step by step, one over REST, the
//! other over gRPC; each answer of the one must be the answer of the other.

mod accounts;
mod connectors;
mod refusals;
mod tenants;
mod tools;

use std::collections::BTreeSet;
use std::future::Future;

use http::Method;
use prost::Message;
use prost_types::FileDescriptorSet;
use serde_json::Value;
use tonic::Status;
use tonic_types::StatusExt;

use super::world::{Clients, World};

/// Every operation: its id in the OpenAPI document, and its method. What REST has for the operator
/// and for a tenant apart, may be one method.
const PAIRS: [(&str, &str); 48] = [
    ("activateTenant", "TenantService.ActivateTenant"),
    ("approveAllTools", "ToolService.ApproveAllTools"),
    ("approveTool", "ToolService.ApproveTool"),
    ("bulkUpdateTools", "ToolService.BulkUpdateTools"),
    ("createAccount", "AccountService.CreateAccount"),
    ("createConnection", "AccountService.CreateConnection"),
    ("createConnector", "ConnectorService.CreateConnector"),
    ("createKey", "KeyService.CreateKey"),
    ("createTenant", "TenantService.CreateTenant"),
    ("deactivateTenant", "TenantService.DeactivateTenant"),
    ("deleteConnector", "ConnectorService.DeleteConnector"),
    ("deleteOAuthClient", "AccountService.DeleteOAuthClient"),
    ("deleteTenant", "TenantService.DeleteTenant"),
    (
        "deleteTenantOAuthClient",
        "AccountService.DeleteOAuthClient",
    ),
    ("disableAllTools", "ToolService.DisableAllTools"),
    ("disableConnector", "ConnectorService.DisableConnector"),
    ("disconnectAccount", "AccountService.DisconnectAccount"),
    ("enableAllTools", "ToolService.EnableAllTools"),
    ("enableConnector", "ConnectorService.EnableConnector"),
    ("getAccount", "AccountService.GetAccount"),
    ("getConnection", "AccountService.GetConnection"),
    ("getConnector", "ConnectorService.GetConnector"),
    ("getKey", "KeyService.GetKey"),
    ("getProcess", "ConnectorService.GetProcess"),
    ("getTenant", "TenantService.GetTenant"),
    ("getTool", "ToolService.GetTool"),
    ("getToolChanges", "ToolService.GetToolChanges"),
    ("listAccounts", "AccountService.ListAccounts"),
    ("listConnectorTypes", "ConnectorService.ListConnectorTypes"),
    ("listConnectors", "ConnectorService.ListConnectors"),
    ("listKeys", "KeyService.ListKeys"),
    ("listNodes", "NodeService.ListNodes"),
    ("listOAuthClients", "AccountService.ListOAuthClients"),
    ("listOAuthProviders", "AccountService.ListOAuthProviders"),
    ("listStderr", "ConnectorService.ListStderr"),
    ("listTenantOAuthClients", "AccountService.ListOAuthClients"),
    ("listTenants", "TenantService.ListTenants"),
    ("listTools", "ToolService.ListTools"),
    ("putOAuthClient", "AccountService.SetOAuthClient"),
    ("putTenantOAuthClient", "AccountService.SetOAuthClient"),
    ("restartProcess", "ConnectorService.RestartProcess"),
    ("revokeKey", "KeyService.RevokeKey"),
    ("syncTools", "ToolService.SyncTools"),
    ("updateAccount", "AccountService.UpdateAccount"),
    ("updateConnector", "ConnectorService.UpdateConnector"),
    ("updateTenant", "TenantService.UpdateTenant"),
    ("updateTool", "ToolService.UpdateTool"),
    ("whoami", "KeyService.WhoAmI"),
];

#[test]
fn every_route_has_its_method_and_every_method_its_route() {
    let document: Value = serde_json::from_str(&crate::openapi_document()).unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap().values());
    let operations = operations.filter_map(|operation| operation["operationId"].as_str());
    let operations: BTreeSet<String> = operations.map(str::to_owned).collect();

    let described = FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
    let services = described.file.iter().flat_map(|file| &file.service);
    let methods: BTreeSet<String> = services
        .flat_map(|s| {
            s.method
                .iter()
                .map(|m| format!("{}.{}", s.name(), m.name()))
        })
        .collect();

    let paired = |side: fn(&(&str, &str)) -> String| PAIRS.iter().map(side).collect();
    let (left, right): (BTreeSet<String>, BTreeSet<String>) = (
        paired(|pair| pair.0.to_owned()),
        paired(|pair| pair.1.to_owned()),
    );
    assert_eq!(
        operations, left,
        "pair each REST operation with a gRPC method"
    );
    assert_eq!(
        methods, right,
        "pair each gRPC method with a REST operation"
    );
}

/// Two platforms that are alike.
struct Both {
    rest: World,
    grpc: World,
    driven: BTreeSet<&'static str>,
}

impl Both {
    async fn new() -> Self {
        Self {
            rest: World::new().await,
            grpc: World::new().await,
            driven: BTreeSet::new(),
        }
    }

    /// Waits until the readings of tools that a change set off are over.
    async fn settle(&self) {
        let path = format!("{PATH}/tools/sync");
        for world in [&self.rest, &self.grpc] {
            let (status, _) = world.rest(&world.root, Method::POST, &path, &NONE).await;
            assert!(status.is_success());
        }
    }

    /// Drives `operation` on both and holds the answers equal; gives that of REST, whose secret,
    /// if any, is taken out.
    async fn same<F, A>(
        &mut self,
        operation: &'static str,
        (method, path, body): (Method, &str, Value),
        call: F,
    ) -> Value
    where
        F: FnOnce(Clients) -> A,
        A: Future<Output = Result<Value, Status>>,
    {
        self.rest.a_second_later();
        self.grpc.a_second_later();
        let (status, mut rest) = self.rest.rest(&self.rest.root, method, path, &body).await;
        let grpc = call(self.grpc.clients(&self.grpc.root)).await;
        match grpc {
            Ok(grpc) => {
                assert!(status.is_success(), "{operation}: REST {status} {rest}");
                if let Some(rest) = rest.as_object_mut() {
                    for never_the_same in ["secret", "url", "code"] {
                        rest.remove(never_the_same);
                    }
                }
                assert_eq!(grpc, rest, "{operation} {path}");
                self.driven.insert(operation);
            }
            Err(refused) => assert_same_refusal(operation, &rest, &refused),
        }
        rest
    }
}

fn assert_same_refusal(operation: &str, problem: &Value, refused: &Status) {
    let details = refused.get_error_details();
    let info = details.error_info().unwrap();
    let name = info.reason.to_ascii_lowercase().replace('_', "-");
    assert_eq!(
        problem["type"],
        format!("urn:turnbuckle:problem:{name}"),
        "{operation} {refused}"
    );
    assert_eq!(info.domain, "turnbuckle");
    if name != "invalid-request" {
        assert_eq!(problem["detail"], refused.message(), "{operation}");
        return;
    }
    let rules = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["rule"].as_str().unwrap());
    let violations = &details.bad_request().unwrap().field_violations;
    assert!(
        rules.eq(violations.iter().map(|v| v.description.as_str())),
        "{operation} {refused}"
    );
}

const NONE: Value = Value::Null;
const AT: &str = "tenants/acme/connectors/e";
const PATH: &str = "/tenants/acme/connectors/e";

fn at() -> String {
    AT.to_owned()
}

#[tokio::test]
async fn both_interfaces_give_the_same_resources_and_the_same_refusals() {
    let mut both = Both::new().await;

    tenants::tenants(&mut both).await;
    connectors::connectors(&mut both).await;
    tools::tools(&mut both).await;
    tools::approvals(&mut both).await;
    tools::processes(&mut both).await;
    accounts::clients(&mut both).await;
    accounts::connections(&mut both).await;
    accounts::accounts(&mut both).await;
    accounts::ends(&mut both).await;
    tenants::keys(&mut both).await;
    tenants::nodes(&mut both).await;
    refusals::refusals(&mut both).await;
    refusals::ends(&mut both).await;

    let all: BTreeSet<&str> = PAIRS.iter().map(|pair| pair.0).collect();
    assert_eq!(both.driven, all, "drive each operation at least once");
}
