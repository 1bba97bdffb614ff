//! What control-planes ask of the workers.

use std::sync::Arc;
use std::time::Duration;

use domain::{ConnectorId, TenantId};
use fabric::{
    BoxFuture, Effect, Failure, FailureKind, Listing, ProcessState, ProcessStatus, StderrLine,
    Workers,
};
use futures_util::future::join_all;
use proto::fabric::v1;
use tokio::time::Instant;
use tonic::Status;

use super::choice::{by_rendezvous, key_of};
use super::member::Member;
use super::{CANDIDATES, LOOK_AGAIN, WorkerPool};
use crate::LISTING_MAX_BYTES;
use crate::convert::{failure_from, listing_from, process_from, stderr_from};
use crate::refusal::{Refused, nothing_happened};

/// For the reading of a tool list, beyond what a worker takes for it by itself.
const LISTING: Duration = Duration::from_secs(125);
/// For the state of a hosted server.
const QUESTION: Duration = Duration::from_secs(5);
/// For processes to end and folders to go.
const RELEASE: Duration = Duration::from_secs(30);

impl WorkerPool {
    /// Those that are there, the connector's own first; draining ones last.
    fn all(&self, connector: ConnectorId) -> Vec<Arc<Member>> {
        let members = self.0.members.load();
        let mut all = by_rendezvous(members.to_vec(), key_of(connector));
        all.sort_by_key(|member| member.is_draining());
        all
    }

    /// Drops everything held for a connector, everywhere.
    async fn release_everywhere(&self, tenant: TenantId, connector: ConnectorId, forget: bool) {
        let request = v1::ReleaseRequest {
            tenant_id: tenant.to_string(),
            connector_id: connector.to_string(),
            forget,
        };
        let all = self.all(connector);
        let releases = all.iter().map(|member| async {
            let mut client = member.client();
            within(RELEASE, client.release(request.clone())).await
        });
        for (member, released) in all.iter().zip(join_all(releases).await) {
            if let Err(status) = released {
                // One that is gone holds nothing; one that lives notices by the version.
                tracing::warn!(
                    worker = %member.node, %connector,
                    "a worker did not say that it released a connector: {}", status.message()
                );
            }
        }
    }
}

async fn within<T>(
    time: Duration,
    answer: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, Status> {
    let answer = tokio::time::timeout(time, answer).await;
    let answer = answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")));
    answer.map(tonic::Response::into_inner)
}

fn failure(kind: FailureKind, message: &str, effect: Effect) -> Failure {
    Failure {
        kind,
        message: message.to_owned(),
        effect,
    }
}

fn read_listing(response: v1::ListToolsResponse) -> Result<Listing, Failure> {
    use v1::list_tools_response::Outcome;
    let garbled = |_| {
        let message = "the worker's answer cannot be read";
        failure(FailureKind::Internal, message, Effect::None)
    };
    match response.outcome {
        Some(Outcome::Listing(listing)) => listing_from(listing).map_err(garbled),
        Some(Outcome::Failed(failed)) => Err(failure_from(failed).map_err(garbled)?),
        None => Err(garbled(crate::convert::Invalid("outcome"))),
    }
}

impl Member {
    async fn process(&self, request: v1::GetProcessRequest) -> Option<ProcessStatus> {
        let answer = within(QUESTION, self.client().get_process(request)).await;
        let answer = answer.inspect_err(|status| self.silent(status)).ok()?;
        process_from(answer.process?).ok()
    }

    async fn stderr(&self, request: v1::GetStderrRequest) -> Vec<StderrLine> {
        let answer = within(QUESTION, self.client().get_stderr(request)).await;
        let answer = answer.inspect_err(|status| self.silent(status));
        let lines = answer.map(|answer| answer.lines).unwrap_or_default();
        let lines = lines.into_iter().filter_map(|line| stderr_from(line).ok());
        lines.collect()
    }

    fn silent(&self, status: &Status) {
        let why = status.message();
        tracing::debug!(worker = %self.node, "a worker did not answer: {why}");
    }
}

impl Workers for WorkerPool {
    fn list_tools(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
        version: i64,
    ) -> BoxFuture<'_, Result<Listing, Failure>> {
        let request = v1::ListToolsRequest {
            tenant_id: tenant.to_string(),
            connector_id: connector.to_string(),
            version,
        };
        Box::pin(async move {
            let until = Instant::now() + self.0.config.worker_patience;
            loop {
                let changed = self.0.changed.notified();
                let mut candidates = by_rendezvous(self.0.open(), key_of(connector));
                candidates.truncate(CANDIDATES);
                let mut nobody = true;
                for member in candidates {
                    let mut client = member.client().max_decoding_message_size(LISTING_MAX_BYTES);
                    let status = match within(LISTING, client.list_tools(request.clone())).await {
                        Ok(response) => return read_listing(response),
                        Err(status) => status,
                    };
                    member.silent(&status);
                    if !nothing_happened(&status) {
                        let message = "the worker that read the tools has gone";
                        return Err(failure(FailureKind::Died, message, Effect::Possible));
                    }
                    let why = Refused::of(&status);
                    nobody &= matches!(why, Some(Refused::NotSent | Refused::Draining));
                }
                let left = until.saturating_duration_since(Instant::now());
                if !nobody || left.is_zero() {
                    let message = "no worker can be reached";
                    return Err(failure(FailureKind::Unreachable, message, Effect::None));
                }
                // As for a call: one may be on its way, and this control-plane the last to know.
                tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep(left.min(LOOK_AGAIN)) => {}
                }
            }
        })
    }

    fn process(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
    ) -> BoxFuture<'_, Option<ProcessStatus>> {
        let request = v1::GetProcessRequest {
            tenant_id: tenant.to_string(),
            connector_id: connector.to_string(),
        };
        Box::pin(async move {
            let all = self.all(connector);
            let (owner, others) = all.split_first()?;
            let stopped = |status: &ProcessStatus| status.state == ProcessState::Stopped;
            let own = owner.process(request.clone()).await;
            if own.as_ref().is_some_and(|own| !stopped(own)) {
                return own;
            }
            let others = others.iter().map(|member| member.process(request.clone()));
            let others = join_all(others).await.into_iter().flatten();
            let mut found: Vec<_> = own.into_iter().chain(others).collect();
            found.sort_by_key(stopped);
            found.into_iter().next()
        })
    }

    fn stderr(&self, tenant: TenantId, connector: ConnectorId) -> BoxFuture<'_, Vec<StderrLine>> {
        let request = v1::GetStderrRequest {
            tenant_id: tenant.to_string(),
            connector_id: connector.to_string(),
        };
        Box::pin(async move {
            let all = self.all(connector);
            let Some((owner, others)) = all.split_first() else {
                return Vec::new();
            };
            let own = owner.stderr(request.clone()).await;
            if !own.is_empty() {
                return own;
            }
            let others = others.iter().map(|member| member.stderr(request.clone()));
            let others = join_all(others).await.into_iter();
            // Where it ran last.
            let newest = others.max_by_key(|lines| lines.last().map(|line| line.at));
            newest.unwrap_or_default()
        })
    }

    fn release(&self, tenant: TenantId, connector: ConnectorId) -> BoxFuture<'_, ()> {
        Box::pin(self.release_everywhere(tenant, connector, false))
    }

    fn forget(&self, tenant: TenantId, connector: ConnectorId) -> BoxFuture<'_, ()> {
        Box::pin(self.release_everywhere(tenant, connector, true))
    }
}
