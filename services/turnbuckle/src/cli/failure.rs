//! How a command can fail, and what is said of it.

use std::io;

use http::StatusCode;
use serde_json::{Map, Value, json};

/// Why a command did not do what it should.
#[derive(Debug)]
pub(super) enum Failure {
    /// It could not be done.
    Failed { name: &'static str, detail: String },
    /// It was asked for wrongly.
    Usage(String),
    /// The server refused, or failed.
    Answered(Problem),
    /// The result cannot be written.
    Output(io::Error),
}

/// A problem document (RFC 9457), and whose fault it tells of.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) document: Map<String, Value>,
    /// Whether the server is at fault, not the request.
    pub(super) server: bool,
}

impl Failure {
    pub(super) fn failed(name: &'static str, detail: impl Into<String>) -> Self {
        Self::Failed {
            name,
            detail: detail.into(),
        }
    }

    /// An answer that no Turnbuckle would give.
    pub(super) fn strange(detail: &str) -> Self {
        Self::failed(
            "unexpected-answer",
            format!("{detail}: check that the address is that of a Turnbuckle of this version"),
        )
    }

    /// Reads an answer whose status is no success.
    pub(super) fn answered(status: StatusCode, body: &[u8]) -> Self {
        if status.is_informational() || status.is_redirection() {
            return Self::strange(&format!("the server answered {status}"));
        }
        let document = match serde_json::from_slice(body) {
            Ok(Value::Object(document)) if document.contains_key("title") => document,
            _ => object(json!({
                "type": "about:blank",
                "title": status.canonical_reason().unwrap_or("Error"),
                "status": status.as_u16(),
                "detail": format!("the server answered {status}"),
            })),
        };
        Self::Answered(Problem {
            document,
            server: status.is_server_error(),
        })
    }

    /// Whether the same may work a little later: the server is away, or has trouble of its own.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Failed { name, .. } => *name == "unreachable",
            Self::Answered(problem) => problem.server,
            Self::Usage(_) | Self::Output(_) => false,
        }
    }

    /// The status that the server answered with, if it did.
    pub(super) fn status(&self) -> Option<u64> {
        match self {
            Self::Answered(problem) => problem.document.get("status")?.as_u64(),
            Self::Failed { .. } | Self::Usage(_) | Self::Output(_) => None,
        }
    }

    pub(super) fn exit_code(&self) -> u8 {
        match self {
            // The reader went away, having read enough.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Failed { .. } | Self::Output(_) => 1,
            Self::Usage(_) => 2,
            Self::Answered(problem) if !problem.server => 3,
            Self::Answered(_) => 4,
        }
    }

    /// One sentence: what is wrong, and how to mend it.
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Failed { detail, .. } | Self::Usage(detail) => detail.clone(),
            Self::Output(error) => format!("cannot write the result: {error}"),
            Self::Answered(problem) => problem.sentence(),
        }
    }

    /// The same as a problem document.
    pub(super) fn document(&self) -> Value {
        let local = |name: &str, title: &str| {
            json!({
                "type": format!("urn:turnbuckle:problem:{name}"),
                "title": title,
                "detail": self.sentence(),
            })
        };
        match self {
            Self::Failed { name, .. } => local(name, "The command failed"),
            Self::Usage(_) => local("usage", "The command cannot be understood"),
            Self::Output(_) => local("output", "The command failed"),
            Self::Answered(problem) => Value::Object(problem.document.clone()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl Problem {
    fn sentence(&self) -> String {
        let text = |field: &str| self.document.get(field).and_then(Value::as_str);
        let said = text("detail")
            .or(text("title"))
            .unwrap_or("the server gave no reason");
        let said = said.trim_end_matches('.');
        let name = text("type").and_then(|kind| kind.strip_prefix("urn:turnbuckle:problem:"));
        match (name.and_then(advice), text("request_id")) {
            (Some(advice), _) => format!("{said}: {advice}"),
            (None, Some(id)) if self.server => {
                format!("{said} (request {id}; the server's log says more)")
            }
            (None, _) => said.to_owned(),
        }
    }
}

/// How to mend what the server's own words do not say how to mend.
fn advice(name: &str) -> Option<&'static str> {
    Some(match name {
        "unauthenticated" => "set TURNBUCKLE_API_KEY to a key that lives",
        "forbidden" => "use a key of a wider scope",
        "tenant-not-found" => "`turnbuckle tenant list` shows those there are",
        "connector-not-found" => "`turnbuckle connector list TENANT` shows those there are",
        "tool-not-found" => "`turnbuckle tool list TENANT CONNECTOR` shows those there are",
        "key-not-found" => "`turnbuckle key list` shows those there are",
        "oauth-provider-not-found" => "`turnbuckle oauth providers` shows those there are",
        "oauth-client-not-found" => "`turnbuckle oauth clients list` shows those there are",
        "account-not-found" => "`turnbuckle oauth status CONNECTOR` shows those there are",
        "unavailable" => "try again in a moment",
        "in-doubt" => "look whether the change is made, and repeat it if not",
        _ => return None,
    })
}

/// The map in a `json!({…})`.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
