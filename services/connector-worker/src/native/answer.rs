//! From a provider's answer to a tool result.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use bytes::Bytes;
use catalog::closed::{Compare, Truncate};
use catalog::{Answer, Base64Alphabet, Response, Target};
use fabric::{Failure, FailureKind, Outcome};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::call::Call;
use super::encode;
use super::exchange::Answered;
use super::file;
use crate::failure::sent;

/// A result in the making.
#[derive(Debug)]
pub(super) struct Made {
    /// What `structuredContent` becomes; an object.
    pub(super) structured: Value,
    /// Shown instead of the JSON, for tools that give text.
    pub(super) text: Option<String>,
    /// A content block that is no text.
    pub(super) file: Option<Value>,
    /// What the model should know besides.
    pub(super) notes: Vec<String>,
}

impl Made {
    pub(super) fn json(structured: Value) -> Self {
        Self {
            structured,
            text: None,
            file: None,
            notes: Vec::new(),
        }
    }

    /// The MCP result.
    pub(super) fn into_outcome(self, call: &Call<'_>) -> Outcome {
        let is_text = self.text.is_some();
        let main = self.text.unwrap_or_else(|| self.structured.to_string());
        let mut content = vec![Content::text(&main)];
        content.extend(self.file.as_ref().map(Content::Other));
        content.extend(self.notes.iter().map(|note| Content::text(note)));
        let result = ToolResult {
            content,
            structured_content: (!is_text).then_some(&self.structured),
            is_error: false,
        };
        let bytes = serde_json::to_vec(&result).expect("texts and JSON values are always JSON");
        let limit = call.engine.limits.result_max_bytes;
        if bytes.len() > limit {
            return Outcome::Failed(call.with_effect(call.too_large(limit), true));
        }
        Outcome::Result(bytes.into())
    }
}

/// A `CallToolResult`, written from what is at hand.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolResult<'a> {
    content: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_content: Option<&'a Value>,
    is_error: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text {
        #[serde(rename = "type")]
        kind: &'static str,
        text: &'a str,
    },
    Other(&'a Value),
}

impl<'a> Content<'a> {
    const fn text(text: &'a str) -> Self {
        let kind = "text";
        Self::Text { kind, text }
    }
}

impl Call<'_> {
    /// The JSON of an answer; `Null` when it is empty or the tool does not look into it.
    ///
    /// # Errors
    /// When it is no JSON.
    pub(super) fn parse(&self, answered: &Answered) -> Result<Value, Failure> {
        let is_json = match self.tool.response.kind {
            Answer::Json | Answer::ReportLinks(_) => true,
            Answer::BytesOrJson => file::is_json(answered),
            _ => false,
        };
        if !is_json {
            return Ok(Value::Null);
        }
        if answered.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answered.body).map_err(|error| self.garbage(answered, &error))
    }

    pub(super) fn garbage(&self, answered: &Answered, error: &serde_json::Error) -> Failure {
        let what = if answered.body.trim_ascii_start().starts_with(b"<") {
            "a web page instead of JSON; is the base URL right?"
        } else if error.is_eof() {
            "JSON that ends in the middle"
        } else {
            "something that is no JSON"
        };
        let (name, status) = (&self.connector.display_name, answered.status.as_u16());
        let message = format!("{name} answered {what} (status {status})");
        self.with_effect(sent(FailureKind::Garbage, message), true)
    }

    /// The result of a successful answer with this JSON, without what concerns pages.
    pub(super) fn make(&self, answered: &Answered, body: Value, arguments: &Arguments) -> Made {
        let response = &self.tool.response;
        let mut made = match &response.kind {
            Answer::Text { .. } => text(self, answered),
            Answer::Headers(names) => headers(names, answered),
            Answer::Empty => done(self, answered),
            Answer::Bytes => self.file(answered),
            Answer::BytesOrJson if !file::is_json(answered) => self.file(answered),
            Answer::Json | Answer::BytesOrJson | Answer::ReportLinks(_) => match body {
                Value::Null if response.items.is_none() => done(self, answered),
                Value::Null => Made::json(json!({ "items": [] })),
                mut value => {
                    self.shape(&mut value, arguments);
                    let note = self.names_nothing(&value, arguments);
                    let mut made = Made::json(wrap(value));
                    made.notes.extend(note);
                    made
                }
            },
        };
        if response.later.is_some() && answered.status == http::StatusCode::ACCEPTED {
            made.notes.push(format!(
                "{} has accepted this and finishes it in the background.",
                self.connector.display_name
            ));
        }
        let ignored =
            self.tool.args.iter().enumerate().filter(|(at, arg)| {
                arg.target == Target::Ignored && arguments.value(*at).is_some()
            });
        made.notes
            .extend(ignored.map(|(_, arg)| format!("The argument {:?} has no effect.", arg.name)));
        made
    }

    /// Filters, decodes, redacts and trims in place.
    pub(super) fn shape(&self, value: &mut Value, arguments: &Arguments) {
        let response = &self.tool.response;
        if let Some(items) = &response.items
            && let Some(Value::Array(items)) = items.get_mut(value)
        {
            items.retain(|item| self.keeps(response, item, arguments));
        }
        for (path, alphabet) in &response.base64_fields {
            if let Some(field) = path.get_mut(value)
                && let Some(text) = field.as_str().and_then(|text| decoded(text, *alphabet))
            {
                *field = json!(text);
                // GitHub and others say beside it how the field is written.
                if let Some(encoding) = value
                    .get_mut("encoding")
                    .filter(|known| **known == json!("base64"))
                {
                    *encoding = json!("utf-8");
                }
            }
        }
        if !response.redact_fields.is_empty() {
            redact(value, &response.redact_fields);
        }
        self.trim(value, arguments);
    }

    pub(super) fn keeps(&self, response: &Response, item: &Value, arguments: &Arguments) -> bool {
        if let Some((path, suffixes)) = &response.filter {
            let name = path.get(item).and_then(Value::as_str).unwrap_or_default();
            if !suffixes
                .iter()
                .any(|suffix| name.ends_with(suffix.as_str()))
            {
                return false;
            }
        }
        self.tool.args.iter().enumerate().all(|(at, arg)| {
            let Target::ItemFilter(path, compare) = &arg.target else {
                return true;
            };
            let Some(wanted) = arguments.value(at) else {
                return true;
            };
            path.get(item)
                .is_some_and(|value| compares(*compare, value, wanted))
        })
    }
}

