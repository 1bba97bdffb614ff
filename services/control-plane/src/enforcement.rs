//! What a request changed, and waiting until the gateways enforce it.
//!
//! The operations note the revisions that they commit ([`note`]); the layers of REST and gRPC put
//! the newest one on the answer and, where the caller asked for it, hold the answer back until
//! every gateway that is there enforces it. No operation and no handler knows of that.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::form_urlencoded;

use crate::api::problem;
use crate::auth::api::bearer;
use crate::error::Error;
use crate::operations::Operations;

/// The revision of the change.
const REVISION: HeaderName = HeaderName::from_static("turnbuckle-revision");
/// Whether every gateway that is there enforces it; on answers that were waited for.
const ENFORCED: HeaderName = HeaderName::from_static("turnbuckle-enforced");
/// Ids of gateways that do not.
const BEHIND: HeaderName = HeaderName::from_static("turnbuckle-behind");
/// Ids of those among them that have said nothing for a while, and may be gone.
const SILENT: HeaderName = HeaderName::from_static("turnbuckle-silent");
/// The parameter of REST.
pub(crate) const WAIT: &str = "wait";
/// What stands for the parameter in gRPC.
const WAIT_METADATA: &str = "turnbuckle-wait";

/// Longest patience.
const PATIENCE_MAX: Duration = Duration::from_secs(30);
/// Patience of who only says to wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// Nodes that are named at most.
const NAMED_MAX: usize = 20;
const RULE: &str = "must be true, false, or a number of seconds from 0 to 30";

tokio::task_local! {
    static CHANGE: Noted;
}

/// The newest revision that was committed for a request; 0 for none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noted(Arc<AtomicI64>);

/// How long the caller is ready to wait; `None` when it did not ask to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wait(pub(crate) Option<Duration>);

/// Notes a revision that was committed. Outside a request nobody asks for it.
pub(crate) fn note(revision: i64) {
    // An error only says that there is no request.
    let _ = CHANGE.try_with(|noted| noted.0.fetch_max(revision, Ordering::AcqRel));
}

/// What is noted while `work` runs, as a task of its own, belongs to the request that is served
/// now.
pub(crate) fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let noted = CHANGE.try_with(Clone::clone).unwrap_or_default();
    CHANGE.scope(noted, work)
}

impl Wait {
    /// Reads one value.
    fn parse(text: &str) -> Option<Self> {
        match text {
            "true" => Some(Self(Some(PATIENCE))),
            "false" => Some(Self(None)),
            _ => {
                // Rust would read "inf", "nan" and "+1" too.
                let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
                let seconds = text.parse().ok().filter(|_| plain)?;
                let patience = Duration::try_from_secs_f64(seconds).ok()?;
                (patience <= PATIENCE_MAX).then_some(Self(Some(patience)))
            }
        }
    }

    fn of_query(query: &str) -> Result<Self, Error> {
        let named = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == WAIT);
        Self::of_values(WAIT, named.map(|(_, value)| Some(value.into_owned())))
    }

    pub(crate) fn of_metadata(headers: &HeaderMap) -> Result<Self, Error> {
        let fields = headers.get_all(WAIT_METADATA).iter();
        let texts = fields.map(|field| field.to_str().ok().map(str::to_owned));
        Self::of_values(WAIT_METADATA, texts)
    }

    fn of_values(
        name: &str,
        mut values: impl Iterator<Item = Option<String>>,
    ) -> Result<Self, Error> {
        let Some(first) = values.next() else {
            return Ok(Self::default());
        };
        let read = first.filter(|_| values.next().is_none());
        read.and_then(|text| Self::parse(&text))
            .ok_or_else(|| Error::invalid(name, RULE))
    }

    /// Whether there is any time to wait.
    pub(crate) fn is_patient(self) -> bool {
        self.0.is_some_and(|patience| !patience.is_zero())
    }
}

