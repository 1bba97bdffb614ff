//! Refusals that are about the credential, not about the call.

use http::StatusCode;
use serde_json::Value;

use super::call::Call;
use super::exchange::Answered;
use crate::challenge::insufficient_scope;

/// What is wrong with the credential.
pub(super) enum Denied {
    /// The provider does not take it.
    Token,
    /// Its grant is too small; what is missing.
    Scopes(Vec<String>),
}

impl Call<'_> {
    /// What an answer says against the credential, if that is what it is about.
    pub(super) fn denied(&self, answered: &Answered) -> Option<Denied> {
        let body: Option<Value> = serde_json::from_slice(&answered.body).ok();
        let body = body.as_ref();
        if !self.is_refusal(answered, body) || self.is_limited(answered) {
            return None;
        }
        if let Some(named) = self.too_small_a_grant(answered, body) {
            let scopes = match named.is_empty() {
                true => self.tools_scopes(),
                false => named,
            };
            // Without a word on what is missing nobody can be asked for it.
            return (!scopes.is_empty()).then_some(Denied::Scopes(scopes));
        }
        let says = |words: &[String]| body.is_some_and(|body| self.says(body, words));
        let is_refused = answered.status == StatusCode::UNAUTHORIZED
            || says(&self.connector.auth.refusals.token);
        is_refused.then_some(Denied::Token)
    }

    /// The scopes that are missing; none of them where nobody names them.
    fn too_small_a_grant(&self, answered: &Answered, body: Option<&Value>) -> Option<Vec<String>> {
        let refusals = &self.connector.auth.refusals;
        if let Some(scopes) = insufficient_scope(&answered.headers) {
            return Some(scopes);
        }
        if let Some(body) = body.filter(|body| self.says(body, &refusals.scope)) {
            let needed = refusals.needed.as_ref().and_then(|path| path.get(body));
            return Some(needed.map(listed).unwrap_or_default());
        }
        self.accepted_instead(answered)
    }

    /// What the provider accepts, where nothing of it was granted and it names both.
    fn accepted_instead(&self, answered: &Answered) -> Option<Vec<String>> {
        let auth = &self.connector.auth;
        let field = |name: &Option<String>| {
            let value = answered.headers.get(name.as_ref()?.as_str())?;
            Some(split(value.to_str().ok()?))
        };
        if answered.status != StatusCode::FORBIDDEN {
            return None;
        }
        let accepted = field(&auth.refusals.accepted_scopes_header)?;
        let granted = field(&auth.oauth2.as_ref()?.granted_scopes_header)?;
        let is_short = !accepted.is_empty() && !accepted.iter().any(|one| granted.contains(one));
        // Any one of them is enough: the tool's own is the least.
        is_short.then(|| {
            let own = self.tools_scopes();
            match own.is_empty() {
                true => accepted.into_iter().take(1).collect(),
                false => own,
            }
        })
    }

    /// The scopes that the tool needs, by the kind of token that it is run with.
    pub(super) fn tools_scopes(&self) -> Vec<String> {
        let scopes = &self.tool.scopes;
        let is_users = self.needs_user_token();
        match (scopes.bot.is_empty() || is_users, scopes.all.is_empty()) {
            (false, _) => scopes.bot.clone(),
            (true, false) => scopes.all.clone(),
            (true, true) => scopes.any.iter().take(1).cloned().collect(),
        }
    }

    /// Whether the body of an error has one of the words, or its code is one.
    fn says(&self, body: &Value, words: &[String]) -> bool {
        if words.is_empty() {
            return false;
        }
        let code = self.connector.errors.code.as_ref();
        let code = code.and_then(|path| path.get(body));
        code.is_some_and(|code| words.contains(&super::encode::text(code))) || holds(body, words)
    }
}

/// Whether one of the words stands in it as a text of its own.
fn holds(value: &Value, words: &[String]) -> bool {
    match value {
        Value::String(text) => words.contains(text),
        Value::Array(items) => items.iter().any(|item| holds(item, words)),
        Value::Object(members) => members.values().any(|member| holds(member, words)),
        _ => false,
    }
}

fn listed(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        Value::String(text) => split(text),
        _ => Vec::new(),
    }
}

/// A list with commas or spaces between.
fn split(text: &str) -> Vec<String> {
    let words = text.split([',', ' ']).map(str::trim);
    let words = words.filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}
