//! Answers that are kept to be asked about: where an unchanged answer costs nothing of the quota, the
//! provider is asked whether it is still the same (RFC 9110 §13.1.2). None is ever given without asking.

use std::mem::size_of;
use std::sync::Arc;

use bytes::Bytes;
use catalog::Answer;
use catalog::closed::{ConditionalRequests, Effect};
use domain::{ConnectorId, TenantId};
use http::header::{
    CACHE_CONTROL, CONNECTION, ETAG, IF_NONE_MATCH, RANGE, TRANSFER_ENCODING, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use url::Url;

use super::EngineLimits;
use super::call::Call;
use super::exchange::Answered;
use super::holder::Holder;
use super::metrics::EngineMetrics;
use super::request::Draft;
use crate::credentials::Signature;

/// A request whose answer may be kept: who asked, and all that was sent but the credential.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    holder: Holder,
    /// Of the account's tokens; 0 where there is no account. Some providers' tags are the token's.
    generation: i64,
    url: Url,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// An answer as it is kept.
struct Kept {
    tag: HeaderValue,
    headers: HeaderMap,
    body: Bytes,
}

/// A request that asks whether an answer has changed, or whose answer may be kept.
pub(super) struct Asked {
    key: Key,
    kept: Option<Arc<Kept>>,
}

/// The answers that are kept. Bounded by their bytes; the one that was not asked for for longest goes
/// first.
pub(super) struct Etags {
    answers: Cache<Key, Arc<Kept>>,
    one_max_bytes: usize,
}

impl Etags {
    pub(super) fn new(limits: &EngineLimits) -> Self {
        let builder = Cache::builder()
            .max_capacity(limits.kept_max_bytes)
            .eviction_policy(EvictionPolicy::lru())
            .weigher(weight)
            .time_to_idle(limits.kept_idle);
        Self {
            answers: builder.build(),
            one_max_bytes: match limits.kept_max_bytes {
                0 => 0,
                _ => limits.kept_one_max_bytes,
            },
        }
    }

    fn keep(&self, key: Key, answered: &Answered) {
        let tag = answered.headers.get(ETAG).cloned();
        let tag = tag.filter(|_| answered.body.len() <= self.one_max_bytes && may_keep(answered));
        match tag {
            Some(tag) => {
                let kept = Kept {
                    tag,
                    headers: answered.headers.clone(),
                    // Its own bytes: what came may be a part of something larger.
                    body: Bytes::copy_from_slice(&answered.body),
                };
                self.answers.insert(key, Arc::new(kept));
            }
            None => self.answers.invalidate(&key),
        }
        // Otherwise the bound would hold only after a while.
        self.answers.run_pending_tasks();
    }

    /// Drops what is kept of a connector.
    pub(super) fn drop_all_of(&self, tenant: TenantId, connector: ConnectorId) {
        for (key, _) in &self.answers {
            if key.holder.is_of(tenant, connector) {
                self.answers.invalidate(&*key);
            }
        }
        self.answers.run_pending_tasks();
    }

    /// Lets go of what nobody asked for for too long; the cache itself does so only while it is used.
    pub(super) fn sweep(&self) {
        self.answers.run_pending_tasks();
    }

    /// Bytes that are kept.
    pub(super) fn bytes(&self) -> u64 {
        self.answers.weighted_size()
    }
}

/// About what an answer takes in memory.
fn weight(key: &Key, kept: &Arc<Kept>) -> u32 {
    let field = |name: &HeaderName, value: &HeaderValue| name.as_str().len() + value.len() + 64;
    let sent = key.headers.iter().map(|(name, value)| field(name, value));
    let got = kept.headers.iter().map(|(name, value)| field(name, value));
    let fields: usize = sent.chain(got).sum();
    let whole = size_of::<Key>() + size_of::<Kept>() + key.url.as_str().len();
    u32::try_from(whole + fields + kept.body.len()).unwrap_or(u32::MAX)
}

/// Whether the provider lets its answer be kept by whom it was for.
fn may_keep(answered: &Answered) -> bool {
    let says = |name: HeaderName, word: &str| {
        let values = answered.headers.get_all(name);
        let mut words = values.iter().filter_map(|value| value.to_str().ok());
        words.any(|value| {
            value
                .split(',')
                .any(|one| one.trim().eq_ignore_ascii_case(word))
        })
    };
    answered.status == StatusCode::OK && !says(CACHE_CONTROL, "no-store") && !says(VARY, "*")
}

/// Whether an answer says that what was kept is no more.
fn is_end(status: StatusCode) -> bool {
    status.is_success() || matches!(status.as_u16(), 401 | 404 | 410)
}

impl Asked {
    /// What the answer comes to: the kept one where nothing has changed, with what the provider says
    /// beside it now.
    pub(super) fn settle(
        self,
        etags: &Etags,
        metrics: &EngineMetrics,
        answered: Answered,
    ) -> Answered {
        let is_same = answered.status == StatusCode::NOT_MODIFIED;
        if let Some(kept) = self.kept {
            metrics.revalidated(is_same);
            if is_same {
                return Answered {
                    status: StatusCode::OK,
                    headers: fresher(&kept.headers, &answered.headers),
                    body: kept.body.clone(),
                    ..answered
                };
            }
        }
        if is_end(answered.status) {
            etags.keep(self.key, &answered);
        }
        answered
    }
}

/// The fields of a kept answer, with those that came anew in place of the same before
/// (RFC 9111 §3.2).
fn fresher(kept: &HeaderMap, fresh: &HeaderMap) -> HeaderMap {
    let is_of_body = |name: &HeaderName| {
        name.as_str().starts_with("content-") || [CONNECTION, TRANSFER_ENCODING].contains(name)
    };
    let mut headers = kept.clone();
    for name in fresh.keys().filter(|name| !is_of_body(name)) {
        headers.remove(name);
        for value in fresh.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    headers
}

impl Call<'_> {
    /// Makes `request`, which is to be sent to the provider itself, ask whether its answer has changed,
    /// where the provider gives that for nothing and the answer was kept or may be.
    pub(super) fn ask_whether_changed(
        &self,
        draft: &Draft,
        request: &mut Request<Full<Bytes>>,
        at: &Url,
        signature: &Signature,
    ) -> Option<Asked> {
        let etags = &self.engine.etags;
        let free = self.connector.rate_limit.conditional_requests;
        let reads = self.tool.effect == Effect::Read && request.method() == Method::GET;
        if free != Some(ConditionalRequests::EtagFree) || !reads || etags.one_max_bytes == 0 {
            return None;
        }
        let headers = request.headers();
        let is_plain = !headers.contains_key(IF_NONE_MATCH) && !headers.contains_key(RANGE);
        // Of a text that is cut not all is read.
        let is_cut = matches!(&self.tool.response.kind, Answer::Text { truncate: Some(_) });
        if !is_plain || is_cut || draft.body.is_some() || draft.media.is_some() {
            return None;
        }
        let mut sent: Vec<_> = headers
            .iter()
            .filter(|(_, value)| !value.is_sensitive())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        sent.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        let key = Key {
            holder: self.holder(signature),
            generation: match signature {
                Signature::Account(lease) => lease.generation,
                Signature::Own | Signature::Given(_) => 0,
            },
            url: at.clone(),
            headers: sent,
        };
        let kept = etags.answers.get(&key);
        if let Some(kept) = &kept {
            request
                .headers_mut()
                .insert(IF_NONE_MATCH, kept.tag.clone());
        }
        Some(Asked { key, kept })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = &[b'x'; 500];

    fn key(version: i64, path: &str) -> Key {
        Key {
            holder: Holder::own(1, 2, version),
            generation: 0,
            url: format!("https://api.example.com/{path}").parse().unwrap(),
            headers: Vec::new(),
        }
    }

    fn answered(status: u16, fields: &[(&'static str, &str)], body: &'static [u8]) -> Answered {
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        Answered {
            status: StatusCode::from_u16(status).unwrap(),
            headers: fields.iter().map(field).collect(),
            body: Bytes::from_static(body),
            cut: None,
            url: "https://api.example.com/".parse().unwrap(),
            is_home: true,
        }
    }

    fn limits(all: u64, one: usize) -> EngineLimits {
        EngineLimits {
            kept_max_bytes: all,
            kept_one_max_bytes: one,
            ..EngineLimits::default()
        }
    }

    fn holds(etags: &Etags, key: &Key) -> bool {
        etags.answers.get(key).is_some()
    }

    #[test]
    fn what_is_kept_fits_the_bound_to_the_byte() {
        let tagged = answered(200, &[("etag", "\"1\"")], BODY);
        let keep_two = |all: u64, one: usize| {
            let etags = Etags::new(&limits(all, one));
            let keys = [key(1, "a"), key(1, "b")];
            for key in &keys {
                etags.keep(key.clone(), &tagged);
            }
            assert!(etags.bytes() <= all, "{} of {all}", etags.bytes());
            keys.map(|key| holds(&etags, &key))
        };
        let etags = Etags::new(&limits(u64::MAX, 500));
        etags.keep(key(1, "a"), &tagged);
        let weight = etags.bytes();
        assert!(weight > 500, "{weight}");

        assert_eq!(keep_two(2 * weight, 500), [true, true]);
        // One byte less: the older one goes.
        assert_eq!(keep_two(2 * weight - 1, 500), [false, true]);
        assert_eq!(keep_two(weight - 1, 500), [false, false]);
        assert_eq!(keep_two(2 * weight, 499), [false, false]);
        assert_eq!(keep_two(0, 500), [false, false]);
    }

    #[test]
    fn only_what_may_be_kept_is_and_what_is_gone_is_let_go() {
        let etags = Etags::new(&EngineLimits::default());
        let tag = ("etag", "W/\"1\"");
        let key = key(1, "a");
        for refused in [
            answered(200, &[], BODY),
            answered(200, &[tag, ("cache-control", "private, No-Store")], BODY),
            answered(200, &[tag, ("vary", "accept, *")], BODY),
            answered(206, &[tag], BODY),
            answered(404, &[tag], BODY),
        ] {
            etags.keep(key.clone(), &answered(200, &[tag], BODY));
            assert!(holds(&etags, &key));
            etags.keep(key.clone(), &refused);
            assert!(!holds(&etags, &key), "{refused:?}");
        }
        let private = [
            tag,
            ("cache-control", "private, max-age=60"),
            ("vary", "accept"),
        ];
        etags.keep(key.clone(), &answered(200, &private, BODY));
        assert!(holds(&etags, &key));

        etags.drop_all_of(key.holder.place().0, key.holder.place().1);
        assert!(!holds(&etags, &key));
        assert_eq!(etags.bytes(), 0);
    }

    #[test]
    fn an_unchanged_answer_has_its_old_body_and_the_newest_fields() {
        let etags = Etags::new(&EngineLimits::default());
        let fields = [
            ("etag", "\"1\""),
            ("content-type", "application/json"),
            ("link", "<https://api.example.com/?page=2>; rel=\"next\""),
            ("x-ratelimit-remaining", "9"),
        ];
        let key = key(1, "a");
        etags.keep(key.clone(), &answered(200, &fields, BODY));
        let kept = etags.answers.get(&key);
        let fresh = [
            ("content-type", "text/plain"),
            ("x-ratelimit-remaining", "8"),
        ];
        let asked = Asked { key, kept };

        let same = asked.settle(
            &etags,
            &EngineMetrics::default(),
            answered(304, &fresh, b""),
        );

        assert_eq!((same.status, &same.body[..]), (StatusCode::OK, BODY));
        assert_eq!(same.headers["content-type"], "application/json");
        assert_eq!(same.headers["x-ratelimit-remaining"], "8");
        assert!(same.headers.contains_key("link"));
    }
}
