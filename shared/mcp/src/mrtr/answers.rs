//! What a client answers to what it was asked, as far as all revisions agree on its form.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::edit::{items, member, string};
use crate::object::{Members, members};

/// What is asked, by which the form of the answer is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// `elicitation/create`, by a form or a page.
    Elicitation,
    /// `sampling/createMessage`.
    Sampling,
    /// `roots/list`.
    Roots,
}

impl InputKind {
    /// The kind that requests of `method` are of; `None` for what no client is asked.
    pub fn of(method: &str) -> Option<Self> {
        match method {
            "elicitation/create" => Some(Self::Elicitation),
            "sampling/createMessage" => Some(Self::Sampling),
            "roots/list" => Some(Self::Roots),
            _ => None,
        }
    }

    /// Checks that `answer` is a result of this kind (`ElicitResult`, `CreateMessageResult`,
    /// `ListRootsResult`). What the server asked for in particular is left to the server.
    ///
    /// # Errors
    /// What the answer must be, to be put behind its name.
    pub fn check(self, answer: &RawValue) -> Result<(), &'static str> {
        const NO_OBJECT: &str = "must be an object";
        if !is_object(answer) {
            return Err(NO_OBJECT);
        }
        let all = members(answer.get()).map_err(|_| NO_OBJECT)?;
        match self {
            Self::Elicitation => elicited(&all),
            Self::Sampling => sampled(&all),
            Self::Roots => roots(&all),
        }
    }
}

fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

fn text(all: &Members<'_>, name: &str) -> Option<String> {
    string(member(all, name)?.get()).map(|text| text.into_owned())
}

fn elicited(all: &Members<'_>) -> Result<(), &'static str> {
    let action = text(all, "action");
    if !matches!(action.as_deref(), Some("accept" | "decline" | "cancel")) {
        return Err("must have an action: accept, decline or cancel");
    }
    match member(all, "content") {
        // Some clients write what there is not as null.
        Some(content) if !is_object(content) && content.get() != "null" => {
            Err("must have content that is an object")
        }
        _ => Ok(()),
    }
}

fn sampled(all: &Members<'_>) -> Result<(), &'static str> {
    if !matches!(text(all, "role").as_deref(), Some("user" | "assistant")) {
        return Err("must have a role: user or assistant");
    }
    let blocks = |content: &RawValue| match content.get().starts_with('[') {
        true => items(content.get()).into_iter().all(is_object),
        false => is_object(content),
    };
    if !member(all, "content").is_some_and(blocks) {
        return Err("must have content: one block, or an array of them");
    }
    match text(all, "model") {
        Some(_) => Ok(()),
        None => Err("must have a model"),
    }
}

fn roots(all: &Members<'_>) -> Result<(), &'static str> {
    let has_uri = |root: &RawValue| {
        is_object(root) && members(root.get()).is_ok_and(|root| text(&root, "uri").is_some())
    };
    let roots = member(all, "roots").filter(|raw| raw.get().starts_with('['));
    match roots {
        Some(raw) if items(raw.get()).into_iter().all(has_uri) => Ok(()),
        _ => Err("must have an array of roots, each with a uri"),
    }
}
