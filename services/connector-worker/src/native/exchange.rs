//! One request to its answer: credential, redirects, bounds, repetitions.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use catalog::Answer;
use catalog::closed::{Effect, Redirect, Truncate};
use egress::{EgressError, Response};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, LOCATION, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use url::Url;

use super::call::{Call, Stop};
use super::request::Draft;
use super::retry;
use super::trouble::{Sent, Trouble};
use super::written::Written;
use crate::credentials::Signature;

/// Bytes of an error's body that are read.
const ERROR_MAX_BYTES: usize = 64 * 1024;
/// What providers see of us (some refuse a request without it).
const AGENT: &str = concat!("turnbuckle/", env!("CARGO_PKG_VERSION"));

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Bytes that were left out, when text was cut; the end that is kept.
    pub(super) cut: Option<(Truncate, u64)>,
    /// Where it came from.
    pub(super) url: Url,
    /// That is the host that the request went to, and not one to which it was sent on.
    pub(super) is_home: bool,
}

impl Call<'_> {
    /// Sends `draft`, again where that is allowed and may help, and reads the answer.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn exchange(&self, draft: &Draft) -> Result<Answered, Stop> {
        let limits = &self.engine.limits;
        // What a hook looks at before it writes may be looked at again.
        let only_reads = draft.method == Method::GET;
        let repeatable = self.tool.idempotent || only_reads;
        let (mut attempt, mut is_anew, mut has_waited) = (1, false, false);
        let mut signature = self.signature(draft).await?;
        loop {
            let turn = self.admitted(draft, &signature, &mut has_waited).await?;
            let sent = self.once(draft, &signature).await;
            drop(turn);
            let (pause, end) = match sent {
                Err(Sent {
                    error,
                    may_have_arrived,
                }) => {
                    let again = (repeatable || !may_have_arrived) && error.is_passing();
                    let is_look = only_reads && self.tool.effect != Effect::Read;
                    let failure = error.into_failure(self, may_have_arrived && !is_look);
                    (
                        again.then(|| retry::pause(limits.backoff, attempt + 1)),
                        Err(failure.into()),
                    )
                }
                Ok(answered) => {
                    let other = self.signed_anew(draft, &answered, &signature).await?;
                    if let Some(other) = other.filter(|_| !is_anew) {
                        (signature, is_anew) = (other, true);
                        continue;
                    }
                    self.note(draft, &answered);
                    self.learn(draft, &signature, &answered);
                    let pause = self.pause_after(&answered, attempt + 1);
                    (pause.filter(|_| repeatable), Ok(answered))
                }
            };
            let left = self.deadline.remaining();
            match pause {
                Some(pause) if attempt < limits.attempts_max && pause < left => {
                    tracing::debug!(tool.name = %self.tool.name, attempt, pause_ms = pause.as_millis() as u64, "trying again");
                    tokio::time::sleep(pause).await;
                    (attempt, has_waited) = (attempt + 1, true);
                }
                _ => return end,
            }
        }
    }

    /// How long to wait before the same request again; none when it must not or cannot help.
    fn pause_after(&self, answered: &Answered, next: u32) -> Option<Duration> {
        if answered.status.is_success() {
            return None;
        }
        let limits = &self.engine.limits;
        let asked = self.asked_wait(answered);
        let passing = matches!(answered.status.as_u16(), 502..=504) || self.is_limited(answered);
        match asked {
            _ if !passing => None,
            Some(asked) => (asked <= limits.retry_after_max).then_some(asked),
            None => Some(retry::pause(limits.backoff, next)),
        }
    }

    /// How long the provider asks to wait, as far as it says.
    pub(super) fn asked_wait(&self, answered: &Answered) -> Option<Duration> {
        let body: Option<Value> = serde_json::from_slice(&answered.body).ok();
        let now = self.engine.clock.now();
        retry::asked_wait(
            &self.connector.rate_limit,
            &answered.headers,
            body.as_ref(),
            now,
        )
    }

    pub(super) fn is_limited(&self, answered: &Answered) -> bool {
        let body: Option<Value> = serde_json::from_slice(&answered.body).ok();
        let limit = &self.connector.rate_limit;
        retry::is_limited(limit, answered.status, &answered.headers, body.as_ref())
    }

    /// One attempt, with the redirects that may be followed.
    async fn once(&self, draft: &Draft, signature: &Signature) -> Result<Answered, Sent> {
        let home = url(&draft.address())?;
        let (mut at, mut method) = (home.clone(), draft.method.clone());
        for _ in 0..=self.engine.limits.redirects_max {
            let is_home = at.origin() == home.origin();
            let mut request =
                self.write(draft, &at, method.clone(), is_home.then_some(signature))?;
            let asked = match is_home && !draft.is_foreign {
                true => self.ask_whether_changed(draft, &mut request, &at, signature),
                false => None,
            };
            let response = match self.engine.client.send(request, self.deadline).await {
                Err(error) if !is_home && !error.may_have_arrived() => {
                    return Err(Sent::after(Trouble::BadRedirect(error.to_string())));
                }
                response => response?,
            };
            let Some(target) = redirect_target(&response, &at) else {
                let answered = self.read(response, at, is_home).await?;
                let (etags, metrics) = (&self.engine.etags, &self.engine.metrics);
                return Ok(match asked {
                    Some(asked) => asked.settle(etags, metrics, answered),
                    None => answered,
                });
            };
            let status = response.status();
            let elsewhere = target.origin() != home.origin();
            // What changes something is never sent to another place than the provider named
            // for exactly that (307, 308), and never to another host.
            if method != Method::GET && (elsewhere || !matches!(status.as_u16(), 307 | 308)) {
                return self.read(response, at, is_home).await;
            }
            if elsewhere && self.tool.response.redirect != Some(Redirect::DropAuth) {
                return self.read(response, at, is_home).await;
            }
            if at.scheme() == "https" && target.scheme() != "https" {
                let why = "the address has no encryption".to_owned();
                return Err(Sent::after(Trouble::BadRedirect(why)));
            }
            if status == StatusCode::SEE_OTHER {
                method = Method::GET;
            }
            at = target;
        }
        Err(Sent::after(Trouble::BadRedirect(
            "it redirects too often".to_owned(),
        )))
    }

    /// Writes the request out. Away from home, where nothing is signed, it carries nothing else of
    /// the connection either.
    fn write(
        &self,
        draft: &Draft,
        at: &Url,
        method: Method,
        signature: Option<&Signature>,
    ) -> Result<Request<Full<Bytes>>, Sent> {
        let mut headers = HeaderMap::new();
        let mut written = Written::default();
        if let Some(signature) = signature {
            let mut draft = draft.clone();
            if !draft.is_foreign {
                self.sign(&mut draft, signature)?;
            }
            written = draft.written();
            headers = draft.headers;
        } else if let Some(accept) = draft.headers.get(ACCEPT) {
            headers.insert(ACCEPT, accept.clone());
        }
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(content_type) = written.content_type {
            let content_type = HeaderValue::try_from(content_type)
                .map_err(|_| Sent::before(Trouble::Unsendable("the media type cannot be sent")))?;
            headers.entry(CONTENT_TYPE).or_insert(content_type);
        }
        let mut at = self.engine.origins.reroute(at);
        at.set_fragment(None);
        let mut request = Request::builder()
            .method(method)
            .uri(at.as_str())
            .body(Full::new(written.bytes))
            .map_err(|_| Sent::before(Trouble::Unsendable("the address cannot be called")))?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    async fn read(
        &self,
        mut response: Response,
        url: Url,
        is_home: bool,
    ) -> Result<Answered, Sent> {
        let status = response.status();
        let headers = response.take_headers();
        let limits = &self.engine.limits;
        let text = match &self.tool.response.kind {
            Answer::Text { truncate } if status.is_success() => *truncate,
            _ => None,
        };
        let (body, cut) = match text {
            _ if !status.is_success() => (head(&mut response, ERROR_MAX_BYTES).await?.0, None),
            None => (response.collect(limits.response_max_bytes).await?, None),
            Some(Truncate::Head) => {
                let (body, left) = head(&mut response, limits.text_max_bytes).await?;
                (body, left.then_some((Truncate::Head, 0)))
            }
            Some(Truncate::Tail) => {
                let (keep, bound) = (limits.text_max_bytes, limits.text_read_max_bytes);
                let (body, dropped) = tail(&mut response, keep, bound).await?;
                (body, (dropped > 0).then_some((Truncate::Tail, dropped)))
            }
        };
        Ok(Answered {
            status,
            headers,
            body,
            cut,
            url,
            is_home,
        })
    }
}

