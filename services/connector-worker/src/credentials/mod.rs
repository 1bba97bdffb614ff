//! What calls are signed with: the caller's own token, the account of its key or tenant, or the
//! connector's own secret. Accounts' tokens are asked for when a call needs them, and kept in
//! memory for as long as they are good and nothing is known that would speak against them.
//!
//! Connectors that take no accounts never come here.

mod answer;
mod entry;
mod renewal;
mod signature;

use std::sync::Arc;
use std::time::Duration;

use domain::{AccountId, ConnectorId, TenantId, TokenKind};
use egress::Deadline;
use fabric::{
    AccountLease, Call, Credential, CredentialError, CredentialRequest, Events, Failure,
    FailureKind, Leases, Outcome,
};
use runtime::IdGen;

pub(crate) use answer::Reply;
use entry::{Entry, Kept};
pub(crate) use renewal::Renewal;
pub use signature::Missing;
use signature::unsigned;
pub(crate) use signature::{Signature, Unsigned, Whose};

use crate::config::Config;
use crate::failure::unsent;
use crate::metrics::WorkerMetrics;

/// How long somebody with a token that is good for a while yet waits for a newer answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a kept credential is used without asking, when nobody answered.
const RETRY: Duration = Duration::from_secs(5);

/// How long a call waits for a person who has just opened the page, at most; a part of its time is
/// left for the call itself.
const CONNECT: Duration = Duration::from_secs(60);
const CONNECT_LEAVES: Duration = Duration::from_secs(15);

/// The credentials in use. Bounded; the least used are dropped first.
pub(crate) struct Credentials {
    entries: moka::sync::Cache<Whose, Arc<Entry>>,
    leases: Arc<dyn Leases>,
    ids: Arc<dyn IdGen>,
    max_age: Duration,
    metrics: WorkerMetrics,
}

impl Credentials {
    pub(crate) fn new(
        leases: Arc<dyn Leases>,
        ids: Arc<dyn IdGen>,
        config: &Config,
        metrics: WorkerMetrics,
    ) -> Self {
        Self {
            entries: moka::sync::Cache::builder()
                .max_capacity(config.max_credentials)
                .time_to_idle(config.lease_idle_timeout)
                .build(),
            leases,
            ids,
            max_age: config.lease_max_age,
            metrics,
        }
    }

    /// What a call is signed with that brings no token of its own, of this kind. Where its client answers that a
    /// person connects an account just now, that is waited for.
    ///
    /// # Errors
    /// There is no account yet, or none can be had: nothing was sent to the provider.
    pub(crate) async fn for_call(
        &self,
        call: &Call,
        kind: Option<TokenKind>,
        events: Option<&Events>,
        deadline: Deadline,
    ) -> Result<Signature, Unsigned> {
        let whose = Whose::of(call).of_kind(kind);
        match Reply::of(&call.request) {
            None => self.of(whose, call.accounts, deadline).await,
            Some(Reply::Refused) => Err(Unsigned::Refused),
            Some(Reply::Accepted(asked)) => {
                let connected = self.connected(whose, call.accounts, asked.besides, deadline);
                let signature = Box::pin(connected).await?;
                asked.is_done(events).await;
                Ok(signature)
            }
        }
    }

    /// The answer to a call without a signature.
    pub(crate) fn answer(&self, call: &Call, why: Unsigned) -> Outcome {
        match why {
            Unsigned::Missing(missing) => missing.answer(call, || self.ids.next()),
            Unsigned::Refused => Reply::refusal(call),
            Unsigned::Failed(failure) => Outcome::Failed(failure),
        }
    }

