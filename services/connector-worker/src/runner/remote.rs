//! An MCP server somewhere else. Where accounts can be connected to it, each has sessions of its
//! own there: what a server keeps for one is never used for another.

use std::borrow::Cow;
use std::sync::Arc;

use domain::{AccountId, Connector, ConnectorKind, KeyId};
use egress::Deadline;
use fabric::{
    AccountLease, Call, Effect, Events, Failure, FailureKind, Lease, Listing, Method, Outcome,
};
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::{RunnerParts, guarded};
use crate::breaker::Breaker;
use crate::credentials::{Credentials, Renewal, Reply, Signature, Unsigned, Whose};
use crate::failure::unsent;
use crate::upstream::{Bearer, Denial, Known, RemoteServer, Source, UpstreamServer, heard};

/// Accounts with sessions at one server; the least used is dropped for another.
const ACCOUNTS: u64 = 1_000;

pub(crate) struct RemoteRunner {
    pub(super) breaker: Breaker,
    /// The server as the connector's own secrets reach it.
    own: UpstreamServer,
    accounts: Option<Accounts>,
}

/// What its servers are made of.
struct Making {
    lease: Lease,
    parts: Arc<RunnerParts>,
    known: Arc<Known>,
}

/// The server as accounts reach it.
struct Accounts {
    making: Making,
    credentials: Arc<Credentials>,
    servers: moka::sync::Cache<AccountId, Arc<OfAccount>>,
}

struct OfAccount {
    server: UpstreamServer,
    bearer: Arc<Bearer>,
}

impl RemoteRunner {
    /// # Errors
    /// The connector's URL or secrets cannot be used as they are.
    pub(super) fn new(lease: Lease, parts: &Arc<RunnerParts>) -> Result<Self, Failure> {
        let breaker = parts.breaker();
        let making = Making {
            lease,
            parts: parts.clone(),
            known: Arc::default(),
        };
        let own = making.server(Arc::default())?;
        let accounts = making.lease.takes_accounts.then(|| Accounts {
            credentials: parts.credentials.clone(),
            servers: moka::sync::Cache::builder()
                .max_capacity(ACCOUNTS)
                .time_to_idle(parts.idle)
                .build(),
            making,
        });
        Ok(Self {
            breaker,
            own,
            accounts,
        })
    }

    pub(super) async fn call(
        &self,
        call: &Call,
        events: Option<&Events>,
        deadline: Deadline,
    ) -> Outcome {
        let Some(accounts) = &self.accounts else {
            let work = self.own.run(call, events, deadline);
            return guarded(&self.breaker, work, deadline).await;
        };
        // Boxed, because it is large and rare.
        Box::pin(self.call_with(accounts, call, events, deadline)).await
    }

    async fn call_with(
        &self,
        accounts: &Accounts,
        call: &Call,
        events: Option<&Events>,
        deadline: Deadline,
    ) -> Outcome {
        if matches!(
            call.request.method,
            Method::EndSession | Method::RootsChanged | Method::Reply | Method::GiveUp
        ) {
            return self.tell(accounts, call, events, deadline).await;
        }
        let credentials = &accounts.credentials;
        let mut signature = match credentials.for_call(call, None, events, deadline).await {
            Ok(signature) => signature,
            Err(why) => return credentials.answer(call, why),
        };
        let asked = without_reply(call);
        let mut is_anew = false;
        loop {
            let Signature::Account(lease) = &signature else {
                let work = self.own.run(&asked, events, deadline);
                return guarded(&self.breaker, work, deadline).await;
            };
            let of = match accounts.of(lease) {
                Ok(of) => of,
                Err(failure) => return Outcome::Failed(failure),
            };
            let work = of.server.run(&asked, events, deadline);
            let work = Box::pin(guarded(&self.breaker, work, deadline));
            let (outcome, said) = heard(work).await;
            let denial = match &outcome {
                Outcome::Failed(failure) => denial(failure, said, &of.bearer, lease),
                _ => None,
            };
            let Some(denial) = denial else {
                return outcome;
            };
            match accounts.instead(lease, &denial, call, deadline).await {
                Ok(Some(other)) if !is_anew => (signature, is_anew) = (other, true),
                Ok(_) => return refused(outcome, &denial),
                Err(why) => return credentials.answer(call, why),
            }
        }
    }

