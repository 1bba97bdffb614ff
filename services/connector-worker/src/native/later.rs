//! Calls that a provider has accepted and finishes later.

use std::time::Duration;

use catalog::Later;
use http::StatusCode;
use http::header::LOCATION;

use super::call::Call;
use super::exchange::Answered;
use super::request::Draft;

/// Between two looks, where the provider does not say how long.
const PAUSE: Duration = Duration::from_secs(1);

impl Call<'_> {
    /// Waits, within the call's time, for the end of what was only accepted. What comes back is the
    /// last answer: still a 202 when the end is not known.
    pub(super) async fn finish(&self, draft: &Draft, first: Answered) -> Answered {
        let Some(Later::Location { signed }) = self.tool.response.later else {
            return first;
        };
        let link = first
            .headers
            .get(LOCATION)
            .and_then(|link| link.to_str().ok());
        let look = link.map(|link| draft.follow(link, signed));
        let Some(Ok(look)) = look.filter(|_| first.status == StatusCode::ACCEPTED) else {
            return first;
        };
        let mut last = first;
        for _ in 0..self.engine.limits.polls_max {
            let pause = self.asked_wait(&last).unwrap_or(PAUSE);
            // The result must still find its way back.
            if pause + PAUSE >= self.deadline.remaining() {
                break;
            }
            tokio::time::sleep(pause).await;
            // What was accepted stays so, whatever becomes of a look.
            let Ok(answered) = self.exchange(&look).await else {
                break;
            };
            if !answered.status.is_success() {
                break;
            }
            let is_done = answered.status != StatusCode::ACCEPTED && !is_pending(&answered);
            last = answered;
            if is_done {
                last.status = StatusCode::OK;
                return last;
            }
        }
        last.status = StatusCode::ACCEPTED;
        last
    }
}

/// Whether a body says that the work goes on (Bitbucket's tasks, Microsoft Graph's monitors).
fn is_pending(answered: &Answered) -> bool {
    let Ok(body) = serde_json::from_slice::<serde_json::Value>(&answered.body) else {
        return false;
    };
    let state = body.get("task_status").or(body.get("status"));
    let state = state
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    ["pending", "inprogress", "notstarted", "running", "waiting"]
        .iter()
        .any(|word| state.replace('_', "").eq_ignore_ascii_case(word))
}
