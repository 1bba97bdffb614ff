//! How workers ask for leases: of any control-plane that answers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use domain::{ConnectorId, TenantId};
use fabric::{
    BoxFuture, Credential, CredentialError, CredentialRequest, Lease, LeaseError, LeasedSecrets,
    Leases, UpstreamListener,
};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use proto::fabric::v1;
use proto::fabric::v1::lease_service_client::LeaseServiceClient;
use runtime::{Process, Tasks};
use secrecy::SecretBox;
use tonic::{Code, Status};

use crate::convert::{connector_from, credential_from, credential_request_to};
use crate::{Channel, Role, Trust};

/// For a lease, whatever control-planes are asked for it.
const DEADLINE: Duration = Duration::from_secs(5);
/// For one of them to answer, so that there is time to ask another.
const ATTEMPT: Duration = Duration::from_secs(2);
/// For a credential, which may have to be refreshed first: longer than a provider's token endpoint
/// is waited for.
const CREDENTIAL_DEADLINE: Duration = Duration::from_secs(40);

/// Asks control-planes in turn, and the next where one does not answer. Cheap to clone.
#[derive(Clone)]
pub struct LeaseClient(Arc<Inner>);

struct Inner {
    control_planes: Vec<Channel>,
    next: AtomicUsize,
    tasks: Tasks,
    /// Changes that are being told, and whether there was another meanwhile.
    telling: Mutex<HashMap<(TenantId, ConnectorId), bool>>,
}

impl std::fmt::Debug for LeaseClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LeaseClient")
            .field(&self.0.control_planes)
            .finish()
    }
}

impl LeaseClient {
    /// Of control-planes at `addresses`, `host:port` each.
    ///
    /// # Errors
    /// There is no address, or one is none.
    pub fn new(addresses: &[String], trust: &Trust, process: &Process) -> anyhow::Result<Self> {
        anyhow::ensure!(!addresses.is_empty(), "no control-plane is named");
        let channel = |address: &String| Channel::new(address, Role::ControlPlane, trust);
        let channels: anyhow::Result<Vec<_>> = addresses.iter().map(channel).collect();
        Ok(Self(Arc::new(Inner {
            control_planes: channels?,
            next: AtomicUsize::new(0),
            tasks: process.tasks.clone(),
            telling: Mutex::default(),
        })))
    }
}

impl Inner {
    /// Asks one control-plane after the other until one answers, and not much longer than the
    /// deadline.
    async fn ask<T, F>(
        &self,
        question: impl Fn(LeaseServiceClient<Channel>) -> F,
    ) -> Result<T, Status>
    where
        F: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.control_planes.len();
        let asking = async {
            let mut last = Status::unavailable("no control-plane was asked");
            // Each twice: a connection may break just now.
            for turn in 0..count * 2 {
                let channel = &self.control_planes[(first.wrapping_add(turn)) % count];
                let client = LeaseServiceClient::new(channel.clone());
                let answer = tokio::time::timeout(ATTEMPT, question(client)).await;
                match answer {
                    Ok(Ok(answer)) => return Ok(answer.into_inner()),
                    Ok(Err(status)) if is_answer(&status) => return Err(status),
                    Ok(Err(status)) => last = status,
                    Err(_) => last = Status::deadline_exceeded("no answer in time"),
                }
            }
            Err(last)
        };
        let answer = tokio::time::timeout(DEADLINE, asking).await;
        answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))
    }

    /// For what may rightly take long: one that has not answered for a while is still waited for
    /// when the next is asked. Whoever answers first is believed.
    async fn ask_side_by_side<T, F>(
        &self,
        deadline: Duration,
        question: impl Fn(LeaseServiceClient<Channel>) -> F,
    ) -> Result<T, Status>
    where
        F: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.control_planes.len();
        let asking = async {
            let mut last = Status::unavailable("no control-plane was asked");
            let mut waiting = FuturesUnordered::new();
            // Each twice: a connection may break just now.
            let mut turns = 0..count * 2;
            loop {
                if let Some(turn) = turns.next() {
                    let channel = &self.control_planes[(first.wrapping_add(turn)) % count];
                    waiting.push(question(LeaseServiceClient::new(channel.clone())));
                }
                let answered = async {
                    match turns.is_empty() {
                        true => Ok(waiting.next().await),
                        false => tokio::time::timeout(ATTEMPT, waiting.next()).await,
                    }
                };
                match answered.await {
                    Ok(Some(Ok(answer))) => return Ok(answer.into_inner()),
                    Ok(Some(Err(status))) if is_answer(&status) => return Err(status),
                    Ok(Some(Err(status))) => last = status,
                    Ok(None) => return Err(last),
                    Err(_) => {}
                }
            }
        };
        let answer = tokio::time::timeout(deadline, asking).await;
        answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))
    }
}