    /// What is no call of the server: whoever it is about hears it, the others know nothing of it.
    async fn tell(
        &self,
        accounts: &Accounts,
        call: &Call,
        events: Option<&Events>,
        deadline: Deadline,
    ) -> Outcome {
        let mut outcome = self.own.run(call, events, deadline).await;
        for (_, of) in &accounts.servers {
            let other = of.server.run(call, events, deadline).await;
            if matches!(outcome, Outcome::Error(_)) {
                outcome = other;
            }
        }
        outcome
    }

    pub(super) async fn watch(&self, call: &Call, events: &Events) -> Outcome {
        let Some(accounts) = &self.accounts else {
            return self.own.watch(call, events).await;
        };
        let deadline = Deadline::after(call.deadline);
        let credentials = &accounts.credentials;
        let signature = credentials.unasked(Whose::of(call), Some(call.accounts), deadline);
        let of = match signature.await {
            Ok(Signature::Account(lease)) => accounts.of(&lease),
            Ok(Signature::Own | Signature::Given(_)) => return self.own.watch(call, events).await,
            Err(failure) => Err(failure),
        };
        match of {
            Ok(of) => of.server.watch(call, events).await,
            Err(failure) => Outcome::Failed(failure),
        }
    }

    /// Reads the whole tool list, by the tenant's account where there is one; an open breaker does
    /// not stand in the way, since somebody wants to know.
    pub(super) async fn list_tools(&self, deadline: Deadline) -> Result<Listing, Failure> {
        let Some(accounts) = &self.accounts else {
            return self.list_at(&self.own, deadline).await;
        };
        let whose = accounts.tenants();
        match accounts.credentials.unasked(whose, None, deadline).await? {
            Signature::Account(lease) => {
                let of = accounts.of(&lease)?;
                let work = Box::pin(self.list_at(&of.server, deadline));
                let (listed, said) = heard(work).await;
                let denial = match &listed {
                    Err(failure) => denial(failure, said, &of.bearer, &lease),
                    Ok(_) => None,
                };
                match denial {
                    Some(Denial::Token) => {
                        let other = accounts.other_for_tenant(&lease, deadline).await?;
                        self.list_at(&other.server, deadline).await
                    }
                    // Another token of the same grant would be refused as well.
                    Some(Denial::Scopes(scopes)) => Err(lacks(&scopes)),
                    None => listed,
                }
            }
            Signature::Own | Signature::Given(_) => self.list_at(&self.own, deadline).await,
        }
    }

    async fn list_at(
        &self,
        server: &UpstreamServer,
        deadline: Deadline,
    ) -> Result<Listing, Failure> {
        let admission = self.breaker.insist();
        let listed = server.list_tools(deadline).await;
        match &listed {
            Ok(_) => admission.succeeded(),
            Err(failure) => admission.failed(failure),
        }
        listed
    }
}

impl Making {
    fn server(&self, bearer: Arc<Bearer>) -> Result<UpstreamServer, Failure> {
        let Connector {
            id, tenant, kind, ..
        } = &self.lease.connector;
        let ConnectorKind::RemoteMcp { url } = kind else {
            let message = "the connector is no server somewhere else";
            return Err(unsent(FailureKind::Internal, message));
        };
        let (parts, secrets) = (&self.parts, &self.lease.secrets.expose_secret().0);
        let server = RemoteServer::new(
            parts.egress.clone(),
            url,
            secrets.token.as_deref(),
            &secrets.headers,
            bearer,
            parts.upstream.result_max_bytes,
            parts.tasks.clone(),
        )?;
        let source = Source::Remote(Box::new(server));
        Ok(parts.server(source, self.known.clone(), *tenant, *id))
    }
}

impl Accounts {
    /// The server as this account reaches it.
    fn of(&self, lease: &AccountLease) -> Result<Arc<OfAccount>, Failure> {
        let of = match self.servers.get(&lease.account) {
            Some(of) => of,
            None => {
                let bearer = Arc::new(Bearer::default());
                let server = self.making.server(bearer.clone())?;
                let made = Arc::new(OfAccount { server, bearer });
                self.servers.get_with(lease.account, || made)
            }
        };
        of.bearer
            .set(lease.access_token.expose_secret(), lease.generation)?;
        Ok(of)
    }

