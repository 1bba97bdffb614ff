//! One renewal of one pair, step by step.

use std::sync::Arc;
use std::time::Duration;

use domain::{AccountSecrets, AccountState, TenantId};
use oauth::{Deadline, Endpoints, OAuthClient, TokenError, Tokens};
use storage::{Claim, Claimed, HeldAccount, Kept, RenewedTokens, Renewing, StorageError};
use tokio::time::{Instant, sleep};

use super::flights::Outcome;
use super::metrics::Refreshed;
use super::spool::Pair;
#[cfg(test)]
use super::tests::Step;
use crate::accounts::due::{again_at, chance, refresh_at};
use crate::accounts::programs::Placed;
use crate::error::Error;
use crate::operations::Operations;

/// How much longer a claim lasts than the request that it is for.
const MARGIN: Duration = Duration::from_secs(5);
/// Between two looks at a row that another is renewing, more or less.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// A claim that ran out without a word may be of one that has a pair in hand and no way to the
/// database, which may have come back this moment: so long it goes first.
const GOES_FIRST: Duration = Duration::from_secs(2);
/// Characters of a provider's words that are kept with an account.
const PROBLEM_MAX_LENGTH: usize = 300;

/// How newer tokens are got.
enum Way {
    Refresh(Box<(Endpoints, OAuthClient)>),
    /// There is nothing to refresh: a program asks anew.
    Mint(Box<Placed>),
}

impl Way {
    fn endpoints(&self) -> &Endpoints {
        match self {
            Self::Refresh(provider) => &provider.0,
            Self::Mint(placed) => &placed.place.endpoints,
        }
    }
}

