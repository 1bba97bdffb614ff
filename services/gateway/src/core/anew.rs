//! Making a call anew whose worker, or whose server, has ended while its client was asked. Only
//! calls that may be repeated without harm are; what their client has answered before is not asked
//! of it again.

use ::mcp::members;
use ::mcp::mrtr::input_requests;
use bytes::Bytes;
use fabric::{FailureKind, Inputs, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::input_state::canonical;
use super::rounds::Rounds;

/// Bytes of answers that are remembered; a call that was told more is not made anew.
const MAX_BYTES: usize = 32 * 1024;

/// What a client was asked and has answered so far. Questions are equal that have the same method
/// and the same params.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Anew {
    /// Key and question of what is open.
    asked: Vec<(String, String)>,
    /// Question and answer, in the order of the answers.
    answered: Vec<(String, Box<RawValue>)>,
    /// Of a call that was made anew: answers that have not been given again.
    left: Vec<(String, Box<RawValue>)>,
    /// There was too much to remember.
    #[serde(default)]
    full: bool,
}

impl Anew {
    /// The client is asked.
    fn asks(&mut self, requests: Option<&[u8]>) {
        self.asked = questions(requests);
        self.forget_if_large();
    }

    /// The client has answered.
    pub(super) fn answers(&mut self, responses: Option<&[u8]>) {
        let text = responses.and_then(|json| std::str::from_utf8(json).ok());
        let given = text.and_then(|text| members(text).ok()).unwrap_or_default();
        for (key, question) in std::mem::take(&mut self.asked) {
            if let Some((_, answer)) = given.iter().find(|(name, _)| *name == key) {
                self.answered.push((question, (*answer).to_owned()));
            }
        }
        self.forget_if_large();
    }

    fn forget_if_large(&mut self) {
        let answers = self.answered.iter().chain(&self.left);
        let answers = answers.map(|(question, answer)| question.len() + answer.get().len());
        let asked = self
            .asked
            .iter()
            .map(|(key, asked)| key.len() + asked.len());
        if answers.sum::<usize>() + asked.sum::<usize>() > MAX_BYTES {
            *self = Self {
                full: true,
                ..Self::default()
            };
        }
    }

    /// `inputResponses` of what has been answered before; each answer is given once.
    fn known(&mut self, requests: Option<&[u8]>) -> Option<Bytes> {
        let mut known = Vec::new();
        for (key, question) in questions(requests) {
            let found = self.left.iter().position(|(asked, _)| *asked == question);
            if let Some(at) = found {
                let (_, answer) = self.left.remove(at);
                let key = serde_json::to_string(&key).expect("a string is JSON");
                known.push(format!("{key}:{}", answer.get()));
            }
        }
        (!known.is_empty()).then(|| Bytes::from(format!("{{{}}}", known.join(","))))
    }
}

/// What is asked, by key; the same text for the same question.
fn questions(requests: Option<&[u8]>) -> Vec<(String, String)> {
    let text = requests.and_then(|json| std::str::from_utf8(json).ok());
    let all = text.and_then(|text| input_requests(text).ok());
    let question = |params: Option<&RawValue>, method: &str| {
        let params = params.map_or("{}", RawValue::get);
        let mut hash = Sha256::new();
        hash.update(method.as_bytes());
        hash.update([0]);
        hash.update(canonical(params.as_bytes()).as_bytes());
        hex(&hash.finalize())
    };
    let all = all.into_iter().flatten();
    all.map(|request| {
        let asked = question(request.params, &request.method);
        (request.key.into_owned(), asked)
    })
    .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Rounds {
    /// Whether the call, which cannot go on, begins from the beginning.
    pub(super) fn begin_anew(&mut self, outcome: &Outcome) -> bool {
        let forgotten =
            matches!(outcome, Outcome::Failed(failure) if failure.kind == FailureKind::Forgotten);
        let inputs = self.call.request.inputs.as_ref();
        let went_on = inputs.is_some_and(|inputs| inputs.state.is_some());
        let Some(anew) = self.anew.as_mut().filter(|anew| !anew.full) else {
            return false;
        };
        if !(forgotten && went_on) {
            return false;
        }
        tracing::info!(
            request.id = self.call.request_id,
            "a call that may be repeated is made anew: where it waited has ended"
        );
        anew.left = std::mem::take(&mut anew.answered);
        self.call.request.inputs = None;
        true
    }

    /// Notes what the client is asked now. Gives the answers instead where it has given them
    /// before.
    pub(super) fn answered_before(
        &mut self,
        requests: Option<&[u8]>,
        state: Option<&String>,
    ) -> Option<Inputs> {
        let anew = self.anew.as_mut()?;
        let responses = match anew.left.is_empty() {
            true => None,
            false => anew.known(requests),
        };
        anew.asks(requests);
        let responses = responses?;
        anew.answers(Some(&responses));
        Some(Inputs {
            responses: Some(responses),
            state: state.cloned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_given_again_once_to_the_same_question_however_it_is_written() {
        let mut anew = Anew::default();
        anew.asks(Some(
            br#"{"a":{"method":"elicitation/create","params":{"x":1,"y":[ ]}},"b":{"method":"roots/list"}}"#,
        ));
        anew.answers(Some(br#"{"a":{"n":1.0},"c":{}}"#));
        anew.left = std::mem::take(&mut anew.answered);

        let again = br#"{"q":{"params":{"y":[],"x":1},"method":"elicitation/create"},"r":{"method":"roots/list"}}"#;
        assert_eq!(
            anew.known(Some(again)).as_deref(),
            Some(br#"{"q":{"n":1.0}}"#.as_slice())
        );
        assert_eq!(anew.known(Some(again)), None);
    }

    #[test]
    fn too_much_is_not_remembered() {
        let mut anew = Anew::default();
        let question = br#"{"a":{"method":"roots/list"}}"#;
        anew.asks(Some(question));
        let long = format!(r#"{{"a":{{"n":"{}"}}}}"#, "x".repeat(MAX_BYTES));

        anew.answers(Some(long.as_bytes()));

        assert!(anew.full && anew.answered.is_empty());
    }
}
