//! What is counted of calls that other roles make here.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http_body_util::BodyExt;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use runtime::Metrics;

/// The package of all contracts between roles, as it begins a path.
const PACKAGE: &str = "/turnbuckle.fabric.v1.";
/// All methods between roles. Strangers may name others: those share a label.
const METHODS: [&str; 12] = [
    "ConfigService/Watch",
    "ConfigService/GetPlatform",
    "ConfigService/GetTenant",
    "ConfigService/NoteKeyUses",
    "LeaseService/Lease",
    "LeaseService/Credential",
    "LeaseService/NoteToolsChanged",
    "WorkerService/Execute",
    "WorkerService/ListTools",
    "WorkerService/GetProcess",
    "WorkerService/GetStderr",
    "WorkerService/Release",
];
/// By number (gRPC, "Status codes and their use in gRPC").
const CODES: [&str; 17] = [
    "ok",
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];
const CANCELLED: &str = CODES[1];
const UNKNOWN: &str = CODES[2];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    method: &'static str,
    code: &'static str,
}

/// Counts from the beginning, told to whom it is registered with. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls(Family<Labels, Counter>);

impl Calls {
    pub(super) fn register(&self, metrics: &Metrics) {
        metrics.register(
            "fabric_grpc_calls",
            "Calls of other roles that ended here, by method and gRPC status",
            self.0.clone(),
        );
    }

    /// Counts a call with the status that it ends with.
    pub(super) async fn count(self, request: Request, next: Next) -> Response {
        let mut call = Counted {
            calls: self,
            method: method(request.uri().path()),
            ended: false,
        };
        let response = next.run(request).await;
        // One that is refused or fails at once has its status in the header.
        if let Some(code) = code(response.headers()) {
            call.end(code);
            return response;
        }
        if !response.status().is_success() {
            call.end(UNKNOWN);
            return response;
        }
        response.map(|body| {
            Body::new(body.map_frame(move |frame| {
                if let Some(code) = frame.trailers_ref().and_then(code) {
                    call.end(code);
                }
                frame
            }))
        })
    }
}

/// A call under way. One that is dropped before its end was cancelled.
struct Counted {
    calls: Calls,
    method: &'static str,
    ended: bool,
}

impl Counted {
    fn end(&mut self, code: &'static str) {
        if !std::mem::replace(&mut self.ended, true) {
            let method = self.method;
            self.calls.0.get_or_create(&Labels { method, code }).inc();
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.end(CANCELLED);
    }
}

fn method(path: &str) -> &'static str {
    let named = path.strip_prefix(PACKAGE);
    let known = METHODS.into_iter().find(|method| named == Some(method));
    known.unwrap_or("other")
}

fn code(fields: &HeaderMap) -> Option<&'static str> {
    let number = fields.get("grpc-status")?.to_str().ok()?;
    let number: Option<usize> = number.parse().ok();
    let known = number.and_then(|number| CODES.get(number).copied());
    Some(known.unwrap_or(UNKNOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_between_roles_has_a_label() {
        let contracts = [
            include_str!("../../../../proto/turnbuckle/fabric/v1/config.proto"),
            include_str!("../../../../proto/turnbuckle/fabric/v1/lease.proto"),
            include_str!("../../../../proto/turnbuckle/fabric/v1/worker.proto"),
        ];
        let mut declared = Vec::new();
        for contract in contracts {
            let mut service = "";
            for line in contract.lines().map(str::trim) {
                if let Some(rest) = line.strip_prefix("service ") {
                    service = rest.trim_end_matches([' ', '{']);
                }
                if let Some((name, _)) = line.strip_prefix("rpc ").and_then(|r| r.split_once('(')) {
                    declared.push(format!("{service}/{name}"));
                }
            }
        }
        assert_eq!(declared, METHODS);
        for known in METHODS {
            assert_eq!(method(&format!("{PACKAGE}{known}")), known);
        }
        assert_eq!(method("/turnbuckle.fabric.v1.WorkerService/Guess"), "other");
    }
}