/// The layer of REST.
pub(crate) async fn follow_rest(
    State(operations): State<Operations>,
    mut request: Request,
    next: Next,
) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let wait = match Wait::of_query(request.uri().query().unwrap_or_default()) {
        Ok(wait) => wait,
        // Who has no key is told that, and nothing else.
        Err(invalid) => {
            let caller = operations.authenticate(bearer(request.headers())).await;
            return problem(caller.err().unwrap_or(invalid)).into_response();
        }
    };
    request.extensions_mut().insert(wait);
    let done = |response: &Response| response.status().is_success();
    follow(&operations, wait, next.run(request), done).await
}

/// Serves a request, and says on the answer what it changed.
pub(crate) async fn follow(
    operations: &Operations,
    wait: Wait,
    serving: impl Future<Output = Response>,
    is_done: impl Fn(&Response) -> bool,
) -> Response {
    let noted = Noted::default();
    let mut response = CHANGE.scope(noted.clone(), serving).await;
    let revision = Some(noted.0.load(Ordering::Acquire)).filter(|revision| *revision > 0);
    let patience = wait.0.filter(|_| is_done(&response));
    let headers = response.headers_mut();
    if let Some(revision) = revision {
        headers.insert(REVISION, revision.into());
    }
    if let Some(patience) = patience {
        operations.hold_back(revision, patience, headers).await;
    }
    response
}

impl Operations {
    /// Waits until the change is enforced, and says on the answer whether it is. Whatever goes
    /// wrong here, the change stands.
    async fn hold_back(&self, revision: Option<i64>, patience: Duration, headers: &mut HeaderMap) {
        let waited = async {
            let revision = match revision {
                Some(revision) => revision,
                // What was asked for was so already: whoever made it so came before the newest.
                None => {
                    let newest = self.storage().last_revision().await;
                    newest.map_err(Error::storage("read the newest revision"))?
                }
            };
            headers.insert(REVISION, revision.into());
            self.wait_enforced(revision, patience).await
        };
        let enforced = match waited.await {
            Ok(Ok(())) => true,
            Ok(Err(behind)) => {
                for (name, nodes) in [(BEHIND, behind.nodes), (SILENT, behind.silent)] {
                    let named = nodes[..nodes.len().min(NAMED_MAX)].join(", ");
                    if let Some(named) =
                        HeaderValue::from_str(&named).ok().filter(|n| !n.is_empty())
                    {
                        headers.insert(name, named);
                    }
                }
                false
            }
            Err(error) => {
                tracing::warn!("cannot tell whether a change is enforced: {error}");
                false
            }
        };
        let said = if enforced { "true" } else { "false" };
        headers.insert(ENFORCED, HeaderValue::from_static(said));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_a_plain_number_of_seconds_within_bounds() {
        let read = |query: &str| Wait::of_query(query).ok().map(|wait| wait.0);
        let seconds = |seconds: f64| Some(Some(Duration::from_secs_f64(seconds)));

        assert_eq!(read(""), Some(None));
        assert_eq!(read("wait=false"), Some(None));
        assert_eq!(read("wait=true"), seconds(10.0));
        assert_eq!(read("x=1&wait=0"), seconds(0.0));
        assert_eq!(read("wait=0.25"), seconds(0.25));
        assert_eq!(read("wait=30"), seconds(30.0));
        for wrong in [
            "wait=",
            "wait",
            "wait=30.1",
            "wait=-1",
            "wait=%2B1",
            "wait=1e1",
            "wait=inf",
            "wait=nan",
            "wait=yes",
            "wait=1&wait=1",
            "wait=.",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn the_newest_revision_of_a_request_is_kept_also_when_a_task_of_its_own_made_it() {
        let noted = Noted::default();
        let (_trigger, process) = runtime::Process::new();

        note(9);
        CHANGE
            .scope(noted.clone(), async {
                note(3);
                note(2);
                process.tasks.joinable(carried(async { note(7) })).await
            })
            .await
            .unwrap();
        process
            .tasks
            .joinable(carried(async { note(8) }))
            .await
            .unwrap();

        assert_eq!(noted.0.load(Ordering::Acquire), 7);
    }
}
