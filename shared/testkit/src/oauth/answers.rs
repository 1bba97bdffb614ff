//! Answers in the form of each provider.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::ledger::Issued;
use super::profile::{Profile, Shape};
use super::token::Given;
use super::wire::{Reply, Seen};

/// Why there are no tokens.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    error: &'static str,
    description: String,
    of: Option<Of>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Code,
    Refresh,
}

impl Trouble {
    pub(super) fn new(error: &'static str, description: &str) -> Self {
        Self {
            error,
            description: description.to_owned(),
            of: None,
        }
    }

    /// Of an API whose errors are statuses: that and what it says.
    pub(super) fn as_status(&self) -> (u16, &str) {
        (self.error.parse().unwrap_or(400), &self.description)
    }

    pub(super) fn of_code(self) -> Self {
        Self {
            of: Some(Of::Code),
            ..self
        }
    }

    pub(super) fn of_refresh(self) -> Self {
        Self {
            of: Some(Of::Refresh),
            ..self
        }
    }
}

/// Tokens.
pub(super) fn given(profile: &Profile, seen: &Seen, given: &Given) -> Reply {
    let mut body = Map::new();
    if let Some(issued) = &given.main {
        token(&mut body, profile, issued, &given.scopes);
    }
    let user = &given.user;
    match profile.shape {
        Shape::Slack => {
            let mut authed = Map::from_iter([("id".to_owned(), json!(format!("U-{user}")))]);
            if let Some((issued, scopes)) = &given.beside {
                token(&mut authed, profile, issued, scopes);
                authed.insert("token_type".to_owned(), json!("user"));
            }
            if body.contains_key("access_token") {
                body.insert("token_type".to_owned(), json!("bot"));
            }
            let team = json!({ "id": format!("T-{user}"), "name": format!("Team of {user}") });
            body.insert("ok".to_owned(), json!(true));
            body.insert("team".to_owned(), team);
            body.insert("authed_user".to_owned(), Value::Object(authed));
        }
        Shape::Notion => {
            body.remove("expires_in");
            body.remove("scope");
            body.insert("token_type".to_owned(), json!("bearer"));
            body.insert("bot_id".to_owned(), json!(format!("bot-{user}")));
            let name = format!("Workspace of {user}");
            body.insert("workspace_name".to_owned(), json!(name));
        }
        Shape::Standard | Shape::Atlassian | Shape::GitHub => {}
    }
    if given.scopes.iter().any(|scope| scope == "openid") {
        body.insert("id_token".to_owned(), json!(id_token(user)));
    }
    written(profile, seen, 200, Value::Object(body))
}

fn token(body: &mut Map<String, Value>, profile: &Profile, issued: &Issued, scopes: &[String]) {
    body.insert("access_token".to_owned(), json!(issued.access));
    body.insert("token_type".to_owned(), json!("Bearer"));
    if let Some(refresh) = &issued.refresh {
        body.insert("refresh_token".to_owned(), json!(refresh));
    }
    if let Some(ttl) = issued.ttl {
        body.insert("expires_in".to_owned(), json!(ttl.as_secs()));
    }
    let separator = match profile.shape {
        Shape::GitHub => ",",
        _ => &profile.scope_separator,
    };
    body.insert("scope".to_owned(), json!(scopes.join(separator)));
}

/// Unsigned: who gets it straight from here need not look at a signature.
fn id_token(user: &str) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({ "sub": format!("sub-{user}"), "email": format!("{user}@example.com") });
    format!("{}.{}.", part(json!({ "alg": "none" })), part(claims))
}

/// An error. It repeats what was sent, as some real ones do.
pub(super) fn trouble(profile: &Profile, seen: &Seen, trouble: &Trouble) -> Reply {
    let Trouble {
        error,
        description,
        of,
    } = trouble;
    let standard = |status: u16, error: &str| {
        let body = json!({ "error": error, "error_description": description });
        written(profile, seen, status, body)
    };
    match profile.shape {
        Shape::GitHub => standard(
            200,
            match (*error, of) {
                ("invalid_grant", Some(Of::Refresh)) => "bad_refresh_token",
                ("invalid_grant", _) => "bad_verification_code",
                ("invalid_client", _) => "incorrect_client_credentials",
                (other, _) => other,
            },
        ),
        Shape::Slack => {
            let error = match (*error, of) {
                ("invalid_grant", Some(Of::Refresh)) => "invalid_refresh_token",
                ("invalid_grant", _) => "invalid_code",
                ("invalid_client", _) => "bad_client_secret",
                (other, _) => other,
            };
            Reply::json(200, &json!({ "ok": false, "error": error }))
        }
        Shape::Atlassian if *of == Some(Of::Refresh) => standard(403, error),
        _ if *error == "invalid_client" => {
            standard(401, error).with("www-authenticate", "Basic realm=\"token\"")
        }
        _ => standard(400, error),
    }
}

/// A token was taken back, or was not known.
pub(super) fn revoked(profile: &Profile, known: bool) -> Reply {
    match (profile.shape, known) {
        (Shape::Slack, true) => Reply::json(200, &json!({ "ok": true, "revoked": true })),
        (Shape::Slack, false) => Reply::json(200, &json!({ "ok": false, "error": "invalid_auth" })),
        (Shape::GitHub, true) => Reply::new(204, "application/json", ""),
        (Shape::GitHub, false) => Reply::json(404, &json!({ "message": "Not Found" })),
        _ => Reply::json(200, &json!({})),
    }
}

/// JSON, or with some a form unless JSON is asked for.
fn written(profile: &Profile, seen: &Seen, status: u16, body: Value) -> Reply {
    if profile.shape != Shape::GitHub || seen.header("accept").contains("json") {
        return Reply::json(status, &body);
    }
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in body.as_object().into_iter().flatten() {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        form.append_pair(name, &text);
    }
    Reply::new(status, "application/x-www-form-urlencoded", form.finish())
}
