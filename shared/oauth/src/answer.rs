//! How a token answer is read.

use std::time::Duration;

use catalog::{ResultPath, Step, TokenResponse};
use serde_json::Value;

use crate::error::TokenError;
use crate::http::Incoming;
use crate::{EndpointsError, identity};

/// Bytes of one token.
const TOKEN_MAX: usize = 16 * 1024;
/// Characters of a provider's words that are passed on.
const WORDS_MAX: usize = 200;
/// The longest life of a token that is believed.
const LIFE_MAX: Duration = Duration::from_secs(10 * 366 * 86_400);

/// Where things stand in this provider's answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnswerRules {
    ok: Option<ResultPath>,
    bot: Option<ResultPath>,
    user: Option<ResultPath>,
    /// Whether other words than `bearer` name the type.
    any_type: bool,
    subject: Option<ResultPath>,
    identity: Option<ResultPath>,
    grant_errors: Vec<String>,
}

/// What one answer holds.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) main: Grant,
    /// Of the user, beside a bot.
    pub(crate) user: Option<Grant>,
    pub(crate) subject: Option<String>,
    pub(crate) identity: Option<String>,
}

/// One token and what belongs to it.
#[derive(Default)]
pub(crate) struct Grant {
    pub(crate) access_token: Option<String>,
    pub(crate) refresh_token: Option<String>,
    pub(crate) expires_in: Option<Duration>,
    pub(crate) scope: Option<String>,
}

impl AnswerRules {
    pub(crate) fn new(
        response: &TokenResponse,
        grant_errors: &[String],
    ) -> Result<Self, EndpointsError> {
        let path = |text: &Option<String>| {
            let parsed = text.as_deref().map(ResultPath::fixed).transpose();
            parsed.map_err(|problem| EndpointsError::Manifest {
                key: "token_response",
                problem,
            })
        };
        Ok(Self {
            ok: path(&response.ok_path)?,
            bot: path(&response.bot)?,
            user: path(&response.user)?,
            any_type: response.token_type_path.is_some(),
            subject: path(&response.subject)?,
            identity: path(&response.identity)?,
            grant_errors: grant_errors.to_vec(),
        })
    }

    /// Reads `incoming`; `sent` are the secrets that no error may repeat.
    pub(crate) fn read(&self, incoming: &Incoming, sent: &[&str]) -> Result<Answer, TokenError> {
        let body = self.checked(incoming, sent)?;
        let body = body.ok_or_else(|| garbage("no JSON object"))?;
        let id_token = identity::claims(&body);
        let text = |path: &Option<ResultPath>| {
            let found = path.as_ref().and_then(|path| path.get(&body));
            found.and_then(Value::as_str).and_then(identity::name)
        };
        let main = self.grant(&body, self.bot.as_ref())?;
        let user = match &self.user {
            Some(path) => Some(self.grant(&body, Some(path))?),
            None => None,
        };
        let user = user.filter(|user| user.access_token.is_some());
        if main.access_token.is_none() && user.is_none() {
            return Err(garbage("it has no access token"));
        }
        Ok(Answer {
            main,
            user,
            subject: text(&self.subject).or_else(|| identity::subject(id_token.as_ref()?)),
            identity: text(&self.identity).or_else(|| identity::identity(id_token.as_ref()?)),
        })
    }

    /// The body of an answer that is no error; none where it is not JSON.
    pub(crate) fn checked(
        &self,
        incoming: &Incoming,
        sent: &[&str],
    ) -> Result<Option<Value>, TokenError> {
        let body = incoming.json().filter(Value::is_object);
        let said_no = self.ok.as_ref().zip(body.as_ref());
        let said_no = said_no.is_some_and(|(ok, body)| ok.get(body) == Some(&Value::Bool(false)));
        let code = body.as_ref().and_then(|body| match body.get("error")? {
            Value::String(code) => Some(code.as_str()),
            // Some APIs nest what their token endpoint answers.
            other => other.get("code").and_then(Value::as_str),
        });
        if incoming.status.is_success() && !said_no && code.is_none() {
            return Ok(body);
        }
        let words = body.as_ref().and_then(|body| {
            let words = ["error_description", "message", "reason"];
            words.iter().find_map(|name| body.get(*name)?.as_str())
        });
        Err(self.refusal(incoming, code, words, sent))
    }