impl Inner {
    fn telling(&self) -> MutexGuard<'_, HashMap<(TenantId, ConnectorId), bool>> {
        self.telling.lock().expect("no panic while held")
    }

    async fn tell(&self, (tenant, connector): (TenantId, ConnectorId)) -> Result<(), Status> {
        let request = v1::NoteToolsChangedRequest {
            tenant_id: tenant.to_string(),
            connector_id: connector.to_string(),
        };
        let answer = self.ask(|mut client| {
            let request = request.clone();
            async move { client.note_tools_changed(request).await }
        });
        answer.await.map(|_| ())
    }
}

/// Whether another control-plane would say the same.
fn is_answer(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::NotFound | Code::FailedPrecondition | Code::InvalidArgument | Code::Aborted
    )
}

fn read(response: v1::LeaseResponse) -> Option<Lease> {
    let secrets = serde_json::from_slice(&response.secrets_json).ok()?;
    Some(Lease {
        connector: connector_from(response.connector?).ok()?,
        secrets: SecretBox::new(Box::new(LeasedSecrets(secrets))),
        takes_accounts: response.takes_accounts,
    })
}

impl Leases for LeaseClient {
    fn lease(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
    ) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        let request = v1::LeaseRequest {
            tenant_id: tenant.to_string(),
            connector_id: connector.to_string(),
        };
        Box::pin(async move {
            let response = self
                .0
                .ask(|mut client| {
                    let request = request.clone();
                    async move { client.lease(request).await }
                })
                .await;
            let response = response.map_err(|status| match status.code() {
                Code::NotFound => LeaseError::Gone,
                Code::FailedPrecondition => LeaseError::Sealed,
                _ => LeaseError::Unavailable(status.message().to_owned()),
            })?;
            let lease = read(response);
            let lease = lease.filter(|lease| {
                // Nothing but what was asked for.
                lease.connector.id == connector && lease.connector.tenant == tenant
            });
            let garbled = "its answer cannot be read";
            lease.ok_or_else(|| LeaseError::Unavailable(garbled.to_owned()))
        })
    }

    fn credential(
        &self,
        request: CredentialRequest,
    ) -> BoxFuture<'_, Result<Credential, CredentialError>> {
        let request = credential_request_to(request);
        Box::pin(async move {
            let asked = self.0.ask_side_by_side(CREDENTIAL_DEADLINE, |mut client| {
                let request = request.clone();
                async move { client.credential(request).await }
            });
            let response = asked.await.map_err(|status| match status.code() {
                Code::NotFound => CredentialError::Gone,
                Code::FailedPrecondition => CredentialError::Sealed,
                Code::Aborted => CredentialError::Provider(status.message().to_owned()),
                _ => CredentialError::Unavailable(status.message().to_owned()),
            })?;
            credential_from(response)
        })
    }
}

impl UpstreamListener for LeaseClient {
    fn tools_changed(&self, tenant: TenantId, connector: ConnectorId) {
        let about = (tenant, connector);
        let mut telling = self.0.telling();
        if let Some(again) = telling.get_mut(&about) {
            *again = true;
            return;
        }
        telling.insert(about, false);
        drop(telling);
        let inner = self.0.clone();
        let tasks = &self.0.tasks;
        tasks.disposable("tell of changed tools", async move {
            loop {
                let told = inner.tell(about).await;
                let mut telling = inner.telling();
                // What changed while it was told is told again.
                if telling.insert(about, false) == Some(true) && told.is_ok() {
                    continue;
                }
                telling.remove(&about);
                drop(telling);
                return told.map_err(|status| {
                    anyhow::anyhow!("no control-plane heard of it: {}", status.message())
                });
            }
        });
    }
}
