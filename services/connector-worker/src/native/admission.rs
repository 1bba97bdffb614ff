//! Before a request is sent: whether its quota is known to be used up, and whose turn it is.

use std::time::Duration;

use catalog::Target;
use catalog::closed;
use fabric::{Failure, FailureKind};

use super::arguments::Arguments;
use super::call::{Call, Stop};
use super::encode;
use super::exchange::Answered;
use super::holder::Holder;
use super::quotas::{Bucket, Route, UsedUp};
use super::request::Draft;
use super::retry;
use super::turns::{Lane, NoTurn, Turn};
use crate::credentials::Signature;
use crate::failure::unsent;

impl Call<'_> {
    /// Waits until it is this call's turn, where the provider wants some of them one after the other.
    ///
    /// # Errors
    /// `Busy`: too many wait, or those before it take too long.
    pub(super) async fn turns(&self, arguments: &Arguments) -> Result<[Option<Turn>; 2], Failure> {
        let limit = &self.connector.rate_limit;
        let holder = self.holder(&self.signed.signature());
        let writes = limit.serial_writes && self.tool.effect != closed::Effect::Read;
        let mut turns = [None, None];
        // Always in this order, so that no two calls wait for each other.
        if writes {
            turns[0] = Some(self.turn(Lane::Writes(holder), 1).await?);
        }
        if let Some(thing) = self.named(&limit.serial_path_params, arguments) {
            turns[1] = Some(self.turn(Lane::Thing(holder.place(), thing), 1).await?);
        }
        Ok(turns)
    }

    /// What the values of these placeholders name together; none where none of them is given.
    fn named(&self, placeholders: &[String], arguments: &Arguments) -> Option<String> {
        let mut named = String::new();
        for name in placeholders {
            let is_it = |target: &Target| matches!(target, Target::Path(known) if known == name);
            let at = self.tool.args.iter().position(|arg| is_it(&arg.target));
            if let Some(value) = at.and_then(|at| arguments.value(at)) {
                named.push_str(&format!("{name}={}\n", encode::text(value)));
            }
        }
        Some(named).filter(|named| !named.is_empty())
    }

    async fn turn(&self, lane: Lane, at_once: usize) -> Result<Turn, Failure> {
        let (others, most) = (lane.others(), self.engine.limits.waiting_max);
        let turn = self.engine.turns.take(lane, at_once, most, self.deadline);
        turn.await.map_err(|why| {
            let message = match why {
                NoTurn::Late => format!("{others} took all the time there was"),
                NoTurn::Full => {
                    format!("{others} are under way, and {most} more wait already: try again later")
                }
            };
            unsent(FailureKind::Busy, message)
        })
    }

    /// Waits until a request may be sent. `has_waited` says that the provider's own time has been
    /// waited for, and becomes true when it was here.
    ///
    /// # Errors
    /// The quota is used up for longer than is waited for; or as for [`Self::turns`].
    pub(super) async fn admitted(
        &self,
        draft: &Draft,
        signature: &Signature,
        has_waited: &mut bool,
    ) -> Result<Option<Turn>, Stop> {
        // Other hosts know nothing of the credential.
        if draft.is_foreign {
            return Ok(None);
        }
        let holder = self.holder(signature);
        let most = self.engine.limits.requests_at_once;
        let providers = self.connector.rate_limit.requests_at_once;
        let providers = providers.and_then(|most| usize::try_from(most).ok());
        let at_once = providers.map_or(most, |providers| most.min(providers));
        loop {
            if let Some(used_up) = self.used_up(draft, &holder).filter(|_| !*has_waited) {
                self.outlast(used_up).await?;
                *has_waited = true;
            }
            let turn = self.turn(Lane::Requests(holder), at_once).await?;
            // Those before it may have used up the rest.
            if *has_waited || self.used_up(draft, &holder).is_none() {
                return Ok(Some(turn));
            }
        }
    }

    fn used_up(&self, draft: &Draft, holder: &Holder) -> Option<UsedUp> {
        let now = self.engine.clock.now();
        self.engine.quotas.against(holder, self.route(draft), now)
    }

    /// What hooks ask for besides is counted with their tool.
    fn route(&self, draft: &Draft) -> Route {
        draft
            .route
            .unwrap_or_else(|| Route::new(&self.tool.name, &[]))
    }

    /// Waits for a short time, or tells of a long one.
    async fn outlast(&self, used_up: UsedUp) -> Result<(), Stop> {
        let now = self.engine.clock.now();
        let wait = retry::until(used_up.until, now);
        let metrics = &self.engine.metrics;
        if wait > self.engine.limits.quota_wait_max || wait >= self.deadline.remaining() {
            metrics.quota_refused.inc();
            let outcome = self.not_sent(retry::until(used_up.resets, now), used_up.resets);
            return Err(Stop::Refused(outcome));
        }
        metrics.quota_waited.inc();
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Remembers what an answer says of quotas.
    pub(super) fn learn(&self, draft: &Draft, signature: &Signature, answered: &Answered) {
        if draft.is_foreign || !answered.is_home {
            return;
        }
        let (limit, headers) = (&self.connector.rate_limit, &answered.headers);
        let field = |what| {
            let name = limit.other_headers.get(what)?;
            headers.get(name.as_str())?.to_str().ok().map(str::trim)
        };
        let is_limited = !answered.status.is_success() && self.is_limited(answered);
        let is_used_up = is_limited || retry::is_used_up(limit, headers);
        let name = field("bucket");
        if name.is_none() && !is_used_up {
            return;
        }
        let (holder, route) = (self.holder(signature), self.route(draft));
        let is_all = is_limited && field("global") == Some("true");
        let bucket = Bucket::of(route, name, is_all);
        let quotas = &self.engine.quotas;
        quotas.counts_in(&holder, route, &bucket);
        let now = self.engine.clock.now();
        let wait = match (is_limited, is_used_up) {
            (true, _) => self.asked_wait(answered),
            (false, true) => retry::asked_wait(limit, headers, None, now),
            (false, false) => None,
        };
        // A provider that does not say how long is not taken at more than its word.
        let Some(wait) = wait.filter(|wait| *wait > Duration::ZERO) else {
            return;
        };
        let until = now + wait.min(self.engine.limits.quota_memory_max);
        let resets = wait.try_into().ok().and_then(|wait| now.checked_add(wait));
        let used_up = UsedUp {
            until,
            resets: resets.unwrap_or(until),
        };
        quotas.remember(&holder, bucket, used_up);
    }
}