impl Operations {
    /// Renews a pair, or waits until another has.
    pub(super) async fn renew(&self, held: HeldAccount) -> Outcome {
        match self.try_renew(held).await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::warn!("cannot renew the tokens of an account: {error}");
                Outcome::Unavailable
            }
        }
    }

    async fn try_renew(&self, mut held: HeldAccount) -> Result<Outcome, StorageError> {
        let (tenant, id) = (held.account.tenant, held.account.id);
        let generation = held.account.generation;
        let limit = self.config().accounts.token_deadline + MARGIN;
        // Another's whole attempt, and then our own.
        let patience = Instant::now() + 2 * limit + GOES_FIRST;
        let way = match self.way_to_newer(tenant, &held).await {
            Ok(Ok(way)) => way,
            Ok(Err(there_is_none)) => return self.end(&held, None, there_is_none).await,
            Err(error) => return Ok(failed_to_reach(&error)),
        };
        let mut waited_for: Option<Renewing> = None;
        loop {
            if let Some(pair) = self.renewals().spool.of(id) {
                self.deliver(&pair).await?;
            }
            let slot = self.renewals().slots.at(&way.endpoints().token).await;
            if let Some(over) = ran_out(&held).filter(|over| waited_for != Some(*over)) {
                drop(slot);
                waited_for = Some(over);
                sleep(GOES_FIRST).await;
            } else if self.renewals().spool.is_full() {
                return Ok(Outcome::Unavailable);
            } else {
                // Counted from before the claim, so that the request is over before the claim is.
                let deadline = Deadline::after(self.config().accounts.token_deadline);
                let (run, _) = self.own_run();
                let rows = self.storage().tenant(tenant);
                match rows.claim_renewal(id, generation, run, limit).await? {
                    Claimed::Taken(claim) => {
                        return self.refresh(held, claim, &way, deadline).await;
                    }
                    Claimed::Changed | Claimed::Gone => return Ok(Outcome::Changed),
                    Claimed::Busy => {}
                }
                drop(slot);
                sleep(LOOK_EVERY.mul_f64(0.5 + chance(self.ids()))).await;
            }
            match self.storage().tenant(tenant).held_account(id).await? {
                Some(now) if now.account.generation == generation => held = now,
                Some(now) => return Ok(current(now)),
                None => return Ok(Outcome::Changed),
            }
            if held.account.state == AccountState::NeedsReauth {
                return Ok(Outcome::Changed);
            }
            if Instant::now() > patience {
                let why = "another control-plane has been renewing the account for too long";
                return Ok(Outcome::Failed(why.to_owned()));
            }
        }
    }

    /// How the tokens of an account are renewed, or why they cannot be.
    async fn way_to_newer(
        &self,
        tenant: TenantId,
        held: &HeldAccount,
    ) -> Result<Result<Way, &'static str>, Error> {
        if let Some(placed) = self.program_of(tenant, held).await? {
            return Ok(Ok(Way::Mint(Box::new(placed))));
        }
        let Some(provider) = self.signed_in_with(tenant, held).await? else {
            return Ok(Err(NO_CLIENT));
        };
        if !held.secrets.is_renewable() {
            return Ok(Err(NO_REFRESH_TOKEN));
        }
        Ok(Ok(Way::Refresh(Box::new(provider))))
    }

    /// Asks the provider, under a claim.
    async fn refresh(
        &self,
        held: HeldAccount,
        claim: Claim,
        way: &Way,
        deadline: Deadline,
    ) -> Result<Outcome, StorageError> {
        #[cfg(test)]
        self.renewals().steps.reached(Step::Claimed).await;
        let tokens = self.tokens();
        let asked = match way {
            Way::Refresh(provider) => {
                let (endpoints, client) = &**provider;
                tokens
                    .refresh(endpoints, client, &held.secrets, deadline)
                    .await
            }
            Way::Mint(placed) => {
                let Placed { program, place } = &**placed;
                tokens
                    .mint(&place.endpoints, program, &place.needed, deadline)
                    .await
            }
        };
        let metrics = &self.renewals().metrics;
        match asked {
            Ok(tokens) => {
                metrics.refreshed(Refreshed::Ok);
                self.keep(held, &claim, tokens).await
            }
            Err(TokenError::InvalidGrant { description }) => {
                metrics.refreshed(Refreshed::Ended);
                #[cfg(test)]
                self.renewals().steps.reached(Step::Refused).await;
                let problem = format!("the provider takes the sign-in no more: {description}");
                self.end(&held, Some(&claim), &problem).await
            }
            Err(error) => {
                metrics.refreshed(Refreshed::Failed);
                let asked = match &error {
                    TokenError::Later { retry_after, .. } => *retry_after,
                    _ => None,
                };
                tracing::warn!(
                    account.id = %claim.account,
                    failures = held.failures + 1,
                    may_have_happened = error.may_have_happened(),
                    "cannot renew the tokens of an account, will try again: {error}"
                );
                #[cfg(test)]
                self.renewals().steps.reached(Step::Refused).await;
                let again = again_at(self.now(), held.failures, asked, self.ids());
                let rows = self.storage().tenant(held.account.tenant);
                rows.renewal_failed(&claim, Some(again)).await?;
                Ok(Outcome::Failed(error.to_string()))
            }
        }
    }

    /// Puts away what the provider gave: in a file, and in the database. Only then it is used.
    async fn keep(
        &self,
        held: HeldAccount,
        claim: &Claim,
        given: Tokens,
    ) -> Result<Outcome, StorageError> {
        #[cfg(test)]
        self.renewals().steps.reached(Step::Answered).await;
        let tokens = self.renewed_tokens(&held, given);
        let pair = Pair::new(held.account.tenant, claim, tokens);
        let pair = self.renewals().spool.keep(pair).await;
        #[cfg(test)]
        self.renewals().steps.reached(Step::Kept).await;
        let outcome = match self.deliver(&pair).await {
            Ok(Kept::Stored { generation, .. }) => {
                Outcome::Renewed(Arc::new(with_tokens(held, &pair, generation)))
            }
            Ok(Kept::Superseded | Kept::Gone) => Outcome::Changed,
            // Stored by and by, in the background.
            Ok(Kept::Busy) => Outcome::Unavailable,
            Err(error) => {
                tracing::error!(
                    account.id = %claim.account,
                    "renewed tokens are kept here until the database takes them: {error}"
                );
                Outcome::Unavailable
            }
        };
        self.renewals().spool.more.notify_one();
        Ok(outcome)
    }

    /// Tries to store a pair in hand, and lets go of it when that is decided.
    pub(super) async fn deliver(&self, pair: &Arc<Pair>) -> Result<Kept, StorageError> {
        let rows = self.storage().tenant(pair.tenant);
        let kept = rows.store_renewed(&pair.claim(), &pair.tokens()).await;
        #[cfg(test)]
        self.renewals().steps.reached(Step::Stored).await;
        let kept = match kept {
            // The tenant is gone with all that was its own.
            Err(StorageError::NotFound) => Kept::Gone,
            kept => kept?,
        };
        if kept == Kept::Busy {
            return Ok(kept);
        }
        if let Kept::Stored {
            revived: Some(revision),
            ..
        } = kept
        {
            tracing::info!(account.id = %pair.account, "an account that had ended is back");
            self.credentials_changed(pair.tenant, revision).await;
        }
        self.renewals().spool.done(pair).await;
        Ok(kept)
    }

    /// Ends an account whose tokens cannot be renewed, unless there are newer ones.
    pub(crate) async fn end(
        &self,
        held: &HeldAccount,
        claim: Option<&Claim>,
        problem: &str,
    ) -> Result<Outcome, StorageError> {
        let problem: String = problem.chars().take(PROBLEM_MAX_LENGTH).collect();
        let rows = self.storage().tenant(held.account.tenant);
        let fence = claim.map(|claim| claim.fence);
        if let Some(revision) = rows.end_account(held, fence, &problem).await? {
            tracing::warn!(
                tenant.id = %held.account.tenant,
                connector.id = %held.account.connector,
                account.id = %held.account.id,
                "an account must be connected again: {problem}"
            );
            self.credentials_changed(held.account.tenant, revision)
                .await;
        }
        Ok(Outcome::Changed)
    }

    /// Tells nodes that calls of a tenant have other credentials.
    async fn credentials_changed(&self, tenant: TenantId, revision: i64) {
        match self.storage().find_tenant_by_id(tenant).await {
            Ok(Some(tenant)) => self.tenant_changed(&tenant, revision),
            Ok(None) => {}
            // Whoever follows the log of changes hears of it all the same.
            Err(error) => tracing::debug!("cannot tell of a change: {error}"),
        }
    }

    fn renewed_tokens(&self, held: &HeldAccount, given: Tokens) -> RenewedTokens {
        let now = self.now();
        let secrets = AccountSecrets {
            program: held.secrets.program.clone(),
            ..given.secrets
        };
        let renewable = secrets.is_renewable();
        RenewedTokens {
            scopes: match given.scopes.is_empty() {
                true => held.account.scopes.clone(),
                false => given.scopes,
            },
            expires_at: given.expires_in.map(|lasts| now + lasts),
            refresh_at: refresh_at(now, given.expires_in, renewable, self.ids()),
            at: now,
            secrets,
        }
    }
}

