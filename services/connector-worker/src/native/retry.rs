//! When an answer means "later", and how much later.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use catalog::RateLimit;
use catalog::closed::{ResetUnit, RetryAfter};
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::{OffsetDateTime, PrimitiveDateTime};

/// Whether the provider says that the caller did too much.
pub(super) fn is_limited(
    limit: &RateLimit,
    status: StatusCode,
    headers: &HeaderMap,
    body: Option<&Value>,
) -> bool {
    if status == StatusCode::TOO_MANY_REQUESTS {
        return true;
    }
    if !limit.statuses.contains(&status.as_u16()) {
        return false;
    }
    if let Some((path, reasons)) = &limit.reasons {
        let reason = body.and_then(|body| path.get(body)).and_then(Value::as_str);
        return reason.is_some_and(|reason| reasons.iter().any(|known| known == reason));
    }
    if status.is_server_error() {
        return true;
    }
    // The status alone is ambiguous (GitHub's 403): the header fields decide.
    headers.contains_key(header::RETRY_AFTER) || is_used_up(limit, headers)
}

/// Whether nothing remains of the quota.
pub(super) fn is_used_up(limit: &RateLimit, headers: &HeaderMap) -> bool {
    let remaining = limit
        .remaining_header
        .as_ref()
        .and_then(|name| headers.get(name.as_str()));
    let remaining = remaining.and_then(|value| value.to_str().ok()?.trim().parse::<f64>().ok());
    remaining.is_some_and(|left| left <= 0.0)
}

/// How long the provider asks to wait, as far as it says.
pub(super) fn asked_wait(
    limit: &RateLimit,
    headers: &HeaderMap,
    body: Option<&Value>,
    now: OffsetDateTime,
) -> Option<Duration> {
    let in_body = limit
        .body_retry_after
        .as_ref()
        .and_then(|path| path.get(body?));
    let number = |value: &Value| {
        value
            .as_f64()
            .or_else(|| value.as_str()?.trim().parse().ok())
    };
    let in_body = in_body.and_then(number).and_then(seconds);
    let in_header = headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok());
    let in_header =
        in_header.filter(|_| limit.retry_after != RetryAfter::None || in_body.is_none());
    in_body
        .or_else(|| retry_after(in_header?, now))
        .or_else(|| {
            let reset = resets_at(limit, headers, now).filter(|_| is_used_up(limit, headers))?;
            Some(until(reset, now))
        })
}

/// Seconds (a fraction is allowed), an HTTP date, or an ISO 8601 time.
fn retry_after(text: &str, now: OffsetDateTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return seconds(number);
    }
    http_date(text)
        .or_else(|| OffsetDateTime::parse(text, &Rfc3339).ok())
        .map(|at| until(at, now))
}

fn http_date(text: &str) -> Option<OffsetDateTime> {
    let imf = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let plain = PrimitiveDateTime::parse(text, imf).map(PrimitiveDateTime::assume_utc);
    plain
        .or_else(|_| OffsetDateTime::parse(text, &Rfc2822))
        .ok()
}

/// When the quota is filled again.
pub(super) fn resets_at(
    limit: &RateLimit,
    headers: &HeaderMap,
    now: OffsetDateTime,
) -> Option<OffsetDateTime> {
    let (name, unit) = limit.reset_header.as_ref()?;
    let text = headers.get(name.as_str())?.to_str().ok()?.trim();
    let number = || text.parse::<f64>().ok().filter(|number| number.is_finite());
    match unit {
        ResetUnit::EpochSeconds => epoch(number()?),
        ResetUnit::EpochMilliseconds => epoch(number()? / 1_000.0),
        ResetUnit::DeltaSeconds => now.checked_add(seconds(number()?)?.try_into().ok()?),
        ResetUnit::Iso8601 => OffsetDateTime::parse(text, &Rfc3339).ok(),
        ResetUnit::DurationText => now.checked_add(duration_text(text)?.try_into().ok()?),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be in range")]
fn epoch(seconds: f64) -> Option<OffsetDateTime> {
    let in_range = (0.0..1e12).contains(&seconds);
    in_range.then(|| OffsetDateTime::from_unix_timestamp(seconds.ceil() as i64).ok())?
}

/// `1h2m3.5s`, `120ms`.
fn duration_text(text: &str) -> Option<Duration> {
    let (mut total, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let unit = rest[end..]
            .find(|c: char| c.is_ascii_digit())
            .map_or(rest.len(), |n| end + n);
        total += number
            * match &rest[end..unit] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3_600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    seconds(total)
}

fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number).ok()
}

/// Zero for what has been.
pub(super) fn until(at: OffsetDateTime, now: OffsetDateTime) -> Duration {
    (at - now).try_into().unwrap_or(Duration::ZERO)
}

/// The pause before attempt `next` (2 is the first repetition): doubled each time, with up to
/// half of it left to chance so that many callers do not come back at once.
pub(super) fn pause(base: Duration, next: u32) -> Duration {
    let full = base.saturating_mul(1 << next.saturating_sub(2).min(16));
    // The standard library's hash keys are random; this needs no better chance.
    let chance = RandomState::new().hash_one(next) % 1_000;
    let less = u32::try_from(chance).unwrap_or(0);
    full.saturating_sub(full / 2_000 * less)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn retry_after_is_understood_in_every_form() {
        let now = datetime!(2026-01-02 03:04:05 UTC);
        let wait = |text| retry_after(text, now);

        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(
            wait("Fri, 02 Jan 2026 03:04:15 GMT"),
            Some(Duration::from_secs(10))
        );
        assert_eq!(wait("2026-01-02T03:05:05Z"), Some(Duration::from_secs(60)));
        assert_eq!(wait("Fri, 02 Jan 2026 03:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("-1"), None);
        assert_eq!(
            duration_text("1m30.5s"),
            Some(Duration::from_millis(90_500))
        );
        assert_eq!(duration_text("20ms"), Some(Duration::from_millis(20)));
        assert_eq!(duration_text("1x"), None);
    }

    #[test]
    fn pauses_grow_and_never_reach_beyond_their_bound() {
        let base = Duration::from_millis(100);
        for _ in 0..100 {
            assert!((50..=100).contains(&pause(base, 2).as_millis()));
            assert!((100..=200).contains(&pause(base, 3).as_millis()));
        }
    }
}