/// The first bytes, and whether there are more. Reading stops there.
async fn head(response: &mut Response, keep: usize) -> Result<(Bytes, bool), EgressError> {
    let mut kept = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        kept.extend_from_slice(&chunk[..chunk.len().min(keep + 1 - kept.len())]);
        if kept.len() > keep {
            kept.truncate(keep);
            return Ok((kept.into(), true));
        }
    }
    Ok((kept.into(), false))
}

/// The last bytes of at most `bound`, and how many before them were dropped.
async fn tail(
    response: &mut Response,
    keep: usize,
    bound: usize,
) -> Result<(Bytes, u64), EgressError> {
    let (mut kept, mut read) = (VecDeque::new(), 0);
    while let Some(chunk) = response.chunk().await? {
        read += chunk.len();
        if read > bound {
            return Err(EgressError::TooLarge { limit: bound });
        }
        kept.extend(chunk);
        let over = kept.len().saturating_sub(keep);
        kept.drain(..over);
    }
    let dropped = (read - kept.len()) as u64;
    Ok((Vec::from(kept).into(), dropped))
}

fn url(address: &str) -> Result<Url, Sent> {
    Url::parse(address)
        .map_err(|_| Sent::before(Trouble::Unsendable("the address cannot be called")))
}

fn redirect_target(response: &Response, at: &Url) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    at.join(response.headers().get(LOCATION)?.to_str().ok()?)
        .ok()
}