    /// What is signed with where no person waits who could be asked. Without a number of accounts
    /// what is held does not count.
    ///
    /// # Errors
    /// As for [`Self::of`]; an account that is missing is a failure.
    pub(crate) async fn unasked(
        &self,
        whose: Whose,
        accounts: Option<i64>,
        deadline: Deadline,
    ) -> Result<Signature, Failure> {
        let entry = self.entry(whose);
        if let Some(kept) = accounts.and_then(|accounts| entry.fresh(accounts)) {
            return Ok(kept.signature.clone());
        }
        let request = CredentialRequest {
            wants_link: false,
            ..whose.request()
        };
        match self.ask(request, deadline).await {
            Ok(credential) => Ok(self.keep(&entry, accounts.unwrap_or(0), credential)),
            Err(why) => Err(match unsigned(why) {
                Unsigned::Missing(missing) => unsent(FailureKind::Credential, missing.message),
                Unsigned::Failed(failure) => failure,
                Unsigned::Refused => unsent(FailureKind::Credential, "there is no account"),
            }),
        }
    }

    /// What calls of `whose` are signed with. `accounts` is the connector's number of the call's
    /// configuration: what was learnt under an older one does not count.
    async fn of(
        &self,
        whose: Whose,
        accounts: i64,
        deadline: Deadline,
    ) -> Result<Signature, Unsigned> {
        let entry = self.entry(whose);
        if let Some(kept) = entry.fresh(accounts) {
            return Ok(kept.signature.clone());
        }
        // Boxed, because it is large and rare.
        Box::pin(self.learn(&entry, whose, accounts, deadline)).await
    }

    async fn learn(
        &self,
        entry: &Entry,
        whose: Whose,
        accounts: i64,
        deadline: Deadline,
    ) -> Result<Signature, Unsigned> {
        let fallback = entry.usable(accounts);
        let _one_at_a_time = match (entry.asking.try_lock(), &fallback) {
            (Ok(asking), _) => asking,
            // Somebody asks; until that is answered, what is held does.
            (Err(_), Some(kept)) => return Ok(kept.signature.clone()),
            (Err(_), None) => entry.turn(deadline).await.map_err(Unsigned::Failed)?,
        };
        if let Some(kept) = entry.fresh(accounts) {
            return Ok(kept.signature.clone());
        }
        let until = match &fallback {
            Some(_) => deadline.within(PATIENCE),
            None => deadline,
        };
        let why = match self.ask(whose.request(), until).await {
            Ok(credential) => return Ok(self.keep(entry, accounts, credential)),
            Err(why) => why,
        };
        match (why, fallback) {
            (CredentialError::Unavailable(why) | CredentialError::Provider(why), Some(kept)) => {
                tracing::warn!(
                    tenant.id = %whose.tenant,
                    connector.id = %whose.connector,
                    "no credential can be had, going on with the one from before: {why}"
                );
                entry.hold_on(&kept, RETRY);
                Ok(kept.signature.clone())
            }
            (why, _) => {
                entry.forget();
                Err(unsigned(why))
            }
        }
    }

    /// Another credential than the one that the provider refused.
    async fn instead_of(
        &self,
        refused: &AccountLease,
        whose: Whose,
        accounts: i64,
        deadline: Deadline,
    ) -> Result<Signature, Unsigned> {
        let entry = self.entry(whose);
        let _one_at_a_time = entry.turn(deadline).await.map_err(Unsigned::Failed)?;
        // Another call was refused, too, and has seen to it.
        if let Some(kept) = entry.usable(accounts)
            && !kept.is_up_to(refused.account, refused.generation)
        {
            return Ok(kept.signature.clone());
        }
        let request = CredentialRequest {
            refused: Some((refused.account, refused.generation)),
            ..whose.request()
        };
        match self.ask(request, deadline).await {
            Ok(credential) => Ok(self.keep(&entry, accounts, credential)),
            Err(CredentialError::Unavailable(why) | CredentialError::Provider(why)) => {
                tracing::warn!(
                    tenant.id = %whose.tenant,
                    connector.id = %whose.connector,
                    "a provider refused an account's token, and no other can be had: {why}"
                );
                Err(Unsigned::Failed(unsent(
                    FailureKind::Credential,
                    "The provider refused the account's token, and a new one cannot be had at the \
                     moment: try again later.",
                )))
            }
            Err(why) => {
                entry.forget();
                Err(unsigned(why))
            }
        }
    }

