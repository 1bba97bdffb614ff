//! What a model is told when a call was not made, or the provider refused it: what happened, and
//! what to do about it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use catalog::closed::ErrorStyle;
use catalog::{ResultPath, Tool};
use fabric::Outcome;
use http::StatusCode;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::answer::error_result;
use super::call::Call;
use super::exchange::Answered;
use super::retry;

/// Characters of the provider's own words that are passed on.
const WORDS_MAX: usize = 2_000;

/// The arguments break the schema: nothing was sent.
pub(super) fn not_called(tool: &Tool, violation: &str) -> Outcome {
    let text = format!("{} was not called: {violation}.", tool.name);
    Outcome::Result(error_result(&text, None))
}

impl Call<'_> {
    /// Whether the answer says that the call failed. `body` is its JSON, if it is any.
    pub(super) fn is_refusal(&self, answered: &Answered, body: Option<&Value>) -> bool {
        if !answered.status.is_success() {
            return true;
        }
        let errors = &self.connector.errors;
        match (errors.style, body) {
            (ErrorStyle::HttpStatus, _) | (_, None) => false,
            (ErrorStyle::Http200OkFalse, Some(body)) => {
                let ok = errors.ok.as_ref().and_then(|path| path.get(body));
                ok.is_some_and(|ok| *ok == json!(false))
            }
            // Some data beside some errors is an answer, which holds both.
            (ErrorStyle::GraphQlErrors, Some(body)) => {
                let failed = body["errors"]
                    .as_array()
                    .is_some_and(|errors| !errors.is_empty());
                let data = body["data"].as_object();
                failed && data.is_none_or(|data| data.values().all(Value::is_null))
            }
        }
    }

    /// The result that tells of a refusal.
    pub(super) fn refusal(&self, answered: &Answered, body: Option<&Value>) -> Outcome {
        let name = &self.connector.display_name;
        let errors = &self.connector.errors;
        let find =
            |path: &Option<ResultPath>| path.as_ref().and_then(|path| path.get(body?)).map(words);
        let status = answered.status;
        let (code, message) = (find(&errors.code), find(&errors.message));
        let details: Map<String, Value> = errors
            .details
            .iter()
            .filter_map(|(key, path)| Some((key.clone(), path.get(body?)?.clone())))
            .filter(|(_, value)| !value.is_null())
            .collect();

        let mut text = format!("{name} refused the call: {status}");
        for part in code.iter().chain(message.iter()) {
            text.push_str(": ");
            text.push_str(part);
        }
        for (key, value) in &details {
            text.push_str(&format!("\n{key}: {}", words(value)));
        }
        if body.is_none() && answered.body.trim_ascii_start().starts_with(b"<") {
            text.push_str("\nThe answer is a web page, not the API's: is the base URL right?");
        }
        if let Some(advice) = self.advice(answered) {
            text.push('\n');
            text.push_str(&advice);
        }
        let mut error = json!({ "status": status.as_u16() });
        let members = [("code", code), ("message", message)];
        for (key, value) in members
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
        {
            error[key] = json!(value);
        }
        let wait = self
            .asked_wait(answered)
            .filter(|_| self.is_limited(answered));
        if let Some(wait) = wait {
            error["retry_after"] = json!(whole_seconds(wait));
        }
        if let Some(error) = error.as_object_mut() {
            error.extend(details);
        }
        Outcome::Result(error_result(&text, Some(json!({ "error": error }))))
    }

    /// What to do next.
    fn advice(&self, answered: &Answered) -> Option<String> {
        let name = &self.connector.display_name;
        if self.is_limited(answered) || says_limit(answered) {
            return Some(self.wait_advice(answered));
        }
        let scopes = &self.tool.scopes.all;
        let needs = if scopes.is_empty() {
            String::new()
        } else {
            format!(" This tool needs the scope {}.", scopes.join(", "))
        };
        Some(match answered.status {
            StatusCode::UNAUTHORIZED => format!(
                "The connected {name} credential is wrong, expired or revoked: an administrator must set a new one."
            ),
            StatusCode::FORBIDDEN => {
                let granted = self.granted(answered);
                format!("The connected {name} credential may not do this.{needs}{granted}")
            }
            StatusCode::NOT_FOUND => format!(
                "It does not exist, or the credential may not see it: {name} answers both alike. Check the spelling of names and ids.{needs}"
            ),
            StatusCode::METHOD_NOT_ALLOWED => "It cannot be done in the present state.".to_owned(),
            StatusCode::NOT_ACCEPTABLE => "The provider cannot give this in the form that the tool asks for.".to_owned(),
            StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => "The present state stands against it, or it has changed meanwhile: read it again, then decide.".to_owned(),
            StatusCode::GONE => "It is there no more, or switched off.".to_owned(),
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
                "The provider does not accept these arguments: correct what it names before trying again.".to_owned()
            }
            status if status.is_redirection() => self.moved(answered),
            status if status.is_server_error() && self.tool.idempotent => {
                format!("{name} has trouble of its own: try again later.")
            }
            status if status.is_server_error() => format!(
                "{name} has trouble of its own. The call may have had an effect: check before trying again."
            ),
            _ => return None,
        })
    }

    fn wait_advice(&self, answered: &Answered) -> String {
        let limit = &self.connector.rate_limit;
        let now = self.engine.clock.now();
        let at = retry::resets_at(limit, &answered.headers, now)
            .filter(|_| retry::is_used_up(limit, &answered.headers));
        used_up(self.asked_wait(answered), at)
    }

    /// The result of a call that was not made, or not to its end, because the provider said before
    /// that it takes no more of this until `at`.
    pub(super) fn not_sent(&self, wait: Duration, at: OffsetDateTime) -> Outcome {
        let (tool, name) = (&self.tool.name, &self.connector.display_name);
        let mut text = format!(
            "{tool} was not called: {name} has said that it takes no more of this for now.\n"
        );
        text.push_str(&used_up(Some(wait), Some(at)));
        if self.wrote.load(Ordering::Relaxed) {
            text.push_str(
                "\nA part of the call was done before that: look what is there before calling again.",
            );
        }
        let error = json!({ "status": 429, "retry_after": whole_seconds(wait) });
        Outcome::Result(error_result(&text, Some(json!({ "error": error }))))
    }

    /// What the token has, where the provider says so.
    fn granted(&self, answered: &Answered) -> String {
        let header = self
            .connector
            .auth
            .oauth2
            .as_ref()
            .and_then(|oauth| oauth.granted_scopes_header.as_ref());
        let value = header.and_then(|name| answered.headers.get(name.as_str()));
        match value.and_then(|value| value.to_str().ok()).map(str::trim) {
            None => String::new(),
            Some("") => " The token has no scope.".to_owned(),
            Some(scopes) => format!(" The token has: {scopes}."),
        }
    }

    fn moved(&self, answered: &Answered) -> String {
        let location = answered
            .headers
            .get(http::header::LOCATION)
            .and_then(|value| value.to_str().ok());
        let host = location.and_then(|location| answered.url.join(location).ok());
        let host = host.and_then(|url| url.host_str().map(str::to_owned));
        match host {
            Some(host) => format!(
                "It redirects to {host}, where this tool does not follow. Was it renamed or moved?"
            ),
            None => "It redirects, but not to where.".to_owned(),
        }
    }
}

/// That a quota is used up, for how long, and until when.
fn used_up(wait: Option<Duration>, at: Option<OffsetDateTime>) -> String {
    let mut text = "The rate limit of the credential is used up.".to_owned();
    let Some(wait) = wait else {
        text.push_str(" Try again in a minute or later, with fewer calls.");
        return text;
    };
    text.push_str(&format!(" Try again in {} s", whole_seconds(wait)));
    if let Some(at) = at.and_then(|at| at.format(&Rfc3339).ok()) {
        text.push_str(&format!(" (at {at})"));
    }
    text.push('.');
    text
}

/// Rounded up: who comes a moment too early comes for nothing.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs()
        .saturating_add(u64::from(wait.subsec_nanos() > 0))
}

/// Some limits are told in words only.
fn says_limit(answered: &Answered) -> bool {
    let refused = matches!(answered.status.as_u16(), 403 | 429);
    refused
        && String::from_utf8_lossy(&answered.body)
            .to_ascii_lowercase()
            .contains("rate limit")
}

fn words(value: &Value) -> String {
    let text = super::encode::text(value);
    match text.char_indices().nth(WORDS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
