//! What hooks share: arguments by their names, further calls, texts, and what to say when a later
//! call fails.

use bytes::Bytes;
use catalog::{Encoding, Target};
use fabric::{Effect, FailureKind, Outcome};
use serde_json::{Value, json};

use crate::credentials::Missing;
use crate::failure::unsent;
use crate::native::answer::{Made, error_result};
use crate::native::arguments::Arguments;
use crate::native::call::{Call, Stop};
use crate::native::exchange::Answered;
use crate::native::request::{self, Draft};
use crate::native::{encode, refusal, written};

impl Call<'_> {
    fn position(&self, name: &str) -> Option<usize> {
        self.tool.args.iter().position(|arg| arg.name == name)
    }

    /// What an argument is, defaults counted in.
    pub(super) fn arg<'a>(&self, arguments: &'a Arguments, name: &str) -> Option<&'a Value> {
        arguments.value(self.position(name)?)
    }

    /// The same, where it is a text.
    pub(super) fn text<'a>(&self, arguments: &'a Arguments, name: &str) -> Option<&'a str> {
        self.arg(arguments, name)?.as_str()
    }

    /// Whether an argument that is true or false is true.
    pub(super) fn flag(&self, arguments: &Arguments, name: &str) -> bool {
        self.arg(arguments, name) == Some(&json!(true))
    }

    /// The elements of an argument that is a list.
    pub(super) fn list<'a>(&self, arguments: &'a Arguments, name: &str) -> &'a [Value] {
        let list = self.arg(arguments, name).and_then(Value::as_array);
        list.map(Vec::as_slice).unwrap_or_default()
    }

    /// The arguments with this one as if the caller had given it. An argument that the tool lacks
    /// stays away.
    pub(super) fn set(&self, arguments: &Arguments, name: &str, value: Value) -> Arguments {
        match self.position(name) {
            Some(at) => arguments.with(at, value),
            None => arguments.clone(),
        }
    }

    /// The bytes of an argument that holds Base64.
    pub(super) fn base64(&self, arguments: &Arguments, name: &str) -> Result<Option<Bytes>, Stop> {
        match self.text(arguments, name) {
            None => Ok(None),
            Some(text) => match written::unpack(text) {
                Some(bytes) => Ok(Some(bytes)),
                None => Err(self.refuse(&format!("argument {name:?} must be Base64"))),
            },
        }
    }

    /// Nothing is sent, because of this.
    pub(super) fn refuse(&self, why: &str) -> Stop {
        Stop::Refused(refusal::not_called(self.tool, why))
    }

    /// The tool was called, but cannot do what is asked.
    pub(super) fn cannot(&self, why: &str) -> Stop {
        Stop::Refused(Outcome::Result(error_result(why, None)))
    }

    /// The tool's further call number `at`. Its placeholders are filled from `with`, else with the
    /// tool's own path arguments.
    pub(super) fn step(
        &self,
        at: usize,
        arguments: &Arguments,
        with: &[(&str, &str)],
    ) -> Result<Draft, Stop> {
        let lacks = |what: &str| {
            let message = format!("the manifest of {} lacks {what}", self.tool.name);
            Stop::Failed(unsent(FailureKind::Internal, message))
        };
        let step = self.tool.steps.get(at);
        let step = step.ok_or_else(|| lacks("a further call"))?;
        let (mut path, mut rest) = (String::new(), step.path_text.as_str());
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            let given = with.iter().find(|(known, _)| *known == name);
            let value = match given {
                Some((_, value)) => (*value).to_owned(),
                None => {
                    let placeholder = Target::Path(name.to_owned());
                    let arg = self.tool.args.iter();
                    let arg = arg.into_iter().position(|arg| arg.target == placeholder);
                    let value = arg.and_then(|arg| arguments.value(arg));
                    encode::text(value.ok_or_else(|| lacks(name))?)
                }
            };
            if matches!(value.as_str(), "" | "." | "..") {
                return Err(self.refuse(&format!("{name} must not be {value:?}")));
            }
            path.push_str(before);
            path.push_str(&encode::segment(&value));
            rest = after;
        }
        path.push_str(rest);
        let mut draft = Draft::get(self.connector, self.base_url, path);
        draft.method = request::method(step.method);
        if let Some(own) = &self.tool.call.base_url {
            draft.base.clone_from(own);
        }
        if self.tool.call.request.encoding == Encoding::Form {
            draft.encoding = Encoding::Form;
        }
        Ok(draft)
    }

    /// Sends a request and reads the JSON of its answer.
    pub(super) async fn ask(&self, draft: &Draft) -> Result<(Answered, Value), Stop> {
        let answered = self.exchange(draft).await?;
        self.accept(&answered)?;
        if answered.body.iter().all(u8::is_ascii_whitespace) {
            return Ok((answered, Value::Null));
        }
        let body = serde_json::from_slice(&answered.body);
        let body = body.map_err(|error| self.garbage(&answered, &error))?;
        Ok((answered, body))
    }

    /// The tool's own request with these arguments, and its result.
    pub(super) async fn sent(&self, arguments: &Arguments) -> Result<Made, Stop> {
        let draft = self.draft(arguments)?;
        self.simple(draft, arguments).await
    }

    /// A result that is text, cut where it is too long.
    pub(super) fn shown(&self, text: String) -> Made {
        let limit = self.engine.limits.text_max_bytes;
        let mut made = Made::json(json!({}));
        if text.len() > limit {
            made.notes.push(format!(
                "The text is longer: only its first {limit} bytes are shown."
            ));
        }
        made.text = Some(text[..text.floor_char_boundary(limit)].to_owned());
        made
    }
}

impl Stop {
    /// The same, when something was done before that stays.
    pub(super) fn after(self, done: &str) -> Self {
        match self {
            Self::Refused(Outcome::Result(result)) => {
                let mut result: Value = serde_json::from_slice(&result).unwrap_or_default();
                let text = result["content"][0]["text"].as_str().unwrap_or_default();
                result["content"][0]["text"] = json!(format!("{text}\n{done}"));
                Self::Refused(Outcome::Result(result.to_string().into_bytes().into()))
            }
            Self::Failed(mut failure) => {
                failure.message = format!("{} {done}", failure.message);
                failure.effect = Effect::Possible;
                Self::Failed(failure)
            }
            Self::Missing(missing) => Self::Missing(Missing {
                begun: true,
                ..missing
            }),
            other @ Self::Refused(_) => other,
        }
    }
}

impl Call<'_> {
    /// Of an object what a caller mostly needs, or all of it where that is wanted.
    pub(super) fn digest(&self, arguments: &Arguments, value: &Value, keys: &[&str]) -> Value {
        match self.wants_all(arguments) {
            true => value.clone(),
            false => pick(value, keys),
        }
    }
}

/// The members of an object that are asked for and there.
pub(super) fn pick(value: &Value, keys: &[&str]) -> Value {
    let found = keys
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), value.get(*key)?.clone())));
    Value::Object(found.collect())
}

/// A number that is written as one or as a text.
pub(super) fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// The same for counts.
pub(super) fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
