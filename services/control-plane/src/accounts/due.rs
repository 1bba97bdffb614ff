//! When tokens are renewed.

use std::time::Duration;

use runtime::IdGen;
use storage::HeldAccount;
use time::OffsetDateTime;

/// After the first failure; each further one doubles it.
const BACKOFF_MIN: Duration = Duration::from_secs(2);
const BACKOFF_MAX: Duration = Duration::from_secs(300);

/// When a pair that was given now is renewed in the background: after 70 to 80 % of its time, so
/// that accounts that were connected together do not stay together. Never where it does not end or
/// cannot be renewed.
pub(crate) fn refresh_at(
    now: OffsetDateTime,
    expires_in: Option<Duration>,
    has_refresh_token: bool,
    ids: &dyn IdGen,
) -> Option<OffsetDateTime> {
    let lasts = expires_in.filter(|_| has_refresh_token)?;
    Some(now + lasts.mul_f64(0.7 + 0.1 * chance(ids)))
}

/// When to try again after so many failures in a row, at the earliest when the provider says.
pub(super) fn again_at(
    now: OffsetDateTime,
    failures: u32,
    asked: Option<Duration>,
    ids: &dyn IdGen,
) -> OffsetDateTime {
    let doubled = BACKOFF_MIN.saturating_mul(2_u32.saturating_pow(failures.min(16)));
    let pause = doubled.min(BACKOFF_MAX).mul_f64(0.5 + 0.5 * chance(ids));
    now + pause.max(asked.unwrap_or_default().min(BACKOFF_MAX))
}

/// From 0 to 1.
pub(super) fn chance(ids: &dyn IdGen) -> f64 {
    f64::from(ids.next().as_bytes()[15]) / 255.0
}

/// How an access token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Good {
    /// For so long; none: for as long as the provider takes it.
    For(Option<Duration>),
    /// It still is, for so long, and is to be renewed.
    Ending(Duration),
    Over,
}

/// `ahead`: how long before its end a token is renewed. One that lasts less than ten times as long
/// is renewed in the last tenth of its time.
pub(crate) fn good(held: &HeldAccount, now: OffsetDateTime, ahead: Duration) -> Good {
    let account = &held.account;
    let Some(ends) = account.expires_at else {
        return Good::For(None);
    };
    let left = Duration::try_from(ends - now).unwrap_or_default();
    let given = account.refreshed_at.unwrap_or(account.updated_at);
    let lasts = Duration::try_from(ends - given).unwrap_or_default();
    if left.is_zero() {
        Good::Over
    } else if left > ahead.min(lasts / 10) {
        Good::For(Some(left))
    } else {
        Good::Ending(left)
    }
}

#[cfg(test)]
mod tests {
    use runtime::TimeOrderedIds;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);

    #[test]
    fn pairs_are_renewed_in_the_last_third_of_their_time_and_not_all_at_once() {
        let hour = Duration::from_secs(3600);
        let times: std::collections::BTreeSet<_> = (0..200)
            .map(|_| refresh_at(NOW, Some(hour), true, &TimeOrderedIds).unwrap() - NOW)
            .collect();
        assert!(times.iter().all(|at| *at >= hour.mul_f64(0.7)));
        assert!(times.iter().all(|at| *at <= hour.mul_f64(0.81)));
        assert!(times.len() > 20, "{}", times.len());
        assert_eq!(refresh_at(NOW, Some(hour), false, &TimeOrderedIds), None);
        assert_eq!(refresh_at(NOW, None, true, &TimeOrderedIds), None);
    }

    #[test]
    fn failures_in_a_row_are_followed_by_longer_pauses_up_to_a_bound() {
        let pause = |failures, asked| {
            let at = again_at(NOW, failures, asked, &TimeOrderedIds);
            Duration::try_from(at - NOW).unwrap()
        };
        assert!(pause(0, None) <= BACKOFF_MIN);
        assert!(pause(3, None) >= BACKOFF_MIN * 4 && pause(3, None) <= BACKOFF_MIN * 8);
        assert!(pause(u32::MAX, None) <= BACKOFF_MAX);
        assert!(pause(0, Some(Duration::from_secs(30))) >= Duration::from_secs(30));
        assert!(pause(0, Some(Duration::MAX)) <= BACKOFF_MAX);
    }
}