fn compares(compare: Compare, value: &Value, wanted: &Value) -> bool {
    let ordered = || match (value.as_f64(), wanted.as_f64()) {
        (Some(value), Some(wanted)) => value.partial_cmp(&wanted),
        _ => Some(encode::text(value).cmp(&encode::text(wanted))),
    };
    match compare {
        Compare::Eq => encode::text(value) == encode::text(wanted),
        Compare::Gte => ordered().is_some_and(std::cmp::Ordering::is_ge),
        Compare::Lte => ordered().is_some_and(std::cmp::Ordering::is_le),
        Compare::In => wanted
            .as_array()
            .is_some_and(|wanted| wanted.contains(value)),
    }
}

/// A list as `structuredContent`. Moved: `json!` would copy all of it.
pub(super) fn items_of(items: Vec<Value>) -> Value {
    Value::Object(Map::from_iter([("items".to_owned(), Value::Array(items))]))
}

/// `structuredContent` must be an object.
pub(super) fn wrap(value: Value) -> Value {
    match value {
        Value::Object(_) => value,
        Value::Array(items) => items_of(items),
        scalar => json!({ "value": scalar }),
    }
}

fn text(call: &Call<'_>, answered: &Answered) -> Made {
    let mut text = String::from_utf8_lossy(&answered.body).into_owned();
    let mut notes = Vec::new();
    let limit = call.engine.limits.text_max_bytes;
    match answered.cut {
        Some((Truncate::Head, _)) => {
            // A character that was cut in two.
            while text.ends_with(char::REPLACEMENT_CHARACTER) {
                text.pop();
            }
            notes.push(format!(
                "The text is longer: only its first {limit} bytes are shown."
            ));
        }
        Some((Truncate::Tail, dropped)) => {
            let start = text.find('\n').map_or(0, |end| end + 1);
            text.drain(..start);
            notes.push(format!(
                "The text is longer: only its last {limit} bytes are shown, {dropped} before them are left out."
            ));
        }
        None => {}
    }
    let structured = json!({});
    Made {
        text: Some(text),
        notes,
        ..Made::json(structured)
    }
}

fn headers(names: &[String], answered: &Answered) -> Made {
    let fields: Map<String, Value> = names
        .iter()
        .map(|name| {
            let value = answered
                .headers
                .get(name.as_str())
                .and_then(|value| value.to_str().ok());
            (name.to_ascii_lowercase(), json!(value))
        })
        .collect();
    Made::json(Value::Object(fields))
}

fn done(call: &Call<'_>, answered: &Answered) -> Made {
    let status = answered.status.as_u16();
    let name = &call.connector.display_name;
    Made::json(
        json!({ "done": true, "status": status, "message": format!("{name} did it and returned nothing.") }),
    )
}

/// The text that Base64 holds; nothing when it holds none.
fn decoded(text: &str, alphabet: Base64Alphabet) -> Option<String> {
    let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = match alphabet {
        Base64Alphabet::Standard => STANDARD.decode(packed),
        Base64Alphabet::Url => URL_SAFE
            .decode(&packed)
            .or_else(|_| URL_SAFE_NO_PAD.decode(&packed)),
    };
    let text = String::from_utf8(bytes.ok()?).ok()?;
    // What no text editor would show is no text, whatever its bytes spell.
    (!text.contains('\0')).then_some(text)
}

fn redact(value: &mut Value, names: &[String]) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !names.contains(name));
            members.values_mut().for_each(|value| redact(value, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| redact(value, names)),
        _ => {}
    }
}

/// The raw bytes of a result with `isError`.
pub(super) fn error_result(text: &str, structured: Option<Value>) -> Bytes {
    let mut result = json!({ "content": [{ "type": "text", "text": text }], "isError": true });
    if let Some(structured) = structured {
        result["structuredContent"] = structured;
    }
    result.to_string().into_bytes().into()
}
