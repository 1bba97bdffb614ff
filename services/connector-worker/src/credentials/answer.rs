//! How a person is asked to connect an account, and what the client answers to that.
//!
//! Nothing is kept between the two: what must be known again stands in the key of the question.

use bytes::Bytes;
use domain::AccountId;
use fabric::{Call, CallEvent, Events, FailureKind, InputRequired, Method, Outcome, Request};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::Missing;
use crate::failure::unsent;

/// What the keys of these questions begin with.
const KEY: &str = "account";

/// A person was asked to connect an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Names the page to the client.
    page: Uuid,
    /// The account whose grant was too small: it alone is not what was asked for.
    pub(crate) besides: Option<(AccountId, i64)>,
}

/// What the client answered to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The page is being opened; the account may be connected now or soon.
    Accepted(Asked),
    /// No page was opened.
    Refused,
}

impl Reply {
    /// What a request brings of such answers; none where it brings no answer to this question.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        #[derive(Deserialize)]
        struct Answer<'a> {
            #[serde(default, borrow)]
            action: Option<std::borrow::Cow<'a, str>>,
        }
        let responses = request.inputs.as_ref()?.responses.as_deref()?;
        let responses = mcp::members(std::str::from_utf8(responses).ok()?).ok()?;
        let (asked, answer) = responses
            .iter()
            .find_map(|(key, answer)| Some((Asked::read(key)?, answer)))?;
        let action = serde_json::from_str::<Answer<'_>>(answer.get())
            .ok()?
            .action;
        Some(match action.as_deref() {
            Some("accept") => Self::Accepted(asked),
            _ => Self::Refused,
        })
    }

    /// What is told of a call whose person does not want to connect an account.
    pub(crate) fn refusal(call: &Call) -> Outcome {
        let text = "The call needs an account at the provider, and the person did not want to \
                    connect one. Nothing was sent.";
        told(call, text)
    }
}

impl Asked {
    fn key(&self) -> String {
        let page = self.page.simple();
        match self.besides {
            None => format!("{KEY}-{page}"),
            Some((account, generation)) => {
                let account = account.as_uuid().simple();
                format!("{KEY}-{page}-{account}-{generation}")
            }
        }
    }

    fn read(key: &str) -> Option<Self> {
        let mut parts = key.split('-');
        if parts.next() != Some(KEY) {
            return None;
        }
        let page = Uuid::try_parse(parts.next()?).ok()?;
        let besides = match (parts.next(), parts.next()) {
            (Some(account), Some(generation)) => {
                let account = AccountId::new(Uuid::try_parse(account).ok()?);
                Some((account, generation.parse().ok()?))
            }
            _ => None,
        };
        Some(Self { page, besides })
    }

    /// Tells the client that its page is done with.
    pub(crate) async fn is_done(&self, events: Option<&Events>) {
        let Some(events) = events else { return };
        let params = json!({ "elicitationId": self.page.to_string() });
        let params = Bytes::from(params.to_string());
        // Who does not listen need not know.
        let _ = events.send(CallEvent::ElicitationComplete(params)).await;
    }
}

impl Missing {
    /// The answer to the call: a page for its client to open where it can, and where that helps;
    /// else words with the link. `page` names it.
    pub(crate) fn answer(self, call: &Call, page: impl FnOnce() -> Uuid) -> Outcome {
        let asks = matches!(
            call.request.method,
            Method::CallTool | Method::GetPrompt | Method::ReadResource
        );
        let was_asked = Reply::of(&call.request).is_some();
        let can_be = call.client.capabilities.elicitation_url && asks && !was_asked && !self.begun;
        match &self.connect_url {
            Some(url) if can_be => {
                let asked = Asked {
                    page: page(),
                    besides: self.insufficient,
                };
                Outcome::InputRequired(InputRequired {
                    requests: Some(self.question(asked, url)),
                    state: None,
                    meta: None,
                })
            }
            _ => told(call, &self.text()),
        }
    }

    fn question(&self, asked: Asked, url: &str) -> Bytes {
        let params = json!({
            "mode": "url",
            "message": self.message,
            "url": url,
            "elicitationId": asked.page.to_string(),
        });
        let request = json!({ "method": "elicitation/create", "params": params });
        Bytes::from(json!({ asked.key(): request }).to_string())
    }

    fn text(&self) -> String {
        let mut text = self.message.clone();
        if let Some(url) = &self.connect_url {
            text.push_str(&format!("\nOpen {url} and then call the tool again."));
        }
        if self.begun {
            text.push_str(
                "\nA part of the call was done before that: look what is there before calling \
                 again.",
            );
        }
        text
    }
}

/// Words for the model and its person: an error result of a tool, a failure of anything else.
fn told(call: &Call, text: &str) -> Outcome {
    if call.request.method != Method::CallTool {
        return Outcome::Failed(unsent(FailureKind::Credential, text));
    }
    let result = json!({ "content": [{ "type": "text", "text": text }], "isError": true });
    Outcome::Result(Bytes::from(result.to_string()))
}

#[cfg(test)]
mod tests {
    use fabric::Inputs;

    use super::*;

    fn request(responses: &str) -> Request {
        Request {
            inputs: Some(Inputs {
                responses: Some(Bytes::from(responses.to_owned())),
                state: None,
            }),
            ..Request::new(Method::CallTool, Some("t".to_owned()))
        }
    }

    #[test]
    fn an_answer_is_known_by_the_key_of_its_question() {
        let page = Uuid::from_u128(1);
        let account = AccountId::new(Uuid::from_u128(2));
        for besides in [None, Some((account, 7))] {
            let asked = Asked { page, besides };
            let answered = |answer: &str| {
                let responses = format!(r#"{{"other":{{}},"{}":{answer}}}"#, asked.key());
                Reply::of(&request(&responses))
            };
            assert_eq!(
                answered(r#"{"action":"accept"}"#),
                Some(Reply::Accepted(asked))
            );
            for refusal in [
                r#"{"action":"decline"}"#,
                r#"{"action":"cancel"}"#,
                r#"{"error":{"code":-1,"message":"no"}}"#,
            ] {
                assert_eq!(answered(refusal), Some(Reply::Refused));
            }
        }
        for strange in [r#"{"account":{}}"#, r#"{"account-x":{}}"#, "[]", "{}"] {
            assert_eq!(Reply::of(&request(strange)), None, "{strange}");
        }
    }
}