const NO_CLIENT: &str = "the OAuth client that it was connected with is not there any more";
const NO_REFRESH_TOKEN: &str =
    "its token is good no more, and the provider gave nothing to renew it with";

/// The claim that somebody let run out.
fn ran_out(held: &HeldAccount) -> Option<Renewing> {
    held.renewing.filter(|_| !held.is_being_renewed())
}

fn current(held: HeldAccount) -> Outcome {
    match held.account.state {
        AccountState::Connected => Outcome::Renewed(Arc::new(held)),
        AccountState::NeedsReauth => Outcome::Changed,
    }
}

fn with_tokens(held: HeldAccount, pair: &Pair, generation: i64) -> HeldAccount {
    let RenewedTokens {
        secrets,
        scopes,
        expires_at,
        refresh_at,
        at,
    } = pair.tokens();
    let mut held = HeldAccount {
        secrets,
        refresh_at,
        renewing: None,
        failures: 0,
        ..held
    };
    let account = &mut held.account;
    account.generation = generation;
    account.scopes = scopes;
    account.expires_at = expires_at;
    account.refreshed_at = Some(at);
    held
}

fn failed_to_reach(error: &Error) -> Outcome {
    match error {
        Error::Unavailable { .. } => Outcome::Unavailable,
        other => Outcome::Failed(other.to_string()),
    }
}