    /// A credential with further scopes than `of`; mostly there is none before a person has
    /// agreed to them.
    async fn with_scopes(
        &self,
        of: &AccountLease,
        scopes: Vec<String>,
        whose: Whose,
        accounts: i64,
        deadline: Deadline,
    ) -> Result<Signature, Unsigned> {
        let request = CredentialRequest {
            further_scopes: scopes,
            ..whose.request()
        };
        match self.ask(request, deadline).await {
            Ok(credential) => Ok(self.keep(&self.entry(whose), accounts, credential)),
            Err(why) => Err(match unsigned(why) {
                Unsigned::Missing(missing) => Unsigned::Missing(Missing {
                    insufficient: Some((of.account, of.generation)),
                    ..missing
                }),
                failed => failed,
            }),
        }
    }

    /// Waits until a person has connected an account, another than `besides`, or until it is time
    /// to go on without.
    async fn connected(
        &self,
        whose: Whose,
        accounts: i64,
        besides: Option<(AccountId, i64)>,
        deadline: Deadline,
    ) -> Result<Signature, Unsigned> {
        let entry = self.entry(whose);
        let left = deadline.remaining();
        let until = deadline.within(CONNECT.min(left.saturating_sub(CONNECT_LEAVES.min(left / 4))));
        let mut pause = Duration::from_millis(100);
        loop {
            let request = CredentialRequest {
                wants_link: false,
                ..whose.request()
            };
            match self.ask(request, deadline).await {
                Ok(credential) => {
                    let signature = self.keep(&entry, accounts, credential);
                    let is_new = besides.is_none_or(|besides| signature.is_other_than(besides));
                    if is_new || until.remaining() <= pause {
                        return Ok(signature);
                    }
                }
                // Somebody waits for a person; a moment without an answer is none.
                Err(
                    CredentialError::Missing { .. }
                    | CredentialError::Unavailable(_)
                    | CredentialError::Provider(_),
                ) if until.remaining() > pause => {}
                Err(CredentialError::Missing { .. }) => {
                    let missing = self.ask(whose.request(), deadline).await;
                    return missing
                        .map(|credential| self.keep(&entry, accounts, credential))
                        .map_err(unsigned);
                }
                Err(why) => return Err(unsigned(why)),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(Duration::from_secs(1));
        }
    }

    async fn ask(
        &self,
        request: CredentialRequest,
        deadline: Deadline,
    ) -> Result<Credential, CredentialError> {
        let asked = tokio::time::timeout_at(deadline.instant(), self.leases.credential(request));
        let answer = asked
            .await
            .unwrap_or_else(|_| Err(CredentialError::Unavailable("no answer in time".to_owned())));
        self.metrics.credential_asked(match &answer {
            Ok(_) => "granted",
            Err(CredentialError::Missing { .. }) => "missing",
            Err(CredentialError::Provider(_) | CredentialError::Unavailable(_)) => "unavailable",
            Err(CredentialError::Gone | CredentialError::Sealed) => "refused",
        });
        answer
    }

    fn keep(&self, entry: &Entry, accounts: i64, credential: Credential) -> Signature {
        let kept = Kept::new(credential, accounts, self.max_age);
        let signature = kept.signature.clone();
        entry.keep(kept);
        signature
    }

    fn entry(&self, whose: Whose) -> Arc<Entry> {
        match self.entries.get(&whose) {
            Some(entry) => entry,
            None => self.entries.get_with(whose, Arc::default),
        }
    }

    /// Drops what is held for a connector. Calls that run keep theirs to their end.
    pub(crate) fn drop_all_of(&self, tenant: TenantId, connector: ConnectorId) {
        for (whose, entry) in &self.entries {
            if (whose.tenant, whose.connector) == (tenant, connector) {
                entry.forget();
                self.entries.invalidate(&*whose);
            }
        }
    }

    /// Drops everything.
    pub(crate) fn clear(&self) {
        for (_, entry) in &self.entries {
            entry.forget();
        }
        self.entries.invalidate_all();
    }

    /// Lets go of what has been idle for too long; the cache itself does so only while it is used.
    pub(crate) fn sweep(&self) {
        self.entries.run_pending_tasks();
    }
}