    fn refusal(
        &self,
        incoming: &Incoming,
        code: Option<&str>,
        words: Option<&str>,
        sent: &[&str],
    ) -> TokenError {
        let status = incoming.status;
        let code = code.map(|code| plain(code, sent));
        let description = match (words, &code) {
            (Some(words), _) => plain(words, sent),
            (None, Some(code)) => code.clone(),
            (None, None) => format!("HTTP {}", status.as_u16()),
        };
        let busy = [
            "temporarily_unavailable",
            "server_error",
            "slow_down",
            "ratelimited",
        ];
        let is_busy = code.as_deref().is_some_and(|code| busy.contains(&code));
        if status.as_u16() == 429 || status.is_server_error() || is_busy {
            let retry_after = incoming.retry_after();
            return TokenError::Later {
                retry_after,
                description,
            };
        }
        if status.is_redirection() {
            return garbage("a redirect, which is not followed");
        }
        match code {
            Some(code) if code == "invalid_grant" || self.grant_errors.contains(&code) => {
                TokenError::InvalidGrant { description }
            }
            Some(code) => TokenError::Refused { code, description },
            None => TokenError::Refused {
                code: format!("HTTP {}", status.as_u16()),
                description,
            },
        }
    }

    /// The token at `path`, or that of RFC 6749, with what stands beside it.
    fn grant(&self, body: &Value, path: Option<&ResultPath>) -> Result<Grant, TokenError> {
        let (beside, name) = match path.map(|path| path.0.split_last()) {
            Some(Some((Step::Key(name), above))) => {
                (ResultPath(above.to_vec()).get(body), name.as_str())
            }
            _ => (Some(body), "access_token"),
        };
        let Some(beside) = beside else {
            return Ok(Grant::default());
        };
        let access_token = token(beside, name)?;
        let kind = beside.get("token_type").and_then(Value::as_str);
        let strange = kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer"));
        if access_token.is_some() && strange && !self.any_type {
            return Err(garbage("the type of its token is unknown"));
        }
        let scope = beside.get("scope").and_then(Value::as_str);
        Ok(Grant {
            access_token,
            refresh_token: token(beside, "refresh_token")?,
            expires_in: beside.get("expires_in").and_then(seconds),
            scope: scope.map(str::to_owned),
        })
    }
}

/// A token that a header field can carry.
pub(crate) fn token(beside: &Value, name: &str) -> Result<Option<String>, TokenError> {
    let token = match beside.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(token)) => token,
        Some(_) => return Err(garbage("a token is no text")),
    };
    let fits = token.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if token.is_empty() || token.len() > TOKEN_MAX || !fits {
        return Err(garbage("a token is empty, too long or not printable"));
    }
    Ok(Some(token.clone()))
}

/// Seconds as a number or, with some, as text. No end where it says zero or less.
fn seconds(value: &Value) -> Option<Duration> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok()?,
        other => other.as_f64()?,
    };
    let life = Duration::try_from_secs_f64(number).ok()?;
    (!life.is_zero()).then(|| life.min(LIFE_MAX))
}

pub(crate) fn garbage(what: &str) -> TokenError {
    TokenError::Garbage(what.to_owned())
}

/// A provider's own words: one line, short, and without what we sent.
pub(crate) fn plain(words: &str, sent: &[&str]) -> String {
    let secrets = sent.iter().filter(|secret| secret.len() >= 4);
    let words = secrets.fold(words.to_owned(), |words, secret| words.replace(secret, "…"));
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = words.chars().filter(|c| !c.is_control());
    shown.take(WORDS_MAX).collect()
}