    /// Those of the tenant itself, for what no key calls.
    fn tenants(&self) -> Whose {
        let connector = &self.making.lease.connector;
        Whose {
            tenant: connector.tenant,
            connector: connector.id,
            key: KeyId::new(Uuid::nil()),
            kind: None,
        }
    }

    /// The server as the tenant's account reaches it with another token than the one refused.
    async fn other_for_tenant(
        &self,
        refused: &AccountLease,
        deadline: Deadline,
    ) -> Result<Arc<OfAccount>, Failure> {
        let renewal = Renewal {
            credentials: &self.credentials,
            whose: self.tenants(),
            accounts: 0,
            deadline,
        };
        match renewal.instead_of(refused).await {
            Ok(Signature::Account(lease)) => self.of(&lease),
            Ok(Signature::Own | Signature::Given(_)) | Err(Unsigned::Refused) => Err(unsent(
                FailureKind::Credential,
                "the account was disconnected meanwhile",
            )),
            Err(Unsigned::Missing(missing)) => {
                Err(unsent(FailureKind::Credential, missing.message))
            }
            Err(Unsigned::Failed(failure)) => Err(failure),
        }
    }

    /// Another signature than the one that was denied, if there is one.
    async fn instead(
        &self,
        lease: &AccountLease,
        denial: &Denial,
        call: &Call,
        deadline: Deadline,
    ) -> Result<Option<Signature>, Unsigned> {
        let renewal = Renewal {
            credentials: &self.credentials,
            whose: Whose::of(call),
            accounts: call.accounts,
            deadline,
        };
        let found = match denial {
            Denial::Token => renewal.instead_of(lease).await?,
            // Nobody can be asked for what is not named.
            Denial::Scopes(scopes) if scopes.is_empty() => return Ok(None),
            Denial::Scopes(scopes) => renewal.with_scopes(lease, scopes.clone()).await?,
        };
        let is_other = found.is_other_than((lease.account, lease.generation));
        Ok(is_other.then_some(found))
    }
}

/// What the server said against the account's token, if that is why there is no answer: it has
/// carried nothing out then. `said` is what this call heard, with the token's generation; where it
/// shared the request that failed with others, one of those did.
fn denial(
    failure: &Failure,
    said: Option<(i64, Option<Denial>)>,
    bearer: &Bearer,
    lease: &AccountLease,
) -> Option<Denial> {
    if failure.kind != FailureKind::Credential || failure.effect != Effect::None {
        return None;
    }
    match said {
        Some((generation, Some(Denial::Token))) if generation != lease.generation => None,
        Some((_, denial)) => denial,
        None => bearer.denial_of(lease.generation),
    }
}

/// The end of a call for which no better token can be had.
fn refused(outcome: Outcome, denial: &Denial) -> Outcome {
    let message = match denial {
        Denial::Token => return outcome,
        Denial::Scopes(scopes) if scopes.is_empty() => {
            "the MCP server wants more than the account grants, and does not say what".to_owned()
        }
        Denial::Scopes(scopes) => format!(
            "the MCP server refuses the call, although the account grants {}, which it asks for",
            scopes.join(" ")
        ),
    };
    Outcome::Failed(unsent(FailureKind::Credential, message))
}

/// Of what nobody waits for who could be asked for more.
fn lacks(scopes: &[String]) -> Failure {
    let scopes = match scopes {
        [] => "more".to_owned(),
        scopes => scopes.join(" "),
    };
    let message = format!(
        "the MCP server lists its tools only for an account that grants {scopes}: connect the \
         account again and ask for that"
    );
    unsent(FailureKind::Credential, message)
}

/// The call without the answer to a question that the server has not asked.
fn without_reply(call: &Call) -> Cow<'_, Call> {
    if Reply::of(&call.request).is_none() {
        return Cow::Borrowed(call);
    }
    let mut call = call.clone();
    call.request.inputs = None;
    Cow::Owned(call)
}
